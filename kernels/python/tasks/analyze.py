"""The analyze task: summary, correlation or statistics of tabular data, as text and as the same numbers in JSON."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pandas as pd

from kernels.python.shown import values
from kernels.python.tasks import csv_text
from kernels.python.tasks.csv_text import DataError

KINDS = ("summary", "correlation", "stats")
FORMATS = ("records", "columns", "csv")
TOLD_COLUMNS = 10
STATISTICS = ("mean", "median", "std", "min", "max")
_WIDE = ("display.max_columns", None, "display.max_rows", 200, "display.width", 250, "display.max_colwidth", 60)


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result of an analysis, as text and as JSON."""

    text: str
    numbers: dict[str, Any]


def analyze(inputs: dict[str, Any]) -> Analysis:
    """The Analysis for *inputs*: ``analysisType``, ``format`` and ``data``; raises DataError."""
    kind = inputs.get("analysisType", "summary")
    if kind not in KINDS:
        raise DataError(f"Unknown analysis type {str(kind)[:50]!r}: use one of {', '.join(KINDS)}")
    with pd.option_context(*_WIDE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about this code, not the caller's
        frame = read(inputs.get("format", "records"), inputs.get("data"))
        match kind:
            case "summary":
                return _summary(frame)
            case "correlation":
                return _correlation(frame)
            case _:
                return _statistics(frame)


# ---- reading -----------------------------------------------------------------------------------------------------------


def read(form: object, data: object) -> pd.DataFrame:
    """*data* of the given form as a frame with at least one row and one column, each column of its best type."""
    match form:
        case "records":
            frame = _from_records(data)
        case "columns":
            frame = _from_columns(data)
        case "csv":
            frame = _from_csv(data)
        case _:
            raise DataError(f"Unknown data format {str(form)[:50]!r}: use one of {', '.join(FORMATS)}")
    if not len(frame.columns) or not len(frame):
        raise DataError("The data is empty: there are no rows or no columns")
    if not frame.columns.is_unique:
        raise DataError("Two columns have the same name")
    return frame.apply(_with_best_type)


def _from_records(data: object) -> pd.DataFrame:
    if not isinstance(data, list):
        raise DataError("Records must be a list of objects, one per row")
    for position, row in enumerate(data):
        if not isinstance(row, dict):
            raise DataError(f"Row {position} is not an object but {type(row).__name__}")
    return pd.DataFrame(data, dtype=object)


def _from_columns(data: object) -> pd.DataFrame:
    if not isinstance(data, dict):
        raise DataError("Columns must be an object of lists")
    sizes = {}
    for name, cells in data.items():
        if not isinstance(cells, list):
            raise DataError(f"Column {name!r} is not a list but {type(cells).__name__}")
        sizes[name] = len(cells)
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{name!r} has {size}" for name, size in list(sizes.items())[:5])
        raise DataError(f"Columns differ in length: {shown}")
    return pd.DataFrame(data, dtype=object)


def _from_csv(data: object) -> pd.DataFrame:
    if not isinstance(data, str):
        raise DataError("CSV data must be text")
    return csv_text.read(data)


def _with_best_type(column: pd.Series) -> pd.Series:
    """The column as numbers, truth values or dates if all its values are; otherwise unchanged."""
    if column.dtype != object and not pd.api.types.is_string_dtype(column):
        return column
    present = column.dropna()
    kinds = {type(value) for value in present}
    if not kinds:
        return column.astype(float)
    if kinds == {bool}:
        return column.astype(bool) if len(present) == len(column) else column.astype("boolean")
    if kinds <= {int, float}:
        return _numbers(column, present, kinds)
    if kinds == {str}:
        return _dates(column, present)
    return column


def _numbers(column: pd.Series, present: pd.Series, kinds: set[type]) -> pd.Series:
    if kinds == {int} and len(present) == len(column) and all(-(2**63) <= value < 2**63 for value in present):
        return column.astype("int64")
    try:
        return column.astype(float)
    except OverflowError:
        raise DataError(f"Column {column.name!r} holds an integer too large to calculate with") from None


def _dates(column: pd.Series, present: pd.Series) -> pd.Series:
    if not present.str.match(r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$").all():
        return column.astype("str")
    try:
        return pd.to_datetime(column, format="ISO8601")
    except (ValueError, OverflowError):
        return column.astype("str")


# ---- reports -----------------------------------------------------------------------------------------------------------


def _summary(frame: pd.DataFrame) -> Analysis:
    described = _described(frame)
    kinds = frame.dtypes.astype(str)
    missing = frame.isna().sum()
    text = f"\nData Summary:\n{described.to_string()}\n"
    text += f"\nData Types:\n{kinds.to_string()}\n\nMissing Values:\n{missing.to_string()}\n"
    numbers = {
        "rows": len(frame),
        "columns": [str(name) for name in frame.columns],
        "describe": _table(described),
        "dtypes": {str(name): str(kind) for name, kind in kinds.items()},
        "missing": {str(name): int(count) for name, count in missing.items()},
    }
    return Analysis(text, numbers)


def _described(frame: pd.DataFrame) -> pd.DataFrame:
    """The result of ``DataFrame.describe``: for numbers and dates, or for all columns if none is numeric."""
    try:
        return frame.describe() if len(_numeric(frame).columns) else _hashable(frame).describe(include="all")
    except (TypeError, ValueError) as error:
        raise DataError(f"The data can't be summarised: {error}") from None


def _hashable(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.apply(lambda column: column.map(str, na_action="ignore") if column.dtype == object else column)


def _numeric(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.select_dtypes("number", exclude="timedelta")


def _correlation(frame: pd.DataFrame) -> Analysis:
    numeric = _required(frame, "a correlation")
    matrix = numeric.corr()
    return Analysis(f"\nCorrelation Matrix:\n{matrix.to_string()}\n", {"correlation": _table(matrix)})


def _statistics(frame: pd.DataFrame) -> Analysis:
    numeric = _required(frame, "statistics")
    table = numeric.agg(list(STATISTICS))
    lines = ["\nDetailed Statistics:\n"]
    for name in numeric.columns:
        lines.append(f"\n{name}:\n")
        lines += [f"  {what}: {_shown(table.at[what, name])}\n" for what in STATISTICS]
    return Analysis("".join(lines), {"stats": _table(table)})


def _required(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    numeric = _numeric(frame)
    if not len(numeric.columns):
        raise DataError(f"There is no numeric column, and {what} needs one: {_told(frame)}")
    return numeric


def _told(frame: pd.DataFrame) -> str:
    """A description of the first columns and their contents."""
    told = [_told_column(column) for _name, column in islice(frame.items(), TOLD_COLUMNS)]
    return ", ".join(told) + (f" and {len(frame.columns) - len(told)} more" if len(frame.columns) > len(told) else "")


def _told_column(column: pd.Series) -> str:
    name, kind, present = str(column.name)[:50], str(column.dtype), column.dropna()
    kind = {"str": "text", "object": "of mixed types", "bool": "truth values", "boolean": "truth values"}.get(kind, kind)
    return f"{name!r} is {kind}, such as {str(present.iloc[0])[:30]!r}" if len(present) else f"{name!r} is empty"


def _shown(number: Any) -> str:
    return "NaN" if pd.isna(number) else format(float(number), ".10g")


def _table(table: pd.DataFrame) -> dict[str, Any]:
    """``{column: {row: value}}``."""
    return {str(name): {str(row): values.to_json(value) for row, value in column.items()} for name, column in table.items()}
