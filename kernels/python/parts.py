"""A kernel at rest: everything a kernel is made of except sockets, threads and identity."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import Any

from jupyter_client.session import Session
from matplotlib.figure import Figure

from kernels.python.kernel import PythonKernel, bundle_of
from kernels.python.shell import Profile, config
from kernels.python.shown import figures, images, inline
from kernels.serving.interrupts import Interrupts
from kernels.serving.output import output_parts
from kernels.serving.publisher import Publisher
from kernels.serving.streams import OutputRecord


@dataclass(slots=True)
class PythonParts:
    """The parts that child.py connects."""

    session: Session
    publisher: Publisher
    record: OutputRecord
    kernel: PythonKernel


_made: list[PythonParts] = []


def build() -> PythonParts:
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
    parts = PythonParts(session, publisher, record, kernel)
    _made.append(parts)
    return parts


def take() -> PythonParts:
    """The kernel at rest, for the child that connects it."""
    return _made[0]


def _kernel(session: Session, publisher: Publisher, record: OutputRecord, interrupts: Interrupts) -> PythonKernel:
    log = logging.getLogger("kernel")
    log.setLevel(logging.CRITICAL)
    settings = config()
    kernel: PythonKernel = PythonKernel.instance(
        publisher=publisher,
        record=record,
        interrupts=interrupts,
        session=session,
        log=log,
        profile_dir=Profile(location="/"),
        config=settings,
    )
    return kernel


def _prepare_display(kernel: PythonKernel) -> None:
    shell: Any = kernel.shell
    shell.display_formatter.mimebundle_formatter.for_type(Figure, _shown)
    images.install(shell)
    inline.install(shell)


def _shown(figure: Any) -> Any:
    """The figure's picture and data if the run has not shown it yet; and how large it is meant to be."""
    picture = figures.gallery.displayed(figure)
    return None if picture is None else (bundle_of(picture), inline.metadata(picture))
