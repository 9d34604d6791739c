"""The root file system that the zygote and its kernels live in: read-only, neutral paths, only what Python needs.

build_root() is run in a process of its own that then execs zygote_command(). What is not bound here does not exist
inside: no home directories, no configuration, not the gateway's code nor its environment.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from kernels.sandbox import capabilities, etc_files, mounts, network, sysc
from kernels.sandbox.extra_dir import ExtraDir
from kernels.sandbox.python_home import PythonHome, PythonUnusable, describe_python

__all__ = ["PythonHome", "PythonUnusable", "RootSpec", "build_root", "describe_python", "zygote_command"]

ENVIRONMENT: Final = "/opt/omega/env"
APP: Final = "/opt/omega/app"
EXTRA: Final = "/opt/omega/extra"
BASE_PYTHON: Final = "/opt/python"
WORK: Final = "/work"
SEARCH_PATH: Final = f"{ENVIRONMENT}/bin:/usr/bin:/bin"
_OLD: Final = "/.old"
_STAGES: Final = ("/tmp", "/mnt", "/srv", "/opt", "/var")
_SIZE: Final = "size=16m,nr_inodes=4096,mode=0755"
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
_EMPTY: Final = ("work", "tmp", "dev/shm", "proc", "var", "run", "root", "home", "opt/omega/env/bin", "opt/omega/extra")
_LINKS: Final = {
    "dev/fd": "/proc/self/fd",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
    "var/tmp": "/tmp",
}
_TOP: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_READ_ONLY: Final = sysc.MOUNT_ATTR_RDONLY | sysc.MOUNT_ATTR_NOSUID | sysc.MOUNT_ATTR_NODEV
_READ_ONLY_DEVICE: Final = sysc.MOUNT_ATTR_RDONLY | sysc.MOUNT_ATTR_NOSUID | sysc.MOUNT_ATTR_NOEXEC
_BOOTSTRAP: Final = """
import importlib.util, sys
folder = {folder!r}
spec = importlib.util.spec_from_file_location("kernels", folder + "/__init__.py", submodule_search_locations=[folder])
package = sys.modules["kernels"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from kernels.zygote import main
sys.exit(main())
"""
"""Makes the kernels package importable without its parent directory on sys.path, so that nothing beside it is importable."""
_PIP: Final = f"""#!/bin/sh
{ENVIRONMENT}/bin/python -m pip "$@" && exit
code=$?
[ "$1" = install ] && echo "Kernels have no network: the operator adds packages with OMEGA_EXTRA_PACKAGES." >&2
exit $code
"""
"""The pip of the kernels' environment, which comes before the machine's."""


@dataclass(frozen=True, slots=True)
class RootSpec:
    """The contents of the root. *app_dir* is the kernels package. *hidden_dirs* are covered if a bound tree has them."""

    kernel_python: str
    app_dir: str
    extra_dirs: tuple[ExtraDir, ...] = ()
    hidden_dirs: tuple[str, ...] = ()
    home: PythonHome | None = field(default=None)
    work_aliases: tuple[str, ...] = ()
    """Paths that lead to the work directory; checked by work_aliases.find_fault()."""

    def described(self) -> PythonHome:
        """The interpreter's paths; *home* if it was given."""
        return self.home or describe_python(self.kernel_python)


def zygote_command(*arguments: str) -> list[str]:
    """The argv that starts the zygote inside the root; *arguments* become its sys.argv[1:]."""
    return [f"{ENVIRONMENT}/bin/python", "-I", "-c", _BOOTSTRAP.format(folder=f"{APP}/kernels"), *arguments]


def plain_command(spec: RootSpec, *arguments: str) -> list[str]:
    """The same without a root of its own, on host paths: level L1."""
    return [spec.kernel_python, "-I", "-c", _BOOTSTRAP.format(folder=f"{spec.app_dir}/kernels"), *arguments]


def plain_paths(spec: RootSpec) -> tuple[str, ...]:
    """The host paths a kernel at level L1 may read, but for extra directories: Confinement.readable."""
    home = spec.described()
    wanted = [
        *(f"/{name}" for name in ("usr", *_TOP)),
        home.base_prefix,
        home.prefix,
        f"{spec.app_dir}/kernels",
        *(f"/dev/{name}" for name in _DEVICES),
        *(f"/etc/{name}" for name in etc_files.READABLE),
        *etc_files.MIME_TYPES,
        *(f"/proc/{name}" for name in ("self", "cpuinfo", "meminfo", "stat", "uptime", "version", "filesystems")),
        "/proc/sys/kernel/osrelease",
        "/sys/devices/system/cpu",
        # joblib reads these if they exist, to count the processors.
        *(f"/sys/fs/cgroup/{name}" for name in ("cpu.max", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")),
    ]
    return tuple(dict.fromkeys(path for path in wanted if os.path.exists(path)))


def extra_paths(spec: RootSpec) -> list[str]:
    """Where the extra directories are seen inside."""
    return [f"{EXTRA}/{index}" for index, _extra in enumerate(spec.extra_dirs)]


def build_root(spec: RootSpec) -> None:
    """Move the calling process into a fresh read-only root made by *spec*; raises OSError or PythonUnusable.

    Its mount, network, IPC and host name namespaces are left for new ones. Afterwards the process holds only the
    capabilities a zygote needs, also over exec, and can gain no others.
    """
    home = spec.described()
    with new_root():
        _bind_system(home, spec)
        _bind_environment(home)
        _bind(f"{spec.app_dir}/kernels", f"{APP}/kernels")
        for extra, target in zip(spec.extra_dirs, extra_paths(spec), strict=True):
            os.mkdir(target)
            extra.bind(_OLD, target)
            sysc.restrict_mounts(target, _READ_ONLY)
        _make_devices()
        for alias in spec.work_aliases:
            Path(alias).parent.mkdir(parents=True, exist_ok=True)
            Path(alias).symlink_to(WORK)
        etc_files.write(_OLD, libraries=(f"{BASE_PYTHON}/lib",) if _is_apart(home) else ())
        _show_proc()
        # Room for the zygote's own caches while it imports; each kernel takes it away before it mounts its own /tmp.
        sysc.mount("tmpfs", "/tmp", "tmpfs", sysc.MS_NOSUID | sysc.MS_NODEV, "size=64m,nr_inodes=4096,mode=0700")
    capabilities.keep_over_exec()
    sysc.set_no_new_privs()


def build_bare_root() -> None:
    """Move the calling process into a root with the directories confine() mounts on, and nothing else: for trying."""
    with new_root():
        _make_devices()
        _show_proc()
        sysc.mount("tmpfs", "/tmp", "tmpfs", sysc.MS_NOSUID | sysc.MS_NODEV, "size=64m,nr_inodes=4096,mode=0700")


@contextmanager
def new_root() -> Iterator[None]:
    """A writable tmpfs as root inside the block, with the old root at /.old; afterwards read-only and without it."""
    sysc.unshare(sysc.CLONE_NEWNS | sysc.CLONE_NEWNET | sysc.CLONE_NEWIPC | sysc.CLONE_NEWUTS)
    sysc.mount(None, "/", None, sysc.MS_REC | sysc.MS_PRIVATE)
    network.hide_host_name()  # the zygote's imports may store the host name
    stage = next(path for path in _STAGES if Path(path).is_dir())
    sysc.mount("omega", stage, "tmpfs", sysc.MS_NOSUID | sysc.MS_NODEV, _SIZE)
    os.mkdir(f"{stage}{_OLD}", 0o700)
    sysc.pivot_root(stage, f"{stage}{_OLD}")
    os.chdir("/")
    os.umask(0o022)
    for name in _EMPTY:
        Path("/", name).mkdir(parents=True, exist_ok=True)
    Path(mounts.EMPTY_FILE).touch(mode=0o444)
    yield
    sysc.umount(_OLD)
    os.rmdir(_OLD)
    flags = sysc.MS_REMOUNT | sysc.MS_BIND | sysc.MS_RDONLY | sysc.MS_NOSUID | sysc.MS_NODEV
    sysc.mount(None, "/", None, flags)


def _bind(source: str, target: str, attributes: int = _READ_ONLY) -> None:
    """Show the old root's *source* at *target*, with all that is mounted below it, read-only."""
    origin, place = Path(_OLD + source), Path(target)
    if origin.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    sysc.mount(str(origin), target, None, sysc.MS_BIND | sysc.MS_REC)
    sysc.restrict_mounts(target, attributes)


def _is_apart(home: PythonHome) -> bool:
    """Whether the base installation is outside of /usr and so needs its own mount."""
    return not PurePosixPath(home.base_prefix).is_relative_to("/usr")


def _bind_system(home: PythonHome, spec: RootSpec) -> None:
    """/usr, the links or directories beside it that programs name, and the base Python where it is elsewhere."""
    _bind("/usr", "/usr")
    for name in _TOP:
        origin = Path(_OLD, name)
        if origin.is_symlink():
            Path("/", name).symlink_to(os.readlink(origin))
        elif origin.is_dir():
            _bind(f"/{name}", f"/{name}")
    if _is_apart(home):
        _bind(home.base_prefix, BASE_PYTHON)
    needed = [PurePosixPath(path) for path in (home.base_prefix, home.prefix)]
    hidden = [*spec.hidden_dirs, spec.app_dir]
    if not any(path.is_relative_to("/usr/local") for path in needed):
        hidden.append("/usr/local")
    for path in hidden:
        _cover(path, home)


def _cover(path: str, home: PythonHome) -> None:
    """Put an empty directory over *path* where a bound tree shows it."""
    real = PurePosixPath(os.path.normpath(path))
    places = [real] if real.is_relative_to("/usr") else []
    if _is_apart(home) and real.is_relative_to(home.base_prefix) and str(real) != home.base_prefix:
        places.append(PurePosixPath(BASE_PYTHON, real.relative_to(home.base_prefix)))
    for place in places:
        if Path(place).is_dir():
            flags = sysc.MS_RDONLY | sysc.MS_NOSUID | sysc.MS_NODEV | sysc.MS_NOEXEC
            sysc.mount("omega", str(place), "tmpfs", flags, "size=4k,nr_inodes=2,mode=0755")


def base_location(home: PythonHome) -> str:
    """Where the base installation is seen inside."""
    return BASE_PYTHON if _is_apart(home) else home.base_prefix


def _bind_environment(home: PythonHome) -> None:
    """A virtual environment made of the kernel's packages upon the base Python at its place in here."""
    relative = PurePosixPath(home.base_executable).relative_to(home.base_prefix)
    executable = PurePosixPath(base_location(home), relative)
    for name in ("python", "python3", home.library):
        Path(ENVIRONMENT, "bin", name).symlink_to(executable if name == "python" else "python")
    shows_system = str(home.sees_system_packages).lower()
    version = "{}.{}".format(*home.version)
    text = f"home = {executable.parent}\ninclude-system-site-packages = {shows_system}\nversion = {version}\n"
    Path(ENVIRONMENT, "pyvenv.cfg").write_text(text)
    for name in ("pip", "pip3"):
        script = Path(ENVIRONMENT, "bin", name)
        script.write_text(_PIP)
        script.chmod(0o755)
    for path in home.site_packages:
        _bind(path, str(PurePosixPath(ENVIRONMENT, PurePosixPath(path).relative_to(home.prefix))))


def _make_devices() -> None:
    for name in _DEVICES:
        _bind(f"/dev/{name}", f"/dev/{name}", _READ_ONLY_DEVICE)
    for link, target in _LINKS.items():
        Path("/", link).symlink_to(target)


def _show_proc() -> None:
    """A /proc for the zygote's imports: a new one where that is allowed, else the old root's."""
    flags = sysc.MS_NOSUID | sysc.MS_NODEV | sysc.MS_NOEXEC
    try:
        sysc.mount("proc", "/proc", "proc", flags)
    except PermissionError as error:
        if error.errno != errno.EPERM:
            raise
        sysc.mount(f"{_OLD}/proc", "/proc", None, sysc.MS_BIND | sysc.MS_REC)
