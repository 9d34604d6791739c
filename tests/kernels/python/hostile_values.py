"""Values that note whenever any code of theirs is run: what is looked at without running it must leave the notes empty."""

from __future__ import annotations

CLASSES = '''
import datetime, enum, numpy as np, pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype
calls = []
def noting(name):
    def method(*given, **named):
        calls.append(name)
        raise RuntimeError(name)
    return method
NAMES = """repr str format bytes len iter next contains getitem hash eq ne lt le gt ge bool int float index complex add radd
    sub mul neg abs sizeof dir getattr getattribute class_getitem reduce reduce_ex deepcopy copy array array_interface
    array_ufunc array_function fspath call get instancecheck subclasscheck prepare mro_entries round trunc""".split()
methods = {f"__{name}__": noting(name) for name in NAMES}
MINE = ("hash", "eq", "getattribute", "repr", "instancecheck", "len")
Meta = type("Meta", (type,), {f"__{name}__": methods[f"__{name}__"] for name in MINE})
class Zone(datetime.tzinfo):
    armed = False
    def utcoffset(self, at):
        calls.append("utcoffset") if Zone.armed else None
        return datetime.timedelta(hours=1)
    dst = tzname = lambda self, at: calls.append("tz") if Zone.armed else None
    def __repr__(self):
        calls.append("zone")
        return "zone"
def note(self, name):
    calls.append(name)
    raise AttributeError(name)
asked = ("shape", "dtype", "size", "nbytes", "__class__", "tzinfo", "T")
held = {**methods, **{name: property(noting(name)) for name in asked}}
Evil = type.__new__(Meta, "Evil", (), {**held, "__module__": "__main__"})
List, Dict, Text, Number, Real = (type.__new__(Meta, name, (base,), dict(held))
    for name, base in (("List", list), ("Dict", dict), ("Text", str), ("Number", int), ("Real", float)))
class Name(str):
    __str__ = __repr__ = __len__ = __format__ = __getitem__ = noting("name")
class Armed:
    armed = False
    def noting(self, *_):
        calls.append("armed") if Armed.armed else None
        return "armed"
    __hash__ = lambda self: self.noting() and 1
    __eq__ = lambda self, other: self is other if self.noting() else False
    __repr__ = __str__ = noting
class Labels(pd.Index):
    armed = False
    def __getattribute__(self, name):
        calls.append(name) if Labels.armed else None
        return super().__getattribute__(name)
class Kind(ExtensionDtype):
    type, name, na_value = object, "kind", None
    @classmethod
    def construct_array_type(cls): return Cells
class Cells(ExtensionArray):
    armed = False
    def __init__(self, size): self.size_ = size
    def __getattribute__(self, name):
        calls.append(name) if Cells.armed else None
        return super().__getattribute__(name)
    dtype = Kind()
    nbytes = 0
    def __len__(self): calls.append("len") if Cells.armed else None; return self.size_
    def __getitem__(self, at): calls.append("item") if Cells.armed else None; return 1 if isinstance(at, int) else self
    def copy(self): return self
    def isna(self): return np.zeros(self.size_, bool)
class Frame(pd.DataFrame):
    armed = False
    def __getattribute__(self, name):
        calls.append(name) if Frame.armed else None
        return super().__getattribute__(name)
def own(kind, *given):
    made = kind.__bases__[0].__new__(kind, *given)
    return made
one = type.__call__
evil, text, number, real = object.__new__(Evil), str.__new__(Text, "t"), int.__new__(Number, 3), float.__new__(Real, 1.5)
items, pairs = list.__new__(List), dict.__new__(Dict)
list.append(items, 1); dict.__setitem__(pairs, "a", 1)
def named(): pass
named.__name__ = Name("f")
'''

VALUES = """
inside = [evil, {1: text}, (number, real), items, pairs, slice(evil, evil)]
kind_itself = Evil
frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "o": np.empty(6, object), "n": [1, 2, 3, 4, 5, 6]})
series = pd.Series(np.empty(6, object))
cells = np.empty(6, object)
# By the arrays within: what makes a frame of values looks at them.
for array in (cells, frame._get_column_array(1), series.array._ndarray):
    for at in range(6): array[at] = (evil, text, number, real, items, pairs)[at]
del array, at
frame.attrs["a"] = series.attrs["a"] = evil
zoned = datetime.datetime(2020, 1, 1, tzinfo=Zone()), datetime.time(1, tzinfo=Zone())
stamps = pd.DataFrame({"t": pd.DatetimeIndex(["2020-01-01"] * 6, tz=Zone()), "n": range(6)})
stamp = stamps["t"].iloc[0]
labelled = pd.DataFrame({"n": range(6)}, index=Labels._simple_new(np.array(list("abcdef"), object)))
lettered = pd.DataFrame([[1, 2]], columns=Labels._simple_new(np.array(["a", "b"], object)))
own_cells = pd.DataFrame({"c": Cells(6), "n": range(6)})
own_series = pd.Series(Cells(6))
own_frame = Frame({"n": range(6)})
chosen_value = Armed(); kinds = pd.Index([chosen_value], dtype=object)
chosen = pd.DataFrame({"c": pd.Categorical.from_codes([0] * 6, kinds), "n": range(6)})
records = [{"a": evil, "b": 1}, {"a": text, "b": 2}, {"a": 3, "b": 3}, {"b": 4}, {"b": 5}, {"b": 6}]
Armed.armed = Zone.armed = Labels.armed = Cells.armed = Frame.armed = True
calls.clear()
"""
"""All that is bound here is looked at; *calls* is empty when it begins."""

TABLES = (
    "frame",
    "series",
    "stamps",
    "own_cells",
    "own_series",
    "chosen",
    "cells",
    "records",
    "labelled",
    "own_frame",
    "lettered",
)
"""The names of those that are tables, or look like ones."""
