"""Imports the usual modules and uses a little of each, so that no kernel pays for the first use."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import re

MODULES = (
    *("argparse", "bisect", "calendar", "collections", "copy", "csv", "dataclasses", "datetime", "decimal", "enum"),
    *("fractions", "functools", "glob", "hashlib", "heapq", "html", "itertools", "json", "math", "operator", "pathlib"),
    *("pickle", "pprint", "random", "re", "secrets", "shutil", "sqlite3", "statistics", "string", "subprocess", "tempfile"),
    *("textwrap", "time", "timeit", "traceback", "typing", "unicodedata", "urllib.parse", "uuid", "zipfile", "zoneinfo"),
    *("asyncio", "concurrent.futures", "concurrent.futures.thread", "concurrent.futures.process", "multiprocessing"),
    *("multiprocessing.pool", "multiprocessing.popen_fork", "queue", "threading", "numbers", "colorsys", "gzip", "base64"),
    *("xml.etree.ElementTree", "abc", "contextlib", "inspect", "io", "os", "struct", "sys", "types", "warnings", "weakref"),
    *("numpy", "numpy.linalg", "numpy.fft", "numpy.random", "numpy.polynomial", "numpy.ma", "pandas"),
    *("matplotlib", "matplotlib.pyplot", "matplotlib.dates", "matplotlib.ticker", "matplotlib.patches"),
    *("matplotlib.animation", "matplotlib.gridspec", "matplotlib.colors", "matplotlib.cm", "matplotlib.lines"),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "mpl_toolkits.mplot3d", "seaborn"),
    *("scipy", "scipy.stats", "scipy.optimize", "scipy.linalg", "scipy.signal", "scipy.interpolate", "scipy.integrate"),
    *("scipy.sparse", "scipy.sparse.linalg", "scipy.spatial", "scipy.spatial.distance", "scipy.special", "scipy.ndimage"),
    *("scipy.cluster.hierarchy", "scipy.fft", "sklearn", "sklearn.linear_model", "sklearn.ensemble", "sklearn.cluster"),
    *("sklearn.preprocessing", "sklearn.model_selection", "sklearn.metrics", "sklearn.pipeline", "sklearn.datasets"),
    *("sklearn.decomposition", "sklearn.tree", "sklearn.svm", "sklearn.neighbors", "sklearn.naive_bayes"),
    *("sklearn.compose", "sklearn.impute", "sklearn.feature_selection", "sklearn.neural_network"),
    *("sklearn.feature_extraction.text", "sklearn.inspection", "sklearn.manifold", "sklearn.mixture"),
    *("PIL", "PIL.Image", "PIL.ImageDraw", "PIL.PngImagePlugin", "PIL.JpegImagePlugin", "joblib", "dateutil", "dateutil.tz"),
    *("IPython", "IPython.display", "ipykernel", "zmq", "jupyter_client.session", "psutil", "IPython.core.logger"),
    *("tornado.ioloop", "tornado.platform.asyncio", "zmq.eventloop.zmqstream", "asyncio.unix_events", "selectors"),
)


def exercise() -> None:
    """Call what makes libraries build caches or import late."""
    _standard_library()
    _tables()
    _learning()
    draw()


def _standard_library() -> None:
    json.loads(json.dumps({"a": [1, 2.5, None, "ü"]}))
    re.compile(r"(\w+)@(\w+)\.\w{2,}").findall("someone@example.org")
    list(csv.DictReader(io.StringIO("a,b\n1,2\n")))
    str(decimal.Decimal("1.10") / 3)
    datetime.datetime.strptime("2024-02-29", "%Y-%m-%d").strftime("%A %d %B")


def _tables() -> None:
    import numpy as np
    import pandas as pd

    frame = pd.read_csv(io.StringIO("name,age,when\nA,25,2024-01-01\nB,30,2024-01-02\nC,,2024-01-03\n"))
    frame["when"] = pd.to_datetime(frame["when"])
    for text in (frame, frame.describe(), frame.groupby("name").mean(numeric_only=True), frame["age"], np.arange(5.0)):
        repr(text)
    frame._repr_html_()
    frame.merge(frame, on="name").sort_values("age_x").pivot_table(values="age_x", index="name")
    frame.corr(numeric_only=True)
    frame.to_csv(io.StringIO())
    frame.to_json()
    np.linalg.solve(np.eye(3), np.ones(3))
    np.random.default_rng(0).normal(size=3)


def _learning() -> None:
    import numpy as np
    from scipy import stats
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import train_test_split

    points = np.arange(20.0).reshape(-1, 1)
    known, _, answers, _ = train_test_split(points, points.ravel(), random_state=0)
    LinearRegression().fit(known, answers).predict(points)
    stats.ttest_ind([1, 2, 3], [2, 3, 5])
    stats.t.interval(0.95, 9, 1.0, 0.5)


def draw() -> None:
    """Draw and save a figure with the usual parts in both formats, then forget it."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    for kind in ("png", "svg"):
        figure, (left, right) = plt.subplots(1, 2)
        left.plot([1, 2, 3], [1, 4, 9], "r--", label="line $x^2$")
        left.bar([1, 2], [3, 4])
        left.scatter([1, 2], [3, 4])
        left.set(title="Title", xlabel="x", ylabel="y")
        left.legend()
        left.grid(alpha=0.3)
        sns.heatmap([[1, 2], [3, 4]], annot=True, ax=right)
        figure.tight_layout()
        figure.savefig(io.BytesIO(), format=kind, bbox_inches="tight")
        plt.close(figure)
