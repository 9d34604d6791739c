"""Why pip failed is told truthfully: hostile and broken wheels, addresses, indexes that are not there."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gateway.core.errors import Forbidden, GatewayError, NotFound, TooLarge, Unavailable
from gateway.service.packages.pip import Pin, Pip
from gateway.service.packages.pip_failures import explain

FILE_BYTES = 30_000
PLAIN = {"probe.py": b"x = 1\n"}


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel to be made: what its METADATA says, and its members."""

    name: str = "probe"
    version: str = "1.0"
    says: Sequence[str] = ()
    members: Mapping[str, bytes] = field(default_factory=lambda: dict(PLAIN))
    calls_itself: str = ""
    wheel_version: str = "1.0"
    metadata: str = ""

    def write(self, folder: Path) -> Path:
        """The file, in *folder*."""
        path, info = folder / f"{self.name}-{self.version}-py3-none-any.whl", f"{self.name}-{self.version}.dist-info"
        head = f"Metadata-Version: 2.1\nName: {self.calls_itself or self.name}\nVersion: {self.version}\n"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.members.items():
                archive.writestr(name, content)
            archive.writestr(f"{info}/METADATA", self.metadata or head + "".join(f"{line}\n" for line in self.says))
            tags = f"Wheel-Version: {self.wheel_version}\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            archive.writestr(f"{info}/WHEEL", tags)
            archive.writestr(f"{info}/RECORD", "")
        return path


async def fetch(interpreter: Path, folder: Path, **environ: str) -> None:
    """All that is done with pip for an installation of the package *probe*, from the wheels in *folder*/index."""
    (work := folder / "work").mkdir()
    usual = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "index"), "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}
    pip = Pip(interpreter, {"PATH": os.environ["PATH"], **usual, **environ}, file_bytes=FILE_BYTES)
    pins = await pip.resolve(["probe"], work)
    await pip.unpack(await pip.download(pins, work), work / "site", work)


def refuses(address: str) -> tuple[Sequence[Wheel], type[GatewayError], str]:
    """A wheel that needs another one by *address*."""
    return [Wheel(says=[f"Requires-Dist: evil @ {address}"])], Forbidden, "given by URL"


NEEDS = [Wheel(says=["Requires-Dist: a", "Requires-Dist: b"]), Wheel("a", says=["Requires-Dist: c==1.0"])]
CASES: dict[str, tuple[Sequence[Wheel], type[GatewayError], str]] = {
    "an address of git": refuses("git+https://127.0.0.1:9/evil.git"),
    "a path of git": refuses("git+file:///nowhere/evil.git"),
    "an address of Mercurial": refuses("hg+https://127.0.0.1:9/evil"),
    "an address of Subversion": refuses("svn+https://127.0.0.1:9/evil"),
    "an address of Bazaar": refuses("bzr+https://127.0.0.1:9/evil"),
    "a member over the size": (
        [Wheel(members={"probe.py": b"#" * 4 * FILE_BYTES})],
        TooLarge,
        f"limit of {FILE_BYTES} bytes",
    ),
    "a file over the size": (
        [Wheel(members={"probe.py": os.urandom(4 * FILE_BYTES)})],
        TooLarge,
        f"limit of {FILE_BYTES} bytes",
    ),
    "another name": ([Wheel(calls_itself="other")], Forbidden, "contains other"),
    "no metadata": ([Wheel(metadata="nothing")], Forbidden, "damaged or invalid"),
    "no requirement": ([Wheel(says=["Requires-Dist: %%%"])], Forbidden, "damaged or invalid"),
    "a format of the future": ([Wheel(wheel_version="9.0")], Forbidden, "damaged or invalid"),
    "a Python of the future": ([Wheel(says=["Requires-Python: >=4"])], NotFound, "No wheel fits"),
    "a dependency that is nowhere": ([Wheel(says=["Requires-Dist: a"])], NotFound, "No wheel fits"),
    "dependencies that contradict each other": (
        [*NEEDS, Wheel("b", says=["Requires-Dist: c==2.0"]), Wheel("c"), Wheel("c", "2.0")],
        NotFound,
        "No wheel fits",
    ),
}


