"""What a forked, confined child does: become one kernel and serve until told to stop."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any, NoReturn

import zmq
from tornado.ioloop import IOLoop
from zmq.eventloop.zmqstream import ZMQStream

from kernels.contract import CHANNELS
from kernels.python import identity
from kernels.python.parts import Parts, take
from kernels.python.publisher import Attendant

MESSAGE_BYTES = 64 * 1024 * 1024
LINGER_MS = 1000
FLUSH_S = 0.02
"""How long text waits for more to go with it; readers of a running program see it this much later."""
AGAIN_S = 0.01
_TYPES = {"shell": zmq.ROUTER, "stdin": zmq.ROUTER, "control": zmq.ROUTER, "iopub": zmq.XPUB}


@dataclass(frozen=True, slots=True)
class ChildStart:
    """Everything that makes this child a particular kernel. *fds* are listening unix sockets, one per channel."""

    kernel_id: str
    key: str
    fds: dict[str, int]
    env: dict[str, str]
    work_dir: str


def main(start: ChildStart) -> NoReturn:
    """Be the kernel that *start* describes; ends the process."""
    status = 70
    try:
        _set_up_process(start)
        _serve(start)
        status = 0
    except Exception:  # noqa: BLE001  # the entry point of the process: say why and end it
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)


def _set_up_process(start: ChildStart) -> None:
    atexit._clear()  # what the zygote registered is the zygote's
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(identity.environment(start.work_dir, start.env))
    os.chdir(start.work_dir)
    time.tzset()
    sys.path[:] = [start.work_dir, *(folder for folder in sys.path if folder not in ("", start.work_dir))]
    sys.argv[:] = [""]
    identity.reseed()


def _serve(start: ChildStart) -> None:
    parts = take()
    kernel: Any = parts.kernel
    context = zmq.Context(io_threads=1)
    loop = IOLoop(make_current=True)
    sockets = {channel: _socket(context, channel, start.fds[channel]) for channel in CHANNELS}
    attendant = Attendant()
    identity.rename(parts, start.kernel_id, start.key)
    parts.publisher.open(sockets["iopub"])
    _attach_kernel(kernel, sockets, attendant, loop)
    kernel.work_dir, kernel.temporary_dir = start.work_dir, start.env.get("TMPDIR", "")
    attendant.loop.add_reader(sockets["iopub"].getsockopt(zmq.FD), parts.publisher.greet)
    kernel.interrupts.install()
    kernel.start()
    _attach_output(parts, attendant)  # last: until here, what goes wrong is told on the real stderr
    attendant.start()
    parts.publisher.greet()
    loop.start()
    _stop(parts, context)


def _socket(context: Any, channel: str, descriptor: int) -> Any:
    """A socket of *channel* that accepts on the listening *descriptor*; its path stays the gateway's business."""
    socket = context.socket(_TYPES[channel])
    socket.linger = LINGER_MS
    socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES)
    if channel == "iopub":
        socket.setsockopt(zmq.XPUB_NODROP, 1)
    else:
        socket.router_handover = 1
    socket.setsockopt(zmq.USE_FD, descriptor)
    socket.bind(f"ipc:///nonexistent/{channel}")
    return socket


def _attach_output(parts: Parts, attendant: Attendant) -> None:
    record, loop = parts.record, attendant.loop

    def again() -> None:
        if not record.flush_if_possible():
            loop.call_later(AGAIN_S, again)

    def later() -> None:
        loop.call_later(FLUSH_S, again)

    def wake() -> None:
        loop.call_soon_threadsafe(later)

    for reader in record.capture(wake):
        loop.add_reader(reader, record.drain)
    sys.stdout, sys.stderr = parts.kernel.streams


def _attach_kernel(kernel: Any, sockets: dict[str, Any], attendant: Attendant, loop: IOLoop) -> None:
    shell = kernel.shell
    kernel.stdin_socket = sockets["stdin"]
    kernel.control_thread = attendant
    kernel.shell_channel_thread.parent_thread = threading.main_thread()
    kernel.shell_stream = ZMQStream(sockets["shell"], loop)
    kernel.control_stream = ZMQStream(sockets["control"], attendant.io_loop)
    sys.modules["__main__"] = shell.user_module
    shell.history_manager.dir_hist = [os.getcwd()]
    shell.user_ns["_dh"][:] = [os.getcwd()]


def _stop(parts: Parts, context: Any) -> None:
    atexit._run_exitfuncs()
    parts.record.finish()
    context.destroy(linger=LINGER_MS)
