"""What schemathesis need not try: a form whose parts are of another JSON type. A form has text alone, which is valid."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation


@schemathesis.hook  # type: ignore[untyped-decorator]  # it has no types here
def filter_case(_context: Any, case: Any) -> bool:
    """Whether *case* is to be sent."""
    is_form = case.media_type == "multipart/form-data"
    return not (is_form and case.meta is not None and case.meta.is_negative_at(ParameterLocation.BODY))
