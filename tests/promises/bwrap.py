"""The corpus under bubblewrap, the reference of its kind: the same programs, comparable options, our own system call filter.

bubblewrap has no policy: it does what its options say. So these name what a kernel has: all namespaces, no capability, no
user namespace within, a read-only system, three tmpfs, a fresh /proc, the filter. Landlock it does not know.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from kernels.contract import Policy
from kernels.sandbox import root, seccomp
from tests.live import HANG_S
from tests.promises import as_user, prelude
from tests.promises.attempt import Answer, Attempt, Denied, Prints
from tests.promises.corpus import CORPUS
from tests.promises.world import USER, kernel_python_path

TIMEOUT_S = HANG_S
POLICY = Policy()
LIMITS: Final = {
    "core": 1,
    "nofile": POLICY.open_files,
    "fsize": POLICY.file_bytes,
    "cpu": POLICY.cpu_s,
    "nproc": POLICY.processes,
}
NEEDS_A_KERNEL: Final = re.compile(r"get_ipython|import .*(numpy|pandas|kernels)|sys\.executable|atexit")
NOT_COMPARED: Final = ("FS10", "FS21-room", "FS38", "N18-names", "N18-of-the-host")
"""They go over all files of a root that differs, fill a file system until its inodes are used up (see R15), or are about the
sockets that a kernel is given."""
LAID_OPEN: Final[Mapping[str, str]] = {
    "FS01": "bubblewrap sets PWD",
    "FS03": "its own process is pid 1 and shown; a kernel's init is not (hidepid)",
    "FS04": "the same",
    "Z02": "the same: a program's parent is pid 1 of its namespace, a kernel's parent is outside and 0",
    "FS14": "its --dev has a devpts, so pseudo-terminals can be made; kernels have none",
    "FS14-host": "its /proc tells boot arguments, configuration, boot id and disks of the host",
    "R15": "its tmpfs has a size and no limit of inodes",
}
"""Lines whose promise bubblewrap does not keep with these options, with the reason. There is none the other way round."""


def lines() -> Iterator[Attempt]:
    """Those lines that need no kernel and no control group: one program that reports what it met."""
    for attempt in CORPUS:
        is_plain = attempt.during is None and not attempt.slow and attempt.name not in NOT_COMPARED
        is_plain = is_plain and attempt.language == "python" and not NEEDS_A_KERNEL.search(attempt.program)
        if is_plain and isinstance(attempt.verdict, Denied | Prints):
            yield attempt


def missing() -> str:
    """Why this cannot be run here; empty when it can."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    done = subprocess.run(
        ["bwrap", "--unshare-user", "--ro-bind", "/", "/", "true"], capture_output=True, text=True, check=False
    )
    return f"bubblewrap cannot be used here: {done.stderr.strip()[:200]}" if done.returncode else ""


def run(programs: Mapping[str, str], told: Mapping[str, object]) -> dict[str, Answer]:
    """What each of *programs* printed under bubblewrap, one after the other, in the form of a gateway's answer."""
    home = root.describe_python(kernel_python_path())
    command = [_program("prlimit"), *(f"--{kind}={limit}" for kind, limit in LIMITS.items()), "--"]
    command += _command(home.base_prefix, home.version)
    if os.geteuid() == 0:
        command = [sys.executable, as_user.__file__, str(USER), *command]
    with tempfile.TemporaryFile() as program_filter:
        program_filter.write(seccomp.program("kernel"))
        program_filter.seek(0)
        filter_fd = program_filter.fileno()
        done = subprocess.run(
            [str(filter_fd) if word == "FILTER" else word for word in command],
            input=prelude.complete_batch(programs, told),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            pass_fds=(filter_fd,),
        )
    assert done.returncode == 0, done.stderr[-3000:]
    parts = prelude.split_batch(done.stdout)
    return {name: {"success": True, "error": None, "limits": [], "stdout": parts.get(name, "")} for name in programs}


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is not installed"
    return found


def _command(base_prefix: str, version: tuple[int, int]) -> list[str]:
    links = [
        ("--symlink", os.readlink(f"/{name}"), f"/{name}") for name in ("bin", "sbin", "lib", "lib64") if _is_link(name)
    ]
    tops = [("--ro-bind", f"/{name}", f"/{name}") for name in ("bin", "sbin", "lib", "lib64") if _is_folder(name)]
    shown = [] if base_prefix == "/usr" else ["--ro-bind", base_prefix, base_prefix]
    rooms = [("/work", POLICY.work_bytes), ("/tmp", POLICY.tmp_bytes), ("/dev/shm", POLICY.shm_bytes)]
    alone = "--unshare-all --unshare-user --disable-userns --uid 1000 --gid 1000 --hostname omega --cap-drop ALL"
    alone += " --new-session --die-with-parent --clearenv --setenv PATH /usr/bin:/bin --setenv HOME /work --seccomp FILTER"
    seen = "--ro-bind /usr /usr --ro-bind /etc/passwd /etc/passwd --proc /proc --dev /dev --remount-ro /dev"
    return [
        *(_program("bwrap"), *alone.split(), *seen.split(), *(word for pair in (*links, *tops) for word in pair), *shown),
        *(word for folder, size in rooms for word in ("--perms", "0700", "--size", str(size), "--tmpfs", folder)),
        *("--remount-ro", "/", "--chdir", "/work", "--", f"{base_prefix}/bin/python{version[0]}.{version[1]}", "-I", "-"),
    ]


def _is_link(name: str) -> bool:
    return Path("/", name).is_symlink()


def _is_folder(name: str) -> bool:
    return Path("/", name).is_dir() and not _is_link(name)
