"""What a kernel does for sessions: environment and directory before the first run, and a look at all its names."""

from __future__ import annotations

import json
import sys

import pytest

from tests.kernels.python import hostile_values
from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel


def test_environment_and_directory_are_there_before_the_first_run(kernel: TestKernel) -> None:
    """The directory is made, modules are found in it, the time zone is the one named; the first run is the first."""
    reply = kernel.run(task="setup", inputs={"env": {"CITY": "Zürich", "TZ": "Asia/Tokyo"}, "cwd": "a b/データ"})
    assert reply.status == "ok", reply.content
    (kernel.work / "a b/データ/helper.py").write_text("value = 7")
    first = kernel.run("import os, time, helper\nos.environ['CITY'], os.getcwd(), time.tzname[0], helper.value")
    assert first.result["application/json"] == ["Zürich", str(kernel.work / "a b/データ"), "JST", 7]
    assert first.content["execution_count"] == 1
    assert kernel.run("1 / 0").traceback.splitlines()[1] == '  File "<code 2>", line 1, in <module>'
    assert kernel.run("!echo $CITY").text() == "Zürich\n"


@pytest.mark.parametrize("cwd", ["/etc", "..", "a/../../b", "/", "a" * 300])
def test_a_directory_elsewhere_is_refused(shared: TestKernel, cwd: str) -> None:
    """With one sentence; the kernel stays where it is."""
    reply = shared.run(task="setup", inputs={"env": {}, "cwd": cwd})
    assert (reply.status, reply.content["ename"]) == ("error", "SetupError")
    assert reply.content["evalue"].startswith("cwd ")
    assert shared.run("import os\nos.getcwd()").result["application/json"] == str(shared.work)


def test_all_names_are_listed(kernel: TestKernel) -> None:
    """Those of earlier runs too, with type, shape, length, size and preview; no run is counted for it."""
    kernel.run("import numpy as np, pandas as pd\na = np.zeros((2, 3)); df = pd.DataFrame({'x': [1, 2, 3]})")
    kernel.run("n = 3; text = 'x' * 1000\nclass C: pass\nc = C()\n_hidden = 1")
    reply = kernel.run(task="variables")
    rows = reply.variables
    assert list(rows) == ["a", "df", "n", "text", "C", "c"]
    assert (rows["a"]["type"], rows["a"]["shape"], rows["a"]["size"]) == ("ndarray", [2, 3], 2 * 3 * 8)
    assert (rows["df"]["type"], rows["df"]["shape"], rows["df"]["preview"]) == ("DataFrame", [3, 1], "DataFrame 3 x 1: 'x'")
    assert 3 * 8 <= rows["df"]["size"] < 1000
    assert rows["n"] == {"type": "int", "preview": "3", "size": sys.getsizeof(3)}
    assert (rows["text"]["length"], rows["text"]["size"]) == (1000, sys.getsizeof("x" * 1000))
    assert (rows["c"]["type"], rows["c"]["preview"]) == ("C", "<C object>")
    assert 0 < rows["c"]["size"] < 100
    assert reply.metadata["omega"]["truncated"] is False
    assert kernel.run("1").content["execution_count"] == 3


def test_a_look_at_the_names_runs_no_code_of_the_caller(kernel: TestKernel) -> None:
    """Not their text, length, size or properties, nor the keys of the namespace; a patched library spoils only its rows."""
    kernel.run(
        "import pandas as pd\n"
        "called = []\n"
        "def evil(self, *_):\n"
        "    called.append(1)\n"
        "    while True: pass\n"
        "class H:\n"
        "    __repr__ = __len__ = __sizeof__ = __getattribute__ = __eq__ = __iter__ = __class_getitem__ = evil\n"
        "    nbytes = shape = property(evil)\n"
        "    __hash__ = object.__hash__\n"
        "class L(list):\n"
        "    __repr__ = __len__ = __sizeof__ = __iter__ = evil\n"
        "h, l, inside = H(), L([1]), [H(), {1: L()}]\n"
        "globals()[H()] = 1\n"
        "s = pd.Series([1])\n"
        "pd.arrays.NumpyExtensionArray.nbytes = property(lambda self: 1 / 0)\n"
    )
    reply = kernel.run(task="variables")
    rows = reply.variables
    assert rows["called"]["preview"] == "[]"
    assert (rows["h"]["preview"], rows["l"]["preview"]) == ("<H object>", "<L object>")
    assert rows["inside"]["preview"] == "[<H object>, {1: <L object>}]"
    assert rows["s"] == {"type": "Series", "preview": "<could not be shown: ZeroDivisionError>", "size": None}


def test_a_look_at_the_names_can_be_interrupted(kernel: TestKernel) -> None:
    """Where a library itself was made to loop; the names are kept."""
    kernel.run(
        "import pandas as pd\ns = pd.Series([1])\nx = 5\n"
        "def loop(self):\n    while True: pass\n"
        "pd.arrays.NumpyExtensionArray.nbytes = property(loop)"
    )
    request = kernel.send("", {"task": "variables", "inputs": {}})
    while kernel._receive(kernel.iopub)["msg_type"] != "execute_input":
        pass
    kernel.interrupt()
    reply = kernel._receive(kernel.shell)
    assert reply["parent_header"]["msg_id"] == request
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert kernel.run("x").result["application/json"] == 5


