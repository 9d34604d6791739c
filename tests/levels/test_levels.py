"""Each isolation level end to end: what is told is what is there, and its promises hold for code sent over HTTP."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.state import instance_name
from kernels.python.warmup import on_demand
from tests import traces
from tests.folders import folder
from tests.levels import places, programs
from tests.levels.conftest import LEVELS, STRICT
from tests.live import HANG_MS, HANG_S, Gateway, patience_s

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]
Place = tuple[str, Gateway]
RANK = ("none", "L1", "L2", "L2+", "L3")


def ask(gateway: Gateway, code: str) -> Any:
    """The whole answer to running *code*."""
    body = {"code": code, "timeout": HANG_MS}
    return gateway.ask("POST", "/code-interpreter/python", body, timeout_s=patience_s(body)).body


def output(gateway: Gateway, code: str) -> str:
    """What *code* printed; AssertionError when it failed."""
    answer = ask(gateway, code)
    assert answer.get("success"), answer
    return str(answer["output"])


def eventually(is_so: Callable[[], bool], within_s: float = HANG_S) -> bool:
    """Whether it comes to be so: other processes get there in their own time."""
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_doctor_and_health_tell_the_same_level(place: Place, folder: Path) -> None:
    """Both measure; neither infers."""
    name, gateway = place
    said = places.omega(name, "doctor", folder=folder)
    assert f"isolation level: {LEVELS[name]}, required: L1" in said.stdout, said
    assert said.returncode == 0
    assert gateway.ask("GET", "/code-interpreter/health").body["isolation"] == LEVELS[name]


def test_code_reaches_nothing_outside(place: Place) -> None:
    """No process, address, file or identity but its own."""
    _name, gateway = place
    secret = gateway.state_dir.parent / "canary"
    secret.write_text("canary")
    secret.chmod(0o644)
    paths = [str(secret), str(gateway.log), str(gateway.state_dir / "history.db"), "/etc/shadow", "/proc/1/environ"]
    folders = [str(gateway.state_dir), str(gateway.state_dir.parent), "/root", "/tmp/.."]
    code = f"PORT, PATHS, FOLDERS = {gateway.port}, {paths!r}, {folders[:3]!r}\n{programs.REACH}"
    found = json.loads(output(gateway, code))
    listed = found.pop("listed")
    assert [path for path in listed if path != "/root" or os.listdir("/root") == []] in ([], ["/root"])
    uids = found.pop("uids")
    assert "done" not in uids
    assert found == {"seen": [], "signalled": [], "connected": [], "read": [], "written": []}


def test_memory_that_processes_share_is_bounded(place: Place) -> None:
    """The resource limit per process does not count it."""
    answer = ask(place[1], programs.SHARED_MEMORY_BOMB)
    assert not answer["success"], answer
    assert "memory" in json.dumps(answer["error"]).lower(), answer


def test_memory_of_many_processes_together_is_bounded(place: Place) -> None:
    """Each of them is below the limit per process."""
    answer = ask(place[1], programs.CHILDREN_BOMB)
    assert not answer["success"], answer
    assert "memory" in json.dumps(answer["error"]).lower(), answer


def test_memory_no_process_shows_is_refused(place: Place) -> None:
    """A memory file that is not mapped could not be counted."""
    assert output(place[1], programs.MEMORY_FILES_BOMB).startswith("OSError 38")


def test_processes_are_bounded(place: Place) -> None:
    """Either the next one is refused, or the kernel is ended; in both cases the next run is served."""
    answer = ask(place[1], programs.FORKS)
    assert "survived" not in (answer.get("output") or ""), answer
    assert output(place[1], "print('next')") == "next\n"


@pytest.mark.parametrize("place", [name for name in LEVELS if name != "container-user"], indirect=True)
def test_signals_that_wait_are_bounded_and_leave_room_for_those_of_neighbours(place: Place) -> None:
    """Linux counts them per uid; a timer is one too. Where kernels share a uid in one user namespace there is no way."""
    gateway = place[1]
    session = gateway.ask("POST", "/code-interpreter/sessions", {}).body["id"]
    answer = gateway.ask("POST", f"/code-interpreter/sessions/{session}/execute", {"code": programs.WAITING_SIGNALS})
    assert 0 < int(answer.body["output"]) <= 1024, answer
    assert output(gateway, programs.TIMER) == "made\n"
    gateway.ask("DELETE", f"/code-interpreter/sessions/{session}")


def test_javascript_runs_within_the_same_bounds(place: Place) -> None:
    """Values and output; a busy loop ends; memory ends as such, on V8's heap or beside it; the file system is no other."""
    _name, gateway = place

    def javascript(code: str, timeout_ms: int = HANG_MS) -> Any:
        body = {"code": code, "timeout": timeout_ms}
        return gateway.ask("POST", "/code-interpreter/javascript", body, timeout_s=patience_s(body)).body

    answer = javascript("console.log([1, 2]); return [typeof process, await 3];")
    assert (answer.get("output"), answer.get("returnValue")) == ("[ 1, 2 ]\n", ["undefined", 3]), answer
    assert javascript("for (;;);", 300)["limits"] == ["timeout"]
    for code in programs.JAVASCRIPT_BOMBS:
        assert (answer := javascript(code))["limits"] == ["memory"], (code, answer)
    secret = gateway.state_dir.parent / "canary"
    secret.write_text("canary")
    secret.chmod(0o644)
    code = f"const path = {json.dumps(str(secret))};\n{programs.JAVASCRIPT_ESCAPE}"
    assert javascript(code)["returnValue"] in ("ENOENT", "EACCES"), javascript(code)


