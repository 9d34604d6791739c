"""Pictures that are no figures of pyplot: what PIL shows or saves, and what was saved first and then shown."""

from __future__ import annotations

import pytest

from kernels.run_rules import NO_CHART
from tests.kernels.python.harness import Reply, TestKernel

pytestmark = pytest.mark.kernel
HEAD = (
    "import io, base64, os\nimport matplotlib.pyplot as plt\nfrom PIL import Image as P\n"
    "from IPython.display import HTML, SVG, Image, display\n"
    "def red(n=20): return P.new('RGB', (n, 20), 'red')\n"
    "def saved(im, form='png', **more):\n    b = io.BytesIO(); im.save(b, form, **more); return b\n"
    "def drawn(*y):\n    plt.figure(figsize=(2, 1)); plt.plot(y); return plt.gcf()\n"
    "def written(f):\n    b = io.BytesIO(); f.savefig(b); b.seek(0); return b\n"
)


def pictures(reply: Reply) -> list[str]:
    """The MIME types of all pictures shown, in order."""
    bundles = [
        message["content"]["data"] for message in reply.messages if message["msg_type"] in ("display_data", "execute_result")
    ]
    return [kind for bundle in bundles for kind in bundle if kind.startswith("image/")]


ONE, TWO = ["image/png"], ["image/png"] * 2


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        # ---- PIL alone
        ("red().show()", ONE),
        ("red()", ONE),
        ("display(red())", ONE),
        ("red().save('a.png')", ONE),
        ("red().save('a.jpg')", ["image/jpeg"]),
        ("red().save('a.bmp')", ONE),
        ("red().save('a.webp')", ["image/webp"]),
        ("red().convert('CMYK').save('a.tif')", ONE),
        ("saved(red())", ONE),
        ("with open('a.png', 'wb') as f: red().save(f)", ONE),
        ("b = io.BytesIO(b'before'); b.seek(6); red().save(b, 'png')", ONE),
        ("red().save('a.pdf')", ONE),
        ("red().save('a.ico')", ONE),
        ("red().save('a.gif', save_all=True, append_images=[red()])", ["image/gif"]),
        (
            "for mode in ('1', 'L', 'LA', 'P', 'RGBA', 'CMYK', 'F', 'I', 'HSV', 'YCbCr'): red().convert(mode).show()",
            ONE * 10,
        ),
        ("plt.imsave('a.png', [[1, 2], [3, 4]])", ONE),
        # ---- one picture in two ways
        ("im = red(); im.save('a.png'); im.show()", ONE),
        ("im = red(); im.show(); im.save('a.png')", ONE),
        ("im = red().convert('F'); im.save('a.tif'); im.show()", ONE),
        ("im = red(); im.save('a.png'); im.save('a.jpg'); im.save('b.png')\nim", ONE),
        ("display(Image(data=saved(red()).getvalue()))", ONE),
        ("red().save('a.png'); display(Image('a.png'))", ONE),
        ("red().save('a.png')\nImage(filename='a.png')", ONE),
        ("b64 = base64.b64encode(saved(red()).getvalue()).decode()\nHTML(f'<img src=\"data:image/png;base64,{b64}\">')", []),
        ("red(20).save('a.png'); red(30).save('b.png')", TWO),
        ("im = red(); im.save('a.png'); im.paste('blue', (0, 0, 5, 5)); im.save('a.png')", TWO),
        # ---- figures that are saved and shown
        ("drawn(1, 2).savefig('a.png')", ONE),
        ("f = drawn(1, 2); plt.imsave('a.png', [[1]])", TWO),
        ("b = written(drawn(1, 2)); plt.close(); display(Image(data=b.getvalue()))", ONE),
        ("b = written(drawn(1, 2)); display(Image(data=b.getvalue()))", ONE),
        ("b = written(drawn(1, 2)); display(Image(data=b.getvalue())); plt.close()", ONE),
        ("b = written(drawn(1, 2)); display(Image(data=b.getvalue())); plt.show()", ONE),
        ("b = written(drawn(1, 2))\nImage(data=b.getvalue())", ONE),
        ("b = written(drawn(1, 2)); plt.close(); P.open(b).show()", ONE),
        ("b = written(drawn(1, 2))\nP.open(b)", ONE),
        ("drawn(1, 2).savefig('a.png'); plt.close(); display(P.open('a.png'))", ONE),
        ("drawn(1, 2).savefig('a.png'); im = P.open('a.png'); im.paste('red', (0, 0, 9, 9)); im.show()", TWO),
        ("drawn(1, 2).savefig('a.svg'); display(SVG('a.svg'))", ["image/svg+xml"]),
        ("drawn(1, 2).savefig('a.svg'); plt.close(); display(SVG('a.svg'))", ONE),
        ("f = drawn(1, 2); plt.show(); b = written(f); display(Image(data=b.getvalue()))", ONE),
        ("f = drawn(1, 2); f.savefig('a.png', dpi=50); f.savefig('b.svg'); display(Image('a.png'))", ONE),
        ("f = drawn(1, 2)\nfor _ in 'ab': display(Image(data=written(f).getvalue())); plt.plot([3, 1])", TWO + ONE),
        ("f = drawn(1, 2); display(Image(data=written(f).getvalue())); f.axes[0].set_title('new')", TWO),
        (
            "f = drawn(1, 2); written(f); plt.close(); f.suptitle('new'); display(Image(data=written(f).getvalue()))",
            TWO,
        ),
    ],
)
def test_every_picture_comes_once(shared: TestKernel, code: str, expected: list[str]) -> None:
    """Shown, saved, or both with the bytes of a file or a buffer in between. What has changed meanwhile is another one."""
    reply = shared.run(HEAD + code)
    assert (reply.status, reply.text("stderr")) == ("ok", ""), reply.content
    assert pictures(reply) == expected


