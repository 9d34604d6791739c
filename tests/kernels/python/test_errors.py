"""The python task when code fails: errors, tracebacks, exits and refusals, in the caller's own words and lines."""

from __future__ import annotations

import re

import pytest

from tests.kernels.python.conftest import Start
from tests.kernels.python.harness import Reply, TestKernel

pytestmark = pytest.mark.kernel
TIMES = 10
"""How much more processor time code may take when its error is shown: a look at each of its frames took much more."""


def cpu_s(reply: Reply) -> float:
    """The processor time of a run; it differs by a few times from run to run."""
    return float(reply.metadata["omega"]["usage"]["cpu_s"])


def test_a_traceback_is_plain_and_has_the_callers_lines_only(kernel: TestKernel) -> None:
    """Line numbers are the caller's, also after leading blank lines; no ANSI codes, no frames of ours."""
    reply = kernel.run("\n\ndef f(x):\n    return 1 / x\n\nf(0)\n")
    assert (reply.content["ename"], reply.content["evalue"]) == ("ZeroDivisionError", "division by zero")
    lines = [line for line in reply.traceback.splitlines() if "^" not in line and "~" not in line]
    assert lines == [
        "Traceback (most recent call last):",
        '  File "<code>", line 6, in <module>',
        "    f(0)",
        '  File "<code>", line 4, in f',
        "    return 1 / x",
        "ZeroDivisionError: division by zero",
    ]
    assert reply.of("error") == [
        {key: reply.content[key] for key in ("ename", "evalue", "traceback")},
    ]


def test_frames_of_libraries_are_shown_without_paths_of_this_machine(shared: TestKernel) -> None:
    """A library's frames are named relative to where Python finds it."""
    text = shared.run("import json\njson.loads('{')").traceback
    assert 'File "json/decoder.py"' in text
    assert "site-packages" not in text
    assert 'File "/' not in text
    text = shared.run("import pandas as pd\npd.DataFrame({'a': [1]})['b']").traceback
    assert "KeyError: 'b'" in text
    assert 'File "/' not in text


def test_each_run_of_a_session_shows_its_own_source(kernel: TestKernel) -> None:
    """A function of an earlier run is shown with that run's lines, under that run's name."""
    kernel.run("def g():\n    raise RuntimeError('first')")
    text = kernel.run("# another text\nx = 1\ng()").traceback
    assert 'File "<code 2>", line 3, in <module>\n' in text
    assert 'File "<code>", line 2, in g\n' in text
    assert "    g()\n" in text
    assert "    raise RuntimeError('first')\n" in text


@pytest.mark.parametrize(
    ("code", "ename", "parts"),
    [
        ("def (:\n", "SyntaxError", ['File "<code', '", line 1', "^"]),
        ("if 1:\nx", "IndentationError", ['File "<code', '", line 2']),
        ("x = 'abc", "SyntaxError", ["unterminated string"]),
        ("return 5", "SyntaxError", ["'return' outside function"]),
        ("\x00", "SyntaxError|ValueError", []),  # the latter before Python 3.11.4
        ("def f(): f()\nf()", "RecursionError", ["Previous line repeated"]),
        ("try:\n    1/0\nexcept Exception as e:\n    raise KeyError('k') from e", "KeyError", ["direct cause"]),
        ("raise ExceptionGroup('many', [ValueError('a'), TypeError('b')])", "ExceptionGroup", ["ValueError: a", "+"]),
        ("class E(Exception):\n    def __str__(self): raise KeyError\nraise E", "E", ["str() failed"]),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", []),
        ("raise BaseException('b')", "BaseException", ["BaseException: b"]),
        ("raise Exception('x' * 10_000_000)", "Exception", ["characters left out"]),
        ("raise Exception('\\udcff')", "Exception", ["Exception"]),
        ("%nosuchmagic", "UsageError", ["nosuchmagic"]),
        ("assert 1 == 2, 'unequal'", "AssertionError", ["unequal"]),
        ("open('/no/such/file')", "FileNotFoundError", ["No such file"]),
        ("class E(Exception):\n    __module__ = 5\nraise E('m')", "E", []),
        ("e = Exception('loop'); e.__cause__ = e\nraise e", "Exception", ["loop"]),
    ],
)
def test_whatever_code_raises_is_reported(shared: TestKernel, code: str, ename: str, parts: list[str]) -> None:
    """Every way to fail ends as an error reply with a bounded plain traceback."""
    reply = shared.run(code)
    assert reply.status == "error"
    assert reply.content["ename"] in ename.split("|")
    assert len(reply.traceback) < 100_000
    assert "\x1b" not in reply.traceback
    assert "ipykernel" not in reply.traceback
    assert "kernels/python" not in reply.traceback
    for part in parts:
        assert part in reply.traceback
    assert shared.run("1").status == "ok"


