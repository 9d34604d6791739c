"""The python task: output, results, variables, and what code may use."""

from __future__ import annotations

import json

import pytest

from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel


def test_both_streams_keep_the_order_in_which_they_were_written(shared: TestKernel) -> None:
    """Text of stdout, stderr and child processes comes out in the order written."""
    reply = shared.run(
        "import os, subprocess, sys\n"
        "print('a'); print('b', file=sys.stderr); print('c')\n"
        "subprocess.run(['echo', 'd']); os.system('echo e >&2'); print('f')\n"
        "os.write(1, b'g\\n'); sys.stdout.buffer.write(b'h\\n')"
    )
    assert reply.text() == "a\nb\nc\nd\ne\nf\ng\nh\n"
    assert reply.text("stderr") == "b\ne\n"


def test_nothing_written_is_lost_before_the_end_of_a_run(shared: TestKernel) -> None:
    """Megabytes from Python, C and children all arrive before reply and idle."""
    reply = shared.run(
        "import subprocess\n"
        "for i in range(50_000): print(i)\n"
        "subprocess.run(['seq', '200000'])\n"
        "import ctypes; _ = ctypes.CDLL(None).puts(b'from C')\n"
        "print('end', end='')"
    )
    expected = "".join(f"{i}\n" for i in range(50_000)) + "".join(f"{i}\n" for i in range(1, 200_001))
    assert reply.text().startswith(expected)
    assert sorted(reply.text()[len(expected) :].splitlines()) == ["end", "from C"] or reply.text().endswith("endfrom C\n")


def test_the_last_expression_is_the_result_with_its_json(shared: TestKernel) -> None:
    """A value that has a JSON form carries it beside its text."""
    reply = shared.run("{'a': [1, float('nan')], 'b': (1, 2)}")
    assert reply.result["application/json"] == {"a": [1, None], "b": [1, 2]}
    assert reply.result["text/plain"] == "{'a': [1, nan], 'b': (1, 2)}"
    assert shared.run("x = 5").result == {}
    assert shared.run("5;").result == {}


def test_a_frame_has_text_html_and_records(shared: TestKernel) -> None:
    """A small DataFrame comes in three forms."""
    result = shared.run("import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', None]})").result
    assert result["application/json"] == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert "<table" in result["text/html"]
    assert result["text/plain"].splitlines()[0].split() == ["a", "b"]


def test_a_value_over_64_kib_has_no_json(shared: TestKernel) -> None:
    """Large values keep their text only, cut."""
    result = shared.run("'x' * 1_000_000").result
    assert "application/json" not in result
    assert len(result["text/plain"]) < 110_000
    assert "900000 more" in result["text/plain"]


def test_a_long_repr_is_cut_and_a_raising_one_is_named(shared: TestKernel) -> None:
    """Neither a repr of 100 MB nor one that raises fails the run."""
    reply = shared.run("class Big:\n    def __repr__(self): return 'y' * 100_000_000\nBig()")
    assert reply.status == "ok"
    assert len(reply.result["text/plain"]) < 110_000
    reply = shared.run("class Bad:\n    def __repr__(self): raise ValueError('no repr')\nBad()")
    assert reply.status == "ok"
    assert reply.result["text/plain"] == "<Bad object; its repr raised ValueError: no repr>"
    reply = shared.run(
        "class Html:\n    def _repr_html_(self): raise KeyError('x')\n    def __repr__(self): return 'me'\nHtml()"
    )
    assert (reply.status, reply.result["text/plain"], reply.of("error")) == ("ok", "me", [])


def test_variables_are_the_names_this_run_bound(kernel: TestKernel) -> None:
    """Bound names with type, shape or length and preview; no modules, private or unchanged names."""
    first = kernel.run(
        "import numpy as np, pandas as pd, math\n"
        "n = 3; s = 'abc'; items = [1, 2, [3]]; _hidden = 1\n"
        "a = np.zeros((2, 3)); df = pd.DataFrame({'x': [1, 2, 3]})\n"
        "def f(): pass\n"
        "class C: pass\n"
        "c = C()\n"
        "for i in range(3): pass\n"
    ).variables
    assert list(first) == ["n", "s", "items", "a", "df", "f", "C", "c", "i"]
    assert first["n"] == {"type": "int", "preview": "3"}
    assert first["s"] == {"type": "str", "length": 3, "preview": "'abc'"}
    assert first["items"] == {"type": "list", "length": 3, "preview": "[1, 2, [3]]"}
    assert first["a"]["shape"] == [2, 3]
    assert first["df"]["shape"] == [3, 1]
    assert first["c"] == {"type": "C", "preview": "<C object>"}
    assert list(kernel.run("n = 3\nm = n").variables) == ["n", "m"]
    assert kernel.run("print(n)").variables == {}
    assert kernel.run("z = 1", variables=False).metadata["omega"]["variables"] == {}


