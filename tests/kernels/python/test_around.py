"""What a run is given beside its code, and what is told about its files."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.kernels.conftest import Start
from tests.kernels.python.harness import Reply, TestKernel

pytestmark = pytest.mark.kernel

READ_ALL = """
import sys
first = input("name? ")
print([first, sys.stdin.readline(), sys.stdin.read(), sys.stdin.read()])
try:
    input()
except EOFError as error:
    print(type(error).__name__, error)
"""


def run(kernel: TestKernel, code: str, *, reports: str = "changed", **given: Any) -> Reply:
    """Run *code* with what is *given*."""
    if "stdin" in given:
        given["stdin"] = base64.b64encode(given["stdin"].encode()).decode()
    omega = {"task": "python", "files": reports, "given": {"fetch_bytes": 1000, **given}}
    return kernel.collect(kernel.send(code, omega))


@pytest.mark.parametrize(
    "given",
    [5, [], {"files": 5}, {"files": [["zz", ""]]}, {"files": [["61", "A"]]}, {"globs": [5]}, {"env": [1]}, {"stdin": 5}],
)
def test_what_no_gateway_sends_is_no_harm(shared: TestKernel, given: Any) -> None:
    """The run is one without it, and has its reply."""
    assert shared.collect(shared.send("print(1)", {"task": "python", "given": given})).text() == "1\n"


def test_input_is_read_to_its_end(shared: TestKernel) -> None:
    """By ``input()`` and ``sys.stdin`` in turns, as a program reads a file; the next run has none."""
    reply = run(shared, READ_ALL, stdin="Ada\r\ntwo\nthree\n\u00e4")
    assert reply.text() == "name? ['Ada', 'two\\n', 'three\\n\u00e4', '']\nEOFError EOF when reading a line\n"
    assert shared.run("input()").content["ename"] == "StdinNotImplementedError"
    assert shared.run("import os; os.read(0, 1), sys.stdin is sys.__stdin__").result["text/plain"] == "(b'', True)"


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("import subprocess\nprint(subprocess.run(['cat'], capture_output=True).stdout)", "b'a\\nb\\n'\n"),
        ("!cat", "a\nb\n"),
        ("import os\nprint(os.read(0, 9))", "b'a\\nb\\n'\n"),
        ("import getpass\nprint(getpass.getpass('p '))", "p a\n"),
        ("import asyncio\nprint(await asyncio.to_thread(input))", "a\n"),
        ("import os\nprint(input()) if os.fork() else os._exit(0)", "a\n"),
    ],
)
def test_input_is_there_for_whoever_inherits_it(shared: TestKernel, code: str, shown: str) -> None:
    """Programs that the code starts, other descriptors of it, threads."""
    assert run(shared, code, stdin="a\nb\n").text() == shown


def test_a_debugger_takes_its_commands_from_the_input(shared: TestKernel) -> None:
    """Nobody has to wait for it."""
    reply = run(shared, "import pdb\nx = 5\npdb.set_trace()\nprint('on')", stdin="p x + 1\nc\n")
    assert reply.status == "ok"
    assert "(Pdb) 6\n" in reply.text()
    assert reply.text().endswith("on\n")


def test_empty_input_ends_at_once(shared: TestKernel) -> None:
    """It is input, though: the error is Python's own."""
    assert run(shared, "input()", stdin="").content["ename"] == "EOFError"


def test_an_object_in_place_of_stdin_is_read(kernel: TestKernel) -> None:
    """Programs put a StringIO there; it stays, as they left it, and a run's own input comes first."""
    assert kernel.run("import io, sys\nsys.stdin = io.StringIO('a\\nb\\n')\nprint(input())").text() == "a\n"
    assert run(kernel, "print(input())", stdin="mine").text() == "mine\n"
    assert kernel.run("print(input())").text() == "b\n"


def test_variables_are_set_for_one_run(kernel: TestKernel) -> None:
    """Also for programs it starts and the time zone; afterwards all is as before, whatever the code did to them."""
    kernel.run("", "setup", {"env": {"KEPT": "old", "TZ": "Asia/Tokyo"}, "cwd": ""})
    code = "import os, time\nshown = [os.environ.get(n) for n in ('KEPT', 'NEW')], time.tzname[0]\nshown"
    inside = run(kernel, f"{code}\n!echo $NEW", env={"KEPT": "new", "NEW": "1", "TZ": "UTC"})
    assert inside.text() == "1\n"
    assert kernel.run("shown").result["text/plain"] == "(['new', '1'], 'UTC')"
    assert kernel.run(code).result["text/plain"] == "(['old', None], 'JST')"
    run(kernel, "del os.environ['NEW']; os.environ['KEPT'] = 'x'\nos.environ = {}\n1 / 0", env={"KEPT": "new", "NEW": "1"})
    assert kernel.run("print(os.popen('echo $KEPT$NEW').read())").text() == "old\n\n"


