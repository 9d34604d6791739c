"""Our kernels for any Jupyter: a kernel provisioner, named `omega` in kernelspecs (see kernelspecs.py).

JupyterLab, nbclient, `jupyter console` and the like start kernels through it as they start others, without a gateway.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Mapping
from typing import Any, Final, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Dict, Unicode

from gateway.core.kernel_limits import IN_KERNELSPECS, find_conflict, kernel_limit, policy_of
from gateway.core.model import Death
from gateway.kernel.in_jupyter.background import Background, LauncherOptions, shared
from gateway.kernel.in_jupyter.connection import JupyterConnection
from gateway.kernel.launch.ipc import PORTS, prefix
from gateway.kernel.launch.launcher import LaunchRequest
from kernels.contract import ContractError, Language, Level, Policy

LANGUAGES: Final = ("python", "javascript")
CPU_S: Final = 10 * 365 * 86_400
"""No limit on processor time: a person watches these kernels and ends them."""
ENDS: Final = frozenset({signal.SIGTERM, signal.SIGKILL, signal.SIGQUIT, signal.SIGHUP, signal.SIGABRT})
NOT_PASSED: Final = ("JPY_", "PYTHON", "LD_")


class SandboxProvisioner(KernelProvisionerBase):
    """A kernel forked from a warm process and confined, as those of the gateway are.

    It ends with the process that started it, however that ends. It sees neither files nor network of this machine, nor the
    environment but for what the kernelspec or the caller of `start_kernel` puts there.
    """

    kernel_python: str | Unicode[str, str | bytes] = Unicode(help="The Python of the environment kernels run in.")
    require_isolation: str | Unicode[str, str | bytes] = Unicode(
        "L1", help="The isolation level below which nothing is started."
    )
    limits: dict[str, Any] | Dict[str, Any] = Dict(help="Limits of a kernel: " + ", ".join(IN_KERNELSPECS))

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._background: Background | None = None
        self._number = -1
        self._connection: JupyterConnection | None = None
        self._key = secrets.token_hex(32)

    @property
    def has_process(self) -> bool:
        """Whether a kernel was launched whose end was not awaited yet."""
        return self._connection is not None

    async def poll(self) -> int | None:
        """None while the kernel lives, then its exit code; minus the signal's number when one ended it."""
        if self._connection is None:
            return 0
        return None if self._connection.death is None else _exit_code(self._connection.death)

    async def wait(self) -> int | None:
        """The exit code, once the kernel and all its processes are gone."""
        connection, background = self._connection, self._background
        if connection is None or background is None:
            return 0
        death = connection.death if connection.death is not None else await background.call(connection.wait())
        if self._connection is connection:
            self._connection = None
        return _exit_code(death)

    async def send_signal(self, signum: int) -> None:
        """SIGINT interrupts, what ends a process ends the kernel, 0 does nothing; raises ValueError for the others."""
        if signum == signal.SIGINT:
            if self._connection is not None and self._connection.death is None and self._background is not None:
                await self._background.call(self._connection.interrupt())
        elif signum in ENDS:
            await self.kill()
        elif signum != 0:
            raise ValueError(f"a sandboxed kernel accepts no {signal.Signals(signum).name}: interrupt it or kill it")

    async def kill(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002  # as jupyter_client calls it
        """End the kernel and everything it started."""
        if self._connection is not None and self._connection.death is None and self._background is not None:
            await self._background.call(self._connection.kill())

    async def terminate(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002  # as jupyter_client calls it
        """The same as kill(): a kernel that ignored the shutdown_request gets no second request."""
        await self.kill(restart)

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """The arguments of `launch_kernel`; the kernelspec's command is not used."""
        return await super().pre_launch(cmd=list(self.kernel_spec.argv), **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel and tell where it listens; raises Unavailable, or ValueError for an unusable kernelspec."""
        request = LaunchRequest(
            self._language(), self._policy(), asked_environment(kwargs.get("env") or {}, self.kernel_spec.env), self._key
        )
        if self._background is None:
            self._background = shared(self._wanted())
            self._number = self._background.number()
        self._connection, directory = await self._background.call(self._background.launch(request, self._number))
        self.connection_info = {
            "transport": "ipc",
            "ip": prefix(directory),
            "shell_port": PORTS["shell"],
            "iopub_port": PORTS["iopub"],
            "stdin_port": PORTS["stdin"],
            "control_port": PORTS["control"],
            "hb_port": PORTS["hb"],
            "key": self._key.encode(),  # type: ignore[typeddict-item]  # bytes, as jupyter_client itself has it
            "signature_scheme": "hmac-sha256",
        }
        return self.connection_info

    async def cleanup(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002  # as jupyter_client calls it
        """Leave nothing behind."""
        await self.kill(restart)

    async def get_provisioner_info(self) -> dict[str, Any]:
        """Where the kernel is, for people to read; it can't be loaded again."""
        return await super().get_provisioner_info()

    async def load_provisioner_info(self, provisioner_info: dict[str, Any]) -> None:
        """Raises RuntimeError: no other process can take over a sandboxed kernel."""
        raise RuntimeError("a sandboxed kernel exits with the process that started it: no other process can take it over")

    def _language(self) -> Language:
        language = str(self.kernel_spec.language).lower()
        if language not in LANGUAGES:
            raise ValueError(f"there are no sandboxed kernels for {language!r}: use one of {', '.join(LANGUAGES)}")
        return cast(Language, language)

    def _wanted(self) -> LauncherOptions:
        python = str(self.kernel_python)
        if not os.access(python, os.X_OK):
            raise ValueError(f"kernel_python is {python!r}, which can't be executed: run `omega kernelspec install` again")
        try:
            return LauncherOptions(python, Level.parse(str(self.require_isolation)))
        except ContractError as error:
            raise ValueError(f"require_isolation in the kernelspec: {error}") from None

    def _policy(self) -> Policy:
        limits = self.limits
        for name in limits:
            if name not in IN_KERNELSPECS:
                raise ValueError(f"the kernelspec has the unknown limit {name!r}: use {', '.join(IN_KERNELSPECS)}")
        try:
            values = {name: kernel_limit(name).fit(value) for name, value in limits.items()}
        except ValueError as error:
            raise ValueError(f"limits.{error}, in the kernelspec") from None
        if conflict := find_conflict(values):
            raise ValueError(f"the kernelspec's limits contradict each other: {conflict}")
        return policy_of({**values, "cpu_s": CPU_S})


def asked_environment(env: Mapping[str, str], from_spec: Mapping[str, str]) -> dict[str, str]:
    """The variables of *env* that are meant for the kernel: the kernelspec's, and those that are not this process's own.

    A Jupyter's environment holds its secrets, so it stays outside.
    """
    return {
        name: value
        for name, value in env.items()
        if name in from_spec or (os.environ.get(name) != value and not name.startswith(NOT_PASSED))
    }


def _exit_code(death: Death) -> int:
    return -death.signal if death.signal else death.code
