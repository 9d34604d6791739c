"""The few files of /etc that programs need, written or copied without information about the host."""

from __future__ import annotations

import mimetypes
import os
import subprocess
from pathlib import Path
from typing import Final

from kernels.sandbox import sysc
from kernels.sandbox.identity import INNER_ID
from kernels.sandbox.network import HOST_NAME

READABLE: Final = ("ld.so.cache", "localtime", "nsswitch.conf", "hosts", "passwd", "group", "fonts", "alternatives")
MIME_TYPES: Final = tuple(path for path in map(str, mimetypes.knownfiles) if path.startswith("/etc/"))
"""Python's mimetypes opens those that exist, and raises if it may not."""
_WRITTEN: Final = {
    "passwd": f"root:x:0:0:root:/:/bin/false\nomega:x:{INNER_ID}:{INNER_ID}:omega:/work:/bin/sh\n",
    "group": f"root:x:0:\nomega:x:{INNER_ID}:\n",
    "hosts": f"127.0.0.1 localhost {HOST_NAME}\n::1 localhost\n",
    "hostname": f"{HOST_NAME}\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_COPIED: Final = ("localtime", "os-release", "mime.types", "ld.so.cache")
_BOUND: Final = ("fonts", "alternatives")
_LIBPYTHON: Final = Path("/opt/omega/lib")
_LDCONFIG: Final = ("/usr/sbin/ldconfig", "/sbin/ldconfig")
_MOST_BYTES: Final = 1 << 20
_LDCONFIG_TIMEOUT_S: Final = 30


def write(old_root: str, libraries: tuple[str, ...]) -> None:
    """Fill /etc of the root being built; the loader's cache also covers *libraries*, where there are shared ones."""
    etc = Path("/etc")
    etc.mkdir(exist_ok=True)
    for name, text in _WRITTEN.items():
        (etc / name).write_text(text)
    for name in _COPIED:
        _copy(f"{old_root}/etc/{name}", etc / name, old_root)
    for name in _BOUND:
        if Path(old_root, "etc", name).is_dir():
            (etc / name).mkdir()
            sysc.mount(f"{old_root}/etc/{name}", f"/etc/{name}", None, sysc.MS_BIND | sysc.MS_REC)
            flags = sysc.MOUNT_ATTR_RDONLY | sysc.MOUNT_ATTR_NOSUID | sysc.MOUNT_ATTR_NODEV
            sysc.restrict_mounts(f"/etc/{name}", flags)
    if any(list(Path(path).glob("libpython*.so*")) for path in libraries):
        _renew_loader_cache(old_root, libraries)


def _copy(source: str, target: Path, old_root: str) -> None:
    """Copy one small file, its symbolic link followed inside the old root; a missing one is left out."""
    path = source
    for _hop in range(8):
        if not Path(path).is_symlink():
            break
        aim = os.readlink(path)
        path = old_root + aim if aim.startswith("/") else str(Path(path).parent / aim)
    try:
        with open(path, "rb") as file:
            target.write_bytes(file.read(_MOST_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return


def _renew_loader_cache(old_root: str, libraries: tuple[str, ...]) -> None:
    """Let the dynamic loader find a libpython whose recorded path does not exist in here."""
    # Only libpython, and before the system's: another Python of the same version there would be loaded in its place.
    _LIBPYTHON.mkdir(parents=True)
    for found in (path for folder in libraries for path in Path(folder).glob("libpython*.so*")):
        Path(_LIBPYTHON, found.name).symlink_to(found)
    program = next((path for path in _LDCONFIG if Path(path).exists()), None)
    if program is None:
        raise OSError(2, "no ldconfig to make the shared libpython known")
    host = Path(old_root, "etc/ld.so.conf.d")
    lines = [line for file in sorted(host.glob("*.conf")) for line in file.read_text().splitlines() if line.startswith("/")]
    Path("/etc/ld.so.conf").write_text("\n".join([str(_LIBPYTHON), *lines]) + "\n")
    subprocess.run(
        [program, "-X", "-C", "/etc/ld.so.cache", "-f", "/etc/ld.so.conf"],
        check=True,
        timeout=_LDCONFIG_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
    )
