"""What E2B's own extractor reads from figures: their code comes as a JSON object, by name."""

from __future__ import annotations

import json
import sys

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt  # the backend comes first
from e2b_charts import chart_figure_to_dict


def read(code: str) -> object:
    """The chart of the figure that *code* draws."""
    plt.close("all")
    exec(code, {"plt": plt})
    plt.gcf().canvas.draw()
    return chart_figure_to_dict(plt.gcf())


print(json.dumps({name: read(code) for name, code in json.loads(sys.argv[1]).items()}))
