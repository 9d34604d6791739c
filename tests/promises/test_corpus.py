"""Every line of the hostile corpus, sent through the public HTTP API, and the six invariants after each.

The same lines are run against a gateway of root (L3) and one of an ordinary user (L2+); what differs is in the data.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.live import STREAMS
from tests.promises.absent import ABSENT, ELSEWHERE, IDS
from tests.promises.agents import AGENTS
from tests.promises.attempt import Answer, Attempt
from tests.promises.calling import CALLING
from tests.promises.corpus import CORPUS
from tests.promises.harness import Attack
from tests.promises.http import KNOCKS as OVER_HTTP
from tests.promises.http import Knock
from tests.promises.sessions import SESSIONS, Session, create
from tests.promises.taking import TAKING
from tests.promises.watching import WATCHING
from tests.promises.world import SESSIONS_PER_KEY

ROOT = Path(__file__).resolve().parents[2]
KNOCKS = (*OVER_HTTP, *TAKING, *WATCHING, *AGENTS, *CALLING)
CASES = [
    (attempt, is_used) for attempt in CORPUS for is_used in ((False, True) if attempt.used or attempt.batch else (False,))
]

REQUESTS: tuple[tuple[str, str, dict[str, object] | None], ...] = (
    ("GET", "", None),
    ("DELETE", "", None),
    ("POST", "/execute", {"code": "print(mine)"}),
    ("POST", "/interrupt", {}),
    ("POST", "/restart", {}),
    ("GET", "/variables", None),
    ("GET", "/events", None),
    ("GET", "/events?after=0", None),
)


def _name(case: tuple[Attempt, bool]) -> str:
    attempt, is_used = case
    return f"{attempt.name}{'-used' if is_used else ''}"


@pytest.mark.kernel
@pytest.mark.sandbox
@pytest.mark.parametrize("case", CASES, ids=_name)
def test_a_line_of_the_corpus(attacked: Attack, case: tuple[Attempt, bool]) -> None:
    """The program meets what is promised, and afterwards everything outside it is as it was."""
    attempt, is_used = case
    answer: Answer = attacked.send(attempt, is_used=is_used)
    wrong = attempt.verdict_for(attacked.environment).judge(answer)
    assert not wrong, wrong


@pytest.mark.kernel
@pytest.mark.sandbox
@pytest.mark.parametrize("knock", KNOCKS, ids=lambda knock: knock.name)
def test_a_hostile_request(attacked: Attack, knock: Knock) -> None:
    """The gateway answers as promised and is as it was."""
    knock.act(attacked.place.gateway)
    attacked.watch.check()


@pytest.mark.kernel
@pytest.mark.sandbox
def test_a_session_of_another_key_is_not_there(attacked: Attack) -> None:
    """H07: whatever is asked of it, the answer is the same as for one that never was, and it is as it was."""
    gateway, theirs = attacked.place.gateway, attacked.place.neighbour.session.id
    nobodys = [theirs[:-1] + ("0" if theirs[-1] != "0" else "1"), "x", "..%2f..", "0" * 32]
    for method, tail, body in REQUESTS:
        answers = {name: gateway.ask(method, f"{SESSIONS}/{name}{tail}", body) for name in (theirs, *nobodys)}
        told = {(answer.status, str(answer.body).replace(name, "")) for name, answer in answers.items()}
        assert len(told) == 1 and {answer.status for answer in answers.values()} == {404}, (method, tail, told)
    assert theirs not in str(gateway.ask("GET", SESSIONS).body)
    assert theirs not in str(gateway.ask("GET", "/code-interpreter/history?limit=500").body)
    attacked.watch.check()


@pytest.mark.kernel
@pytest.mark.sandbox
def test_a_run_of_another_key_takes_no_results(attacked: Attack) -> None:
    """H07: it is not there; its own client finds the call as it was."""
    gateway, theirs = attacked.place.gateway, attacked.place.neighbour.session.gateway
    code = {"code": "print(tools.f())", "tools": [{"name": "f"}]}
    turn = theirs.ask("POST", "/code-interpreter/python", code).body
    results = {"results": [{"id": turn["toolCalls"][0]["id"], "output": "right"}]}
    assert gateway.ask("POST", turn["continuation"], results).status == 404
    done = theirs.ask("POST", turn["continuation"], results)
    assert (done.status, done.body["output"]) == (200, "right\n")
    attacked.watch.check()


@pytest.mark.kernel
@pytest.mark.sandbox
def test_one_key_cannot_take_all_kernels(attacked: Attack) -> None:
    """R40: sessions opened and never used end at the key's limit; other keys' sessions and everybody's runs go on."""
    gateway = attacked.place.gateway
    answers = [gateway.ask("POST", SESSIONS, {}) for _ in range(SESSIONS_PER_KEY + 20)]
    made = [Session(gateway, answer.body["id"]) for answer in answers[:SESSIONS_PER_KEY]]
    refused = answers[SESSIONS_PER_KEY:]
    try:
        assert {(answer.status, answer.body["error"]["code"]) for answer in refused} == {(429, "too_many_requests")}
        assert gateway.run("print(1)")["output"] == "1\n"
        with contextlib.closing(create(attacked.place.neighbour.session.gateway)) as other:
            assert other.run("print(2)")["output"] == "2\n"
    finally:
        for session in made:
            session.close()
    attacked.watch.check(len(answers))


LEFT_BEHIND = """
import subprocess, sys, threading, time
from IPython.display import display
on = threading.Event()
def leak(again):
    while not on.is_set(): time.sleep(0.001)
    for number in range(50):
        print("LEAK", number)
        sys.stderr.write("LEAK\\n")
        display({"text/plain": "LEAK"}, raw=True)
        if again: threading.Thread(target=leak, args=(False,)).start()
    over.release()
over = threading.Semaphore(0)
for _ in range(3): threading.Thread(target=leak, args=(True,)).start()
print("first")
"""


@pytest.mark.kernel
@pytest.mark.sandbox
def test_what_a_run_left_behind_is_not_the_next_ones_output(attacked: Attack) -> None:
    """E05: threads of one run print, log and display while the next goes on, whose answer has its own output alone."""
    with contextlib.closing(create(attacked.place.gateway)) as session:
        assert session.run(LEFT_BEHIND)["output"] == "first\n"
        second = session.run("on.set()\nfor _ in range(3): over.acquire()\nprint('second')", **STREAMS)
        assert (second["stdout"], second["stderr"], second["results"]) == ("second\n", "", [])
        assert session.run("print('third')")["output"] == "third\n"
    attacked.watch.check()


def test_no_line_of_the_specification_is_forgotten() -> None:
    """Each is an attempt here, tested elsewhere under a name that exists, or absent for a reason."""
    here = {attempt.id for attempt in CORPUS} | {knock.id for knock in KNOCKS}
    assert set(IDS) == here | set(ELSEWHERE) | set(ABSENT)
    assert not (set(ABSENT) & (here | set(ELSEWHERE))), "a line that is tested is not absent"


def test_names_are_unique() -> None:
    """Two lines of one name would hide each other in a batch."""
    names = [attempt.name for attempt in CORPUS] + [knock.name for knock in KNOCKS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("line", ELSEWHERE)
def test_what_is_tested_elsewhere_is_there(line: str) -> None:
    """The test named for a line exists."""
    for place in ELSEWHERE[line]:
        path, _, name = place.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(), place