def test_what_is_given_is_no_cell(kernel: TestKernel) -> None:
    """Neither in the history nor among the variables, and lines keep their numbers."""
    reply = run(kernel, "1 / 0", stdin="x", env={"A": "1"})
    assert 'File "<code>", line 1' in reply.traceback
    assert kernel.run("In[1:], dir()", variables=True).variables == {}
    assert "'1 / 0', 'In[1:], dir()'" in kernel.run("In[1:]").result["text/plain"]


def test_files_are_there_before_the_code_runs(kernel: TestKernel) -> None:
    """Also modules, at once; they are not what the run did."""
    kernel.run("try: import given\nexcept ImportError: pass")
    files = [[b"given.py".hex(), "eCA9IDU="], [b"d/\xff".hex(), "/w=="]]
    code = "import given, os\nopen('made', 'w').close(); os.remove('made'); given.x, os.listdir(b'd')"
    reply = run(kernel, code, reports="new", files=files)
    assert reply.result["text/plain"] == "(5, [b'\\xff'])"
    tag = kernel.run("import sys; sys.implementation.cache_tag").result["text/plain"].strip("'")
    assert names(reply) == {f"__pycache__/given.{tag}.pyc".encode(): "created"}


def names(reply: Reply) -> dict[bytes, str]:
    """What a reply tells about files."""
    told = reply.metadata["omega"].get("files", {"files": []})
    return {bytes.fromhex(row["path"]): row["change"] for row in told["files"]}


def test_a_run_in_a_new_directory_tells_what_is_new(start: Start) -> None:
    """Of a run that makes nothing nothing is told, and nothing is looked for."""
    kernel = start()
    assert "files" not in run(kernel, "1", reports="new").metadata["omega"]
    assert names(run(kernel, "import os\nos.mkdir('d'); open('d/f', 'w').close()", reports="new")) == {b"d/f": "created"}


def test_a_run_has_its_reply_whatever_it_did_to_those_who_look_for_files(kernel: TestKernel) -> None:
    """As programs do that put a file system of their own in place of the real one; the reply says that it does not know."""
    for _run in range(2):
        reply = run(kernel, "import os\nos.scandir = os.stat = os.open = None\nprint(1)", globs=["*"])
        assert (reply.status, reply.text()) == ("ok", "1\n")
        assert reply.metadata["omega"]["files"] == {"files": [], "cut": True}
        assert reply.metadata["omega"]["fetched"]["cut"] is True


def test_files_that_can_not_be_put_stop_the_run(kernel: TestKernel) -> None:
    """Nothing has happened: no code, no file, no input; the error says which file, and shows no frame of ours."""
    kernel.run("import os\nos.symlink('/etc', 'l')")
    reply = run(kernel, "ran = 1", files=[[b"a".hex(), "MQ=="], [b"l/b".hex(), "MQ=="]], stdin="x")
    assert (reply.status, reply.content["ename"]) == ("error", "FilesError")
    assert "'l/b'" in reply.content["evalue"]
    assert reply.traceback.count("File") == 1
    assert kernel.run("'ran' in dir(), os.listdir()").result["text/plain"] == "(False, ['l'])"


def test_input_that_has_no_room_stops_the_run(kernel: TestKernel) -> None:
    """As files do: none of it is done."""
    kernel.run("import tempfile\ntempfile.tempdir = '/nonexistent'")
    reply = run(kernel, "ran = 1", files=[[b"a".hex(), "MQ=="]], env={"A": "1"}, stdin="x")
    assert (reply.status, reply.content["ename"]) == ("error", "FilesError")
    assert reply.content["evalue"].startswith("stdin can't be put into the directory for temporary files: ")
    look = "import os\n'ran' in dir(), os.listdir(), os.environ.get('A')"
    assert kernel.run(look).result["text/plain"] == "(False, [], None)"


def test_files_come_back_whatever_became_of_the_code(kernel: TestKernel) -> None:
    """It may have raised, or left for another directory."""
    reply = run(kernel, "import os\nopen('f', 'w').write('1'); os.mkdir('d'); os.chdir('d'); 1 / 0", globs=["*"])
    assert reply.metadata["omega"]["fetched"] == {
        "files": [{"path": b"f".hex(), "base64": "MQ=="}],
        "left_out": [],
        "cut": False,
    }