@pytest.mark.kernel
@pytest.mark.parametrize("name", CASES)
async def test_what_is_the_packages_fault_is_told_as_such(interpreter: Path, tmp_path: Path, name: str) -> None:
    """Not as a network that failed: asking again would not help."""
    wheels, kind, words = CASES[name]
    (tmp_path / "index").mkdir()
    for wheel in wheels:
        wheel.write(tmp_path / "index")
    with pytest.raises(kind, match=words) as caught:
        await fetch(interpreter, tmp_path)
    assert caught.value.retry_after_s is None
    assert str(tmp_path) not in caught.value.message


def damage(folder: Path) -> None:
    """A wheel whose content is not what its checksum says."""
    path = Wheel(members={"probe.py": os.urandom(2000)}).write(folder)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)


def write_text(folder: Path) -> None:
    """A file that is no archive."""
    (folder / "probe-1.0-py3-none-any.whl").write_bytes(b"no archive")


def write_by_path(folder: Path) -> None:
    """A wheel that needs another one by a path that is there."""
    other = Wheel("evil").write(folder.parent)
    Wheel(says=[f"Requires-Dist: evil @ {other.as_uri()}"]).write(folder)


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("make", "words"),
    [(damage, "damaged or invalid"), (write_text, "damaged or invalid"), (write_by_path, "evil is given by URL")],
)
async def test_a_file_that_is_no_wheel_of_the_index_is_refused(
    interpreter: Path, tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    """Also where pip itself would take it."""
    (tmp_path / "index").mkdir()
    make(tmp_path / "index")
    with pytest.raises(Forbidden, match=words):
        await fetch(interpreter, tmp_path)


@pytest.mark.kernel
async def test_a_dependency_given_by_address_is_not_built(interpreter: Path, tmp_path: Path) -> None:
    """A wheel may name a source archive by URL, for which --only-binary does not hold: its build script would run here."""
    source, marker = tmp_path / "evil-1.0.tar.gz", tmp_path / "ran"
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "be"\nbackend-path = ["."]\n',
        "PKG-INFO": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
        "be.py": f"open({str(marker)!r}, 'w')\n",
    }
    with tarfile.open(source, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"evil-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    (tmp_path / "index").mkdir()
    Wheel(says=[f"Requires-Dist: evil @ {source.as_uri()}"]).write(tmp_path / "index")
    with pytest.raises(Forbidden, match="given by URL"):
        await fetch(interpreter, tmp_path)
    assert not marker.exists()


@contextlib.contextmanager
def index(status: int) -> Iterator[str]:
    """The address of an index that answers everything with *status*."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.kernel
@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (401, Unavailable), (403, Unavailable), (500, Unavailable)])
async def test_an_index_without_the_package_is_not_one_that_fails(
    interpreter: Path, tmp_path: Path, status: int, kind: type[GatewayError]
) -> None:
    """pip says of both that there is no matching distribution."""
    with index(status) as address, pytest.raises(kind):
        await fetch(interpreter, tmp_path, PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL=address)


@pytest.mark.kernel
async def test_an_index_that_is_not_there_is_503(interpreter: Path, tmp_path: Path) -> None:
    """With the time after which asking again may help, also where pip itself does not try again."""
    with pytest.raises(Unavailable, match="could not be reached") as caught:
        await fetch(interpreter, tmp_path, PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert caught.value.retry_after_s


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("ERROR: No matching distribution found for six", NotFound),
        ("ERROR: ResolutionImpossible: for help visit", NotFound),
        ("ERROR: HTTP error 404 while getting https://index/six.whl", NotFound),
        ("ERROR: HTTP error 502 while getting https://index/six.whl", Unavailable),
        ("WARNING: connection broken by 'x'\nERROR: No matching distribution found for six", Unavailable),
        ("Could not fetch URL http://u:p@index/six: connection error\nERROR: No matching distribution found", Unavailable),
        (
            "Could not fetch URL http://u:p@index/six: 404 Client Error: x: y\nERROR: No matching distribution found",
            NotFound,
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", Forbidden),
        ("OSError: [Errno 28] No space left on device", Unavailable),
        ("OSError: [Errno 27] File too large", TooLarge),
        ("PermissionError: starting a program is not allowed: packages are not built here", Forbidden),
        ("something else at http://u:p@index", Forbidden),
        ("Link requires a different Python (3.11 not in: '>=4'): http://index/six\nERROR: Exception:", Forbidden),
        ("", Forbidden),
    ],
)
async def test_each_reason_has_its_own_answer_without_addresses(tmp_path: Path, said: str, kind: type[GatewayError]) -> None:
    """As pip says it, on either of its outputs."""
    for output in (1, 2):
        script = tmp_path / "python"
        script.write_text(f"#!/bin/sh\ncat >&{output} <<'END'\n{said}\nEND\nexit 1\n")
        script.chmod(0o755)
        with pytest.raises(kind) as caught:
            await Pip(script, {"PATH": os.environ["PATH"]}, file_bytes=1000).resolve(["six"], tmp_path)
        assert caught.value.message == explain(said, 1000).message
        assert "index/" not in caught.value.message
        assert "u:p" not in caught.value.message


async def test_pip_that_is_killed_is_no_fault_of_the_package(tmp_path: Path) -> None:
    """Linux may have had no memory for it."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nkill -9 $$\n")
    script.chmod(0o755)
    with pytest.raises(Unavailable, match="killed by signal 9"):
        await Pip(script, {"PATH": os.environ["PATH"]}, file_bytes=1000).resolve(["six"], tmp_path)


