"""Why a part of a table can't be had."""

from __future__ import annotations

from typing import Literal

Code = Literal["not_found", "conflict", "bad_request"]


class TableRefused(Exception):
    """What is asked for is not there (*not_found*), is no table (*conflict*) or does not fit it (*bad_request*)."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Unfit(Exception):
    """A condition or an order that the values of a column are not made for; the text says what they are, and what fits."""
