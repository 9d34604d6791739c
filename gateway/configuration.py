"""Reads settings from command line, environment and file, in that order; a mistake is one sentence."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from gateway.settings import Settings, SettingsError

PREFIX = "OMEGA_"
CONFIG_VARIABLE = "OMEGA_CONFIG"
CLIENT_VARIABLES = frozenset({"OMEGA_URL"})
"""What the client libraries read: whoever uses one may start a gateway in the same shell."""
DEFAULT_FILE = "omega.toml"
Origins = dict[str, str]
"""The name of each setting where it was set, for messages."""
GROUPS: Mapping[str, str] = {
    "host": "Server",
    "token": "Storage and history",
    "kernel_python": "Isolation and packages",
    "pool_min": "Pool",
    "memory_mb": "Limits of each kernel",
    "requests_per_minute": "Limits of requests and runs",
    "max_sessions": "Sessions",
    "jupyter_buffer_bytes": "Jupyter",
}
"""The headings of the help: each stands before the setting it names and covers those that follow."""


def read_settings(flags: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """The settings of this start; raises SettingsError naming the first mistake."""
    path = flags.get("config") or environ.get(CONFIG_VARIABLE)
    values, origins = _read_file(Path(path).expanduser() if path else None)
    for name, value in _read_environment(environ):
        values[name], origins[name] = value, f"{PREFIX}{name.upper()}"
    for name, value in flags.items():
        if name != "config":
            values[name], origins[name] = value, f"--{name.replace('_', '-')}"
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(error, values, origins)) from None


def _read_file(path: Path | None) -> tuple[dict[str, Any], Origins]:
    """The settings in the TOML file; empty if no file was named and omega.toml does not exist."""
    chosen = path or Path(DEFAULT_FILE)
    try:
        text = chosen.read_text(encoding="utf-8")
    except FileNotFoundError:
        if path is None:
            return {}, {}
        raise SettingsError(f"the settings file {chosen} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {chosen} can't be read: {error}") from None
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"the settings file {chosen} is not TOML: {error}") from None
    for name in values:
        if name not in Settings.model_fields:
            raise SettingsError(f"{name!r} in {chosen} is not a setting{_guess(name, '')}")
    return values, {name: f"{name} in {chosen}" for name in values}


def _read_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE or variable in CLIENT_VARIABLES:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in Settings.model_fields or variable != variable.upper():
            raise SettingsError(f"{variable} is not a setting{_guess(name, PREFIX)}")
        yield name, environ[variable]


def _guess(name: str, prefix: str) -> str:
    close = difflib.get_close_matches(name.lower(), Settings.model_fields, n=1)
    if not close:
        return "; `omega serve --help` lists all settings"
    return f"; did you mean {prefix + close[0].upper() if prefix else repr(close[0])}?"


def _explain(error: ValidationError, values: Mapping[str, Any], origins: Origins) -> str:
    problem = error.errors(include_url=False)[0]
    if not problem["loc"]:
        return problem["msg"].removeprefix("Value error, ")
    name = str(problem["loc"][0])
    field = Settings.model_fields[name]
    shown = "invalid" if _extra(field).get("secret") else repr(values[name])[:80]
    return f"{origins[name]} is {shown}: use {describe_allowed(name)}"


def group_settings() -> dict[str, list[str]]:
    """The names of all settings under the headings of GROUPS."""
    groups: dict[str, list[str]] = {}
    heading = ""
    for name in Settings.model_fields:
        heading = GROUPS.get(name, heading)
        groups.setdefault(heading, []).append(name)
    return groups


def describe_allowed(name: str) -> str:
    """The allowed values of the setting *name*, as part of a sentence."""
    field = Settings.model_fields[name]
    if allowed := _extra(field).get("allowed"):
        return str(allowed)
    bounds = {type(item).__name__: item for item in field.metadata}
    if "Ge" in bounds:
        kind = "a whole number" if field.annotation is int else "a number"
        return f"{kind} from {bounds['Ge'].ge} to {bounds['Le'].le}"
    return "one of " + ", ".join(get_args(field.annotation))


def describe_default(name: str) -> str:
    """The default of the setting *name* for the help text."""
    field = Settings.model_fields[name]
    shown = _extra(field).get("shown")
    if shown or field.default is None:
        return str(shown or "none")
    default = field.default
    return str(getattr(default, "label", default))


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) else {}
