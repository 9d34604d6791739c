"""Sandboxes on a live gateway: one place, with kernels and commands that share its files, its limits and its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests import traces
from tests.api.test_keys import add, omega
from tests.live import Gateway, Reply, looks

pytestmark = pytest.mark.kernel

API = "/code-interpreter"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One sandbox of a gateway, as its holder uses it."""

    gateway: Gateway
    id: str
    python: str
    javascript: str

    def ask(self, method: str, action: str = "", body: object = None) -> Reply:
        """A request about it."""
        return self.gateway.ask(method, f"{API}/sandboxes/{self.id}{action}", body)

    def run(self, code: str, context: str = "") -> Any:
        """The answer of a run in a context; that of Python by default."""
        reply = self.gateway.ask("POST", f"{API}/sessions/{context or self.python}/execute", {"code": code})
        assert reply.status == 200, reply
        return reply.body

    def value(self, code: str, context: str = "") -> Any:
        """What the last expression of *code* is."""
        answer = self.run(code, context)
        assert answer["success"], answer
        return answer["results"][-1]["data"]["application/json"]

    def command(self, command: object, **others: object) -> Any:
        """The answer of a command that was carried out."""
        reply = self.ask("POST", "/commands", {"command": command, **others})
        assert reply.status == 200, reply
        return reply.body

    def told(self, command: object, **others: object) -> str:
        """What a command that succeeded has printed."""
        answer = self.command(command, **others)
        assert answer["success"], answer
        return str(answer["stdout"])


def create(gateway: Gateway, **asked: object) -> Sandbox:
    """A new sandbox."""
    reply = gateway.ask("POST", f"{API}/sandboxes", asked)
    assert reply.status == 200, reply
    return Sandbox(gateway, reply.body["id"], *(context["id"] for context in reply.body["contexts"]))


