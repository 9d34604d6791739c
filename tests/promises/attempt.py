"""What a line of the hostile corpus is made of: a program, where it runs, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from kernels.contract import Language
from tests.live import HANG_MS, Gateway
from tests.promises.sessions import Neighbour

Answer = Mapping[str, Any]
Environment = Literal["root", "user"]
"""Who the gateway runs as: root (level L3 where control groups are there) or an ordinary user (L2+)."""


class Verdict(Protocol):
    """What must come of a program."""

    def judge(self, answer: Answer) -> str:
        """Empty when *answer* is as promised, else what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The run succeeds and reports at least one attempt; each was answered with one of these *words* (names of errno)."""

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        object.__setattr__(self, "words", words)

    def judge(self, answer: Answer) -> str:
        lines = answer["stdout"].splitlines()
        if not answer["success"] or not lines:
            return f"the program did not report: {answer}"
        return "; ".join(line for line in lines if line.split()[-1] not in self.words)


@dataclass(frozen=True, slots=True)
class Prints:
    """The run succeeds and prints exactly these *lines*."""

    lines: tuple[str, ...]

    def __init__(self, *lines: object) -> None:
        object.__setattr__(self, "lines", tuple(map(str, lines)))

    def judge(self, answer: Answer) -> str:
        is_right = answer["success"] and tuple(answer["stdout"].splitlines()) == self.lines
        return "" if is_right else f"not {self.lines}: {_short(answer)}"


@dataclass(frozen=True, slots=True)
class Counts:
    """The run succeeds and prints "*word* 0", "*word* 1" and so on, as far as it came."""

    word: str

    def judge(self, answer: Answer) -> str:
        lines = answer["stdout"].splitlines()
        is_right = answer["success"] and lines == [f"{self.word} {at}" for at in range(len(lines))]
        return "" if is_right else f"does not count {self.word}: {_short(answer)}"


@dataclass(frozen=True, slots=True)
class Ends:
    """The run is ended by *limit*, as the answer's ``limits`` names it; the message holds *word*."""

    limit: Literal["timeout", "memory", "output", "kernel_died"]
    word: str = ""

    def judge(self, answer: Answer) -> str:
        is_right = answer["limits"] == [self.limit] and self.word in answer["error"]["message"]
        return "" if is_right else f"not ended by {self.limit} {self.word}: {_short(answer)}"


@dataclass(frozen=True, slots=True)
class Raises:
    """The program itself ends with an error of this *type*, and the kernel lives."""

    type: str

    def judge(self, answer: Answer) -> str:
        error = answer["error"]
        is_right = error is not None and error["type"] == self.type and not answer["kernelReplaced"]
        return "" if is_right else f"not {self.type}: {_short(answer)}"


@dataclass(frozen=True, slots=True)
class Cut:
    """The run succeeds, prints exactly these *lines*, and its answer says that something of it is missing."""

    lines: tuple[str, ...]

    def __init__(self, *lines: object) -> None:
        object.__setattr__(self, "lines", tuple(map(str, lines)))

    def judge(self, answer: Answer) -> str:
        if not answer["truncated"] or answer["limits"] or answer["results"]:
            return f"not cut: truncated {answer['truncated']}, {len(answer['results'])} results, {_short(answer)}"
        return Prints(*self.lines).judge(answer)


@dataclass(frozen=True, slots=True)
class Either:
    """One of several *verdicts*: which one depends on who is quicker."""

    verdicts: tuple[Verdict, ...]

    def __init__(self, *verdicts: Verdict) -> None:
        object.__setattr__(self, "verdicts", verdicts)

    def judge(self, answer: Answer) -> str:
        wrong = [verdict.judge(answer) for verdict in self.verdicts]
        return "" if "" in wrong else "; ".join(wrong)


def _short(answer: Answer) -> str:
    told = {name: answer[name] for name in ("error", "limits", "exitCode", "stderr", "stdout", "output") if name in answer}
    return str({name: value if len(str(value)) < 1500 else f"{str(value)[:1500]}..." for name, value in told.items()})


@dataclass(frozen=True, slots=True)
class Place:
    """What a program and those who watch it may need to know of the host. *secrets* are written backwards.

    Programs get it as the dict HOST, so nothing in here may be a secret as it is: a kernel's memory would hold it.
    """

    told: Mapping[str, Any]
    gateway: Gateway
    neighbour: Neighbour


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of the corpus, or one case of it.

    A program that only reports is *batched*: run with others of its kind in one kernel. *used* programs run a second time in
    a session that has done ordinary work before. *then* runs as the next request, whose answer *after* judges. *during* runs
    on the host beside the program. *timeout_ms* decides a verdict only where a deadline is to be the end of a program, which
    then goes on until it comes.
    """

    id: str
    program: str
    verdict: Verdict
    case: str = ""
    batch: str = ""
    used: bool = False
    timeout_ms: int = HANG_MS
    then: str = ""
    after: Verdict | None = None
    during: Callable[[Place], None] | None = None
    slow: bool = False
    language: Language = "python"
    at: Mapping[Environment, Verdict] = field(default_factory=dict)
    """Where the promise of another level is another one."""

    @property
    def name(self) -> str:
        """The id, and the case where a line has several."""
        return f"{self.id}-{self.case}" if self.case else self.id

    def verdict_for(self, environment: Environment) -> Verdict:
        """What must come of it there."""
        return self.at.get(environment, self.verdict)