def test_nothing_a_run_started_outlives_it(place: Place) -> None:
    """Not even what left its session, its parent and its parent's care."""
    _name, gateway = place
    output(gateway, "print('warm')")

    def count() -> int:
        return len(traces.descendants(gateway.pid))

    before = settled(count)
    ask(gateway, programs.DAEMONS)
    assert eventually(lambda: count() <= before), f"{before} processes before, {count()} after"


def settled(number: Callable[[], int]) -> int:
    """*number* once it has not changed for half a second."""
    value, since, deadline = number(), time.monotonic(), time.monotonic() + HANG_S
    while time.monotonic() - since < 0.5 and time.monotonic() < deadline:
        time.sleep(0.05)
        if (now := number()) != value:
            value, since = now, time.monotonic()
    return value


def test_runs_share_neither_variables_nor_files(place: Place) -> None:
    """Each has a kernel of its own, and nothing of it stays."""
    gateway = place[1]
    leave = (
        "import os, tempfile\nx = 1\nopen('left', 'w').write('1')\nopen(os.path.join(tempfile.gettempdir(), 'left'), 'w')"
    )
    output(gateway, leave + "\nprint('left')")
    look = "import os, tempfile\nprint('x' in globals(), 'left' in os.listdir('.'), os.listdir(tempfile.gettempdir()))"
    assert output(gateway, look) == "False False []\n"


def test_work_directories_are_removed_however_they_were_left(place: Place) -> None:
    """Deeper than a stack, closed, oddly named; with links that lead out."""
    gateway = place[1]
    assert output(gateway, programs.MESS) == "made\n"
    assert output(gateway, "import os; print(sorted(set(os.listdir('.')) - {'.tmp'}))") == "[]\n"
    assert eventually(lambda: len(workplaces(gateway)) <= 2), workplaces(gateway)


def workplaces(gateway: Gateway) -> list[Path]:
    """The work directories on the host."""
    roots = [
        *(gateway.state_dir.parent / "tmp").glob("omega-*/work"),
        Path(f"/tmp/omega-work-0-{instance_name(gateway.state_dir)}"),
    ]
    return [path for root in roots if root.is_dir() for path in root.iterdir()]


def test_the_data_stack_works(place: Place) -> None:
    """Files, threads, programs, a database, a chart."""
    gateway = place[1]
    assert output(gateway, programs.COMPUTE) == "10 [0, 1, 4, 9] 42 1 5.0\n"
    reply = gateway.ask("POST", "/code-interpreter/chart", {"code": "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])"})
    assert reply.status == 200, reply


@pytest.mark.parametrize("place", [name for name in LEVELS if name != "container-root"], indirect=True)
def test_the_other_packages_are_there_too(place: Place) -> None:
    """Some start threads and take memory of their own; pip lists the kernels' packages and not the machine's.

    One setting of each level tries them.
    """
    gateway = place[1]
    listed = json.loads(output(gateway, programs.PACKAGES.format(sorted(on_demand.PACKAGES.values()))))
    assert {"numpy", "pandas", *on_demand.PACKAGES} <= {entry["name"].lower() for entry in listed}
    wrong = {"dbus-python", "python-apt"} & {entry["name"].lower() for entry in listed}
    assert wrong == set(), "of Debian"


@pytest.mark.parametrize("place", [STRICT], indirect=True)
def test_work_directories_are_their_kernels_alone_under_a_strict_umask(place: Place) -> None:
    """They are not closed to them. Where they have own uids on the host it would show."""
    assert_their_kernels_alone(place[1])


def test_work_directories_are_their_kernels_alone_under_no_umask() -> None:
    """They are not open to others."""
    before = os.umask(0o000)
    try:
        with places.serving(STRICT) as gateway:
            os.umask(before)
            assert_their_kernels_alone(gateway)
    finally:
        os.umask(before)


