"""Widgets where no front end draws them: an answer has the text of each, in the state that it had in the end.

A widget shows a view, which a front end keeps up to date. Without one there is only the text beside it, as it was when the
widget was shown: a progress bar at 0 %. So each view is shown under a display id, and its text is sent again if it changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

VIEW: Final = "application/vnd.jupyter.widget-view+json"
MAX_VIEWS: Final = 64
"""Views of one run that are shown again; later ones keep the text they had."""
Bundle = Mapping[str, Any]


def _ignore(_bundle: Bundle, _display_id: str) -> None:
    """Placeholder until a kernel is attached."""


@dataclass(slots=True)
class Views:
    """The widgets that the current run has shown. *update* shows a bundle in place of another."""

    update: Callable[[Bundle, str], None] = _ignore
    is_open: bool = False
    _shown: dict[str, tuple[str, object]] = field(default_factory=dict)

    def begin(self) -> None:
        """A run of the gateway's own API begins."""
        self.is_open, self._shown = True, {}

    def note(self, bundle: Bundle) -> str:
        """The display id for *bundle*, which is about to be shown; "" if it needs none."""
        view = bundle.get(VIEW)
        model = view.get("model_id") if type(view) is dict else None
        if not self.is_open or type(model) is not str or len(self._shown) >= MAX_VIEWS or model in self._shown:
            return ""
        self._shown[model] = (uuid4().hex, bundle.get("text/plain"))
        return self._shown[model][0]

    def close(self) -> None:
        """The run is over; what is shown later is shown as it is."""
        self.is_open, self._shown = False, {}

    def finish(self) -> None:
        """Show each widget again whose text is another now. A widget of the caller's own class runs the caller's code."""
        shown, self._shown, self.is_open = self._shown, {}, False
        module: Any = sys.modules.get("ipywidgets.widgets.widget")
        living = module._instances if module is not None and shown else {}
        for model, (display_id, text) in shown.items():
            widget = living.get(model)
            bundle = widget._repr_mimebundle_() if widget is not None else None
            if isinstance(bundle, dict) and bundle.get("text/plain") != text:
                self.update(bundle, display_id)


views = Views()
"""Those of this kernel."""
