"""A kernel at rest: everything a kernel is made of except sockets, threads and identity."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import Any

from jupyter_client.session import Session
from matplotlib.figure import Figure
from matplotlib_inline.config import InlineBackend

from kernels.python.kernel import Kernel, bundle_of
from kernels.python.shell import Profile, config
from kernels.python.shown import figures
from kernels.serving.interrupts import Interrupts
from kernels.serving.output import output_parts
from kernels.serving.publisher import Publisher
from kernels.serving.streams import Record


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
    shell.display_formatter.mimebundle_formatter.for_type(Figure, _shown)
    shell.configurables.append(InlineBackend())  # accepts ``%config InlineBackend...``, which changes nothing here


def _shown(figure: Any, **_kinds: Any) -> dict[str, Any] | None:
    """The figure's picture when the run has not shown it yet."""
    picture = figures.gallery.displayed(figure)
    return None if picture is None else bundle_of(picture)
