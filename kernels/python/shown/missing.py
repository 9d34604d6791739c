"""Packages that are not there: which one an error is about, and what to do about it.

Exceptions are the caller's objects: their types are compared exactly, and only the standard library's own attributes are
read, so that no code of the caller is called.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from kernels.contract import EXTRA_PACKAGES

INSTALLABLE = '{} is not installed yet: POST /code-interpreter/install with {{"package": "{}"}} adds it to new kernels'
NOT_INSTALLED = (
    "{} is not installed, and code can't install it: use what `!pip list` shows, or ask the operator to add {} to "
    + EXTRA_PACKAGES
)
DISTRIBUTIONS = {
    "Bio": "biopython",
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "sklearn": "scikit-learn",
    "Crypto": "pycryptodome",
    "OpenSSL": "pyopenssl",
    "cv2": "opencv-python-headless",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "fpdf": "fpdf2",
    "git": "gitpython",
    "graphviz": "graphviz",
    "igraph": "igraph",
    "odf": "odfpy",
    "pptx": "python-pptx",
    "pytables": "tables",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
"""Modules that a package of another name brings, and a package whose error names it by another."""
_SAID = re.compile(
    r"Missing optional dependency '(?P<old>[\w-]+)'"
    r"|`Import (?P<pandas>[\w-]+)` failed"
    r"|requires '(?P<needed>[\w-]+)'"
)
_TOLD_TO_INSTALL = re.compile(r"\bpip3? install (?:-U |--upgrade )?[\"']?(\w[\w-]*)")
_TYPES = (ImportError, AttributeError, RuntimeError, ValueError)
_TEXT_CHARS = 16 * 1024
_PIP = re.compile(r"(?:^|[\s/])pip[\d.]*$")
_ARGUMENTS = 100


def advise(name: str) -> str:
    """Who can add what brings the module or package *name*, and how; or what to do instead."""
    package = DISTRIBUTIONS.get(name, name)
    allowed = [normalise(each.partition("==")[0]) for each in os.environ.get(EXTRA_PACKAGES, "").split(",")]
    if normalise(package) in allowed:
        return INSTALLABLE.format(repr(name), package)
    return NOT_INSTALLED.format(repr(name), package)


def normalise(name: str) -> str:
    """The name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def find_missing(error: BaseException) -> str:
    """The module or package that *error* says is missing; "" for none, and for one that was imported."""
    if type(error) is ModuleNotFoundError:
        name = error.name.partition(".")[0] if type(error.name) is str else ""
    elif type(error) is subprocess.CalledProcessError:
        return _asked_of_pip(error.cmd)
    else:
        name = _named(error) if type(error) in _TYPES else ""
    return "" if name in sys.modules else name


def _named(error: BaseException) -> str:
    """What the text of *error* names: each library has words of its own for that."""
    text = error.args[0][:_TEXT_CHARS] if len(error.args) == 1 and type(error.args[0]) is str else ""
    found = _TOLD_TO_INSTALL.search(text) or (_SAID.search(text) if type(error) is ImportError else None)
    return next(name for name in found.groups() if name).lower() if found else ""


def _asked_of_pip(command: object) -> str:
    """The first package that *command* asks pip to install; "" if it is another command."""
    words = command[:_TEXT_CHARS].split() if type(command) is str else command
    if type(words) not in (list, tuple):
        return ""
    texts = [word for word in words[:_ARGUMENTS] if type(word) is str]  # type: ignore[index]  # a list or tuple by now
    if "install" not in texts or not any(_PIP.search(word) for word in texts[: texts.index("install")]):
        return ""
    named = [word for word in texts[texts.index("install") + 1 :] if re.match(r"[\"']?\w", word)]
    return re.split(r"[^\w.-]", named[0].strip("\"'"))[0] if named else ""
