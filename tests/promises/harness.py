"""Sends attempts to a gateway and checks the invariants after each."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.live import HANG_MS, STREAMS, patience_s
from tests.promises import javascript, prelude
from tests.promises.attempt import Answer, Attempt, Environment, Place
from tests.promises.corpus import CORPUS
from tests.promises.invariants import NEIGHBOUR_SAYS, Watch
from tests.promises.sessions import create
from tests.promises.world import attacked, canaries, tell

Run = Callable[..., Answer]
"""Takes a program and, as *timeout*, its milliseconds."""


@dataclass(slots=True)
class Attack:
    """A gateway under attack. Batches are run once; their answers are kept for each of their lines."""

    environment: Environment
    place: Place
    watch: Watch
    _batches: dict[tuple[str, bool], dict[str, Answer]] = field(default_factory=dict)

    def send(self, attempt: Attempt, *, is_used: bool = False) -> Answer:
        """The answer to *attempt*; AssertionError when an invariant does not hold afterwards."""
        if attempt.batch:
            key = (attempt.batch, is_used)
            if key not in self._batches:
                self._batches[key] = self._send_batch(*key)
            return self._batches[key][attempt.name]
        with self._neighbour(), self._kernel(is_used, attempt) as run:
            answer = self.answer_to(attempt, run)
        self._follow(attempt)
        self.watch.check()
        return answer

    def answer_to(self, attempt: Attempt, run: Run | None = None) -> Answer:
        """What comes back, without a look at the invariants; *run* takes Python programs, as a rule to a fresh kernel."""
        is_python = attempt.language == "python"
        program = (prelude if is_python else javascript).complete(attempt.program, self.place.told)
        return self._run((run or self.place.gateway.run) if is_python else self._run_javascript, attempt, program)

    def _run_javascript(self, program: str, **fields: object) -> Answer:
        body = {"code": program, **fields}
        reply = self.place.gateway.ask("POST", "/code-interpreter/javascript", body, timeout_s=patience_s(body))
        assert reply.status == 200, reply
        answer: Answer = reply.body
        return answer

    def _run(self, run: Run, attempt: Attempt, program: str) -> Answer:
        if attempt.during is None:
            return run(program, timeout=attempt.timeout_ms, **STREAMS)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(run, program, timeout=attempt.timeout_ms, **STREAMS)
            attempt.during(self.place)
            return running.result()

    @contextlib.contextmanager
    def _kernel(self, is_used: bool, attempt: Attempt | None = None) -> Iterator[Run]:
        """What runs programs: a fresh kernel for each, or a session that has worked before.

        Such a session has its state afterwards, if it was not ended; and when *attempt* is one to spoil it, nothing of that
        outlives a restart.
        """
        if not is_used:
            yield self.place.gateway.run
            return
        with contextlib.closing(create(self.place.gateway)) as session:
            answer = session.run(prelude.USE)
            assert answer["success"], answer
            yield session.run
            if attempt is not None and attempt.after is not None:
                session.restart()
                assert not (wrong := attempt.after.judge(session.run(attempt.then, **STREAMS))), f"after a restart: {wrong}"
            elif session.has_its_first_kernel():
                answer = session.run(prelude.STILL_THERE)
                assert answer["output"] == prelude.STILL_SAYS, answer

    def _follow(self, attempt: Attempt) -> None:
        """The next request sees nothing of this one."""
        if attempt.after is not None:
            answer = self.place.gateway.run(attempt.then, **STREAMS)
            assert not (wrong := attempt.after.judge(answer)), wrong

    def _send_batch(self, batch: str, is_used: bool) -> dict[str, Answer]:
        programs = {attempt.name: attempt.program for attempt in CORPUS if attempt.batch == batch}
        program = prelude.complete_batch(programs, self.place.told)
        with self._neighbour(), self._kernel(is_used) as run:
            answer = run(program, timeout=HANG_MS, **STREAMS)
        assert answer["success"], answer
        self.watch.check()
        parts = prelude.split_batch(answer["stdout"])
        return {name: {**answer, "stdout": parts.get(name, "")} for name in programs}

    @contextlib.contextmanager
    def _neighbour(self) -> Iterator[None]:
        """A neighbour's run meanwhile, which must not notice."""
        running = self.watch.neighbour()
        yield
        said = running.result()
        assert said == NEIGHBOUR_SAYS, f"I2: the neighbour noticed: {said!r}"


@contextlib.contextmanager
def attack(environment: Environment) -> Iterator[Attack]:
    """A gateway at rest, with canaries around it."""
    with canaries() as made, attacked(environment, made) as gateway, contextlib.ExitStack() as stack:
        place = tell(environment, gateway, made)
        watch = stack.enter_context(contextlib.closing(Watch(place, made)))
        yield Attack(environment, place, watch)