@pytest.mark.parametrize(
    ("code", "status", "stderr"),
    [
        ("import sys; sys.exit(3)", "3", ""),
        ("import sys; sys.exit()", "0", ""),
        ("raise SystemExit(None)", "0", ""),
        ("exit(4)", "4", ""),
        ("exit", "0", ""),
        ("quit()", "0", ""),
        ("import sys; sys.exit(True)", "1", ""),
        ("import sys; sys.exit(256)", "0", ""),
        ("import sys; sys.exit(-1)", "255", ""),
        ("import sys; sys.exit('no luck')", "1", "no luck\n"),
        ("import sys; sys.exit('7')", "1", "7\n"),
        ("import sys; sys.exit('0')", "1", "0\n"),
        ("import sys; sys.exit('')", "1", "\n"),
        ("import sys; sys.exit((1, 2))", "1", "(1, 2)\n"),
        ("import sys; sys.exit(2.0)", "1", "2.0\n"),
    ],
)
def test_system_exit_ends_the_run_with_its_code(shared: TestKernel, code: str, status: str, stderr: str) -> None:
    """The exit code is what a script's would be, nothing warns, and the kernel lives on."""
    reply = shared.run(code)
    assert (reply.status, reply.content["ename"]) == ("error", "SystemExit")
    assert reply.metadata["omega"]["exit_code"] == int(status)
    assert reply.text("stderr") == stderr
    if stderr:
        assert reply.content["evalue"] == stderr.rstrip("\n").strip("()") or reply.content["evalue"] == stderr.rstrip("\n")
    assert shared.run("print('on')").text() == "on\n"


@pytest.mark.parametrize(
    ("asked_by", "code"),
    [
        ("input()", "input('name? ')"),
        ("breakpoint()", "breakpoint()"),
        ("getpass()", "import getpass; getpass.getpass()"),
        ("set_trace()", "import pdb\npdb.set_trace()"),
        ("set_trace()", "import pdb\npdb.Pdb().set_trace()\nprint('on')"),
        ("set_trace()", "from IPython.core.debugger import set_trace\nset_trace()"),
        ("the debugger", "import pdb\npdb.run('1')"),
        ("the debugger", "import pdb\ntry: 1 / 0\nexcept Exception as e: pdb.post_mortem(e.__traceback__)"),
    ],
)
def test_input_is_refused_at_once(shared: TestKernel, asked_by: str, code: str) -> None:
    """There is nobody to ask: whoever asks is told so, and what to do instead."""
    reply = shared.run(code)
    assert reply.content["ename"] == "StdinNotImplementedError"
    assert reply.content["evalue"] == f"{asked_by} is not available: this run has no input"
    assert reply.content["hint"] == "put what it would read into the code, or send it as stdin with the run"
    assert reply.traceback.endswith(f"Hint: {reply.content['hint']}\n")
    assert "refusals.py" not in reply.traceback
    assert reply.text() == ""


def test_input_that_is_not_there_ends(shared: TestKernel) -> None:
    """Code that reads until the end of input ends, also a program it starts."""
    assert shared.run("try: input()\nexcept EOFError: print('end')").text() == "end\n"
    assert shared.run("import sys\nsys.stdin.read()").result["text/plain"] == "''"
    assert shared.run("!wc -c").text().strip() == "0"


def test_packages_that_are_not_there_are_told_with_what_to_do(shared: TestKernel) -> None:
    """A missing module's traceback ends with a hint, a missing part of a module's does not."""
    assert "Hint: 'nosuch' is not installed" in shared.run("import nosuch.part").traceback
    assert "Hint" not in shared.run("import json.part").traceback
    assert "Hint" not in shared.run("raise ModuleNotFoundError").traceback
    assert "Hint" not in shared.run("raise ImportError('x' * 10**7)").traceback
    assert "Hint" not in shared.run("raise ValueError('requires the latest version')").traceback