def test_a_look_at_the_names_is_bounded(kernel: TestKernel) -> None:
    """In number, and each row in length; that some are left out is told."""
    kernel.run("for k in range(5000): globals()[f'v{k}'] = 'x' * 100_000\nhuge = 10 ** 100_000\nbad = '\\udcff'")
    reply = kernel.run(task="variables")
    assert len(reply.variables) == 1000
    assert reply.metadata["omega"]["truncated"] is True
    assert len(json.dumps(reply.metadata, allow_nan=False).encode("utf-8")) < 1_000_000


def test_an_expression_in_a_session_sees_its_names(kernel: TestKernel) -> None:
    """And binds none; without a session it sees what is documented."""
    kernel.run("x = 20")
    assert kernel.run("x + math.sqrt(4)", "math", {"session": True}).text() == "Result: 22.0\n"
    assert kernel.run("x", "math").content["ename"] == "NameError"


def test_a_chart_in_a_session_leaves_its_names_alone(kernel: TestKernel) -> None:
    """What the caller called plt, np, pd or sns stays that."""
    kernel.run("sns = 'a list of sensors'\ndata = [1, 2, 3]")
    reply = kernel.run("plt.plot(data)\nprint(sns)", "chart")
    assert reply.status == "ok", reply.content
    assert len(reply.images()) == 1
    assert reply.text().startswith("a list of sensors\n")


def test_no_kind_of_value_gets_code_of_its_own_run(kernel: TestKernel) -> None:
    """Neither after the run that bound it nor when all are listed: subclasses, metaclasses, time zones, ``attrs``."""
    assert kernel.run(hostile_values.CLASSES).status == "ok"
    bound = kernel.run(hostile_values.VALUES)
    assert bound.status == "ok", bound.content
    listed = kernel.run(task="variables").variables
    assert kernel.run("calls").result["application/json"] == []
    assert {name: row["preview"] for name, row in bound.variables.items()} == {
        "inside": "[<Evil object>, {1: <Text object>}, (<Number object>, <Real object>), <List object>, <Dict object>, "
        "slice(<Evil object>, <Evil object>, None)]",
        "kind_itself": "<class Evil>",
        "cells": "array 6, object: [<Evil object>, <Text object>, <Number object>, <Real object>, <List object>, "
        "<Dict object>]",
        "frame": "DataFrame 6 x 3: 'x', 'o', 'n'",
        "series": "Series of 6, object: [<Evil object>, <Text object>, <Number object>, <Real object>, <List object>, "
        "<Dict object>]",
        "zoned": "(<datetime object>, <time object>)",
        "stamps": "DataFrame 6 x 2: 't', 'n'",
        "stamp": "<Timestamp object>",
        "labelled": "DataFrame",
        "lettered": "DataFrame",
        "own_cells": "DataFrame 6 x 2: 'c', 'n'",
        "own_series": "Series of 6, unknown: [...]",
        "own_frame": "<Frame object>",
        "chosen_value": "<Armed object>",
        "kinds": "Index of 1: [<Armed object>]",
        "chosen": "DataFrame 6 x 2: 'c', 'n'",
        "records": "[{'a': <Evil object>, 'b': 1}, {'a': <Text object>, 'b': 2}, {'a': 3, 'b': 3}, {'b': 4}, "
        "{'b': 5}, {'b': 6}]",
    }
    assert {name: listed[name]["preview"] for name in bound.variables} == {
        name: row["preview"] for name, row in bound.variables.items()
    }
    assert listed["named"]["preview"] == "<function f>"
    assert listed["frame"]["size"] > 6 * 24


def test_only_what_code_has_made_is_listed(kernel: TestKernel) -> None:
    """Neither modules nor imported functions and classes; objects of own classes show what they hold."""
    code = (
        "import math, numpy as np\nfrom math import sqrt, pi\nfrom collections import Counter, OrderedDict\n"
        "from dataclasses import dataclass\nfrom numpy import sin, array\nfrom typing import Any, Optional, Iterable\n"
        "from functools import wraps\n"
        "@dataclass\nclass Point:\n    x: int\n    y: str\n    def __repr__(self): return 'a point'\n"
        "class Slotted:\n    __slots__ = ('a', 'unset')\n"
        "def own(): pass\n"
        "@wraps(own)\ndef wrapped(): pass\n"
        "short = lambda: 1\n"
        "class Loop: pass\n"
        "point, slotted, loop, bare = Point(1, 'b'), Slotted(), Loop(), Loop()\n"
        "slotted.a = [1, {'k': 2}]; loop.self = loop; counted = Counter('aab')"
    )
    reply = kernel.run(code)
    expected = {
        "pi": "3.141592653589793",
        "Point": "<class Point>",
        "Slotted": "<class Slotted>",
        "own": "<function own>",
        "wrapped": "<function own>",
        "short": "<function <lambda>>",
        "Loop": "<class Loop>",
        "point": "<Point x=1 y='b'>",
        "slotted": "<Slotted a=[1, {'k': 2}]>",
        "loop": "<Loop self=<Loop self=<Loop self=<Loop object>>>>",
        "bare": "<Loop object>",
        "counted": "Counter({'a': 2, 'b': 1})",
    }
    assert {name: row["preview"] for name, row in reply.variables.items()} == expected
    assert {name: row["preview"] for name, row in kernel.run(task="variables").variables.items()} == expected
