"""Folds the events of a run and its ending into one result."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import StringIO
from typing import assert_never

from gateway.core.host_tools import HostCall
from gateway.core.model import (
    Cleared,
    ClearedText,
    Death,
    Display,
    Event,
    Finished,
    KernelReport,
    Limit,
    Raised,
    Result,
    Text,
)

MIB = 1024 * 1024
EXIT_FAILED = 1
TOO_MUCH_OUTPUT = "Output size limit exceeded"
TOO_LONG = "Execution timeout exceeded"
NO_ANSWER = "The host did not answer the calls of its tools in time"
IGNORED_INTERRUPT = "The run was interrupted; its code did not stop, so the kernel was killed"
BROKE_OFF = "The kernel closed its connection and was killed"
EXIT_TIMED_OUT = 124
EXIT_SIGNAL = 128
"""As in shells: 128 plus the number of the signal."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The kernel sent its reply. *death* is set if it died right after."""

    death: Death | None = None
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The deadline passed; *death* is set if the code ignored the interrupt and the gateway killed the kernel."""

    death: Death | None = None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The code waited for its host for as long as it may; *death* is set if the gateway killed the kernel for it."""

    death: Death | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """A client interrupted the run, the code ignored that, and the gateway killed the kernel."""

    death: Death


@dataclass(frozen=True, slots=True)
class Overflowed:
    """The run exceeded the output limit; *death* is set if the gateway killed the kernel."""

    death: Death | None = None


@dataclass(frozen=True, slots=True)
class Died:
    """The kernel died by itself, exceeded its memory limit, or closed its connection while it was alive (*broke_off*)."""

    death: Death
    memory_bytes: int
    broke_off: bool = False


Ending = Completed | TimedOut | Unanswered | Stopped | Overflowed | Died


@dataclass(frozen=True, slots=True)
class _Verdict:
    error: Raised | None
    exit_code: int
    limit: Limit | None = None
    trailing_text: str = ""


