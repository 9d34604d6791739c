"""Packages for kernels: what is there already, and what the operator allows to be added."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from gateway.core.errors import BadRequest, Busy, Forbidden, NotFound, TooLarge, Unavailable
from gateway.service.drain import Drain
from gateway.service.packages.pip import Pin, Pip
from gateway.service.packages.store import PackageStore
from gateway.service.packages.wheels import check_tree, hash_file, inspect_wheel, normalise

LIBRARIES = ("numpy", "pandas", "matplotlib", "seaborn", "scipy", "scikit-learn")
STANDARD = ("math", "statistics", "json", "csv", "datetime", "random")
ALIASES = {"sklearn": "scikit-learn"}
BARE_NAME = (
    "package must be a bare name such as numpy: no version, option, address or path. "
    "The operator chooses versions, as in OMEGA_EXTRA_PACKAGES=six==1.17.0; of other packages it is the newest."
)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")

_log = structlog.get_logger("omega.install")


@dataclass(frozen=True, slots=True)
class InstallLimits:
    """How large added packages may be, and how long an installation may take."""

    wheel_bytes: int = 256 * 1024 * 1024
    total_bytes: int = 1024 * 1024 * 1024
    files: int = 50_000
    wheels: int = 50
    timeout_s: float = 300.0
    waiting: int = 4


@dataclass(frozen=True, slots=True)
class Installed:
    """A package kernels can import, and the sentence that says so."""

    package: str
    version: str
    output: str


class PackageUser(Protocol):
    """What the installer needs of kernels: kernel_health.KernelHealth."""

    def versions(self) -> Mapping[str, str]:
        """The distributions of the kernels' environment and their versions. Raises Unavailable."""

    async def use_packages(self, extra_dirs: tuple[str, ...]) -> None:
        """Show kernels started from now on these read-only directories too."""


