"""What stands before every program of the corpus: raw system calls by name, and one way to report."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kernels.sandbox.seccomp

_TABLE = Path(kernels.sandbox.seccomp.__file__).with_name("table.json")
_OTHERS = {
    "x86_64": {
        "io_setup": 206,
        "io_destroy": 207,
        "io_submit": 209,
        "remap_file_pages": 216,
        "splice": 275,
        "tee": 276,
        "vmsplice": 278,
        "ioprio_set": 251,
        "inotify_init": 253,
        "inotify_init1": 294,
    },
    "aarch64": {
        "io_setup": 0,
        "io_destroy": 1,
        "io_submit": 2,
        "remap_file_pages": 234,
        "splice": 76,
        "tee": 77,
        "vmsplice": 75,
        "ioprio_set": 30,
        "inotify_init1": 26,
    },
}
_EVERYWHERE = {
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "pidfd_open": 434,
    "clone3": 435,
    "pidfd_getfd": 438,
    "memfd_secret": 447,
    "process_mrelease": 448,
    "statmount": 457,
    "listmount": 458,
    "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460,
    "lsm_list_modules": 461,
}

_SOURCE = '''
import ctypes, errno, os, sys
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
def _argument(value):
    if value is None or isinstance(value, bytes):
        return ctypes.c_char_p(value)
    return value if not isinstance(value, int) else ctypes.c_ulong(value & (2**64 - 1))
def call(name, *args):
    """The raw system call *name* (or number): "ok", or the name of its errno."""
    number = name if isinstance(name, int) else SYS.get(name)
    if number is None:
        return "ENOSYS"  # this architecture never had it
    ctypes.set_errno(0)
    done = _libc.syscall(ctypes.c_long(number), *map(_argument, args))
    return "ok" if done != -1 else errno.errorcode[ctypes.get_errno()]
def report(label, word):
    print(str(label).replace(" ", "_"), word)
def calls(*rows):
    """Report each row: name and arguments of a system call."""
    for name, *args in rows:
        report(name, call(name, *args))
def attempt(label, action):
    """Report what *action* meets: "ok", or the name of its errno."""
    try:
        action()
        report(label, "ok")
    except OSError as error:
        report(label, errno.errorcode.get(error.errno, "E%s" % error.errno))
def opens(*paths, flags=os.O_RDONLY):
    """Report each path: opened and, for reading, read."""
    def one(path):
        descriptor = os.open(path, flags | os.O_NONBLOCK)
        try:
            if flags == os.O_RDONLY:
                os.read(descriptor, 64)
        finally:
            os.close(descriptor)
    for path in paths:
        attempt(path, lambda: one(path))
'''

USE = """
import os, subprocess, threading, multiprocessing
import numpy as np, pandas as pd, matplotlib.pyplot as plt
frame = pd.DataFrame({"a": np.arange(1000), "b": np.random.rand(1000)})
frame.to_csv("/work/used.csv", index=False); frame = pd.read_csv("/work/used.csv")
figure = plt.figure(); plt.plot(frame.a, frame.b); plt.savefig("/tmp/used.png"); plt.close(figure)
subprocess.run(["true"], check=True)
thread = threading.Thread(target=sum, args=([1, 2],)); thread.start(); thread.join()
with multiprocessing.Pool(2) as pool: pool.map(abs, [-1, -2])
os.remove("/work/used.csv"); os.remove("/tmp/used.png")
kept = frame
"""
"""Ordinary work in a session, so that what follows meets a kernel that is not fresh."""
STILL_THERE = "print(kept.a.sum(), list(kept), plt.get_fignums())"
STILL_SAYS = "499500 ['a', 'b'] []\n"

_BATCH = """
for _name, _program in PROGRAMS:
    print("=====", _name)
    try:
        exec(compile(_program, _name, "exec"), dict(globals()))
    except BaseException as error:
        print("raised", type(error).__name__, str(error).replace(" ", "_"))
"""


def numbers() -> Mapping[str, int]:
    """The system call numbers of this machine."""
    machine = os.uname().machine
    known: dict[str, int] = json.loads(_TABLE.read_text())["numbers"][machine]
    return {**known, **_OTHERS[machine], **_EVERYWHERE}


def complete(program: str, told: Mapping[str, Any]) -> str:
    """*program* as it is sent."""
    return f"SYS = {dict(numbers())!r}\nHOST = {dict(told)!r}\n{_SOURCE}\n{program}"


def complete_batch(programs: Mapping[str, str], told: Mapping[str, Any]) -> str:
    """All of *programs* in one, each on its own."""
    return complete(f"PROGRAMS = {list(programs.items())!r}\n{_BATCH}", told)


def split_batch(output: str) -> dict[str, str]:
    """What each program of a batch printed."""
    parts = output.split("===== ")[1:]
    return {name: said for name, _, said in (part.partition("\n") for part in parts)}
