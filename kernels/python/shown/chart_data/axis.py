"""One axis of a chart: its label, unit, ticks and scale, and what its numbers stand for (dates, names)."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import dates, units
from matplotlib.category import StrCategoryConverter
from matplotlib.ticker import FixedLocator

from kernels.python.shown.chart_data.budget import DataBudget
from kernels.serving.texts import clean

Value = float | str | None
SCALES = ("linear", "log", "symlog", "logit", "function", "functionlog", "asinh")
TITLE_CHARS = 1000
MANY_DAYS = 3_600_000
"""Dates so far from the epoch are none that can be written."""
MANY_PERIODS = 10**15
DAY_US = 86_400_000_000
_UNIT = re.compile(r"\s\(([^()]*)\)|\[([^\[\]]*)\]")
_DATES = (datetime.date, datetime.datetime, np.datetime64)


class Axis:
    """Reads one matplotlib axis after it was drawn; what a value is has been decided by its converter."""

    def __init__(self, axis: Any, budget: DataBudget) -> None:
        self._axis = axis
        self._budget = budget
        self._names = _names_of(axis)
        self._freq = _period_of(axis)
        self._is_date = self._freq is not None or _has_dates(axis)
        self._ticks: tuple[np.ndarray, list[str]] | None = None

    @property
    def label(self) -> str | None:
        """Its label, or None for an empty one."""
        return self._budget.text(title_of(self._axis.get_label_text())) or None

    @property
    def scale(self) -> str:
        """The kind of the axis, as the schema names it."""
        if self._is_date:
            return "datetime"
        if self._names is not None:
            return "categorical"
        name = self._axis.get_scale()
        return name if name in SCALES else "unknown"

    @property
    def is_continuous(self) -> bool:
        """Whether its places are numbers or dates, and not names that stand beside them."""
        return self._names is None and not self._has_fixed_ticks()

    def _has_fixed_ticks(self) -> bool:
        return isinstance(self._axis.get_major_locator(), FixedLocator) and any(self._read_ticks()[1])

    def _read_ticks(self) -> tuple[np.ndarray, list[str]]:
        """Where the ticks are and what stands there, as it was drawn: no formatter is called again, mostly no locator."""
        if self._ticks is None:
            ticks = _drawn_ticks(self._axis)
            self._budget.values(2 * len(ticks))
            texts = [tick.label1.get_text() for tick in ticks]
            places = np.array([tick.get_loc() for tick in ticks], float)
            self._ticks = places, [self._budget.text(clean(text)) for text in texts]
        return self._ticks

    def ticks(self) -> list[Value]:
        """The places of its ticks."""
        places = self._read_ticks()[0]
        return _numbers(places) if self._names is not None else self.values(places)

    def tick_labels(self) -> list[str]:
        """What stands at its ticks."""
        return self._read_ticks()[1]

    def values(self, data: Any) -> list[Value]:
        """Each number of *data*, or the date or name it stands for; None for what is not finite."""
        array = plain_array(data)
        self._budget.values(len(array))
        if self._freq is not None:
            return _periods(array, self._freq)
        if self._is_date:
            return _dates(array)
        numbers = _numbers(array)
        if self._names is None:
            return numbers
        return [self._names.get(number, number) for number in numbers]

    def places(self, data: Any) -> list[Value]:
        """As values(), with the name of a tick where the code put one."""
        values = self.values(data)
        names = self._nearby(plain_array(data)) if self._names is None and self._has_fixed_ticks() else []
        return [name or value for name, value in zip(names, values, strict=True)] if names else values

    def labels(self, data: Any) -> list[str]:
        """A text for each place: the name of the category there or of the tick beside it, else the number or date."""
        if self._names is None:
            return [place if isinstance(place, str) else _text(place) for place in self.places(data)]
        nearest = self.values(np.round(plain_array(data)))
        return [name if isinstance(name, str) else _text(name) for name in nearest]

    def _nearby(self, data: np.ndarray) -> list[str]:
        """The text of the nearest tick of each place, "" where none is near: bars of a group stand beside their tick."""
        places, texts = self._read_ticks()
        self._budget.values(len(data))
        order = np.argsort(places)
        places = places[order]
        reach = np.diff(places).min() / 2 if len(places) > 1 else np.inf
        after = np.clip(np.searchsorted(places, data), 1, max(len(places) - 1, 1))
        near = np.where(data - places[after - 1] <= places[after % len(places)] - data, after - 1, after)
        near = np.minimum(near, len(places) - 1)
        is_near = np.abs(places[near] - data) <= reach
        return [texts[order[index]] if is_it else "" for index, is_it in zip(near, is_near, strict=True)]


def _drawn_ticks(axis: Any) -> list[Any]:
    """The ticks in use. An axis keeps those that it needed before, too; its formatter mostly knows which it was asked for.

    To ask the locator would take ten milliseconds for dates.
    """
    if not axis.get_visible() or not axis.axes.axison:
        try:
            axis.get_majorticklabels()  # nobody has drawn them, so they are made now
        except Exception:  # noqa: BLE001  # where they can't be, they were not missed
            return []
    places = np.asarray(axis.get_major_formatter()._locs, float)
    ticks = list(axis.majorTicks[: len(places)])
    if len(places) and np.array_equal([tick.get_loc() for tick in ticks], places):
        return ticks
    return list(axis.get_major_ticks(len(axis.get_majorticklocs())))


def title_of(text: Any) -> str:
    """*text* of a title or label, bounded."""
    return clean(str.__str__(text)).strip()[:TITLE_CHARS] if isinstance(text, str) else ""


def unit_of(label: str | None) -> str | None:
    """What stands in brackets last in *label*."""
    found = _UNIT.findall(label or "")
    return (found[-1][0] or found[-1][1] or None) if found else None


def plain_array(data: Any) -> np.ndarray:
    """*data* as a flat array of floats; what is masked is NaN."""
    array = np.ma.filled(np.ma.asarray(data, float), np.nan) if np.ma.isMaskedArray(data) else np.asarray(data, float)
    return array.ravel()


def _numbers(array: np.ndarray) -> list[Value]:
    finite = np.isfinite(array)
    numbers: list[Value] = array.tolist()
    return numbers if finite.all() else [number if ok else None for number, ok in zip(numbers, finite, strict=True)]


def numbers(data: Any, budget: DataBudget) -> list[Value]:
    """The numbers of *data*, None for each that is not finite."""
    array = plain_array(data)
    budget.values(len(array))
    return _numbers(array)


def _dates(days: np.ndarray) -> list[Value]:
    """ISO 8601 of days since matplotlib's epoch, to the second, or the microsecond where one has them."""
    is_date = np.abs(days) < MANY_DAYS
    since = np.round(np.where(is_date, days, 0) * DAY_US).astype("timedelta64[us]")
    return _iso(np.datetime64(dates.get_epoch()).astype("datetime64[us]") + since, is_date)


