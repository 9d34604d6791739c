"""What to do about errors that do not say so, as a run reports it: in the error, and as the last line of its traceback."""

from __future__ import annotations

import pytest

from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("```python\nprint(1)\n```", "the code is inside a Markdown fence"),
        ("x = 1\ny\u00a0= 2", "line 2 has a no-break space (U+00A0): replace it by a space"),
        ("if 1:\n\u00a0\u00a0print(1)", "line 2 has a no-break space (U+00A0)"),
        ("%time x\ny\u202f= 2", "line 2 has a narrow no-break space (U+202F): replace it by a space"),
        ("x\u200b= 1", "line 1 has an invisible character (zero width space, U+200B): delete it"),
        ("x = 1\n\ufeffy = 2", "line 2 has an invisible character (zero width no-break space, U+FEFF): delete it"),
        ("print(\u201chello\u201d)", 'line 1 has \u201c (left double quotation mark, U+201C): replace it by "'),
        ('\nx = f"hello\u201d', 'line 2 has \u201d (right double quotation mark, U+201D): replace it by "'),
        ("x = 'hello\u2019", "line 1 has \u2019 (right single quotation mark, U+2019): replace it by '"),
        ("x = 3 \u2212 1", "line 1 has \u2212 (minus sign, U+2212): replace it by -"),
        ("print\uff081)", "line 1 has \uff08 (fullwidth left parenthesis, U+FF08): replace it by ("),
        ("eval('x\\u00a0+ 1')", "line 1 has a no-break space (U+00A0)"),
        ("\ufeff```\nprint(1)\n```", "the code is inside a Markdown fence"),
        ("import os\nos.path.dirname(__file__)", "the code is run as text, not from a file"),
        ("%store x", "a session keeps its names"),
        ("%memit 1", "the answer's usage.peakMemory"),
        ("%load_ext memory_profiler", "the answer's usage.peakMemory"),
        ("%%lprun\n1", "use %prun"),
        ("raise ValueError('unknown file extension: .mp4')", "there is no ffmpeg"),
        ("import subprocess; subprocess.run(['ffmpeg'])", "there is no ffmpeg"),
        ("open('/no-such-place/a.csv', 'w')", "only the work directory keeps files"),
        (r"open('C:\\Users\\me\\a.csv')", "only the work directory keeps files"),
        ("import nosuch", "'nosuch' is not installed, and code can't install it: use what `!pip list` shows, or ask"),
        (
            "import cv2",
            "'cv2' is not installed, and code can't install it: use what `!pip list` shows, or ask the operator to add open",
        ),
        ("import pandas as pd\npd.DataFrame({'a': [1]}).to_hdf('a.h5', key='a')", "'pytables' is not installed"),
        ("import pandas as pd\npd.read_sql('select 1', 'sqlite://')", "'sqlalchemy' is not installed"),
        ("import pandas as pd\npd.DataFrame({'a': [1]}).to_excel('a.ods')", "'odf' is not installed"),
        (
            "raise ImportError(\"Missing optional dependency 'tabulate2'. Use pip or conda to install tabulate2.\")",
            "'tabulate2' is",
        ),
        ("import plotly.express as px\npx.bar(x=[1], y=[2]).write_image('a.png')", "'kaleido' is not installed"),
        ("import requests\nrequests.get('https://example.org/a.csv')", "kernels have no network"),
        ("import seaborn as sns\nsns.load_dataset('tips')", "kernels have no network"),
        ("from sklearn.datasets import fetch_openml\nfetch_openml('iris', version=1)", "kernels have no network"),
        (
            "import urllib.request as r\ntry: r.urlopen('http://a.example')\nexcept OSError as e: raise ValueError from e",
            "kernels",
        ),
        ("import socket\nsocket.getaddrinfo('example.org', 80)", "kernels have no network"),
        ("import os\nraise OSError(27, os.strerror(27))", "the file is as large as a file may be here"),
        ("import os\nraise OSError(28, os.strerror(28))", "the directory is full"),
        ("import os\nraise OSError(24, os.strerror(24))", "too many files or sockets are open at once"),
        (
            "import asyncio\nawait asyncio.sleep(0)\nwork = asyncio.sleep(0)\ntry: asyncio.run(work)\nfinally: work.close()",
            "an event loop runs this code already",
        ),
        (
            "import asyncio\nawait asyncio.sleep(0)\nwork = asyncio.sleep(0)\n"
            "try: asyncio.new_event_loop().run_until_complete(work)\nfinally: work.close()",
            "an event loop runs this code already",
        ),
        ('raise RuntimeError("can\'t start new thread")', "the kernel has as many processes and threads"),
        ("def _fork_exec(): raise BlockingIOError(11, 'x')\n_fork_exec()", "the kernel has as many processes and threads"),
    ],
)
def test_an_error_says_what_to_do(shared: TestKernel, code: str, hint: str) -> None:
    """In a field of its own, which a program can show apart, and in the traceback."""
    reply = shared.run(code)
    assert reply.content["hint"].startswith(hint)
    assert reply.traceback.rstrip("\n").endswith(f"Hint: {reply.content['hint']}")


