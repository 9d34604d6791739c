"""How runs end, as results."""

from __future__ import annotations

import pytest

from gateway.core.fold import (
    Completed,
    Died,
    Fold,
    Overflowed,
    Stopped,
    TimedOut,
    Unanswered,
    cause_of,
    exit_code_of,
    fold,
    signal_name,
)
from gateway.core.host_tools import HostCall
from gateway.core.model import Cleared, ClearedText, Death, Display, Event, Finished, KernelReport, Limit, Raised, Text

MIB = 1024 * 1024
KILLED = Death(0, 9, out_of_memory=False, asked=True, peak_bytes=5, cpu_s=0.5)


def raised(kind: str, message: str = "") -> list[Raised | KernelReport | Finished]:
    """The events of a run that raised."""
    return [Raised(kind, message, "tb"), KernelReport(), Finished("error")]


def test_a_plain_success() -> None:
    """Output in the order written and by stream, and what the reply said."""
    report = KernelReport({"x": {"type": "int"}}, 0.1, 7, 3)
    events: list[Event] = [Text("stdout", "a"), Text("stderr", "b"), Text("stdout", "c"), report, Finished("ok")]
    result = fold(events, Completed(), 1.5)
    assert (result.output, result.stdout, result.stderr) == ("abc", "ac", "b")
    assert (result.success, result.exit_code, result.error, result.limit) == (True, 0, None, None)
    assert (result.wall_s, result.cpu_s, result.peak_bytes, result.execution_count) == (1.5, 0.1, 7, 3)
    assert result.variables == {"x": {"type": "int"}}
    assert not result.kernel_replaced
    assert not result.truncated


def test_clearing_keeps_what_was_captured() -> None:
    """A program's progress bar does not erase its output."""
    assert fold([Text("stdout", "a"), Cleared(wait=False), Finished("ok")], Completed()).output == "a"


CLEAR, CLEAR_NEXT = Cleared(wait=False), Cleared(wait=True)
OUT, ERR = Text("stdout", "ab"), Text("stderr", "c")
SHOWN = Display("display", {"a": "1"}, {}, "d")
UPDATE = Display("display", {"a": "2"}, {}, "d", updates=True)


@pytest.mark.parametrize(
    ("events", "cleared"),
    [
        ([OUT, ERR], ClearedText()),
        ([OUT, ERR, CLEAR, OUT], ClearedText(3, 2, 1)),
        ([OUT, CLEAR_NEXT], ClearedText()),
        ([OUT, CLEAR_NEXT, ERR, OUT], ClearedText(2, 2, 0)),
        ([OUT, CLEAR_NEXT, OUT, CLEAR_NEXT, OUT], ClearedText(4, 4, 0)),
        ([OUT, CLEAR_NEXT, SHOWN], ClearedText(2, 2, 0)),
        ([SHOWN, OUT, CLEAR_NEXT, UPDATE], ClearedText()),
        ([OUT, CLEAR_NEXT, Raised("ValueError", "no", "tb")], ClearedText(2, 2, 0)),
    ],
)
def test_what_a_notebook_would_have_cleared_is_told(events: list[Event], cleared: ClearedText) -> None:
    """At once, or at the next output: text, a new display or an error, but no update of an old display."""
    result = fold([*events, Finished("ok")], Completed())
    assert result.cleared == cleared
    assert result.output.startswith("ab")


def test_displays_come_in_order_and_updates_take_their_place() -> None:
    """An update is not a second chart."""
    first, other = Display("display", {"a": "1"}, {}, "d"), Display("result", {"b": "1"})
    update = Display("display", {"a": "2"}, {}, "d", updates=True)
    unknown = Display("display", {"c": "1"}, {}, "e", updates=True)
    nameless = Display("display", {"n": "1"}, {}, "", updates=True)
    result = fold([first, other, update, unknown, nameless, Finished("ok")], Completed())
    assert [shown.data for shown in result.displays] == [{"a": "2"}, {"b": "1"}, {"c": "1"}, {"n": "1"}]


def test_an_exception_is_the_error_and_exit_code_1() -> None:
    """As a process would end."""
    result = fold(raised("ValueError", "no"), Completed())
    assert (result.success, result.exit_code, result.limit) == (False, 1, None)
    assert result.error == Raised("ValueError", "no", "tb")


@pytest.mark.parametrize(("message", "code"), [("3", 3), ("-1", 255), ("256", 0), ("x", 1), ("", 1), ("٣", 1)])
def test_system_exit_sets_the_exit_code(message: str, code: int) -> None:
    """sys.exit(3) gives 3, as the low byte; what is no number gives 1."""
    assert exit_code_of(message) == code
    result = fold(raised("SystemExit", message), Completed())
    assert result.exit_code == code
    assert result.success == (code == 0)
    assert (result.error is None) == (code == 0)


