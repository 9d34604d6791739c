"""The same promises on the fake kernel, a real ipykernel, and one that a provisioner of jupyter_client started."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.core.model import Death, Limit
from gateway.kernel.client import ClientSettings, KernelClient
from gateway.kernel.launch.kernelspec_launcher import ProvisionerLauncher
from gateway.kernel.launch.launcher import Launcher, LaunchRequest
from gateway.kernel.start import KernelStarter
from gateway.kernel.wire.sockets import socket_path
from kernels.contract import Policy
from tests.fakes import FakeLauncher, Request, say_ok, short_directory, spec
from tests.stock import StockLauncher, kernel_python, stock_address, write_spec

PRINT = "print('hello')"
VALUE = "6 * 7"
RAISE = "raise ValueError('no')"
EXIT = "import os, time; print('bye', flush=True); time.sleep(0.3); os._exit(3)"
LOOP = "import time\nwhile True: time.sleep(0.01)"
FLOOD = "while True: print('x' * 1000, flush=True)"
STREAMS = "import sys\nprint('a', flush=True)\nprint('b', file=sys.stderr, flush=True)"
SHOW = "from IPython.display import display\ndisplay({'text/plain': 'x'}, raw=True)"


async def imitate(request: Request) -> None:
    """Do what a kernel does with the few programs above."""
    request.state("busy")
    match request.code:
        case code if code == PRINT:
            request.write("hello\n")
        case code if code == STREAMS:
            request.write("a\n")
            request.write("b\n", "stderr")
        case code if code == VALUE:
            request.publish("execute_result", {"data": {"text/plain": "42"}, "metadata": {}, "execution_count": 1})
        case code if code == SHOW:
            request.publish("display_data", {"data": {"text/plain": "x"}, "metadata": {}, "transient": {}})
        case code if code == RAISE:
            request.fail("ValueError", "no")
            request.state("idle")
            return
        case code if code == EXIT:
            await _exit(request)
        case code if code == LOOP:
            await asyncio.Event().wait()
        case code if code == FLOOD:
            request.write("x" * 10_000)
            await asyncio.Event().wait()
    await say_ok(request)


async def _exit(request: Request) -> None:
    request.write("bye\n")
    request.kernel.die(Death(3, 0, out_of_memory=False, asked=False))
    await asyncio.Event().wait()


@pytest.fixture(params=["fake", *(pytest.param(kind, marks=pytest.mark.kernel) for kind in ("real", "provisioned"))])
async def client(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KernelClient]:
    """A started kernel of each kind."""
    launcher: Launcher = FakeLauncher(imitate)
    address = socket_path
    if request.param != "fake":
        python = kernel_python()
        if python is None:
            pytest.skip("OMEGA_KERNEL_PYTHON names no interpreter with ipykernel")
        launcher, address = StockLauncher(python), stock_address
        if request.param == "provisioned":
            write_spec(tmp_path, "stock", [python, "-Xfrozen_modules=off", "-m", "ipykernel", "-f", "{connection_file}"])
            monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
            runtime = short_directory()
            request.addfinalizer(lambda: shutil.rmtree(runtime))
            launcher, address = ProvisionerLauncher("stock", runtime), socket_path
    starter = KernelStarter(launcher, settings=ClientSettings(connect_timeout_s=30.0), address=address)
    started = await starter.start(LaunchRequest("python", Policy()))
    yield started
    await started.kill()
    await launcher.close()
    starter.close()


async def test_output_value_and_displays_come_back(client: KernelClient) -> None:
    """The plain things, one after the other on one kernel."""
    assert (await client.run(spec(PRINT))).output == "hello\n"
    result = await client.run(spec(STREAMS))
    assert (result.output, result.stdout, result.stderr) == ("a\nb\n", "a\n", "b\n")
    (value,) = (await client.run(spec(VALUE))).displays
    assert (value.kind, value.data["text/plain"]) == ("result", "42")
    (shown,) = (await client.run(spec(SHOW))).displays
    assert (shown.kind, shown.data["text/plain"]) == ("display", "x")


async def test_an_exception_is_an_error_and_the_kernel_goes_on(client: KernelClient) -> None:
    """Also at once: what follows an error is not aborted."""
    failed, fine = await asyncio.gather(client.run(spec(RAISE)), client.run(spec(PRINT)))
    assert failed.error is not None
    assert (failed.error.type, failed.error.message, failed.exit_code) == ("ValueError", "no", 1)
    assert "\x1b" not in failed.error.traceback
    assert (fine.success, fine.output) == (True, "hello\n")


async def test_the_deadline_interrupts_and_keeps_the_kernel(client: KernelClient) -> None:
    """And the run after it is not hit by a late signal."""
    result = await client.run(spec(LOOP, timeout_s=0.2))
    assert (result.limit, result.kernel_replaced) == (Limit.TIMEOUT, False)
    for _ in range(5):
        assert (await client.run(spec(PRINT))).output == "hello\n"


async def test_a_cancelled_run_is_interrupted_and_the_kernel_kept(client: KernelClient) -> None:
    """The caller went away."""
    run = asyncio.create_task(client.run(spec(LOOP)))
    await asyncio.sleep(0.2)
    run.cancel()
    result = await client.run(spec(PRINT))
    assert (result.success, result.output) == (True, "hello\n")


async def test_too_much_output_ends_the_run(client: KernelClient) -> None:
    """The limit itself is what comes back; the kernel is kept if its code obeys the interrupt in time."""
    result = await client.run(spec(FLOOD, output_bytes=5000))
    assert (len(result.output), result.limit) == (5000, Limit.OUTPUT)
    assert client.is_alive is not result.kernel_replaced


async def test_an_exit_is_told_with_its_code_and_last_words(client: KernelClient) -> None:
    """os._exit ends the kernel, not the gateway."""
    result = await client.run(spec(EXIT))
    assert (result.output, result.exit_code, result.limit) == ("bye\n", 3, Limit.DIED)
    assert not client.is_alive
