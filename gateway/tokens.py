"""The command ``omega token``, with or without a running gateway: the stored token, and named keys."""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway import state
from gateway.commands import add_command, print_table
from gateway.core.kernel_limits import KERNEL_LIMITS, KernelLimit
from gateway.core.limits import KeyLimits
from gateway.service.keys.keys import DEFAULT_KEY_ID, hash_token, make_token
from gateway.settings import Settings, SettingsError

if TYPE_CHECKING:
    from gateway.service.keys.store import KeyRecord, KeyStore

PATH = "path"
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
MAX_LIFE_S = 3650 * 86_400
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LIFE = re.compile(r"([0-9]{1,9})([smhdw])")
Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LimitOption:
    """One limit of a key: its field, its option, its bounds."""

    field: str
    option: str
    low: float
    high: float
    about: str
    is_whole: bool = True

    @classmethod
    def of_kernels(cls, limit: KernelLimit) -> LimitOption:
        """The option of one limit of kernels, from its row."""
        option = f"--{limit.name.replace('_', '-')}"
        return cls(limit.name, option, limit.low, limit.high, limit.key_about, is_whole=limit.is_whole)

    def parse(self, text: str) -> float | int:
        """The number in *text*; raises SettingsError with the allowed range."""
        try:
            value = int(text) if self.is_whole else float(text)
        except ValueError:
            value = math.nan
        if not self.low <= value <= self.high:
            kind = "a whole number" if self.is_whole else "a number"
            raise SettingsError(f"{self.option} is {text!r}: use {kind} from {self.low:g} to {self.high:.0f}")
        return value


LIMITS = (
    LimitOption("requests_per_minute", "--requests-per-minute", 1, 10_000_000, "requests per minute"),
    LimitOption("concurrent_runs", "--concurrent", 1, 100_000, "runs at once"),
    *(LimitOption.of_kernels(limit) for limit in KERNEL_LIMITS if limit.key_about),
    LimitOption("max_timeout_s", "--max-timeout-s", 0.1, 86_400, "maximum time limit of a run", is_whole=False),
    LimitOption("output_bytes", "--output-bytes", 1024, 1024**3, "maximum output of one run"),
    LimitOption("sessions", "--sessions", 0, 10_000, "sessions and Jupyter kernels at once"),
)