def until(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds."""
    for _ in looks():
        if condition():
            return
        time.sleep(0.02)  # another process: there is nothing to wait on
    raise AssertionError("it did not happen")


@pytest.fixture(scope="module")
def sandbox(gateway: Gateway) -> Iterator[Sandbox]:
    """A sandbox that tests of this file share, deleted afterwards."""
    made = create(gateway, env={"GREETING": "hello"}, metadata={"user": "ada"})
    yield made
    assert made.ask("DELETE").status == 200


def test_contexts_and_commands_see_the_same_files(sandbox: Sandbox) -> None:
    """Whichever wrote them; names of one context are no names of another."""
    sandbox.run("x = 1\nopen('note', 'w').write('from a cell')")
    other = sandbox.ask("POST", "/contexts", {"name": "other"}).body["id"]
    assert sandbox.value("(open('note').read(), 'x' in globals())", other) == ["from a cell", False]
    assert sandbox.told("cat note; echo more >> note; pwd") == "from a cell/work\n"
    assert sandbox.told(["cat", "/home/user/note", "/mnt/data/note"]) == "from a cellmore\n" * 2
    files = sandbox.gateway.ask("GET", f"{API}/sessions/{other}/files").body["files"]
    assert [file["path"] for file in files] == ["note"]
    assert sandbox.gateway.ask("PUT", f"{API}/sessions/{sandbox.javascript}/files/up", b"uploaded").status == 200
    assert sandbox.value("open('up').read()") == "uploaded"
    assert sandbox.ask("DELETE", f"/contexts/{other}").status == 200


def test_javascript_has_its_kernel_when_it_is_used(sandbox: Sandbox) -> None:
    """In the same place: a command sees its process."""
    session = f"{API}/sessions/{sandbox.javascript}"
    assert sandbox.gateway.ask("GET", session).body["state"] == "unused"
    assert sandbox.run("globalThis.y = 20; return y + 1", sandbox.javascript)["returnValue"] == 21
    assert sandbox.run("return y", sandbox.javascript)["returnValue"] == 20
    assert sandbox.gateway.ask("GET", session).body["state"] == "idle"


def test_the_environment_lies_under_that_of_contexts_and_commands(sandbox: Sandbox) -> None:
    """The sandbox's own is in all."""
    made = sandbox.ask("POST", "/contexts", {"env": {"GREETING": "own", "MORE": "m"}, "cwd": "sub"}).body["id"]
    names = "[os.environ.get(name) for name in ('GREETING', 'MORE')] + [os.path.basename(os.getcwd())]"
    assert sandbox.value(f"import os; {names}", made) == ["own", "m", "sub"]
    assert sandbox.value(f"import os; {names}") == ["hello", None, "work"]
    assert sandbox.told("echo $GREETING $MORE; pwd", env={"MORE": "c"}, cwd="sub") == "hello c\n/work/sub\n"
    assert sandbox.ask("DELETE", f"/contexts/{made}").status == 200


def test_a_command_runs_beside_a_busy_cell(sandbox: Sandbox) -> None:
    """And can end it: the cell waits for a file that the command makes."""
    with ThreadPoolExecutor() as pool:
        cell = pool.submit(
            sandbox.run, "import os, time\nopen('begun', 'w')\nwhile not os.path.exists('go'): time.sleep(0.01)"
        )
        assert sandbox.told("until [ -e begun ]; do sleep 0.01; done; echo seen; touch go") == "seen\n"
        assert cell.result()["success"]


def test_a_context_that_dies_gets_another_kernel_and_the_sandbox_stays(sandbox: Sandbox) -> None:
    """Files, other contexts and commands too; also when it was the kernel whose place it is."""
    left = sandbox.command("while read line; do echo got $line; done", background=True, stdinOpen=True)
    sandbox.run("open('kept', 'w').write('k'); z = 1")
    died = sandbox.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert (died["kernelReplaced"], died["error"]["type"]) == (True, "KernelDied")
    assert sandbox.value("(open('kept').read(), 'z' in globals())") == ["k", False]
    assert sandbox.ask("POST", f"/contexts/{sandbox.python}/restart", {}).status == 200
    assert sandbox.value("open('kept').read()") == "k"
    address = f"/commands/{left['id']}"
    assert sandbox.ask("POST", f"{address}/stdin", {"text": "it\n", "close": True}).status == 200
    until(lambda: sandbox.ask("GET", address).body["state"] == "ended")
    assert sandbox.ask("GET", address).body["stdout"] == "got it\n"


def test_a_command_can_be_followed_and_signalled(sandbox: Sandbox) -> None:
    """All that it started in its process group gets the signal; what was said is told again to who asks."""
    left = sandbox.command("echo one; sleep 1000 | cat; echo never", background=True)
    address = f"/commands/{left['id']}"
    until(lambda: sandbox.ask("GET", address).body["stdout"] == "one\n")
    assert sandbox.ask("POST", f"{address}/signal", {"signal": "SIGINT"}).status == 200
    events = sandbox.ask("GET", f"{address}/events").body
    assert 'event: stdout\ndata: {"type":"stdout","seq":1,"text":"one\\n"}' in events
    assert '"exitCode":130,"signal":"SIGINT"' in events
    assert sandbox.ask("GET", f"{address}/events?after=1").body.startswith("id: 2\nevent: done\n")
    assert sandbox.ask("POST", f"{address}/signal", {}).status == 409


def test_another_key_sees_nothing(sandbox: Sandbox) -> None:
    """Neither the sandbox nor what is in it, by any address; each is answered as one that never was."""
    stranger = Sandbox(add(sandbox.gateway, "sandbox-stranger"), sandbox.id, sandbox.python, sandbox.javascript)
    left = sandbox.command("sleep 1000", background=True)["id"]
    asking: list[tuple[str, str, object]] = [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/extend", {"lifetime": 1}),
        ("GET", "/contexts", None),
        ("POST", "/contexts", {}),
        ("DELETE", f"/contexts/{sandbox.python}", None),
        ("POST", f"/contexts/{sandbox.python}/restart", None),
        ("GET", "/commands", None),
        ("POST", "/commands", {"command": "true"}),
        ("GET", f"/commands/{left}", None),
        ("GET", f"/commands/{left}/events", None),
        ("POST", f"/commands/{left}/stdin", {"text": "x"}),
        ("POST", f"/commands/{left}/signal", {}),
    ]
    replies = [stranger.ask(*ask) for ask in asking]
    assert {reply.status for reply in replies} == {404}
    assert {reply.body["error"]["message"] for reply in replies} == {"There is no such sandbox."}
    for path in ("", "/execute", "/files", "/events"):
        method, body = ("POST", {"code": "1"}) if path == "/execute" else ("GET", None)
        assert stranger.gateway.ask(method, f"{API}/sessions/{sandbox.python}{path}", body).status == 404
    assert stranger.gateway.ask("GET", f"{API}/sandboxes").body == {"sandboxes": []}
    second = create(sandbox.gateway)
    assert second.ask("GET", f"/commands/{left}").status == 404
    assert second.ask("DELETE", f"/contexts/{sandbox.python}").status == 404
    assert second.ask("DELETE").status == 200
    assert sandbox.ask("POST", f"/commands/{left}/signal", {"signal": "SIGKILL"}).status == 200


def test_contexts_are_no_sessions_of_their_own(sandbox: Sandbox) -> None:
    """A sandbox has one seat, and the list of sessions does not have its contexts."""
    listed = sandbox.gateway.ask("GET", f"{API}/sessions").body["sessions"]
    assert sandbox.python not in [session["id"] for session in listed]
    mine = [one for one in sandbox.gateway.ask("GET", f"{API}/sandboxes").body["sandboxes"] if one["id"] == sandbox.id]
    assert mine[0]["metadata"] == {"user": "ada"}
    assert 'omega_sandboxes_live{state="idle"} ' in sandbox.gateway.ask("GET", "/metrics").body


def test_memory_and_processes_are_those_of_the_place(gateway: Gateway) -> None:
    """A cell and a command together get what one kernel gets; the command goes first, and the cell keeps its state."""
    key = add(gateway, "sandbox-small", "--memory-mb", "256", "--processes", "24")
    made = create(key)
    made.run("held = bytearray(b'x' * 100_000_000)")
    greedy = made.command(["python3", "-c", "x = bytearray(b'x' * 200_000_000)"])
    assert greedy["success"] is False
    assert made.value("len(held)") == 100_000_000
    forks = "import os, time\nfor _ in range(40):\n    if os.fork() == 0: time.sleep(1000)\n"
    assert "Resource temporarily unavailable" in made.command(["python3", "-c", forks])["stderr"]
    assert made.ask("DELETE").status == 200


@pytest.mark.parametrize("end", ["deleted", "expired", "revoked"])
def test_nothing_of_a_sandbox_outlives_it(gateway: Gateway, end: str) -> None:
    """Neither kernels nor commands nor what they left running; each says when and why it ended."""
    key = add(gateway, f"sandbox-{end}")
    made = create(key)
    made.run("import subprocess; subprocess.Popen(['sleep', '4711'], start_new_session=True)")
    made.command("setsid sleep 4711 & (sleep 4711 &) ; exit 0")
    made.command("sleep 4711", background=True)
    with_it = [one for one in traces.descendants(gateway.pid) if "4711" in _command_line(one)]
    assert len(with_it) == 4
    match end:
        case "deleted":
            assert made.ask("DELETE").status == 200
        case "expired":
            assert made.ask("POST", "/extend", {"lifetime": 1}).status == 200
        case _:
            assert omega(gateway, "revoke", f"sandbox-{end}").returncode == 0
    until(lambda: not any(_command_line(one) for one in with_it))
    if end == "revoked":
        assert made.ask("GET").status == 401
        return
    for reply in (made.ask("GET"), key.ask("GET", f"{API}/sessions/{made.python}"), made.ask("GET", "/commands")):
        assert reply.status == 410
        assert {"deleted": "was deleted", "expired": "reached the end of its lifetime"}[end] in reply.body["error"][
            "message"
        ]


def _command_line(pid: int) -> str:
    """What a process runs; "" when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