def test_a_picture_is_what_was_saved(shared: TestKernel) -> None:
    """Byte for byte, at its place in the order of the code's pictures: saved ones come last."""
    reply = shared.run(HEAD + "im = red(); im.save('a.png'); red(30).show()\nprint(open('a.png', 'rb').read().hex())")
    shown, kept = reply.images()
    assert int.from_bytes(shown[16:20], "big") == 30
    assert kept.hex() == reply.text().strip()
    assert reply.of("display_data")[-1]["data"]["text/plain"] == "<Image image mode=RGB size=20x20>"


def test_a_figure_that_is_shown_as_a_picture_has_its_data(shared: TestKernel) -> None:
    """What it shows is known, though the bytes came from a buffer."""
    code = HEAD + "display(Image(data=written(drawn(1, 2)).getvalue()))"
    (shown,) = shared.run(code, chart_bytes=10_000).of("display_data")
    assert shown["data"]["application/vnd.omega.chart+json"]["type"] == "line"


@pytest.mark.parametrize("code", ["red().show()", "red().save('a.png')", "display(red())"])
def test_a_picture_of_pil_is_a_chart(shared: TestKernel, code: str) -> None:
    """`chart` runs may draw with anything."""
    reply = shared.run(HEAD + code, task="chart")
    assert reply.text() == "Chart saved successfully\n"
    assert pictures(reply) == ONE
    assert shared.run(HEAD, task="chart").content["evalue"] == NO_CHART


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("for n in range(100): P.new('L', (1, n + 1)).save('a.png')", 16),
        ("for n in range(9): P.frombytes('RGB', (500, 500), os.urandom(750_000)).save('a.png')", 4),
        ("P.frombytes('RGB', (1500, 1500), os.urandom(6_750_000)).save('a.png')", 0),
    ],
)
def test_saved_pictures_are_bounded(shared: TestKernel, code: str, count: int) -> None:
    """A run that saves a data set goes on, and its answer says that it lacks some."""
    reply = shared.run(HEAD + code)
    assert (reply.status, len(pictures(reply))) == ("ok", count)
    assert reply.metadata["omega"]["truncated"] is (count > 0)


def test_saving_fails_as_it_does_without_the_gateway(shared: TestKernel) -> None:
    """The error and its lines are PIL's, and nothing is shown."""
    reply = shared.run(HEAD + "red().save('no/such/place.png')")
    assert reply.content["ename"] == "FileNotFoundError"
    assert "images.py" not in reply.traceback
    assert pictures(reply) == []
    reply = shared.run(HEAD + "import inspect\nprint(*inspect.signature(P.Image.save).parameters, P.Image.save.__name__)")
    assert reply.text() == "self fp format params save\n"


PLOTLY = "display({'application/vnd.plotly.v1+json': {'data': [], 'layout': {}}, 'text/html': 'x' * %d}, raw=True)"


def test_a_plotly_figure_comes_once(shared: TestKernel) -> None:
    """Its data as JSON; a page that shows it as long as that is small. It is a chart, too."""
    (small,) = shared.run(PLOTLY % 60_000, task="chart").of("display_data")
    assert set(small["data"]) == {"application/vnd.plotly.v1+json", "text/html"}
    (large,) = shared.run(PLOTLY % 70_000).of("display_data")
    assert set(large["data"]) == {"application/vnd.plotly.v1+json"}
    assert set(shared.plain(PLOTLY % 70_000).of("display_data")[0]["data"]) == set(small["data"])


LEFT = """
import threading
go, done = threading.Event(), threading.Semaphore(0)
def late():
    go.wait()
    red(30).save('late.png'); red(40).show()
    done.release()
threading.Thread(target=late).start()
"""


def test_what_an_earlier_run_left_behind_saves_nothing_into_the_next(shared: TestKernel) -> None:
    """Its pictures are no output of the run that goes on meanwhile; those of the run's own threads are."""
    assert pictures(shared.run(HEAD + LEFT)) == []
    own = "t = threading.Thread(target=red().save, args=['own.png']); t.start(); t.join()"
    second = shared.run(f"{HEAD}go.set(); done.acquire()\n{own}")
    (image,) = second.images()
    assert int.from_bytes(image[16:20], "big") == 20


def test_jupyter_clients_get_what_ipython_shows(shared: TestKernel) -> None:
    """What code only saves is a file there, as with any other kernel."""
    assert pictures(shared.plain(HEAD + "red().save('a.png')")) == []
    assert pictures(shared.plain(HEAD + "red().show()")) == ONE
    assert pictures(shared.plain(HEAD + "im = red(); im.save('a.png'); display(Image('a.png'))")) == ONE


def test_animations_stay_html(shared: TestKernel) -> None:
    """The HTML has the frames; the figure comes in its turn, as every figure."""
    code = "from matplotlib.animation import FuncAnimation\nf = drawn(1, 2)\na = FuncAnimation(f, lambda n: [], frames=2)\n"
    reply = shared.run(HEAD + code + "HTML(a.to_jshtml())")
    assert "<script" in reply.result["text/html"]
    assert pictures(reply) == ONE
    reply = shared.run(HEAD + code + "a.save('a.gif', writer='pillow')")
    assert (reply.status, pictures(reply)) == ("ok", ONE), reply.content