class Fold:
    """Collects the events of one run; keeps text once in the order written and once by stream."""

    def __init__(self) -> None:
        self._output = StringIO()
        self._streams = {"stdout": StringIO(), "stderr": StringIO()}
        self._displays: list[Display] = []
        self._latest: dict[str, Display] = {}
        self._cleared = ClearedText()
        self._clears_next = False
        self._raised: Raised | None = None
        self._report = KernelReport()
        self._status: str | None = None

    def add(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case Text(stream, text):
                self._write(stream, text)
            case Display() as display:
                self._show(display)
            case Cleared(wait):
                self._clears_next = True
                if not wait:
                    self._clear()
            case Raised() as raised:
                self._clear()
                self._raised = raised
            case KernelReport() as report:
                self._report = report
            case Finished(status):
                self._status = status
            case HostCall():
                pass
            case _ as never:
                assert_never(never)

    def _clear(self) -> None:
        """Note that a notebook shows nothing of the text so far, if that was asked for. The text is kept."""
        if self._clears_next:
            self._clears_next = False
            ends = self._output, self._streams["stdout"], self._streams["stderr"]
            self._cleared = ClearedText(*(written.tell() for written in ends))

    def _write(self, stream: str, text: str) -> None:
        self._clear()
        self._output.write(text)
        self._streams[stream].write(text)

    def _show(self, display: Display) -> None:
        """An update replaces all displays of its id; an update of an unknown id is a display."""
        is_known = display.display_id in self._latest
        if display.display_id:
            self._latest[display.display_id] = display
        if not (display.updates and is_known):
            self._clear()
            self._displays.append(display)

    def finish(self, ending: Ending, wall_s: float, *, is_truncated: bool = False) -> Result:
        """The result of the run, which ended in this way after *wall_s*."""
        verdict = self._judge(ending)
        if verdict.trailing_text:
            self._write("stderr", verdict.trailing_text)
        death = ending.death
        return Result(
            success=verdict.error is None and verdict.exit_code == 0,
            output=self._output.getvalue(),
            stdout=self._streams["stdout"].getvalue(),
            stderr=self._streams["stderr"].getvalue(),
            error=verdict.error,
            exit_code=verdict.exit_code,
            wall_s=wall_s,
            displays=tuple(self._latest.get(shown.display_id, shown) for shown in self._displays),
            variables=self._report.variables,
            truncated=is_truncated or verdict.limit is Limit.OUTPUT,
            limit=verdict.limit,
            kernel_replaced=death is not None,
            cpu_s=self._report.cpu_s or (death.cpu_s if death else 0.0),
            peak_bytes=max(self._report.peak_bytes, death.peak_bytes if death else 0),
            execution_count=self._report.execution_count,
            files=self._report.files,
            are_files_cut=self._report.are_files_cut,
            return_value=self._report.return_value if verdict.error is None else None,
            fetched=self._report.fetched,
            cleared=self._cleared,
        )

    def _judge(self, ending: Ending) -> _Verdict:
        match ending:
            case Completed(memory_bytes=memory_bytes):
                raised = _explained(self._raised, memory_bytes)
                return _judge_status(self._status, raised, self._report.exit_code)
            case TimedOut() | Unanswered():
                where = self._raised.traceback if self._raised else ""
                error = Raised("TimeoutError", TOO_LONG if isinstance(ending, TimedOut) else NO_ANSWER, where)
                return _Verdict(error, EXIT_TIMED_OUT, Limit.TIMEOUT)
            case Stopped():
                where = self._raised.traceback if self._raised else ""
                return _Verdict(Raised("KeyboardInterrupt", IGNORED_INTERRUPT, where), EXIT_SIGNAL + signal.SIGINT)
            case Overflowed():
                where = self._raised.traceback if self._raised else ""
                return _Verdict(Raised("ExecutionError", TOO_MUCH_OUTPUT, where), EXIT_FAILED, Limit.OUTPUT)
            case Died(broke_off=True):
                return _Verdict(Raised("KernelDied", BROKE_OFF, ""), EXIT_SIGNAL + signal.SIGKILL, Limit.DIED)
            case Died(death, memory_bytes):
                return _judge_death(death, memory_bytes)
            case _ as never:
                assert_never(never)


def fold(events: Iterable[Event], ending: Ending, wall_s: float = 0.0) -> Result:
    """The result of a run with *events* and this ending."""
    folded = Fold()
    for event in events:
        folded.add(event)
    return folded.finish(ending, wall_s)


def _explained(raised: Raised | None, memory_bytes: int) -> Raised | None:
    """*raised*; a MemoryError without a message, as Python raises it, gets the limit as its message."""
    if raised is None or (raised.type, raised.message) != ("MemoryError", "") or not memory_bytes:
        return raised
    return replace(raised, message=_memory_text(memory_bytes))


def _memory_text(memory_bytes: int) -> str:
    return f"Memory limit of {memory_bytes // MIB} MB exceeded"


def _judge_status(status: str | None, raised: Raised | None, exit_code: int | None) -> _Verdict:
    """The reply decides; a traceback that a successful run shows is only output."""
    if status == "ok":
        return _Verdict(None, 0, trailing_text=raised.traceback if raised else "")
    if status == "aborted" or raised is None:
        error = Raised("ExecutionError", "The kernel did not run the code", "")
        return _Verdict(error, EXIT_FAILED)
    if raised.type == "SystemExit":
        code = exit_code_of(raised.message) if exit_code is None else exit_code
        return _Verdict(raised if code else None, code)
    return _Verdict(raised, EXIT_FAILED, _limit_of(raised))


def _limit_of(raised: Raised) -> Limit | None:
    """The limit that the kernel itself reported as exceeded."""
    if raised.type == "MemoryError":
        return Limit.MEMORY
    return Limit.OUTPUT if (raised.type, raised.message) == ("ExecutionError", TOO_MUCH_OUTPUT) else None


def exit_code_of(message: str) -> int:
    """The exit status a process would end with for SystemExit(*message*): the low 8 bits, or 1 for no number."""
    digits = message.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        return EXIT_FAILED
    return int(message) & 0xFF


def _judge_death(death: Death, memory_bytes: int) -> _Verdict:
    if death.out_of_memory:
        text = f"{_memory_text(memory_bytes)}; the kernel was killed"
        return _Verdict(Raised("MemoryError", text, ""), EXIT_SIGNAL + signal.SIGKILL, Limit.MEMORY)
    if death.signal == signal.SIGXCPU:
        error = Raised("ExecutionError", "Processor time limit exceeded; the kernel was killed", "")
        return _Verdict(error, EXIT_SIGNAL + death.signal, Limit.CPU)
    if death.signal:
        text = f"The kernel was killed by signal {signal_name(death.signal)}"
        return _Verdict(Raised("KernelDied", text, ""), EXIT_SIGNAL + death.signal, Limit.DIED)
    text = f"The kernel exited with code {death.code}"
    return _Verdict(Raised("KernelDied", text, ""), death.code, Limit.DIED)


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11, or the number where there is no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def cause_of(death: Death) -> str:
    """The cause of a kernel's end in one word: asked, memory, exit, or the signal's name."""
    if death.out_of_memory:
        return "memory"
    if death.asked:
        return "asked"
    if death.signal:
        try:
            return signal.Signals(death.signal).name
        except ValueError:
            return "signal"
    return "exit"
