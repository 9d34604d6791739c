"""pip in a process of its own: what a package needs, its wheels, and their contents in a directory. No build script runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

from gateway.core.errors import Forbidden, Unavailable
from gateway.service.packages import pip_failures
from gateway.service.packages.pip_failures import NOT_BUILT
from gateway.service.packages.wheels import normalise

ENVIRONMENT = (
    *("PATH", "HOME", "LANG", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "PIP_CONFIG_FILE"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST"),
    *("PIP_CERT", "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
"""The variables of the gateway that pip gets: how to reach its index, and no secret of the gateway."""

# What the process does to itself before it is pip: no capabilities (a gateway run by root has some, and this process reads
# what strangers wrote), a limit on the largest file it can write, no core dump; and it can start no program: --only-binary
# does not hold for a dependency given by address, and building one would run its author's code here. Then it finds pip's
# own arguments.
_BOOTSTRAP = f"""
import ctypes, resource, runpy, sys

def refuse(event, _arguments):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system"):
        raise PermissionError({NOT_BUILT!r})

nothing = (ctypes.c_uint32 * 6)()
if ctypes.CDLL(None, use_errno=True).capset((ctypes.c_uint32 * 2)(0x20080522, 0), nothing) != 0:
    sys.exit("capabilities could not be dropped")
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.addaudithook(refuse)
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__")
"""
# Without -vv it does not tell an index that can't be reached from one that does not have the package.
_COMMON = ("-vv", "--disable-pip-version-check", "--no-input", "--no-color", "--progress-bar", "off", "--no-cache-dir")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_SAID_BYTES = 4 * 1024 * 1024
_LOGGED_CHARS = 2000

_log = structlog.get_logger("omega.install")


@dataclass(frozen=True, slots=True)
class Pin:
    """One wheel: exactly this version with exactly this content."""

    name: str
    version: str
    sha256: str


class Pip:
    """pip of the kernels' Python, run outside of any kernel in an environment of a few named variables."""

    def __init__(self, python: Path, environ: Mapping[str, str], *, file_bytes: int) -> None:
        self._python = python
        self._environ = {name: environ[name] for name in ENVIRONMENT if name in environ}
        self._file_bytes = file_bytes

    async def resolve(self, requirements: Sequence[str], work: Path) -> list[Pin]:
        """The wheels that *requirements* need beyond what kernels have; nothing is installed."""
        report = work / "report.json"
        await self._run("install", work, "--dry-run", "--only-binary", ":all:", "--report", str(report), "--", *requirements)
        asked = {normalise(requirement.partition("==")[0]) for requirement in requirements}
        try:
            items = orjson.loads(report.read_bytes())["install"]
            return [_pin(item, asked) for item in items]
        except OSError:
            raise Unavailable("The kernels' pip gave no report: it is older than 22.2, or broken.") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("pip report is unreadable", reason=type(error).__name__)
            raise Forbidden("A dependency can't be pinned to one wheel with one hash.") from None

    async def download(self, pins: Sequence[Pin], work: Path) -> list[Path]:
        """The wheels of *pins*, each with the hash it was resolved with."""
        lines = [f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}\n" for pin in pins]
        listed, wheels = work / "pins.txt", work / "wheels"
        listed.write_text("".join(lines), encoding="utf-8")
        await self._run(
            "download",
            work,
            *("--no-deps", "--only-binary", ":all:", "--require-hashes"),
            *("--dest", str(wheels), "--requirement", str(listed)),
        )
        return sorted(wheels.iterdir())

    async def unpack(self, wheels: Sequence[Path], target: Path, work: Path) -> None:
        """Place the modules of *wheels* in *target*."""
        offline = ("--no-deps", "--no-index", "--only-binary", ":all:", "--target", str(target))
        await self._run("install", work, *offline, "--", *map(str, wheels))

    async def _run(self, command: str, work: Path, *arguments: str) -> None:
        """Run pip in *work*; its whole process group is gone when this returns or is cancelled."""
        command_line = (str(self._python), "-I", "-c", _BOOTSTRAP, str(self._file_bytes), command, *_COMMON, *arguments)
        async with _process_group(*command_line, cwd=work, env={**self._environ, "TMPDIR": str(work)}) as process:
            said = await _last_bytes(process)
            code = await process.wait()
        if code == 0:
            return
        _log.warning("pip failed", code=code, said=_CREDENTIALS.sub("***@", said)[-_LOGGED_CHARS:])
        if code < 0:
            raise Unavailable(f"pip was killed by signal {-code}.", retry_after_s=30)
        raise pip_failures.explain(said, self._file_bytes)


@contextlib.asynccontextmanager
async def _process_group(*command: str, cwd: Path, env: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process whose words can be read; it and all that it started are gone in the end."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            # Both: of some indexes that it can't reach it says so on the one, of some on the other.
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    )
    try:
        # When this is cancelled before it knows the process, asyncio would end that alone and not its group.
        yield await asyncio.shield(starting)
    finally:
        process = await starting
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _pin(item: Mapping[str, Mapping[str, object]], asked: Collection[str]) -> Pin:
    """One entry of pip's report, which marks those that were *asked* for."""
    info, metadata = item["download_info"], item["metadata"]
    name, version = str(metadata["name"]), str(metadata["version"])
    if item.get("requested") and normalise(name) not in asked:
        raise Forbidden(f"The wheel contains {name}, which is not the requested package.")
    if item.get("is_direct"):
        raise Forbidden(f"{name} is given by URL: only wheels of the index can be installed.")
    if not str(info["url"]).partition("#")[0].endswith(".whl"):
        raise Forbidden(f"{name} has no wheel, and building packages is not allowed.")
    digest = _sha256(info["archive_info"])
    if not re.fullmatch(r"[0-9a-f]{64}", digest) or not re.fullmatch(r"[A-Za-z0-9._+!-]{1,100}", version):
        raise ValueError("hash or version of another form")
    return Pin(normalise(name), version, digest)


def _sha256(archive: object) -> str:
    """The hash of a wheel, as a report tells it; pip before 23.1, which Debian 12 has, has another form for it."""
    match archive:
        case {"hashes": {"sha256": digest}}:
            return str(digest)
        case {"hash": str(told)} if told.startswith("sha256="):
            return told.removeprefix("sha256=")
    raise ValueError("no hash in the report")


async def _last_bytes(process: asyncio.subprocess.Process) -> str:
    """The end of what the process wrote, however much that is."""
    assert process.stdout is not None
    kept = bytearray()
    while chunk := await process.stdout.read(_SAID_BYTES):
        kept += chunk
        if len(kept) > 2 * _SAID_BYTES:
            del kept[:-_SAID_BYTES]
    return kept.decode("utf-8", "replace")
