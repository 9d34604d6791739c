"""Values as strict JSON: the table in kernels/python/shown/values.py, cell by cell."""

from __future__ import annotations

import json

import pytest

from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel
IMPORTS = (
    "import datetime, decimal, fractions, uuid, pathlib, collections, numpy as np, pandas as pd\n"
    "from zoneinfo import ZoneInfo\n"
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("float('nan')", None),
        ("[float('inf'), -float('inf'), 1.5]", [None, None, 1.5]),
        ("2 ** 53", 2**53),
        ("-(2 ** 53) - 1", "-9007199254740993"),
        ("True", True),
        ("1 + 2j", "(1+2j)"),
        ("decimal.Decimal('1.10')", "1.10"),
        ("fractions.Fraction(1, 3)", "1/3"),
        ("datetime.date(2024, 2, 29)", "2024-02-29"),
        ("datetime.datetime(2024, 2, 29, 1, 2, 3)", "2024-02-29T01:02:03"),
        ("datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc)", "2024-02-29T00:00:00+00:00"),
        ("datetime.timedelta(hours=25)", "1 day, 1:00:00"),
        ("pd.Timestamp('2024-02-29')", "2024-02-29T00:00:00"),
        ("[pd.NaT, pd.NA, None]", [None, None, None]),
        ("np.datetime64('2024-02-29')", "2024-02-29"),
        ("np.datetime64('NaT')", None),
        ("b'\\x00\\xff'", {"base64": "AP8="}),
        ("'a\\udcffb'", "a?b"),
        ("(1, 2)", [1, 2]),
        ("{3}", [3]),
        ("range(3)", [0, 1, 2]),
        ("{1: 'a', None: 'b', (1, 2): 'c', 2.5: 'd'}", {"1": "a", "None": "b", "1, 2": "c", "2.5": "d"}),
        ("collections.OrderedDict(a=1)", {"a": 1}),
        ("collections.Counter('aab')", {"a": 2, "b": 1}),
        ("uuid.UUID(int=1)", "00000000-0000-0000-0000-000000000001"),
        ("pathlib.Path('/a/b')", "/a/b"),
        ("np.int8(5)", 5),
        ("np.float32(0.5)", 0.5),
        ("np.bool_(True)", True),
        ("np.uint64(2 ** 64 - 1)", str(2**64 - 1)),
        ("np.longdouble(1.5)", 1.5),
        ("np.str_('x')", "x"),
        ("np.array([[1.0, np.nan], [np.inf, 2]])", [[1.0, None], [None, 2.0]]),
        ("np.array(7)", 7),
        ("np.array(['2024-01-01'], dtype='datetime64[D]')", ["2024-01-01"]),
        ("pd.Series([1.5, None], index=['a', 'b'])", {"index": ["a", "b"], "values": [1.5, None]}),
        ("pd.Index([1, 2])", [1, 2]),
        ("pd.Categorical(['x', 'y'])", "none"),
        ("pd.DataFrame({'a': [1, 2]}, index=['r', 's'])", [{"index": "r", "a": 1}, {"index": "s", "a": 2}]),
        ("pd.DataFrame({'t': pd.to_datetime(['2024-01-01', None])})", [{"t": "2024-01-01T00:00:00"}, {"t": None}]),
        ("pd.DataFrame({('x', 'y'): [1]})", [{"x, y": 1}]),
        ("pd.DataFrame()", []),
        ("pd.DataFrame({'a': [1, 2]}).groupby('a').sum()", "any"),
        ("pd.DataFrame([[1, 2]], columns=['a', 'a'])", "none"),
        ("object()", "none"),
        ("len", "none"),
        ("type('Sub', (dict,), {})(a=1)", "none"),
        ("10 ** 5000", "1" + "0" * 5000),
        ("[10 ** 5000]", ["1" + "0" * 5000]),
        ("[10 ** 20_000] * 9", "none"),
        ("10 ** 200_000", "none"),
        ("list(range(20_000))", "none"),
        ("bytes(10_000_000)", "none"),
        ("(lambda l: l.append(l) or l)([])", "none"),
        ("(lambda d: d.update(d=d) or d)({})", "none"),
        ("[[[[[1]]]]]", [[[[[1]]]]]),
    ],
)
def test_a_value_becomes_this_json(shared: TestKernel, expression: str, expected: object) -> None:
    """What JSON can say is said exactly; what it can't is left to the text."""
    reply = shared.run(IMPORTS + expression)
    assert reply.status == "ok", reply.content
    if expected == "none":
        assert "application/json" not in reply.result
    elif expected != "any":
        assert reply.result["application/json"] == expected
    json.dumps(reply.result, allow_nan=False).encode("utf-8")