def test_variables_run_no_code_of_the_caller(shared: TestKernel) -> None:
    """Hostile reprs, lengths, metaclasses and subclasses are never called."""
    reply = shared.run(
        "called = []\n"
        "class Meta(type):\n"
        "    def __getattribute__(cls, name): called.append(name); return type.__getattribute__(cls, name)\n"
        "class H(metaclass=Meta):\n"
        "    def __repr__(self): called.append('repr'); return 'x'\n"
        "    def __len__(self): called.append('len'); return 1\n"
        "    def __getattribute__(self, name): called.append(name); return object.__getattribute__(self, name)\n"
        "    def __eq__(self, other): called.append('eq'); return True\n"
        "    __hash__ = object.__hash__\n"
        "class L(list):\n"
        "    def __repr__(self): called.append('L'); return 'x'\n"
        "    def __iter__(self): called.append('iter'); return iter(())\n"
        "h = H(); l = L([1]); both = [h, l, {h: l}]; kind = H; big = [0] * 10_000_000\n"
        "called.clear()\n"
    )
    assert reply.variables["h"]["preview"] == "<H object>"
    assert reply.variables["l"]["preview"] == "<L object>"
    assert reply.variables["both"]["preview"] == "[<H object>, <L object>, {<H object>: <L object>}]"
    assert reply.variables["big"]["length"] == 10_000_000
    assert shared.run("called").result["text/plain"] == "[]"


def test_variables_are_bounded(shared: TestKernel) -> None:
    """Many names, long texts and deep nestings give a short strict JSON answer."""
    reply = shared.run(
        "for k in range(1000): globals()[f'v{k}'] = k\n"
        "deep = []\n"
        "for _ in range(10_000): deep = [deep]\n"
        "cycle = []; cycle.append(cycle)\n"
        "huge = 10 ** 100_000; bad = '\\udcff'; nan = float('nan')\n"
    )
    assert len(reply.variables) <= 200
    json.dumps(reply.metadata, allow_nan=False).encode("utf-8")
    reply = shared.run("deep; cycle; huge = 10 ** 100_000; bad = '\\udcff'; deep = deep; cycle = cycle; nan = nan")
    assert all(len(row["preview"]) <= 200 for row in reply.variables.values())
    assert reply.variables["cycle"]["preview"] == "[[[[...]]]]"
    assert "bits" in reply.variables["huge"]["preview"]
    json.dumps(reply.metadata, allow_nan=False).encode("utf-8")


def test_usage_counts_the_run_and_its_children(shared: TestKernel) -> None:
    """Processor time of this run only, peak memory in bytes."""
    busy = shared.run("import time\nt = time.process_time()\nwhile time.process_time() - t < 0.2: pass").metadata["omega"]
    idle = shared.run("pass").metadata["omega"]
    assert busy["usage"]["cpu_s"] >= 0.19
    assert idle["usage"]["cpu_s"] < busy["usage"]["cpu_s"]
    assert idle["usage"]["peak_bytes"] > 10_000_000


def test_async_code_works_at_top_level_and_through_asyncio_run(shared: TestKernel) -> None:
    """await, async for and with, asyncio.run, and loops of one's own."""
    assert shared.run("import asyncio\nawait asyncio.sleep(0)\nprint('a')").text() == "a\n"
    code = "import asyncio\nasync def main():\n    await asyncio.sleep(0.001)\n    return 7\n"
    assert shared.run(code + "asyncio.run(main())").result["text/plain"] == "7"
    assert shared.run(code + "asyncio.get_event_loop().run_until_complete(main())").result["text/plain"] == "7"
    assert shared.run(code + "await main()").result["text/plain"] == "7"
    assert shared.run("await asyncio.sleep(0)\n1/0").content["ename"] == "ZeroDivisionError"
    assert shared.run("import asyncio\nasyncio.get_running_loop()").content["ename"] == "RuntimeError"