def add_actions(parser: argparse.ArgumentParser, add_common: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add the actions of ``omega token`` to *parser*; *add_common* adds the options that all have."""
    parser.set_defaults(action=PATH)
    actions = parser.add_subparsers(metavar="ACTION", required=False)

    def action(name: str, about: str) -> argparse.ArgumentParser:
        made = add_command(actions, name, about)
        made.set_defaults(action=name)
        add_common(made)
        return made

    action(PATH, "print the path of the stored token (the default action)")
    action("print", "print the stored token")
    action("rotate", "replace the stored token; a running gateway accepts the new one within seconds")
    added = action(
        "add", "make a named key and print its token, only this once; a running gateway accepts it within seconds"
    )
    added.add_argument(
        "key_name", metavar="NAME", help="name of the key: letters, digits, dots, dashes and underscores, 64 at most"
    )
    added.add_argument(
        "--expires",
        dest="key_expires",
        metavar="TIME",
        help="time until the key expires, such as 12h, 30d or 8w (default: never)",
    )
    for limit in LIMITS:
        text = f"{limit.about} (default: the gateway's setting)"
        added.add_argument(limit.option, dest=f"key_{limit.field}", metavar="N", help=text)
    action("list", "list the named keys, including expired and revoked ones")
    revoked = action("revoke", "revoke a named key; a running gateway refuses it within seconds")
    revoked.add_argument("key_name", metavar="NAME", help="name of the key, as `omega token list` prints it")


def carry_out(action: str, values: Values, settings: Settings) -> None:
    """Carry out one action; raises StateError, DatabaseError, KeyRefused or SettingsError."""
    state.prepare_directory(settings.state_dir)
    match action:
        case "add":
            _add(values, settings)
        case "list":
            _list(settings)
        case "revoke":
            with _opened(settings) as store:
                store.revoke(values["key_name"])
            print(f"The key {values['key_name']} is revoked; a running gateway refuses its token within seconds.")
        case _:
            _manage_stored(action, settings)


def parse_life(text: str) -> float:
    """The seconds in a time such as 30d; raises SettingsError."""
    found = _LIFE.fullmatch(text)
    life_s = int(found[1]) * UNITS_S[found[2]] if found else 0
    if not 0 < life_s <= MAX_LIFE_S:
        raise SettingsError(f"--expires is {text!r}: use a time such as 90m, 12h, 30d or 8w, 3650d at most")
    return float(life_s)


def parse_limits(values: Values) -> KeyLimits:
    """The limits among *values*; raises SettingsError for the first invalid one."""
    given = {limit.field: limit.parse(values[f"key_{limit.field}"]) for limit in LIMITS if f"key_{limit.field}" in values}
    return KeyLimits(**given)  # type: ignore[arg-type]  # each is whole or not as its field is


def _add(values: Values, settings: Settings) -> None:
    name, limits = values["key_name"], parse_limits(values)
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"the name is {name!r}: use letters, digits, dots, dashes and underscores, 64 at most, a letter or digit first"
        )
    if limits.memory_mb is not None and limits.memory_mb > settings.pool_memory_mb:
        raise SettingsError(
            f"--memory-mb is {limits.memory_mb}: it must not be above pool_memory_mb, {settings.pool_memory_mb}"
        )
    expires_utc = time.time() + parse_life(values["key_expires"]) if "key_expires" in values else None
    token = make_token()
    with _opened(settings) as store:
        store.add(name, hash_token(token), expires_utc, limits)
    # Alone on stdout, so that a script gets nothing else.
    print(token)
    until = "does not expire" if expires_utc is None else f"expires {_shown(expires_utc)}"
    print(f"omega: key {name} {until}; its token is shown only this once and stored as a hash", file=sys.stderr)


def _list(settings: Settings) -> None:
    with _opened(settings) as store:
        records = store.list()
    kept = "OMEGA_TOKEN" if settings.token is not None else str(state.token_path(settings.state_dir))
    rows = [("NAME", "STATE", "CREATED", "EXPIRES", "LIMITS"), (DEFAULT_KEY_ID, "valid", "-", "never", f"token in {kept}")]
    if settings.token is None and state.load_token(settings.state_dir) is None:
        rows.pop()
    rows += [_describe(record) for record in records]
    print_table(rows)


def _describe(record: KeyRecord) -> tuple[str, str, str, str, str]:
    key = record.key
    limits = {item.name: getattr(key.limits, item.name) for item in fields(KeyLimits)}
    shown = " ".join(
        f"{name}={value:g}" if name != "output_bytes" else f"{name}={value}"
        for name, value in limits.items()
        if value is not None
    )
    expires = "never" if key.expires_utc is None else _shown(key.expires_utc)
    return key.name, record.state_at(time.time()), _shown(record.created_utc), expires, shown or "the gateway's own"


def _shown(moment_utc: float) -> str:
    return datetime.fromtimestamp(moment_utc, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def _opened(settings: Settings) -> Iterator[KeyStore]:
    """The database of keys; a running gateway may be using it."""
    # Here: SQLAlchemy takes longer to load than all the rest, and most commands need no database.
    from sqlalchemy.exc import SQLAlchemyError

    from gateway.service.database import DatabaseError, explain
    from gateway.service.keys.store import KeyStore

    store = KeyStore(settings.database())
    try:
        yield store
    except SQLAlchemyError as error:
        raise DatabaseError(f"the keys can't be read or changed now: {explain(error)}") from None
    finally:
        store.close()


def _manage_stored(action: str, settings: Settings) -> None:
    """The actions path, print and rotate on the stored token."""
    if settings.token is not None:
        print("omega: the gateway uses the configured token, not the stored one", file=sys.stderr)
    if action == "rotate":
        made = state.make_token(settings.state_dir)
        print(f"A new token is in {made.path}; a running gateway accepts it within seconds.")
    elif action == PATH:
        print(state.token_path(settings.state_dir))
    elif (stored := state.load_token(settings.state_dir)) is None:
        raise state.StateError(f"no token is stored in {settings.state_dir} yet: the first `omega serve` creates one")
    else:
        print(stored.value)