def test_the_kernels_exit_code_counts_before_the_message() -> None:
    """sys.exit("7") prints 7 and exits with 1; sys.exit("0") is a failure too."""
    for message, code in (("7", 1), ("0", 1), ("bad", 1), ("3", 3)):
        result = fold([Raised("SystemExit", message, "tb"), KernelReport(exit_code=code), Finished("error")], Completed())
        assert (result.exit_code, result.error) == (code, Raised("SystemExit", message, "tb"))
    assert fold([Raised("SystemExit", "0", ""), KernelReport(exit_code=0), Finished("error")], Completed()).success


def test_huge_exit_codes_cost_nothing() -> None:
    """Digits without end are no number here."""
    assert exit_code_of("9" * 10**6) == 1


def test_python_running_out_of_memory_names_the_limit_and_keeps_the_kernel() -> None:
    """MemoryError raised in user code is the limit's doing too."""
    result = fold(raised("MemoryError"), Completed())
    assert (result.limit, result.kernel_replaced, result.exit_code) == (Limit.MEMORY, False, 1)
    result = fold(raised("MemoryError"), Completed(memory_bytes=512 * MIB))
    assert result.error == Raised("MemoryError", "Memory limit of 512 MB exceeded", "tb")
    result = fold(raised("MemoryError", "Unable to allocate 8 TiB"), Completed(memory_bytes=512 * MIB))
    assert result.error is not None
    assert result.error.message == "Unable to allocate 8 TiB"


def test_a_run_has_the_value_its_kernel_told_unless_it_failed() -> None:
    """The value of a run that did not end well is nobody's."""
    told = KernelReport(return_value=[1, {"a": None}])
    assert fold([told, Finished("ok")], Completed()).return_value == [1, {"a": None}]
    assert fold([Raised("E", "", ""), told, Finished("error")], Completed()).return_value is None
    assert fold([told], TimedOut()).return_value is None


def test_a_value_that_is_too_large_is_too_much_output() -> None:
    """A kernel finds that itself, and names it as the gateway would."""
    result = fold(raised("ExecutionError", "Output size limit exceeded"), Completed())
    assert (result.limit, result.success) == (Limit.OUTPUT, False)
    assert fold(raised("ExecutionError", "something else"), Completed()).limit is None


def test_a_traceback_shown_by_a_run_that_went_on_is_output() -> None:
    """The reply decides about success."""
    result = fold([Raised("ValueError", "no", "tb"), KernelReport(), Finished("ok")], Completed())
    assert result.success
    assert result.error is None
    assert result.stderr == "tb"


def test_a_run_the_kernel_did_not_start_is_an_error() -> None:
    """An aborted request ran nothing."""
    result = fold([KernelReport(), Finished("aborted")], Completed())
    assert not result.success
    assert result.error is not None
    assert result.error.type == "ExecutionError"


def test_an_error_reply_without_an_error_is_an_error() -> None:
    """Hostile replies do not become successes."""
    assert not fold([KernelReport(), Finished("error")], Completed()).success
    assert not fold([], Completed()).success


def test_the_deadline_keeps_state_when_the_code_obeyed() -> None:
    """The traceback of the interrupt shows where the time went."""
    result = fold([Text("stdout", "a"), *raised("KeyboardInterrupt")], TimedOut())
    assert result.error == Raised("TimeoutError", "Execution timeout exceeded", "tb")
    assert (result.limit, result.exit_code, result.kernel_replaced) == (Limit.TIMEOUT, 124, False)
    assert result.output == "a"


def test_the_deadline_replaces_a_kernel_that_did_not_obey() -> None:
    """And usage comes from outside."""
    result = fold([], TimedOut(KILLED))
    assert (result.limit, result.kernel_replaced) == (Limit.TIMEOUT, True)
    assert (result.cpu_s, result.peak_bytes) == (0.5, 5)


def test_code_that_ignores_an_interrupt_is_told_what_became_of_its_kernel() -> None:
    """As any interrupt, with the place of the code where the kernel showed one; it is no limit."""
    for events, where in (([], ""), (raised("KeyboardInterrupt"), "tb")):
        result = fold(events, Stopped(KILLED))
        message = "The run was interrupted; its code did not stop, so the kernel was killed"
        assert result.error == Raised("KeyboardInterrupt", message, where)
        assert (result.limit, result.exit_code, result.kernel_replaced) == (None, 130, True)


