"""A kernel at rest: everything a kernel is made of except sockets, threads and identity."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import Any

from ipykernel.jsonutil import json_clean
from jupyter_client.session import Session
from matplotlib.figure import Figure
from matplotlib_inline.config import InlineBackend

from kernels.python import figures
from kernels.python.interrupts import Interrupts
from kernels.python.kernel import Kernel
from kernels.python.publisher import Publisher
from kernels.python.shell import Profile, config
from kernels.python.streams import Name, Record
from kernels.python.texts import clean


@dataclass(slots=True)
class Parts:
    """What child.py brings to life."""

    session: Session
    publisher: Publisher
    record: Record
    kernel: Kernel


_made: list[Parts] = []


def build() -> Parts:
    """The kernel at rest. Called once, in the zygote."""
    interrupts = Interrupts()
    session, publisher, record = output_parts(interrupts)
    main_module = sys.modules["__main__"]
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # makes ipykernel see that there is no debugger
    try:
        kernel = _kernel(session, publisher, record, interrupts)
    finally:
        del sys.modules["debugpy"]
        sys.modules["__main__"] = main_module
    _prepare_display(kernel)
    parts = Parts(session, publisher, record, kernel)
    _made.append(parts)
    return parts


def output_parts(interrupts: Interrupts) -> tuple[Session, Publisher, Record]:
    """What signs, what sends and what collects a kernel's messages, not connected to anything."""
    session = Session(key=b"at rest", username="kernel", check_pid=False)  # the publisher knows its process
    publisher = Publisher(interrupts)
    record = Record(lambda name, text, parent: _emit(session, publisher, name, text, parent), interrupts)
    publisher.welcome = lambda topic: _welcome(session, topic)
    return session, publisher, record


def take() -> Parts:
    """The kernel at rest, for the one child that brings it to life."""
    return _made[0]


def _kernel(session: Session, publisher: Publisher, record: Record, interrupts: Interrupts) -> Kernel:
    log = logging.getLogger("kernel")
    log.setLevel(logging.CRITICAL)
    settings = config()
    kernel: Kernel = Kernel.instance(
        publisher=publisher,
        record=record,
        interrupts=interrupts,
        session=session,
        log=log,
        profile_dir=Profile(location="/"),
        config=settings,
    )
    return kernel


def _prepare_display(kernel: Kernel) -> None:
    shell: Any = kernel.shell
    formatters = shell.display_formatter.formatters
    formatters["image/png"].for_type(Figure, lambda figure: _shown(figure, "png"))
    formatters["image/svg+xml"].for_type(Figure, lambda figure: _shown(figure, "svg"))
    shell.configurables.append(InlineBackend())  # accepts ``%config InlineBackend...``, which changes nothing here


def _shown(figure: Any, form: str) -> Any:
    """The figure's picture when the run asks for *form* and has not shown it yet."""
    if figures.gallery.format != form:
        return None
    picture = figures.gallery.displayed(figure)
    if picture is None:
        return None
    return picture.data if form == "png" else picture.data.decode("utf-8")


def _emit(session: Session, publisher: Publisher, name: Name, text: str, parent: Any) -> bool:
    content = json_clean({"name": name, "text": clean(text)})
    message = session.msg("stream", content, parent=parent)
    parts: list[Any] = session.serialize(message, ident=b"stream." + name.encode())
    return publisher.try_send(parts)


def _welcome(session: Session, topic: bytes) -> list[bytes]:
    message = session.msg("iopub_welcome", {"subscription": topic.decode("utf-8", "replace")}, parent={})
    parts: list[bytes] = session.serialize(message)
    return [topic, *parts] if topic else parts