@pytest.mark.parametrize("get", ["asyncio.get_event_loop()", "getattr(asyncio, 'get_event' + '_loop')()"])
def test_an_event_loop_is_made_when_code_asks_for_one(shared: TestKernel, get: str) -> None:
    """However it is spelled, in the cell or in a module that the cell imports, and in the run after asyncio.run."""
    cell = f"import asyncio\nasync def main(): return 7\nanswer = {get}.run_until_complete(main())\n"
    assert shared.run(f"{cell}answer").result["text/plain"] == "7"
    module = f"import sys, types\nmade = types.ModuleType('made')\nexec({cell!r}, vars(made))\nmade.answer"
    assert shared.run(module).result["text/plain"] == "7"
    assert shared.run("import asyncio\nasyncio.run(asyncio.sleep(0, 8))").result["text/plain"] == "8"
    assert shared.run(f"{cell}answer").result["text/plain"] == "7"
    assert shared.run(f"# event_loop\n{cell}answer").result["text/plain"] == "7"


def test_a_loop_that_code_made_lives_on(shared: TestKernel) -> None:
    """It is the code's own: the next run of the session finds it open, and the kernel's own loop unharmed."""
    assert shared.run("import asyncio\nmine = asyncio.get_event_loop()").content["status"] == "ok"
    assert shared.run("mine.run_until_complete(asyncio.sleep(0, 5))").result["text/plain"] == "5"
    assert shared.run("await asyncio.sleep(0, 6)").result["text/plain"] == "6"
    shared.run("mine.close()")


def test_an_event_loop_policy_of_the_code_stays(shared: TestKernel) -> None:
    """For the runs after it, and not for the kernel."""
    code = (
        "import asyncio\n"
        "class Mine(asyncio.DefaultEventLoopPolicy): pass\n"
        "asyncio.set_event_loop_policy(Mine())\n"
        "async def main(): return 3\n"
    )
    assert shared.run(code + "asyncio.run(main())").result["text/plain"] == "3"
    assert shared.run("type(asyncio.get_event_loop_policy()) is Mine and asyncio.run(main())").result["text/plain"] == "3"
    assert shared.run("await main()").result["text/plain"] == "3"
    shared.run("asyncio.set_event_loop_policy(None)")


def test_processes_and_threads_work(shared: TestKernel) -> None:
    """fork, multiprocessing, executors, threads and subprocess; their prints arrive whole."""
    reply = shared.run(
        "import multiprocessing as mp, os, threading\n"
        "def work(n):\n    print('child', n)\n    return n * n\n"
        "with mp.get_context('fork').Pool(2) as pool: print(pool.map(work, range(4)))\n"
        "t = threading.Thread(target=print, args=('thread', 1)); t.start(); t.join()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n    print('forked', 2); os._exit(0)\n"
        "_ = os.waitpid(pid, 0)\n"
    )
    assert reply.status == "ok", reply.content
    assert sorted(reply.text().splitlines()) == sorted(
        [*(f"child {n}" for n in range(4)), "[0, 1, 4, 9]", "thread 1", "forked 2"]
    )
    reply = shared.run(
        "from concurrent.futures import ProcessPoolExecutor\n"
        "with ProcessPoolExecutor(2) as e: print(list(e.map(abs, [-1, -2])))"
    )
    assert reply.text() == "[1, 2]\n"


def test_spawned_processes_work_as_far_as_in_notebooks(shared: TestKernel) -> None:
    """multiprocessing's spawn method runs functions of modules."""
    reply = shared.run(
        "import math, multiprocessing as mp\nwith mp.get_context('spawn').Pool(1) as p: print(p.map(math.sqrt, [4, 9]))"
    )
    assert reply.text("stdout") == "[2.0, 3.0]\n"


def test_shell_commands_need_no_terminal(shared: TestKernel) -> None:
    """``!cmd`` and ``x = !cmd`` work over pipes."""
    assert shared.run("!echo hello; echo oops >&2").text() == "hello\noops\n"
    assert shared.run("who = 'me'\n!echo {who}").text() == "me\n"
    assert shared.run("lines = !printf 'a\\nb\\n'\nlist(lines)").result["application/json"] == ["a", "b"]
    assert shared.run("%%bash\necho cell").text() == "cell\n"


def test_what_a_pager_would_show_is_output(shared: TestKernel) -> None:
    """``len?`` has an answer."""
    assert "Return the number of items in a container" in shared.run("len?").text("stdout")
    assert "def dumps(" in shared.run("import json\njson.dumps??").text("stdout")
    assert shared.run("1").text() == ""


def test_a_byte_order_mark_in_front_of_code_is_taken(shared: TestKernel) -> None:
    """Editors of Windows write one. Line numbers, magics and other requests are the same with it."""
    for run in (shared.run, shared.plain):
        assert run("\ufeffprint(1)\r\nprint(2)\r\n").text() == "1\n2\n"
        assert run("\ufeff%%writefile /dev/stdout\nmagic").text().endswith("magic\n")
        assert "line 3, in" in shared.run("\ufeff\n\n1/0").traceback
    assert shared.run("\ufeff1 + 1", task="math").result["application/json"] == 2
    assert shared.run("\ufeffplt.plot([1, 2])", task="chart").images()
    assert shared.ask("is_complete_request", {"code": "\ufeffx = 1"})["content"]["status"] == "complete"
    assert shared.run("x = '\ufeff'\nlen(x)").result["application/json"] == 1