async def test_much_that_pip_says_is_not_kept(tmp_path: Path) -> None:
    """The end of it is enough."""
    script = tmp_path / "python"
    script.write_text(
        "#!/bin/sh\nhead -c 20000000 /dev/zero | tr '\\0' x\necho\necho 'ERROR: No matching distribution found'\nexit 1\n"
    )
    script.chmod(0o755)
    with pytest.raises(NotFound):
        await Pip(script, {"PATH": os.environ["PATH"]}, file_bytes=1000).resolve(["six"], tmp_path)


@pytest.mark.parametrize(
    ("archive", "digest"),
    [
        ('{"hash": "sha256=%s"}', "a" * 64),
        ('{"hash": "sha256=%s", "hashes": {"sha256": "%s"}}', "a" * 64),
        ('{"hash": "md5=%s"}', ""),
        ('{"hashes": {"md5": "%s"}}', ""),
        ('{"hash": 5}', ""),
        ("{}", ""),
        ("null", ""),
    ],
)
async def test_the_reports_of_older_pips_are_read_too(tmp_path: Path, archive: str, digest: str) -> None:
    """Debian 12 has 23.0.1, which tells one hash; without one of SHA-256 nothing is installed."""
    told = archive.replace("%s", "a" * 64)
    item = '{"download_info": {"url": "https://i/six.whl", "archive_info": %s}, "metadata": {"name": "six", "version": "1"}}'
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\ncat > report.json <<'END'\n{{\"install\": [{item % told}]}}\nEND\n")
    script.chmod(0o755)
    pip = Pip(script, {"PATH": os.environ["PATH"]}, file_bytes=1000)
    if digest:
        assert await pip.resolve(["six"], tmp_path) == [Pin("six", "1", digest)]
        return
    with pytest.raises(Forbidden, match="can't be pinned to one wheel with one hash"):
        await pip.resolve(["six"], tmp_path)