def assert_their_kernels_alone(gateway: Gateway) -> None:
    """Work directories are of their kernels and of nobody else."""
    assert output(gateway, "open('x', 'w').write('1'); print(open('x').read())") == "1\n"
    made = workplaces(gateway)
    assert made
    assert {path.stat().st_mode & 0o777 for path in made} == {0o700}
    assert {path.parent.stat().st_mode & 0o777 for path in made} == {0o711}


@pytest.mark.parametrize("name", [name for name, level in LEVELS.items() if level != "L3"])
def test_a_level_above_what_is_there_is_refused_at_the_start(name: str, folder: Path) -> None:
    """One sentence and exit code 1; nothing is served and nothing stays."""
    above = [level for level in RANK if RANK.index(level) > RANK.index(LEVELS[name])]
    places.prepare(folder, name)
    options = ("--port", "0", "--state-dir", str(folder / "state"), "--require-isolation", above[0])
    said = places.omega(name, "serve", *options, folder=folder)
    sentence = f"omega: this machine reaches isolation level {LEVELS[name]}, but require_isolation is {above[0]}: "
    assert said.stderr.splitlines()[-1] == sentence + "`omega doctor` says what is missing", said
    assert said.returncode == 1
    assert "ready at" not in said.stdout
    assert list((folder / "tmp").iterdir()) == []


@pytest.mark.parametrize("required", ("none", "L1"))
def test_without_any_isolation_no_gateway_starts(required: str, folder: Path) -> None:
    """Also where none was asked for: a kernel without isolation is not offered."""
    places.prepare(folder, "nothing")
    options = ("--port", "0", "--state-dir", str(folder / "state"), "--require-isolation", required)
    said = places.omega("nothing", "serve", *options, folder=folder)
    assert said.returncode == 1
    assert "ready at" not in said.stdout
    assert said.stderr.splitlines()[-1] == (
        "omega: this machine reaches no isolation level, and the gateway starts no kernel without isolation: "
        "`omega doctor` says what is missing"
    ), said
    assert places.omega("nothing", "doctor", folder=folder).returncode == 1


def test_files_go_in_and_out_and_no_link_leads_anywhere(place: Place) -> None:
    """As the kernel's own uid, wherever its work directory is; what the code put there may be a trap."""
    with folder(place[1]) as files:
        assert files.put(b"sub/in.bin", bytes(200_000)).status == 200
        files.run(
            "import os\nopen('out', 'wb').write(open('sub/in.bin', 'rb').read() + b'1')\nos.symlink('/etc/passwd', 'l')"
        )
        assert files.get(b"out").body == bytes(200_000) + b"1"
        for got in (files.get(b"l"), files.put(b"l", b"x")):
            assert got.status == 409
        kinds = {entry["path"]: entry["type"] for entry in files.listed()["files"] if entry["path"] != ".tmp"}
        assert kinds == {"sub": "directory", "sub/in.bin": "file", "out": "file", "l": "link"}
        moved = files.entry("PATCH", b"out", {"path": "sub/deep/out"}).json["file"]
        assert (moved["path"], moved["owner"]) == ("sub/deep/out", "session")
        assert files.entry("PATCH", b"sub/in.bin", {"path": "sub/deep/out"}).status == 409
        assert files.entry("PATCH", b"sub/deep/out", {"mode": "0600"}).json["file"]["mode"] == "0600"
        assert files.entry("GET", b"l").json["target"] == "/etc/passwd"
        assert files.ask("PUT", "/sub/deep/out", gzip.compress(bytes(9)), {"Content-Encoding": "gzip"}).status == 200
        assert files.run("open('sub/deep/out', 'rb').read()")["results"][0]["data"]["text/plain"] == repr(bytes(9))
        assert files.delete(b"sub", "?recursive=true").json["deleted"] == 4


def test_a_run_takes_and_gives_files_and_input(place: Place) -> None:
    """With what each level allows: at L1 the directory is on the disk, and temporary files are in it."""
    _name, gateway = place
    code = (
        "import os\nprint(input(), open('d/in').read(), os.environ['A'])\nopen('out', 'w').write('1')\nos.symlink('/', 'l')"
    )
    given: dict[str, Any] = {
        "files": {"d/in": "x"},
        "stdin": "y\n",
        "env": {"A": "z"},
        "fetchFiles": ["out", "l/etc/passwd"],
    }
    body = {"code": code, "timeout": HANG_MS, **given}
    answer = gateway.ask("POST", "/code-interpreter/python", body, timeout_s=patience_s(body)).body
    assert answer["output"] == "y x z\n"
    assert [(file["path"], file["base64"]) for file in answer["fetched"]["files"]] == [("out", "MQ==")]
    reasons = {row["path"]: row["reason"] for row in answer["fetched"]["leftOut"]}
    assert reasons == {"l/etc/passwd": "link", "d/in": "no_match", "l": "no_match"}
    assert "note" not in answer
    assert ask(gateway, "open('lost', 'w').close()")["note"].startswith("1 file was not kept (lost)")
