"""Every setting with its default, its bounds and its help text: one frozen value, read once at the start."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

import gateway
from gateway.core.kernel_limits import KERNEL_LIMITS, find_conflict, kernel_limit, policy_of
from kernels import work_aliases
from kernels.contract import MIB, ContractError, Level, Policy

TOKEN_CHARS = (16, 512)


class SettingsError(Exception):
    """The gateway can't start as configured; the message is one sentence for the operator."""


def _number(default: float, low: float, high: float, about: str) -> Any:
    return Field(default, ge=low, le=high, description=about)


def _of_kernels(name: str) -> Any:
    """The setting of one limit of kernels, from its row."""
    limit = kernel_limit(name)
    return _number(limit.default, limit.low, limit.high, limit.about)


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed")
    return value


def _parse_level(value: object) -> object:
    if isinstance(value, Level):
        return value
    try:
        return Level.parse(str(value))
    except ContractError as error:
        raise ValueError(str(error)) from None


def _split_names(value: object) -> object:
    """Names from text separated by commas or spaces, as in environment and flags; lists pass unchanged."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _check_token(value: SecretStr | None) -> SecretStr | None:
    if value is None:
        return None
    text, (low, high) = value.get_secret_value(), TOKEN_CHARS
    if not low <= len(text) <= high or not all("!" <= char <= "~" for char in text):
        raise ValueError("not a token")
    return value


def _absolute(value: Path | None) -> Path | None:
    return value and Path(os.path.abspath(value.expanduser()))  # symlinks stay: a venv's python is one


def _check_host(value: str) -> str:
    if not value or any(char.isspace() or char in "/%[]" for char in value):
        raise ValueError("not a host")
    return value


def _check_aliases(value: tuple[str, ...]) -> tuple[str, ...]:
    if fault := work_aliases.find_fault(value):
        raise ValueError(fault)
    return value


def _default_state_dir() -> Path:
    base = os.environ.get("XDG_STATE_HOME", "")
    try:
        home = Path.home()
    except RuntimeError:
        home = Path("/nonexistent")  # a uid without an account: the error tells it to set a directory
    # The specification says to ignore a relative path.
    return (Path(base) if Path(base).is_absolute() else home / ".local/state") / "omega"


def _half_of_memory_mb() -> int:
    return max(1024, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (2 * MIB))


Whole = Annotated[int, BeforeValidator(_no_bool)]
Number = Annotated[float, BeforeValidator(_no_bool)]
IsolationLevel = Annotated[Level, BeforeValidator(_parse_level)]
LocalPath = Annotated[Path, AfterValidator(_absolute)]
Package = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?(==[A-Za-z0-9._+!-]{1,100})?$")]

SpecName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
HostName = Annotated[str, Field(pattern=r"^([A-Za-z0-9:._-]{1,255}|\*)$"), AfterValidator(str.lower)]
Origin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9:.\[\]_-]{1,255}$")]


class Settings(BaseModel):
    """The settings of a gateway. Each field is also ``--field-name``, ``OMEGA_FIELD_NAME`` and a TOML key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    host: Annotated[str, AfterValidator(_check_host)] = Field(
        "127.0.0.1",
        description="address to listen on",
        json_schema_extra={"allowed": "a host name or an IP address"},
    )
    port: Whole = _number(8080, 0, 65535, "port to listen on; 0 takes a free one")
    allowed_hosts: Annotated[tuple[HostName, ...], BeforeValidator(_split_names)] = Field(
        (),
        description="host names accepted in the Host header, besides localhost and the setting host; * for any",
        json_schema_extra={
            "allowed": "comma-separated host names",
            "shown": "none; any if host is not a loopback address",
        },
    )
    allowed_origins: Annotated[tuple[Origin, ...], BeforeValidator(_split_names)] = Field(
        (),
        description="origins whose web pages may use the API",
        json_schema_extra={"allowed": "comma-separated origins such as https://example.org", "shown": "none"},
    )
    max_connections: Whole = _number(512, 8, 100_000, "maximum number of open connections; a new one replaces an idle one")
    body_bytes: Whole = _number(16 * MIB, 1024, 1024 * MIB, "maximum size of a request body")
    drain_s: Number = _number(30, 0, 3600, "time that running work has to finish after SIGTERM or Ctrl-C")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level that is logged")
    log_format: Literal["json", "console"] = Field("console", description="format of log lines on stderr")

    token: Annotated[SecretStr | None, AfterValidator(_check_token)] = Field(
        None,
        description="bearer token; without it the first start makes one and stores it in the state directory",
        json_schema_extra={"allowed": "16 to 512 printable ASCII characters without spaces", "secret": True},
    )
    state_dir: LocalPath = Field(
        default_factory=_default_state_dir,
        description="directory for token, database and lock file",
        json_schema_extra={"allowed": "a path", "shown": "$XDG_STATE_HOME/omega or ~/.local/state/omega"},
    )
    database_url: str | None = Field(
        None,
        description="database of keys and history",
        repr=False,
        pattern=r"^(sqlite:///[^:?]+|(postgresql|postgres|postgresql\+psycopg)://.+)$",
        json_schema_extra={
            "allowed": "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME",
            "secret": True,
            "shown": "SQLite in the state directory",
        },
    )
    history_max_rows: Whole = _number(10_000, 1, 10_000_000, "maximum number of runs in the history")
    history_max_days: Number = _number(30, 0.01, 36_500, "days that a run stays in the history")

    kernel_python: LocalPath | None = Field(
        None,
        description="Python interpreter of the kernels' environment",
        json_schema_extra={"allowed": "a path", "shown": ".venv-kernels/bin/python in the checkout"},
    )
    spawner_socket: LocalPath | None = Field(
        None,
        description="socket of a spawner that was started by `omega spawner`",
        json_schema_extra={"allowed": "a path", "shown": "none: the gateway starts one itself"},
    )
    require_isolation: IsolationLevel = Field(
        Level.L1,
        description="lowest isolation level at which the gateway starts",
        json_schema_extra={"allowed": "one of none, L1, L2, L2+, L3"},
    )
    extra_packages: Annotated[tuple[Package, ...], BeforeValidator(_split_names)] = Field(
        (),
        description="packages that clients may install for the kernels of all keys",
        json_schema_extra={"allowed": "comma-separated package names, each also as name==version", "shown": "none"},
    )

    work_aliases: Annotated[tuple[str, ...], BeforeValidator(_split_names), AfterValidator(_check_aliases)] = Field(
        work_aliases.DEFAULT,
        description="further paths of the work directory inside kernels; level L1 has none",
        json_schema_extra={"allowed": work_aliases.ALLOWED, "shown": ",".join(work_aliases.DEFAULT)},
    )

    pool_min: Whole = _number(2, 0, 256, "minimum number of unused Python kernels kept ready")
    pool_max: Whole = _number(8, 0, 256, "maximum number of unused kernels kept ready per language, when demand is high")
    pool_min_javascript: Whole = _number(1, 0, 256, "minimum number of unused JavaScript kernels kept ready")
    max_kernels: Whole = _number(32, 1, 10_000, "maximum number of live kernels, busy and unused")
    pool_memory_mb: Whole = Field(
        default_factory=_half_of_memory_mb,
        ge=64,
        le=4_194_304,
        description="memory budget of all kernels together",
        json_schema_extra={"shown": "half of this machine's memory, at least 1024"},
    )
    queue_limit: Whole = _number(64, 0, 100_000, "requests that may wait for a kernel; further ones get 503")
    queue_wait_s: Number = _number(30, 0.1, 3600, "maximum time a request waits for a kernel before it gets 503")
    zygote_forks: Whole = _number(2000, 1, 10_000_000, "kernels forked from one zygote before it is replaced")

    memory_mb: Whole = _of_kernels("memory_mb")
    work_mb: Whole = _of_kernels("work_mb")
    tmp_mb: Whole = _of_kernels("tmp_mb")
    shm_mb: Whole = _of_kernels("shm_mb")
    processes: Whole = _of_kernels("processes")
    open_files: Whole = _of_kernels("open_files")
    cpu_cores: Number = _of_kernels("cpu_cores")
    cpu_s: Whole = _of_kernels("cpu_s")

    requests_per_minute: Whole = _number(60_000, 1, 10_000_000, "requests per key and minute; further ones get 429")
    concurrent_runs: Whole = _number(64, 1, 100_000, "concurrent runs per key; further ones get 429")
    python_timeout_s: Number = _number(30, 0.1, 86_400, "default time limit of a Python run")
    javascript_timeout_s: Number = _number(10, 0.1, 86_400, "default time limit of a JavaScript run")
    max_timeout_s: Number = _number(300, 0.1, 86_400, "maximum time limit that a client may set for a run")
    notebook_timeout_s: Number = _number(600, 1, 86_400, "time limit of a notebook executed in one request")
    interrupt_grace_s: Number = _number(1, 0, 60, "time between the interrupt of a run and the kill of its kernel")
    output_bytes: Whole = _number(MIB, 1024, 1024 * MIB, "maximum output of one run; a run that writes more is ended")
    rich_bytes: Whole = _number(
        32 * MIB, 1024, 1024 * MIB, "maximum size of charts and other rich results of one run, in total"
    )
    chart_data_bytes: Whole = _number(
        262_144, 0, 64 * MIB, "data of one figure beside its picture; a larger figure comes without; 0: no data"
    )
    fetch_bytes: Whole = _number(
        8 * MIB, 0, 16 * MIB, "files that one run sends back (fetchFiles), in total; 0: only their names"
    )
    tool_calls: Whole = _number(500, 0, 100_000, "calls that one run may make of the client's tools")
    tool_bytes: Whole = _number(16 * MIB, 1024, 1024 * MIB, "inputs and results of these calls, in total")
    tool_wait_s: Number = _number(300, 0.1, 86_400, "time that one run may wait for the client's tools, in total")
    stream_grace_s: Number = _number(
        30, 0, 3600, "time that a streaming client has to reconnect, during its run and after its end"
    )
    stream_bytes: Whole = _number(
        64 * MIB, 1024, 1024 * MIB, "events of finished runs kept per key for clients that reconnect"
    )

    tool_text_bytes: Whole = _number(20_000, 1000, 64 * MIB, "text in the answer of a tool; of more it has head and tail")
    tool_picture_bytes: Whole = _number(
        200_000, 4096, 64 * MIB, "size of a picture in the answer of a tool, as base64; a larger one is made smaller"
    )
    tool_kept_bytes: Whole = _number(
        32 * MIB, 0, 1024 * MIB, "pictures in full that answers of tools link to, kept per key; 0: no links"
    )
    tool_kept_s: Number = _number(3600, 0, 86_400, "time for which such a link is good, also without a token; 0: no links")

    max_sessions: Whole = _number(0, 0, 10_000, "sessions of all keys together; 0: as many as leave pool_min kernels free")
    sessions_per_key: Whole = _number(16, 0, 10_000, "sessions and Jupyter kernels per key; further ones get 429")
    session_idle_s: Number = _number(1800, 1, 2_592_000, "time without a run after which a session ends")
    session_max_idle_s: Number = _number(86_400, 1, 2_592_000, "maximum of that time that a client may set for a session")
    session_lifetime_s: Number = _number(0, 0, 31_536_000, "maximum lifetime of a session, even of a busy one; 0: no limit")
    transcript_bytes: Whole = _number(4 * MIB, 0, 1024 * MIB, "code and results kept per session for its notebook")
    file_bytes: Whole = _number(
        128 * MIB, 1024, 1024 * 1024 * MIB, "maximum size of a file uploaded to a session or downloaded from it"
    )

    jupyter_buffer_bytes: Whole = _number(
        8 * MIB, 65_536, 1024 * MIB, "buffer for a Jupyter kernel's output while its client is disconnected"
    )
    jupyter_env_names: Annotated[tuple[EnvName, ...], BeforeValidator(_split_names)] = Field(
        (),
        description="environment variables that Jupyter clients may set for their kernels, besides KERNEL_...",
        json_schema_extra={"allowed": "comma-separated names", "shown": "none"},
    )
    allowed_kernelspecs: Annotated[tuple[SpecName, ...], BeforeValidator(_split_names)] = Field(
        (),
        description="kernelspecs of this machine that Jupyter clients may start; their kernels are NOT sandboxed",
        json_schema_extra={"allowed": "comma-separated names, as `jupyter kernelspec list` shows them", "shown": "none"},
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        for problem in self._conflicts():
            raise ValueError(problem)
        return self

    def _conflicts(self) -> list[str]:
        """One sentence for each pair of contradicting settings."""
        checks = [
            _at_most(self, "pool_min", "pool_max"),
            _at_most(self, "pool_min_javascript", "pool_max"),
            _at_most(self, "pool_max", "max_kernels"),
            _at_most(self, "memory_mb", "pool_memory_mb"),
            _at_most(self, "max_sessions", "max_kernels"),
            _at_most(self, "session_idle_s", "session_max_idle_s"),
            _at_most(self, "python_timeout_s", "max_timeout_s"),
            _at_most(self, "javascript_timeout_s", "max_timeout_s"),
        ]
        problems = [conflict] if (conflict := find_conflict(self.kernel_limits())) else []
        problems += [f"{text} {name}, which is {getattr(self, name):g}" for holds, text, name in checks if not holds]
        if self.token is None and not is_loopback(self.host):
            problems.append(f"host is {self.host}, which other machines can reach: set OMEGA_TOKEN to listen there")
        return problems

    def policy(self) -> Policy:
        """The limits of each kernel."""
        return policy_of(self.kernel_limits())

    def kernel_limits(self) -> dict[str, float]:
        """The limits of each kernel by name."""
        return {limit.name: getattr(self, limit.name) for limit in KERNEL_LIMITS}

    def database(self) -> str:
        """The SQLAlchemy URL of the database with keys and history."""
        url = self.database_url or f"sqlite:///{self.state_dir / 'history.db'}"
        scheme, rest = url.split("://", 1)
        return f"{'postgresql+psycopg' if scheme in ('postgres', 'postgresql') else scheme}://{rest}"


def _at_most(settings: Settings, lower: str, upper: str) -> tuple[bool, str, str]:
    value, bound = getattr(settings, lower), getattr(settings, upper)
    return value <= bound, f"{lower} is {value:g}: it must not be above", upper


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach *host*; any name other than localhost counts as reachable by others."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_kernel_python(settings: Settings) -> Path:
    """The interpreter of kernels: the configured one, or the one that ``make`` installed in this checkout."""
    if settings.kernel_python is not None:
        candidates = [settings.kernel_python]
    else:
        roots = dict.fromkeys((Path(gateway.__file__).resolve().parents[1], Path(sys.prefix).parent))
        candidates = [root / ".venv-kernels/bin/python" for root in roots]
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    named = f"kernel_python is {settings.kernel_python}" if settings.kernel_python else f"no {candidates[0]}"
    raise SettingsError(f"{named}: no Python to run kernels in; run `make install` or set kernel_python")
