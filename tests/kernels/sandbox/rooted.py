"""Code run in the real prepared root by a real interpreter: as the zygote would run it, or confined as a kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import kernels
from kernels.contract import Level
from kernels.sandbox import root
from tests.live import HANG_S

APP_DIR = str(Path(kernels.__file__).resolve().parents[1])
_BUILD = """
import json, os, sys
sys.path.insert(0, {app_dir!r})
from kernels.sandbox import identity, root
from kernels.sandbox.extra_dir import ExtraDir
options = json.loads({options!r})
if options["user"]:
    os.setgroups([]); os.setresgid(54321, 54321, 54321); os.setresuid(54321, 54321, 54321)
if options["namespace"]:
    identity.enter_user_namespace()
extra = tuple(ExtraDir.open(path) for path in options["extra"])
if options["swap"]:
    what, where = options["swap"]
    os.rename(where, where + ".was")
    os.rename(what, where)
spec = root.RootSpec(options["python"], {app_dir!r}, extra, tuple(options["hidden"]))
root.build_root(spec)
argv = root.zygote_command()
argv[3] = argv[3].replace("from kernels.zygote import main\\nsys.exit(main())", options["inside"])
assert options["inside"] in argv[3]
env = {{"PATH": root.SEARCH_PATH, "HOME": "/work", "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}}
os.execve(argv[0], argv, env)
"""
_CONFINE = """
import os, resource
from kernels.contract import Level, Policy
from kernels.sandbox import seccomp, steps, sysc
seccomp.program("kernel")
level = Level({level})
{preload}
sysc.unshare(sysc.CLONE_NEWPID)
init = os.fork()
if init == 0:
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            import time; time.sleep(0.01)
pid = os.fork()
if pid == 0:
    try:
        data = next(l for l in open("/proc/self/status") if l.startswith("VmData")).split()[1]
        policy = Policy(memory_bytes=1 << 30)
        steps.confine(steps.Confinement(level, policy, 1879048189, 1879048189, data_baseline_bytes=int(data) * 1024))
        os.chdir("/work")
        exec(compile({code!r}, "<code>", "exec"), {{"__name__": "__main__"}})
        sys.stdout.flush()
        os._exit(0)
    except BaseException:
        import traceback; traceback.print_exc(); sys.stderr.flush()
        os._exit(1)
status = os.waitpid(pid, 0)[1]
os.kill(init, 9)
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
"""


def run_as_zygote(
    python: str,
    inside: str,
    *,
    level: Level = Level.L3,
    extra: Any = (),
    swap: Any = (),
    hidden: Any = (),
    user: bool = False,
    under: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """The finished process of *inside*, run in a root built for *python* with the kernels package importable.

    *swap* names what is put where once the extra directories have been opened; *under* is a command that runs the whole.
    """
    options = {
        "python": python,
        "inside": inside,
        "namespace": level < Level.L3,
        "user": user,
        "extra": list(extra),
        "swap": list(swap),
        "hidden": list(hidden),
    }
    script = _BUILD.format(app_dir=APP_DIR, options=json.dumps(options))
    builder = "/usr/bin/python3" if user else sys.executable
    return subprocess.run(
        [*under, builder, "-I", "-c", script],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
    )


def run_as_kernel(
    python: str,
    code: str,
    *,
    preload: str = "",
    level: Level = Level.L3,
    user: bool = False,
    under: tuple[str, ...] = (),
) -> str:
    """What *code* printed as a confined kernel of a zygote that ran *preload*; AssertionError if it failed."""
    inside = _CONFINE.format(level=int(level), preload=preload, code=code)
    done = run_as_zygote(python, inside, level=level, user=user, under=under)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


_PLAIN = """
import os, resource, subprocess
from kernels.contract import Level, Policy
from kernels.sandbox import root, seccomp, steps
seccomp.program("confined")
spec = root.RootSpec({python!r}, {app_dir!r})
readable = root.plain_paths(spec)
pid = os.fork()
if pid == 0:
    try:
        data = next(l for l in open("/proc/self/status") if l.startswith("VmData")).split()[1]
        steps.confine(steps.Confinement(Level.L1, Policy(), 1879048189, 1879048189, work_dir={work_dir!r}, readable=readable,
                                        data_baseline_bytes=int(data) * 1024))
        os.chdir({work_dir!r})
        exec(compile({code!r}, "<code>", "exec"), {{"__name__": "__main__"}})
        sys.stdout.flush()
        os._exit(0)
    except BaseException:
        import traceback; traceback.print_exc(); sys.stderr.flush()
        os._exit(1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)
"""


def run_without_root(python: str, work_dir: str, code: str) -> str:
    """What *code* printed as a kernel at level L1, on host paths; AssertionError if it failed."""
    argv = root.plain_command(root.RootSpec(python, APP_DIR))
    inside = _PLAIN.format(python=python, app_dir=APP_DIR, work_dir=work_dir, code=code)
    argv[3] = argv[3].replace("from kernels.zygote import main\nsys.exit(main())", inside)
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
