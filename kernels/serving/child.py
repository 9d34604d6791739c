"""What a forked, confined child of any language does: become one kernel, and serve until told to stop."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import zmq
from tornado.ioloop import IOLoop
from zmq.eventloop.zmqstream import ZMQStream

from kernels.contract import CHANNELS
from kernels.serving import attribution, identity
from kernels.serving.publisher import Attendant, Publisher
from kernels.serving.streams import OutputRecord

MESSAGE_BYTES = 64 * 1024 * 1024


MOST_UNSENT = 128
"""Messages that wait in this process for a slow reader: of long output these are 8 MB, and memory may have no more room."""


LINGER_MS = 1000


FLUSH_S = 0.02
"""How long text waits to be joined with more; clients see output with this delay."""


AGAIN_S = 0.01


_TYPES = {"shell": zmq.ROUTER, "stdin": zmq.ROUTER, "control": zmq.ROUTER, "iopub": zmq.XPUB}


@dataclass(frozen=True, slots=True)
class ChildStart:
    """The parameters of this kernel. *fds* are listening unix sockets, one per channel."""

    kernel_id: str
    key: str
    fds: dict[str, int]
    env: dict[str, str]
    work_dir: str
    memory_bytes: int = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wires:
    """The connections of a kernel: its sockets, the main thread's loop, and the second thread."""

    context: Any
    sockets: dict[str, Any]
    loop: IOLoop
    attendant: Attendant


def become(start: ChildStart, serve: Callable[[ChildStart], None]) -> NoReturn:
    """Set up this process for the kernel *start*, and call *serve*; ends the process."""
    status = 70
    try:
        _set_up_process(start)
        serve(start)
        status = 0
    except Exception:  # noqa: BLE001  # the entry point of the process: say why and end it
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)


def _set_up_process(start: ChildStart) -> None:
    atexit._clear()  # handlers that the zygote registered
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(identity.environment(start.work_dir, start.env))
    os.chdir(start.work_dir)
    time.tzset()
    sys.path[:] = [start.work_dir, *(folder for folder in sys.path if folder not in ("", start.work_dir))]
    sys.argv[:] = [""]
    identity.reseed()
    attribution.enter(None)  # the zygote's rehearsal was a request, too


def open_wires(start: ChildStart) -> Wires:
    """The sockets on the descriptors of *start*, and the parts that serve them; nothing runs yet."""
    context = zmq.Context(io_threads=1)
    loop = IOLoop(make_current=True)
    sockets = {channel: _socket(context, channel, start.fds[channel]) for channel in CHANNELS}
    return Wires(context, sockets, loop, Attendant())


def connect(kernel: Any, publisher: Publisher, wires: Wires) -> None:
    """Let *kernel* use *wires*."""
    iopub = wires.sockets["iopub"]
    publisher.open(iopub)
    kernel.stdin_socket = wires.sockets["stdin"]
    kernel.control_thread = wires.attendant
    kernel.shell_channel_thread.parent_thread = threading.main_thread()
    kernel.shell_stream = ZMQStream(wires.sockets["shell"], wires.loop)
    kernel.control_stream = ZMQStream(wires.sockets["control"], wires.attendant.io_loop)
    wires.attendant.loop.add_reader(iopub.getsockopt(zmq.FD), publisher.greet)


def run(publisher: Publisher, wires: Wires) -> None:
    """Serve until the kernel is told to end."""
    wires.attendant.start()
    publisher.greet()
    wires.loop.start()


def _socket(context: Any, channel: str, descriptor: int) -> Any:
    """A socket of *channel* that accepts on the listening *descriptor*; the gateway manages its path."""
    socket = context.socket(_TYPES[channel])
    socket.linger = LINGER_MS
    socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES)
    if channel == "iopub":
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        socket.sndhwm = MOST_UNSENT
    else:
        socket.router_handover = 1
    socket.setsockopt(zmq.USE_FD, descriptor)
    socket.bind(f"ipc:///nonexistent/{channel}")
    return socket


def capture_output(record: OutputRecord, kernel: Any, attendant: Attendant) -> None:
    """Redirect descriptors 1 and 2 and the two streams of *kernel* to *record*."""
    loop = attendant.loop

    def again() -> None:
        if not record.flush_if_possible():
            loop.call_later(AGAIN_S, again)

    def later() -> None:
        loop.call_later(FLUSH_S, again)

    def wake() -> None:
        loop.call_soon_threadsafe(later)

    for reader in record.capture(wake):
        loop.add_reader(reader, record.drain)
    sys.stdout, sys.stderr = kernel.streams


def stop(record: OutputRecord, wires: Wires) -> None:
    """Send the remaining output and close the sockets, once the second thread has let go of them."""
    atexit._run_exitfuncs()
    record.finish()
    with suppress(RuntimeError):  # code has closed the loop
        wires.attendant.loop.call_soon_threadsafe(wires.attendant.loop.stop)
    wires.attendant.join(LINGER_MS / 1000)
    wires.context.destroy(linger=LINGER_MS)
