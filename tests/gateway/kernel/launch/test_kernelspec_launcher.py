"""Kernels of other kernelspecs; what they do once they run is tried by the contract tests (test_client_contract.py)."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.localinterfaces import localhost
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from gateway.core.errors import Unavailable
from gateway.kernel.client import ClientSettings, KernelClient
from gateway.kernel.launch.kernelspec_launcher import NoSpec, ProvisionerLauncher, describe_spec
from gateway.kernel.launch.launcher import LaunchRequest
from kernels.contract import Policy
from tests.fakes import FakeKernel, short_directory, spec
from tests.stock import kernel_python, write_spec

REQUEST = LaunchRequest("python", Policy(), {"ASKED_FOR": "yes"})
SETTINGS = ClientSettings(connect_timeout_s=30.0)


class TcpProvisioner(LocalProvisioner):  # type: ignore[misc]  # jupyter_client's classes are untyped in places
    """One that insists on tcp, as those for containers and other machines do."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Give the kernel ports of *localhost*."""
        manager: Any = self.parent
        manager.transport, manager.ip = "tcp", localhost()
        for channel in ("shell", "iopub", "stdin", "control", "hb"):
            setattr(manager, f"{channel}_port", 0)
        return dict(await super().pre_launch(**kwargs))


class FarProvisioner(TcpProvisioner):
    """One whose kernels are, it says, on another machine."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start it here and name an address elsewhere (one kept for documentation)."""
        return {**await super().launch_kernel(cmd, **kwargs), "ip": "192.0.2.1"}


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Jupyter data directory with kernelspecs that Jupyter finds."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def runtime() -> Iterator[Path]:
    """Where sockets are made; empty again in the end."""
    directory = short_directory()
    yield directory
    left = list(directory.iterdir())
    shutil.rmtree(directory)
    assert not left


@pytest.fixture
async def launcher(specs: Path, runtime: Path) -> AsyncIterator[ProvisionerLauncher]:
    """A launcher of the kernelspec `tried`, which the tests write."""
    made = ProvisionerLauncher("tried", runtime)
    yield made
    await made.close()


def ipykernel_argv() -> list[str]:
    """The command of a plain ipykernel."""
    python = kernel_python()
    if python is None:
        pytest.skip("OMEGA_KERNEL_PYTHON names no interpreter with ipykernel")
    return [python, "-Xfrozen_modules=off", "-m", "ipykernel", "-f", "{connection_file}"]


def provided_by(name: str) -> dict[str, object]:
    """The metadata of a kernelspec that a provisioner of this module starts; Jupyter is told of that, too."""
    entry = EntryPoint(f"test-{name}", f"{__name__}:{name}", KernelProvisionerFactory.GROUP_NAME)
    KernelProvisionerFactory.instance().provisioners[entry.name] = entry
    return {"kernel_provisioner": {"provisioner_name": entry.name}}


def test_a_kernelspec_that_is_not_there_is_named(specs: Path) -> None:
    """With those that are."""
    write_spec(specs, "julia", ["julia"], display_name="Julia", language="julia")
    found = describe_spec("julia")
    assert (found.name, found.display_name, found.language) == ("julia", "Julia", "julia")
    with pytest.raises(NoSpec, match=r"no kernelspec 'cobol'; available: .*julia"):
        describe_spec("cobol")


@pytest.mark.parametrize("text", ['{"argv":', "[]", '{"argv": 5}', "\xff"])
def test_a_kernelspec_that_is_none_is_named(specs: Path, text: str) -> None:
    """Whatever is in its file, the operator reads which one it is."""
    write_spec(specs, "odd", ["odd"])
    (specs / "kernels/odd/kernel.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(NoSpec, match="the kernelspec 'odd' can't be read: "):
        describe_spec("odd")


@pytest.mark.parametrize("argv", [["/nonexistent/kernel"], ["/bin/false"]], ids=["missing", "dies"])
async def test_a_kernel_that_does_not_start_is_unavailable(
    specs: Path, launcher: ProvisionerLauncher, argv: list[str]
) -> None:
    """And leaves nothing behind."""
    write_spec(specs, "tried", argv)
    with pytest.raises(Unavailable):
        await launcher.launch(REQUEST)


@pytest.mark.kernel
async def test_the_gateways_settings_are_not_in_its_environment(
    specs: Path, launcher: ProvisionerLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some are secrets; what the caller asked for is there, and the work directory is the kernel's own."""
    write_spec(specs, "tried", ipykernel_argv())
    monkeypatch.setenv("OMEGA_TOKEN", "hush-hush-hush-hush")
    client = KernelClient(await launcher.launch(REQUEST), memory_bytes=0, settings=SETTINGS)
    await client.connect()
    code = "import os; print([name for name in os.environ if 'OMEGA' in name], os.environ['ASKED_FOR'], os.listdir())"
    assert (await client.run(spec(code))).output == "[] yes []\n"
    await client.kill()


@pytest.mark.kernel
async def test_tcp_is_used_on_this_machine_and_refused_elsewhere(specs: Path, launcher: ProvisionerLauncher) -> None:
    """Messages are signed, not secret."""
    write_spec(specs, "tried", ipykernel_argv(), metadata=provided_by("TcpProvisioner"))
    process = await launcher.launch(REQUEST)
    assert process.endpoint.addresses["shell"].startswith("tcp://127.0.0.1:")
    client = KernelClient(process, memory_bytes=0, settings=SETTINGS)
    await client.connect()
    assert (await client.run(spec("print(6 * 7)"))).output == "42\n"
    await client.kill()
    shutil.rmtree(specs / "kernels/tried")
    write_spec(specs, "tried", ipykernel_argv(), metadata=provided_by("FarProvisioner"))
    with pytest.raises(Unavailable, match=r"192\.0\.2\.1: kernels on other machines"):
        await launcher.launch(REQUEST)


@pytest.mark.kernel
async def test_the_end_of_the_launcher_is_the_end_of_its_kernels(specs: Path, launcher: ProvisionerLauncher) -> None:
    """Also of those that nobody ended; their directories are gone, as after every test here."""
    write_spec(specs, "tried", ipykernel_argv())
    process = await launcher.launch(REQUEST)
    await launcher.close()
    assert (await process.wait()).signal == 9


async def test_a_kernel_that_does_not_welcome_subscribers_is_asked_for_a_sign() -> None:
    """As kernels older than protocol 5.5 are: what answers shows that the subscription holds."""
    kernel = FakeKernel(welcomes=False)
    client = KernelClient(kernel, memory_bytes=0, settings=ClientSettings(nudge_s=0.01))
    await client.connect()
    assert kernel.requests[0]["header"]["msg_type"] == "kernel_info_request"
    assert (await client.run(spec("anything"))).success
    await client.kill()
    await kernel.close()