class Installer:
    """Installs the packages that the operator allows, one at a time; those that kernels have need no installation."""

    def __init__(
        self,
        kernels: PackageUser,
        pip: Pip,
        store: PackageStore,
        *,
        extra: Iterable[str] = (),
        drain: Drain | None = None,
        limits: InstallLimits | None = None,
    ) -> None:
        self._kernels = kernels
        self._pip = pip
        self._store = store
        named = (asked.partition("==") for asked in extra)
        # The version too where the operator chose one.
        self._extra = dict(sorted((normalise(name), f"{normalise(name)}{sep}{version}") for name, sep, version in named))
        self._limits = limits or InstallLimits()
        self._drain = drain or Drain()
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._in_use = store.current_dir()
        """The directory of added packages that kernels have. An installation that failed late left another one current."""

    async def install(self, package: str) -> Installed:
        """*package*, installed already or now. Raises Forbidden for one that is not allowed, Unavailable during shutdown."""
        with self._drain.enter():
            return await self._install(package)

    async def _install(self, package: str) -> Installed:
        name = self._check_name(package)
        if name in STANDARD:
            return Installed(name, "", f"{name} is part of Python; there is nothing to install\n")
        versions = self._versions()
        if name in versions:
            return Installed(name, versions[name], f"{name}-{versions[name]} is already installed\n")
        if self._waiting >= self._limits.waiting:
            raise Busy("Another installation is in progress.", retry_after_s=30)
        self._waiting += 1
        try:
            async with self._lock:
                return await self._add(name)
        finally:
            self._waiting -= 1

    def allowed(self) -> tuple[str, ...]:
        """The names that callers may ask for."""
        return (*LIBRARIES, *ALIASES, *STANDARD, *self._extra)

    def _check_name(self, package: str) -> str:
        text = package.strip()
        if not _NAME.fullmatch(text):
            raise BadRequest(BARE_NAME)
        name = ALIASES.get(normalise(text), normalise(text))
        if name not in (*LIBRARIES, *STANDARD, *self._extra, *self._versions()):
            allowed, more = ", ".join(self.allowed()), "The operator can allow more with OMEGA_EXTRA_PACKAGES."
            raise Forbidden(f"{text!r} can't be installed. Allowed packages: {allowed}. {more}")
        return name

    def _versions(self) -> dict[str, str]:
        base = {normalise(name): version for name, version in self._kernels.versions().items()}
        added = {pin.name: pin.version for pin in self._store.pins()} if self._store.current_dir() == self._in_use else {}
        return {**added, **base}

    async def _use(self, directory: Path) -> None:
        """Have kernels use *directory*, which is the current one."""
        await self._kernels.use_packages((str(directory),))
        self._in_use = directory

    async def _add(self, name: str) -> Installed:
        current = self._store.current_dir()
        if current is not None and current != self._in_use:
            await self._use(current)
        versions = self._versions()
        if name in versions:
            return Installed(name, versions[name], f"{name}-{versions[name]} is already installed\n")
        before = {pin.name for pin in self._store.pins()}
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                pins, directory = await self._prepare(name)
        except TimeoutError:
            raise Unavailable(f"The installation took longer than {self._limits.timeout_s:.0f} s.") from None
        except OSError as error:
            _log.warning("packages could not be written", reason=str(error))
            raise Unavailable(f"The packages could not be written: {error.strerror}.", retry_after_s=300) from None
        await self._use(directory)
        added = [pin for pin in pins if pin.name not in before]
        shown = [f"{pin.name}=={pin.version} sha256:{pin.sha256}" for pin in added]
        _log.info("packages installed for the kernels of all keys", added=shown)
        listed = " ".join(f"{pin.name}-{pin.version}" for pin in added)
        version = next(pin.version for pin in pins if pin.name == name)
        return Installed(name, version, f"Successfully installed {listed}\n")

    async def _prepare(self, name: str) -> tuple[list[Pin], Path]:
        """The whole new set, current already: what was added before, in the same versions, and *name* with what it needs."""
        with self._store.staging() as work:
            asked = [f"{pin.name}=={pin.version}" for pin in self._store.pins()]
            pins = await self._pip.resolve([*asked, self._extra.get(name, name)], work)
            self._check_pins(name, pins)
            wheels = await self._pip.download(pins, work)
            await asyncio.to_thread(self._check_wheels, pins, wheels)
            site = work / "site"
            await self._pip.unpack(wheels, site, work)
            directory = await asyncio.to_thread(self._place, site, pins)
        return pins, directory

    def _check_pins(self, name: str, pins: Sequence[Pin]) -> None:
        if len(pins) > self._limits.wheels:
            raise TooLarge(f"{name} needs more than {self._limits.wheels} packages.")
        base = {normalise(known) for known in self._kernels.versions()}
        for pin in pins:
            if pin.name in base:
                raise Forbidden(f"{name} needs {pin.name} {pin.version}, but kernels have another version.")
        if name not in {pin.name for pin in pins}:
            raise NotFound(f"{name} is installed, but its version is not known yet: try again.")

    def _check_wheels(self, pins: Sequence[Pin], wheels: Sequence[Path]) -> None:
        hashes = {pin.sha256 for pin in pins}
        if len(wheels) != len(pins) or {hash_file(wheel) for wheel in wheels} != hashes:
            raise Forbidden("The index sent files that do not match the hashes it had announced.")
        left = self._limits.total_bytes
        for wheel in wheels:
            if wheel.stat().st_size > self._limits.wheel_bytes:
                raise TooLarge(f"{wheel.name} is over the limit of {self._limits.wheel_bytes} bytes.")
            left -= inspect_wheel(wheel, left, self._limits.files)

    def _place(self, site: Path, pins: Sequence[Pin]) -> Path:
        # Console scripts are of no use: their directory is not on a kernel's PATH.
        for script in (site / "bin").glob("*"):
            script.unlink()
        if (site / "bin").is_dir():
            (site / "bin").rmdir()
        check_tree(site)
        return self._store.activate(site, pins)