def _iso(moments: np.ndarray, is_date: np.ndarray) -> list[Value]:
    is_whole = not (moments.astype("int64") % 1_000_000).any()
    texts: list[Value] = np.datetime_as_string(moments, unit="s" if is_whole else "us").tolist()
    return texts if is_date.all() else [text if ok else None for text, ok in zip(texts, is_date, strict=True)]


def _periods(ordinals: np.ndarray, freq: Any) -> list[Value]:
    """The beginnings of pandas' periods, which it plots for data of an even frequency."""
    is_date = np.abs(ordinals) < MANY_PERIODS
    whole = np.floor(np.where(is_date, ordinals, 0)).astype("int64")
    moments = pd.PeriodIndex.from_ordinals(whole, freq=freq).to_timestamp().to_numpy().astype("datetime64[us]")
    return _iso(moments, is_date)


def _names_of(axis: Any) -> dict[Value, str] | None:
    """The categories of *axis* by their number, or None when it has none."""
    if not isinstance(axis.get_converter(), StrCategoryConverter):
        return None
    mapping = axis.get_units()._mapping
    return {float(number): clean(name if isinstance(name, str) else str(name)) for name, number in mapping.items()}


def _has_dates(axis: Any) -> bool:
    converter = axis.get_converter()
    usual = tuple(type(units.registry[kind]) for kind in _DATES if kind in units.registry)
    return isinstance(converter, (dates.DateConverter, *usual))


def _period_of(axis: Any) -> Any:
    """The frequency of the periods that pandas has put on *axis*, or None."""
    is_period = type(axis.get_converter()).__name__ == "PeriodConverter"
    return getattr(axis, "freq", None) if is_period else None


def _text(number: Value) -> str:
    return "" if number is None else f"{number:.10g}"
