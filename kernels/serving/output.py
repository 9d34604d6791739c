"""The parts that sign, send and collect a kernel's messages."""

from __future__ import annotations

from typing import Any

from ipykernel.jsonutil import json_clean
from jupyter_client.session import Session

from kernels.serving.interrupts import Interrupts
from kernels.serving.publisher import Publisher
from kernels.serving.streams import Name, OutputRecord
from kernels.serving.texts import clean


def output_parts(interrupts: Interrupts) -> tuple[Session, Publisher, OutputRecord]:
    """The parts that sign, send and collect a kernel's messages, not yet connected."""
    session = Session(key=b"at rest", username="kernel", check_pid=False)  # the publisher knows its process
    publisher = Publisher(interrupts)
    record = OutputRecord(lambda name, text, parent: _emit(session, publisher, name, text, parent), interrupts)
    publisher.welcome = lambda topic: _welcome(session, topic)
    return session, publisher, record


def _emit(session: Session, publisher: Publisher, name: Name, text: str, parent: Any) -> bool:
    content = json_clean({"name": name, "text": clean(text)})
    message = session.msg("stream", content, parent=parent)
    parts: list[Any] = session.serialize(message, ident=b"stream." + name.encode())
    return publisher.try_send(parts)


def _welcome(session: Session, topic: bytes) -> list[bytes]:
    message = session.msg("iopub_welcome", {"subscription": topic.decode("utf-8", "replace")}, parent={})
    parts: list[bytes] = session.serialize(message)
    return [topic, *parts] if topic else parts
