"""The parts that sign, send and collect a kernel's messages."""

from __future__ import annotations

import json
from typing import Any

from jupyter_client.jsonutil import json_clean, json_default
from jupyter_client.session import Session

from kernels.serving.interrupts import Interrupts
from kernels.serving.publisher import Publisher
from kernels.serving.streams import Name, OutputRecord
from kernels.serving.texts import clean

_ENCODER = json.JSONEncoder(default=json_default, ensure_ascii=False, allow_nan=False)
"""Kept, as json.dumps() with options makes one for each of the twenty parts of a run's messages."""


def output_parts(interrupts: Interrupts) -> tuple[Session, Publisher, OutputRecord]:
    """The parts that sign, send and collect a kernel's messages, not yet connected."""
    session = Session(key=b"at rest", username="kernel", check_pid=False)  # the publisher knows its process
    session.pack = _pack
    publisher = Publisher(interrupts)
    record = OutputRecord(lambda name, text, parent: _emit(session, publisher, name, text, parent), interrupts)
    publisher.welcome = lambda topic: _welcome(session, topic)
    return session, publisher, record


def _pack(value: Any) -> bytes:
    """*value* as JSON in UTF-8. For half a character the Session's packer raises, or makes bytes that nobody can read."""
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError):
        text = _ENCODER.encode(json_clean(value))
    return clean(text).encode()


def _emit(session: Session, publisher: Publisher, name: Name, text: str, parent: Any) -> bool:
    message = session.msg("stream", {"name": name, "text": clean(text)}, parent=parent)
    parts: list[Any] = session.serialize(message, ident=b"stream." + name.encode())
    return publisher.try_send(parts)


def _welcome(session: Session, topic: bytes) -> list[bytes]:
    message = session.msg("iopub_welcome", {"subscription": topic.decode("utf-8", "replace")}, parent={})
    parts: list[bytes] = session.serialize(message)
    return [topic, *parts] if topic else parts
