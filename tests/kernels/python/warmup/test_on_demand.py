"""Packages that generated code reaches for: there at their first use, and not before."""

from __future__ import annotations

import json

import pytest

from kernels.python.warmup.on_demand import PACKAGES
from tests.kernels.python.harness import ForkServer, TestKernel

pytestmark = pytest.mark.kernel

HEAD = "import io\nimport pandas as pd\nframe = pd.DataFrame({'a': [1, 2], 's': ['x', None]})\n"


def test_none_is_imported_before_a_fork_though_all_are_there(server: ForkServer) -> None:
    """Libraries of the zygote look for them; each costs memory and time, and some start threads."""
    tops = {name.partition(".")[0] for name in server.ready["modules"]}
    assert tops & {*PACKAGES.values(), "formulaic", "jsonschema", "mpmath", "urllib3"} == set()
    assert PACKAGES.keys() <= server.ready["packages"].keys()


def test_ordinary_work_imports_none(kernel: TestKernel) -> None:
    """pandas is told that it has pyarrow, and seaborn of statsmodels: only what needs them may pay for them."""
    code = (
        f"{HEAD}import sys, matplotlib.pyplot as plt, seaborn as sns\n"
        "frame['s'].str.upper(), frame.groupby('s').sum(), frame.describe(include='all'), frame.convert_dtypes()\n"
        "pd.to_datetime(pd.Series(['2024-01-01'])).dt.day_name(), frame.to_csv(), frame.to_json(), frame._repr_html_()\n"
        "pd.read_csv(io.StringIO('a,b\\n1,x')).merge(frame, on='a')\n"
        "sns.regplot(x=[1, 2, 3], y=[1, 2, 3]); plt.close()\n"
        f"sorted(set({list(PACKAGES.values())!r}) & set(sys.modules))"
    )
    assert kernel.run(code).result["text/plain"] == "[]"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "frame.to_excel('a.xlsx')\nframe.to_excel('b.xlsx', engine='xlsxwriter')\nlen(pd.read_excel('a.xlsx'))",
            "2",
        ),
        ("pd.read_excel('a.xlsx').equals(pd.read_excel('b.xlsx'))", "True"),
        ("frame.to_parquet('a.parquet')\npd.read_parquet('a.parquet').equals(frame)", "True"),
        ("frame.to_feather('a.feather')\npd.read_feather('a.feather').equals(frame)", "True"),
        ("pd.read_csv(io.StringIO('a\\n1'), engine='pyarrow')['a'].sum().item()", "1"),
        ("print(frame[['a']].to_markdown(index=False))", "|   a |\n|----:|\n|   1 |\n|   2 |\n"),
        ("'background-color: yellow' in frame.style.highlight_max(subset='a').to_html()", "True"),
        ("'tabular' in frame.to_latex()", "True"),
        ("pd.read_html(io.StringIO('<table><tr><th>a</th></tr><tr><td>7</td></tr></table>'))[0]['a'].sum().item()", "7"),
        ("pd.read_xml(io.StringIO(frame.to_xml()))['a'].sum().item()", "3"),
        ("from bs4 import BeautifulSoup\nBeautifulSoup('<p>a<b>c</b>', 'lxml').b.text", "'c'"),
        ("import sympy as sp\nx = sp.symbols('x')\nsp.integrate(2 * x, x)", "x**2"),
        ("import networkx as nx\nnx.shortest_path(nx.path_graph(4), 0, 3)", "[0, 1, 2, 3]"),
        (
            "import statsmodels.formula.api as smf\n"
            "smf.ols('y ~ x', pd.DataFrame({'x': [0, 1, 2], 'y': [1, 3, 5]})).fit().params.round(6).tolist()",
            "[1.0, 2.0]",
        ),
        ("import ipywidgets\nipywidgets.IntSlider(value=3)", "IntSlider(value=3)"),
        ("import requests\nrequests.Request('GET', 'http://example.org/?a').prepare().path_url", "'/?a'"),
        ("import nbformat\nnbformat.v4.new_notebook().nbformat", "4"),
    ],
)
def test_each_package_works(shared: TestKernel, code: str, text: str) -> None:
    """As people and models write it, alone or by pandas."""
    reply = shared.run(HEAD + code)
    assert reply.status == "ok", reply.content
    assert (reply.text() or reply.result["text/plain"]) == text


def test_a_progress_bar_reaches_its_end(shared: TestKernel) -> None:
    """On stderr, without a front end."""
    reply = shared.run("from tqdm import tqdm\nfor _ in tqdm(range(3)): pass")
    assert "| 3/3 [" in reply.text("stderr").rpartition("\r")[2]


def test_a_graph_is_drawn_and_a_fit_of_seaborns_uses_statsmodels(shared: TestKernel) -> None:
    """seaborn was imported when there was none."""
    code = "import matplotlib.pyplot as plt, networkx as nx\nnx.draw(nx.path_graph(3), with_labels=True); plt.show()\n"
    code += "import seaborn as sns\nsns.regplot(x=[1, 2, 3, 4], y=[1, 2, 3, 5], lowess=True); plt.show()"
    reply = shared.run(code)
    assert (reply.status, len(reply.images())) == ("ok", 2), reply.content


@pytest.mark.parametrize("end", ["", ".show()"])
def test_a_plotly_figure_is_data_and_a_small_page(shared: TestKernel, end: str) -> None:
    """Its own choice would be a page with the whole library, 5 MB; and nothing comes beside it."""
    reply = shared.run(f"import plotly.express as px\npx.bar(x=[1, 2], y=[3, 4]){end}")
    shown = [part["data"] for part in reply.of("display_data") + reply.of("execute_result")]
    assert len(shown) == 1, [sorted(data) for data in shown]
    assert shown[0]["application/vnd.plotly.v1+json"]["data"][0]["type"] == "bar"
    assert len(json.dumps(shown[0])) < 32 * 1024


@pytest.mark.parametrize(
    "code",
    [
        "pd.read_csv(io.StringIO('a,b\\n1,x'), dtype_backend='pyarrow').dtypes.astype(str).tolist()",
        "frame.head(1).rename(columns={'s': 'b'}).convert_dtypes(dtype_backend='pyarrow').dtypes.astype(str).tolist()",
        "[str(frame['a'].astype('int64[pyarrow]').dtype), str((frame['s'].astype('string[pyarrow]')).dtype) + '[pyarrow]']",
        "import pyarrow\nt = pyarrow.table({'a': [1], 'b': ['x']})\n"
        "t.to_pandas(types_mapper=pd.ArrowDtype).dtypes.astype(str).tolist()",
    ],
)
def test_pandas_has_the_types_of_pyarrow_whoever_imports_it(shared: TestKernel, code: str) -> None:
    """pandas was imported without it, and decides then what it has."""
    assert shared.run(HEAD + code).result["text/plain"] == "['int64[pyarrow]', 'string[pyarrow]']"


def test_frames_are_alike_before_and_after_pyarrow_is_imported(kernel: TestKernel) -> None:
    """Texts keep their storage: a frame read back from Parquet equals the one that was written."""
    code = f"{HEAD}frame.to_parquet('a.parquet')\nlater = pd.DataFrame({{'a': [1, 2], 's': ['x', None]}})\n"
    code += "frame.equals(later), later.equals(pd.read_parquet('a.parquet')), str(frame['s'].dtype), str(later['s'].dtype)"
    assert kernel.run(code).result["text/plain"] == "(True, True, 'str', 'str')"
