"""The rules of a run that the gateway and the kernels both apply. Standard library only; neither side has its own copy."""

from __future__ import annotations

from typing import Final

MIN_DPI: Final = 30
MAX_DPI: Final = 300
"""Below, a chart can't be read. Above, drawing one takes seconds and tens of megabytes."""
DEFAULT_DPI: Final = 100

NO_CHART: Final = "No figure was drawn: draw one with plt, sns or a pandas plot method; it is saved automatically"
"""The message of the ChartError of chart code that ran and drew nothing."""

VALUE_DEPTH: Final = 40
"""How deep a value may be nested that a kernel shows as JSON; see gateway/core/json_limits.py for its place among others."""

SMALL_PICTURE: Final = "application/vnd.omega.small+json"
"""The type of a picture's smaller form, which stands beside it in its bundle if the run wants its pictures small."""
SMALL_TYPES: Final = ("image/png", "image/jpeg")
"""The pictures that the models of all vendors can look at."""
SMALL_PICTURES: Final = 20
"""Pictures of one run that a model gets: some services refuse more in one message, and each takes time to be made small."""
SMALL_PX: Final = 2000
"""The longest side of a picture that a model gets: services of models refuse longer ones, at the latest beside others."""