ODD = """
def called(*_args, **_kwargs):
    print('called')
    raise RuntimeError('called')
class Odd(str):
    __eq__ = __hash__ = __bool__ = __format__ = partition = startswith = endswith = lstrip = called
"""
"""A value that says when it is used."""


@pytest.mark.parametrize(
    "code",
    [
        "1/0",
        "x = (",
        "x = 'hello",
        "x = 'it\u201d",
        "x = \u20ac",
        "raise SyntaxError('invalid non-printable character U+FFFFFF', ('<code>', 1, 1, 'x'))",
        "raise SyntaxError('unterminated string literal', ('<code>', 1, 10**9, 'x'))",
        "raise SyntaxError('unterminated string literal', ('<code>', 1, 1, None))",
        "undefined",
        "raise RuntimeError('other')",
        "raise BlockingIOError(11, 'x')",
        "raise OSError(5, 'x')",
        "raise OSError()",
        "raise ValueError('unknown file extension: .xyz')",
        "%nosuch",
        "open('/usr/no/a.csv')",
        "raise SyntaxError",
        "class F(FileNotFoundError): filename = property(lambda self: print('called'))\nraise F(2, 'x', '/mnt/data')",
        f"{ODD}e = OSError(28, 'x'); e.errno = Odd(); raise e",
        f"{ODD}e = BlockingIOError(11, 'x'); e.errno = Odd(); raise e",
        f"{ODD}e = FileNotFoundError(2, 'x', 'y'); e.filename = Odd('ffmpeg'); raise e",
        f"{ODD}raise ValueError(Odd('unknown file extension: .mp4'))",
        f"{ODD}e = SyntaxError('... U+00A0'); e.lineno = Odd(); raise e",
        f"{ODD}e = SyntaxError('unterminated string literal', ('', 1, 1, Odd('x'))); raise e",
        f"{ODD}e = NameError('x'); e.name = Odd(); raise e",
        f"{ODD}e = ModuleNotFoundError('x'); e.name = Odd('nosuch'); raise e",
        "class S(str):\n    def startswith(self, *_): print('called')\nraise OSError(S('Cannot save file'))",
    ],
)
def test_any_other_error_has_no_hint_and_no_code_of_the_callers_is_called(shared: TestKernel, code: str) -> None:
    """An own class of exception may do anything when it is looked at."""
    reply = shared.run(code)
    assert "hint" not in reply.content
    assert "Hint" not in reply.traceback
    assert reply.text() == ""


def test_an_animation_that_needs_an_encoder_is_told_what_needs_none(shared: TestKernel) -> None:
    """However it is asked for; a GIF and HTML work."""
    begin = (
        "import matplotlib.pyplot as plt\nfrom matplotlib.animation import FuncAnimation\n"
        "f, ax = plt.subplots(figsize=(1, 1))\na = FuncAnimation(f, lambda i: ax.plot([i]), frames=2)\n"
    )
    for end in ("a.save('a.mp4')", "a.to_html5_video()"):
        reply = shared.run(f"{begin}try:\n    {end}\nfinally:\n    plt.close(f)")
        assert reply.content["hint"].startswith("there is no ffmpeg: save the animation as .gif")
    reply = shared.run(f"{begin}a.save('a.gif'); plt.close(f); print(open('a.gif', 'rb').read(3))")
    assert reply.text() == "b'GIF'\n"