def test_whatever_is_cut_is_told(shared: TestKernel) -> None:
    """A text that ends early is never taken for a whole one."""
    for code in (
        "'x' * 200_000",
        "b'x' * 200_000",
        "['y' * 50_000] * 3",
        "class Big:\n    def __repr__(self): return 'y' * 1_000_000\nBig()",
        "10 ** 200_000",
        "raise Exception('x' * 100_000)",
    ):
        assert shared.run(code).metadata["omega"]["truncated"] is True, code
        assert shared.run("1").metadata["omega"]["truncated"] is False


def test_a_long_integer_is_a_result_like_any(shared: TestKernel) -> None:
    """The digits up to a limit, then how many there are."""
    result = shared.run("10 ** 5000").result
    assert result["text/plain"] == result["application/json"] == "1" + "0" * 5000
    assert shared.run("10 ** 200_000").result["text/plain"].startswith("<an integer of about 200,000 digits")


def test_lone_surrogates_in_output_are_replaced(shared: TestKernel) -> None:
    """Text that is not valid Unicode still arrives."""
    assert shared.run("print('a\\udcffb')").text() == "a?b\n"
    assert shared.run("'\\udcff'").status == "ok"
    assert shared.run("import os; _ = os.write(1, b'\\xff\\xfe ok\\n')").text() == "\ufffd\ufffd ok\n"


def test_plain_requests_behave_as_ipykernel_does(kernel: TestKernel) -> None:
    """Without omega metadata: IPython's traceback, execution counts, figures inline, no omega in the reply."""
    reply = kernel.plain("1/0")
    assert "Cell In[1], line 1" in reply.traceback
    assert "omega" not in reply.metadata
    assert kernel.plain("5").of("execute_result")[0]["execution_count"] == 2
    assert len(kernel.plain("import matplotlib.pyplot as plt\nplt.plot([1, 2]);").images()) == 1
    assert kernel.plain("import asyncio\nawait asyncio.sleep(0)\n6").result["text/plain"] == "6"
    assert kernel.ask("kernel_info_request")["content"]["language_info"]["name"] == "python"
    assert kernel.ask("is_complete_request", {"code": "for x in"})["content"]["status"] in ("incomplete", "invalid")
    assert "print" in kernel.ask("complete_request", {"code": "pri", "cursor_pos": 3})["content"]["matches"]


def test_code_cannot_leave_the_kernel_without_streams(kernel: TestKernel) -> None:
    """Whatever code puts in the place of sys.stdout, its run gets a reply and the next one its output."""
    assert kernel.run("import sys\nsys.stdout = 5; sys.stderr = None").status == "ok"
    assert kernel.run("print('back')").text() == "back\n"
    assert kernel.run("globals()[5] = 1; globals()['\\udcff'] = 2; x = 3").variables.keys() >= {"x"}
    assert kernel.run("1").status == "ok"


def test_a_forked_process_that_runs_on_answers_nothing(kernel: TestKernel) -> None:
    """Code that forks and forgets to exit gets one reply, from the original process."""
    reply = kernel.run(
        "import os\npid = os.fork()\nif pid == 0: print('child', flush=True)\nelse: _ = os.waitpid(pid, 0)\nprint('end')"
    )
    assert sorted(reply.text().splitlines()) == ["child", "end", "end"]
    reply = kernel.run("print('next')")
    assert reply.text() == "next\n"


def test_files_are_text_in_utf8_and_times_are_utc(shared: TestKernel) -> None:
    """The defaults that code relies on."""
    assert (
        shared.run("open('t.txt', 'w').write('汉')\nopen('t.txt', 'rb').read().hex()").result["application/json"] == "e6b189"
    )
    assert shared.run("import time\ntime.strftime('%z')").result["application/json"] == "+0000"


def test_a_long_text_arrives_in_pieces(kernel: TestKernel) -> None:
    """One print of megabytes is many messages, so that a limit cuts it where it is reached, not before."""
    reply = kernel.run("print('é' * 1_000_000)")
    pieces = [part["text"] for part in reply.of("stream")]
    assert max(map(len, pieces)) < 128 * 1024
    assert "".join(pieces) == "é" * 1_000_000 + "\n"
