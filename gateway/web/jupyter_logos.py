"""The pictures notebook launchers show beside a kernel's name."""

from __future__ import annotations

from typing import Final

_LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">'
    '<rect width="64" height="64" rx="12" fill="{back}"/>'
    '<path d="M12 50h12v-5c-6-3-10-9-10-16a18 18 0 0 1 36 0c0 7-4 13-10 16v5h12" transform="translate(0 -2)" '
    'fill="none" stroke="{front}" stroke-width="5" stroke-linecap="round" stroke-linejoin="round"/>'
    '<text x="32" y="36" font-family="sans-serif" font-size="15" font-weight="bold" text-anchor="middle" '
    'fill="{front}">{text}</text></svg>'
)

LOGOS: Final[dict[str, str]] = {
    "python": _LOGO.format(back="#1f4e79", front="#ffffff", text="Py"),
    "javascript": _LOGO.format(back="#f0db4f", front="#1a1a1a", text="JS"),
}
"""SVG by language."""
