"""A JavaScript kernel at rest: everything it is made of except sockets, threads, identity and the Node process."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from jupyter_client.session import Session

from kernels.node.binary import find
from kernels.node.kernel import NodeKernel
from kernels.serving.interrupts import Interrupts
from kernels.serving.output import output_parts
from kernels.serving.publisher import Publisher
from kernels.serving.streams import OutputRecord

VERSION_NAME = "Node.js"
"""The key of Node's version among the package versions."""


@dataclass(slots=True)
class NodeParts:
    """The parts that child.py connects."""

    session: Session
    publisher: Publisher
    record: OutputRecord
    kernel: NodeKernel


_made: list[NodeParts] = []


def data_bytes() -> int:
    """What RLIMIT_DATA counts for a Node that has run no code; 0 without Node."""
    return _made[0].kernel.node.data_bytes if _made else 0


def prepare() -> dict[str, str]:
    """Build the kernel at rest, once, in the zygote. Returns Node's version, or nothing without Node."""
    node = find()
    if node is None:
        return {}
    session, publisher, record = output_parts(Interrupts())
    log = logging.getLogger("kernel")
    log.setLevel(logging.CRITICAL)
    kernel = NodeKernel(node=node, publisher=publisher, record=record, session=session, log=log)
    _made.append(NodeParts(session, publisher, record, kernel))
    return {VERSION_NAME: node.version}


def take() -> NodeParts:
    """The kernel at rest, for the child that connects it."""
    return _made[0]