@pytest.mark.parametrize(
    "code",
    [
        "raise OSError(101, 'Network is unreachable')",
        "import socket; socket.getaddrinfo('example.org', 80)",
        "import urllib.request; urllib.request.urlopen('http://example.org/')",
        "import pandas as pd; pd.read_csv('https://example.org/a.csv')",
        "import urllib.error; raise urllib.error.URLError(OSError(101, 'x'))",
    ],
)
def test_code_that_wants_the_network_is_told_that_there_is_none(shared: TestKernel, code: str) -> None:
    """Whatever it uses; an error that only looks so has no hint."""
    hint = "Hint: kernels have no network"
    assert hint in shared.run(code).traceback
    assert hint not in shared.run("raise OSError('Network is unreachable')").traceback


@pytest.mark.parametrize(
    ("code", "is_hinted"),
    [
        ("open('/mnt/data/no/a.csv')", True),
        ("open('/home/user/no/a.csv', 'w')", True),
        ("import pandas as pd; pd.DataFrame().to_csv('/mnt/data/no/a.csv')", True),
        ("open('/proc/sys/no/a.csv')", False),
        ("import os; raise OSError(30, os.strerror(30), '/data')", True),
        ("raise OSError(2, 'No such file', 'data.csv')", False),
        ("raise FileNotFoundError('/mnt/data')", False),
        ("import pandas as pd; pd.DataFrame().to_csv('no/a.csv')", False),
    ],
)
def test_code_that_wants_another_place_is_told_which_there_is(shared: TestKernel, code: str, is_hinted: bool) -> None:
    """A read-only one, and one that other interpreters have and this level has not."""
    assert ("Hint: only the work directory keeps files" in shared.run(code).traceback) is is_hinted


def test_code_has_one_name_wherever_it_is_named(start: Start) -> None:
    """Warnings, syntax errors, printed tracebacks and errors of threads say what our tracebacks say."""
    for code in (
        "import warnings\nwarnings.warn('x')",
        "import traceback\ntry: 1/0\nexcept Exception: traceback.print_exc()",
        "import threading\nt = threading.Thread(target=lambda: 1/0); t.start(); t.join()",
        "1/0",
        "def (:",
        "import inspect; print(inspect.currentframe().f_code.co_filename)",
    ):
        kernel = start()
        kernel.collect(kernel.send("None", {"task": "python"}, silent=True, store_history=False))  # as the gateway warms up
        for name in ("<code>", "<code 2>"):
            reply = kernel.run(code)
            said = reply.text() + "".join(reply.content.get("traceback", ())) + reply.content.get("evalue", "")
            assert set(re.findall("<code.*?>", said)) == {name}


def test_runaway_recursion_is_told_at_once(kernel: TestKernel) -> None:
    """A million frames take no longer to show than a thousand: first and last ones, and how many are between."""
    deep = "import sys\nsys.setrecursionlimit(300_000)\ndef f(n):\n    return f(n + 1)\nf(0)"
    reply = kernel.run(deep)
    assert reply.content["ename"] == "RecursionError"
    assert re.search(r"\n  \.\.\. 29\d{4} frames left out \.\.\.\n", reply.traceback)
    assert reply.traceback.splitlines()[1] == '  File "<code>", line 5, in <module>'
    unshown = kernel.run(deep.replace("\nf(0)", "\ntry: f(0)\nexcept RecursionError: pass"))
    assert cpu_s(reply) < TIMES * cpu_s(unshown)


def test_a_chain_without_end_is_told_at_once(kernel: TestKernel) -> None:
    """The last hundred exceptions are shown, and the exceptions themselves are left as they were."""
    for link in ("__cause__", "__context__"):
        code = f"e = None\nfor i in range(100_000):\n    n = ValueError(i); n.{link} = e; e = n"
        unshown = kernel.run(code)
        reply = kernel.run(f"{code}\nraise e")
        assert reply.traceback.startswith("(earlier exceptions of the chain were dropped)")
        assert reply.traceback.endswith("ValueError: 99999\n")
        assert cpu_s(reply) < TIMES * cpu_s(unshown)
        count = f"n = 0\nwhile e is not None: n += 1; e = e.{link}\nn"
        assert kernel.run(count).result["text/plain"] == "100000"
