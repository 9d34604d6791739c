"""The settings of what is shown: Jupyter's inline backend (``%config InlineBackend...``, ``%matplotlib ...``), ``%xmode``.

Figures are shown as PNG, with twice the pixels, or as SVG. What has no effect here says so on stderr.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from typing import Any

from IPython.core import pylabtools
from matplotlib_inline import backend_inline
from matplotlib_inline.config import InlineBackend

from kernels.python.shown.drawing import MIME, Format, Picture
from kernels.python.shown.figures import gallery

FORMATS: dict[str, tuple[Format, float]] = {"svg": ("svg", 1), "retina": ("png", 2), "png2x": ("png", 2), "png": ("png", 1)}
"""What code may ask for, and the format and scale that figures get. The first wanted one counts."""
WITHOUT_EFFECT = ("close_figures", "print_figure_kwargs", "rc")
INLINE = (None, "inline", "agg", "auto", "module://matplotlib_inline.backend_inline")
NO_FORMAT = "figure_format {}: not available here. Figures come as png, retina (twice the pixels) or svg.\n"
NO_EFFECT = "InlineBackend.{} has no effect here.\n"
NO_XMODE = "%xmode has no effect here: tracebacks are plain.\n"
NO_BACKEND = "%matplotlib {}: not available here, as there are no windows and no widgets. Figures come as pictures.\n"


@dataclass(slots=True)
class _Choice:
    """What the code of this process has chosen."""

    format: Format = "png"
    scale: float = 1.0


_choice = _Choice()


def install(shell: Any) -> None:
    """Take ``%config InlineBackend...`` of *shell*, and what matplotlib_inline's own functions say."""
    for module in (pylabtools, backend_inline):
        module.select_figure_formats = _choose
    settings = InlineBackend.instance(parent=shell)
    settings.shell = shell
    settings.observe(_say_of_setting, list(WITHOUT_EFFECT))
    shell.configurables.append(settings)
    usual = shell.find_line_magic("xmode")

    def xmode(line: str) -> None:
        """Choose how the tracebacks of a Jupyter client look."""
        if shell.is_ours:
            sys.stderr.write(NO_XMODE)
        else:
            usual(line)

    shell.register_magic_function(xmode, "line", "xmode")


def apply() -> None:
    """Draw the figures of the run that begins as the code of an earlier one has chosen."""
    gallery.format, gallery.scale = _choice.format, _choice.scale


def metadata(picture: Picture) -> dict[str, Any]:
    """The size at which to show *picture*, if that is not its own."""
    if picture.mime != MIME["png"] or gallery.scale == 1:
        return {}
    width, height = struct.unpack(">II", picture.data[16:24])  # of the IHDR chunk, which is always the first
    return {picture.mime: {"width": int(width / gallery.scale), "height": int(height / gallery.scale)}}


def say_of_backend(name: Any) -> None:
    """Say that *name* of ``%matplotlib`` changes nothing, if it is none that shows pictures."""
    if name not in INLINE:
        sys.stderr.write(NO_BACKEND.format(name))


def _choose(_shell: Any, formats: Any, **_options: Any) -> None:
    """Replaces IPython's function of this name: figures have a formatter of ours."""
    wanted = {formats} if isinstance(formats, str) else set(formats)
    settings = InlineBackend.instance()
    settings.figure_format = ""  # so that choosing the same again is a change, whatever was chosen in other ways meanwhile
    if settings.figure_formats != wanted:
        settings.figure_formats = wanted  # comes back here
        return
    unknown = wanted - FORMATS.keys()
    for name in sorted(map(str, unknown)):
        sys.stderr.write(NO_FORMAT.format(name))
    chosen = next((FORMATS[name] for name in FORMATS if name in wanted), None)
    if chosen is not None:
        _choice.format, _choice.scale = chosen
        apply()


def _say_of_setting(change: Any) -> None:
    sys.stderr.write(NO_EFFECT.format(change["name"]))