def test_code_that_finishes_well_after_its_deadline_still_timed_out() -> None:
    """Swallowing the interrupt is no way around the limit."""
    assert not fold([KernelReport(), Finished("ok")], TimedOut()).success


def test_too_much_output_is_named() -> None:
    """What was captured up to there is returned."""
    folded = Fold()
    folded.add(Text("stdout", "abc"))
    result = folded.finish(Overflowed(KILLED), 1.0, is_truncated=True)
    assert result.error == Raised("ExecutionError", "Output size limit exceeded", "")
    assert (result.limit, result.output, result.truncated) == (Limit.OUTPUT, "abc", True)
    assert result.kernel_replaced


def test_too_much_output_names_the_line_if_the_code_obeyed_the_interrupt() -> None:
    """And the kernel is kept."""
    result = fold([Raised("KeyboardInterrupt", "", "line 3"), Finished("error")], Overflowed())
    assert result.error == Raised("ExecutionError", "Output size limit exceeded", "line 3")
    assert (result.limit, result.kernel_replaced) == (Limit.OUTPUT, False)


def test_an_out_of_memory_kill_names_the_limit() -> None:
    """In MB, as the limit is documented."""
    death = Death(0, 9, out_of_memory=True, asked=False)
    result = fold([], Died(death, 512 * MIB))
    assert result.error is not None
    assert result.error.type == "MemoryError"
    assert "512 MB" in result.error.message
    assert (result.limit, result.exit_code, result.kernel_replaced) == (Limit.MEMORY, 137, True)


def test_a_crash_names_its_signal() -> None:
    """A segfault is told apart from an exit."""
    result = fold([], Died(Death(0, 11, out_of_memory=False, asked=False), MIB))
    assert result.error is not None
    assert result.error.type == "KernelDied"
    assert "SIGSEGV" in result.error.message
    assert (result.limit, result.exit_code) == (Limit.DIED, 139)


def test_a_broken_connection_is_not_told_as_a_signal() -> None:
    """The kill that followed is ours."""
    result = fold([], Died(KILLED, MIB, broke_off=True))
    assert result.error == Raised("KernelDied", "The kernel closed its connection and was killed", "")
    assert (result.limit, result.exit_code, result.kernel_replaced) == (Limit.DIED, 137, True)


def test_the_signal_of_spent_processor_time_names_the_limit() -> None:
    """The system ends a process so; that it was the limit is all the caller needs."""
    result = fold([], Died(Death(0, 24, out_of_memory=False, asked=False), MIB))
    assert result.error == Raised("ExecutionError", "Processor time limit exceeded; the kernel was killed", "")
    assert (result.limit, result.exit_code, result.kernel_replaced) == (Limit.CPU, 152, True)


def test_an_exit_names_its_code() -> None:
    """os._exit(3) ends the kernel with code 3; with 0 it is no success either, nothing was finished."""
    result = fold([], Died(Death(3, 0, out_of_memory=False, asked=False), MIB))
    assert result.error is not None
    assert "code 3" in result.error.message
    assert result.exit_code == 3
    assert not fold([], Died(Death(0, 0, out_of_memory=False, asked=False), MIB)).success


def test_a_kernel_that_died_right_after_its_run_is_replaced() -> None:
    """The result stands, the state is gone."""
    result = fold([KernelReport(), Finished("ok")], Completed(KILLED))
    assert result.success
    assert result.kernel_replaced


def test_signals_without_a_name_are_numbers() -> None:
    """Real-time signals have none here."""
    assert signal_name(6) == "SIGABRT"
    assert signal_name(200) == "200"


@pytest.mark.parametrize(
    ("death", "word"),
    [
        (Death(0, 9, out_of_memory=True, asked=True), "memory"),
        (Death(0, 9, out_of_memory=False, asked=True), "asked"),
        (Death(0, 11, out_of_memory=False, asked=False), "SIGSEGV"),
        (Death(0, 60, out_of_memory=False, asked=False), "signal"),
        (Death(1, 0, out_of_memory=False, asked=False), "exit"),
    ],
)
def test_the_cause_of_a_death_is_one_of_few_words(death: Death, word: str) -> None:
    """A metric has it as a label."""
    assert cause_of(death) == word


def test_a_host_that_does_not_answer_is_a_timeout_that_says_so() -> None:
    """Calls of its tools leave no other trace in the result."""
    result = fold([HostCall("a", "f", {}), Text("stdout", "a")], Unanswered())
    assert result.error == Raised("TimeoutError", "The host did not answer the calls of its tools in time", "")
    assert (result.output, result.limit, result.exit_code) == ("a", Limit.TIMEOUT, 124)
