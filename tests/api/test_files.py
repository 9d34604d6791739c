"""Files of sessions on a live gateway: in and out, told by runs, and gone with the session."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernels.work_aliases import DEFAULT
from tests.folders import SESSIONS, Folder, folder
from tests.live import HANG_S, Gateway

pytestmark = pytest.mark.kernel
MIB = 1024 * 1024


@pytest.fixture
def files(gateway: Gateway) -> Iterator[Folder]:
    """A session's files."""
    with folder(gateway) as made:
        yield made


def test_what_is_put_can_be_used_and_what_is_made_can_be_fetched(files: Folder) -> None:
    """Both ways whole, with the digest the listing tells; the code owns what was put."""
    body = os.urandom(3 * MIB)
    put = files.put(b"data/in put.bin", body)
    assert (put.status, put.json["file"]["size"]) == (200, 3 * MIB)
    files.run(
        "import os\nbody = open('data/in put.bin', 'rb').read()\nopen('out', 'wb').write(body[::-1])\n"
        "os.chmod('data/in put.bin', 0o600); os.rename('data/in put.bin', 'data/moved')"
    )
    assert files.get(b"out").body == body[::-1]
    digests = {entry["path"]: entry["sha256"] for entry in files.listed()["files"]}
    assert digests == {
        "data": None,
        "data/moved": hashlib.sha256(body).hexdigest(),
        "out": hashlib.sha256(body[::-1]).hexdigest(),
    }
    assert files.delete(b"data").status == 409
    assert files.delete(b"data", "?recursive=true").json["deleted"] == 2
    assert [entry["path"] for entry in files.listed()["files"]] == ["out"]


@pytest.mark.parametrize("place", [*DEFAULT, "~"])
def test_the_paths_of_other_interpreters_are_the_work_directory(files: Folder, place: str) -> None:
    """A program that has them by heart finds its files and leaves them where they are fetched."""
    files.put(b"in.csv", b"a,b\n1,2\n")
    answer = files.run(
        f"import os, pandas as pd\nplace = os.path.expanduser({place!r})\nos.makedirs(place, exist_ok=True)\n"
        "os.makedirs(place + '/made', exist_ok=True)\n"
        "pd.read_csv(place + '/in.csv').to_csv(place + '/made/out.csv', index=False)\n"
        "print(os.getcwd(), os.path.realpath(place), sorted(os.listdir(place)))"
    )
    assert answer["output"] == "/work /work ['in.csv', 'made']\n"
    assert files.get(b"made/out.csv").body == b"a,b\n1,2\n"
    assert [change["path"] for change in answer["files"]] == ["made/out.csv"]


def test_parts_of_a_file_are_the_file(files: Folder) -> None:
    """A download that broke off goes on where it stopped, unless the file is another one by now."""
    body = os.urandom(2 * MIB + 17)
    files.put(b"big", body)
    files.run("import os\nos.utime('big', (10**9, 10**9))")  # long ago, so that its tag is a strong one
    head = files.ask("HEAD", "/big")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(body)))
    same = {"If-Range": head.headers["Etag"]}
    parts = [files.ask("GET", "/big", headers={"Range": f"bytes={at}", **same}) for at in ("0-999999", "1000000-", "-17")]
    assert [part.status for part in parts] == [206] * 3
    assert parts[0].body + parts[1].body == body
    assert (parts[2].body, parts[2].headers["Content-Range"]) == (body[-17:], f"bytes {2 * MIB}-{2 * MIB + 16}/{len(body)}")
    assert files.ask("GET", "/big", headers={"Range": f"bytes={len(body)}-"}).status == 416
    assert files.ask("GET", "/big", headers={"If-None-Match": head.headers["Etag"]}).status == 304
    files.run("open('big', 'ab').write(b'1')")
    changed = files.ask("GET", "/big", headers={"Range": "bytes=0-0", **same})
    assert (changed.status, changed.body) == (200, body + b"1")


def test_gzip_goes_both_ways(files: Folder) -> None:
    """The code finds the file unpacked, the client gets it packed; what is no gzip leaves what was there."""
    body = b"day,sold\n" * 300_000
    put = files.ask("PUT", "/f", gzip.compress(body), {"Content-Encoding": "gzip"})
    assert (put.status, put.json["file"]["size"]) == (200, len(body))
    assert put.json["file"]["sha256"] == hashlib.sha256(body).hexdigest()
    got = files.ask("GET", "/f", headers={"Accept-Encoding": "gzip"})
    assert (got.status, got.headers["Content-Encoding"]) == (200, "gzip")
    assert len(got.body) < len(body) // 50
    assert gzip.decompress(got.body) == body
    for bad in (b"", b"plain", gzip.compress(body)[:-9], gzip.compress(body) + b"more"):
        refused = files.ask("PUT", "/f", bad, {"Content-Encoding": "gzip"})
        assert (refused.status, refused.json["error"]["code"]) == (400, "bad_request")
    assert files.get(b"f").body == body
    noise = os.urandom(3000)
    files.put(b"noise", noise)
    plain = files.ask("GET", "/noise", headers={"Accept-Encoding": "gzip"})
    assert (plain.body, "Content-Encoding" in plain.headers) == (noise, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees the memory of a gateway, which is not dumpable")
@pytest.mark.parametrize("is_gzip", [False, True], ids=["plain", "gzip"])
def test_large_files_pass_through_little_memory(files: Folder, *, is_gzip: bool) -> None:
    """100 MB both ways; the gateway never has a tenth of that more than before."""
    body = b"2026-01-25,Alice,85\n" * (5 * MIB)
    sent, up = (gzip.compress(body, 1), {"Content-Encoding": "gzip"}) if is_gzip else (body, {})
    status = Path(f"/proc/{files.gateway.pid}/status")
    before = _kilobytes(status, "VmRSS")
    Path(f"/proc/{files.gateway.pid}/clear_refs").write_text("5")  # VmHWM begins anew
    assert files.ask("PUT", "/big", sent, up).status == 200
    got = files.ask("GET", "/big", headers={"Accept-Encoding": "gzip"} if is_gzip else {})
    assert (gzip.decompress(got.body) if is_gzip else got.body) == body
    assert _kilobytes(status, "VmHWM") - before < len(body) // 10 // 1024


def _kilobytes(status: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(f"{name}:"))


def test_changes_are_told_as_they_happen(files: Folder) -> None:
    """What the code does and what clients put; the end of the session ends it in words."""
    files.put(b"d/old", b"1")
    connection = http.client.HTTPConnection("127.0.0.1", files.gateway.port, timeout=HANG_S)
    connection.request(
        "GET", f"{SESSIONS}/{files.id}/changes?path=d", None, {"Authorization": f"Bearer {files.gateway.token}"}
    )
    answer = connection.getresponse()
    assert (answer.status, _until(answer, "watching", None)["type"]) == (200, "watching")
    files.run("open('d/new', 'w').write('12')")
    _until(answer, "created", "d/new")
    files.put(b"d/old", b"333")
    assert _until(answer, "changed", "d/old")["file"]["size"] == 3
    files.delete(b"d/old")
    _until(answer, "deleted", "d/old")
    files.gateway.ask("DELETE", f"{SESSIONS}/{files.id}")
    assert _until(answer, "closed", None)["reason"].endswith(".")
    assert answer.read().strip() == b""
    connection.close()


def _until(answer: http.client.HTTPResponse, kind: str, path: str | None) -> Any:
    """The next event of this kind about *path*; those before it are of other kinds or paths."""
    while line := answer.readline():
        if line.startswith(b"data: "):
            event = json.loads(line[6:])
            if event["type"] == kind and event.get("file", {}).get("path") == path:
                return event
    raise AssertionError(f"the answer ended without {kind} {path}")


def test_a_link_gives_one_file_to_whoever_has_it(files: Folder) -> None:
    """Without a token, and as long as the session is there; the log has no link that works."""
    files.put(b"d/\xc3\xbc x", b"12")
    made = files.request("POST", "links/d/%C3%BC%20x", b'{"expiresIn": 60000}', {"Content-Type": "application/json"})
    assert made.status == 200
    url = made.json["url"]

    def asked(address: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", files.gateway.port, timeout=HANG_S)
        connection.request("GET", address)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    assert asked(url) == (200, b"12")
    files.put(b"other", b"3")
    assert asked(url.partition("/d/")[0] + "/other")[0] == 401
    link = url.split("/")[3]
    flipped = ("A" if link[0] != "A" else "B") + link[1:]
    assert asked(url.replace(link, flipped))[0] in (401, 429)
    files.gateway.ask("DELETE", f"{SESSIONS}/{files.id}")
    assert asked(url)[0] == 410
    assert link not in files.gateway.log.read_text()


def test_a_run_tells_what_it_did_to_files(files: Folder) -> None:
    """Created, changed and deleted, with the address to fetch each; what was put in between is not the next run's doing."""
    first = files.run("import os\nos.mkdir('d'); open('d/ü x', 'w').write('12'); open('b', 'w')")
    assert first["files"] == [
        {"path": "b", "urlPath": "b", "change": "created", "size": 0},
        {"path": "d/ü x", "urlPath": "d/%C3%BC%20x", "change": "created", "size": 2},
    ]
    assert files.ask("GET", "/" + first["files"][1]["urlPath"]).body == b"12"
    files.put(b"mine", b"1")
    second = files.run("open('d/ü x', 'a').write('3'); os.remove('b'); open('mine').read()")
    assert [(one["path"], one["change"], one["size"]) for one in second["files"]] == [
        ("b", "deleted", None),
        ("d/ü x", "changed", 3),
    ]
    assert files.run("1 + 1")["files"] == []
    assert second["filesTruncated"] is False
    assert files.gateway.run("open('x', 'w')")["files"] == [], "a run without a session takes its files along"


def test_names_are_described_made_moved_and_removed(files: Folder) -> None:
    """As the session's code sees them, and the code sees what was done."""
    files.run("import os\nopen('f', 'w').write('12'); os.chmod('f', 0o640); os.symlink('/etc/passwd', 'l')")
    found = files.entry("GET", b"f").json
    assert (found["type"], found["size"], found["mode"], found["owner"]) == ("file", 2, "0640", "session")
    assert (files.entry("GET", b"l").json["type"], files.entry("GET", b"l").json["target"]) == ("link", "/etc/passwd")
    made = files.entry("PUT", b"a/b")
    assert (made.status, made.json["created"], files.entry("PUT", b"a/b").json["created"]) == (200, True, False)
    moved = files.entry("PATCH", b"f", {"path": "a/c/g"})
    assert (moved.status, moved.json["file"]["path"]) == (200, "a/c/g")
    assert files.entry("PATCH", b"a/c/g", {"mode": "0751"}).json["file"]["mode"] == "0751"
    assert files.entry("PATCH", b"l", {"path": "a/c/g"}).status == 409
    said = files.run("print(oct(os.stat('a/c/g').st_mode), open('a/c/g').read(), os.path.isdir('a/b'), os.path.exists('f'))")
    assert said["output"] == "0o100751 12 True False\n"
    assert [entry["path"] for entry in files.listed("?depth=2")["files"]] == ["a", "a/b", "a/c", "l"]
    assert files.delete(b"f").status == 404
    assert files.delete(b"f", "?ignoreMissing=true").json["deleted"] == 0
    assert files.delete(b"a", "?recursive=true&ignoreMissing=true").json["deleted"] == 4


def test_files_do_not_wait_for_runs(files: Folder) -> None:
    """In and out while code runs, and the code sees what comes in."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            files.run,
            "import os, time\nopen('started', 'w').close()\n"
            "while not os.path.exists('go'): time.sleep(0.005)\nprint('went')",
        )
        deadline = time.monotonic() + HANG_S
        while files.get(b"started").status != 200:
            assert time.monotonic() < deadline
        assert not running.done()
        assert files.put(b"go", b"").status == 200
        assert running.result(HANG_S)["output"] == "went\n"


def test_a_full_work_directory_is_413_and_the_session_lives(files: Folder) -> None:
    """The sentence names the limit; nothing of the file stays, and what was there does."""
    files.run("open('most', 'wb').write(bytes(120 << 20))")
    full = files.put(b"more", bytes(16 * MIB))
    assert full.status == 413
    assert full.json["error"]["code"] == "too_large"
    assert str(128 * MIB) in full.json["error"]["message"]
    assert [entry["path"] for entry in files.listed("?hashes=false")["files"]] == ["most"]
    over = files.ask("PUT", "/over", headers={"Content-Length": str(128 * MIB + 1), "Expect": "100-continue"})
    assert over.status == 413
    assert files.run("import os; os.path.getsize('most')")["success"]


def test_files_end_as_their_session_does(gateway: Gateway) -> None:
    """410 for its owner; 404 where there never was one. After a restart the kernel is new, and its directory empty."""
    with folder(gateway) as files:
        files.put(b"f", b"1")
        assert gateway.ask("POST", f"{SESSIONS}/{files.id}/restart").status == 200
        assert files.listed()["files"] == []
        files.put(b"f", b"1")
    for got in (files.get(b"f"), files.put(b"f", b"2"), files.delete(b"f"), files.ask("GET")):
        assert got.status == 410
        assert "deleted" in got.json["error"]["message"]
    for got in (Folder(gateway, "f" * 32).get(b"f"), Folder(gateway, "f" * 32).put(b"f", b"2")):
        assert got.status == 404


def test_a_session_that_ends_during_a_download_ends_the_download(gateway: Gateway) -> None:
    """The client sees that it did not get all; nothing is left of the helper."""
    with folder(gateway) as files:
        files.run("open('big', 'wb').write(bytes(100 << 20))")
        with _downloading(files, "big") as client:
            got = len(client.recv(1000))
            gateway.ask("DELETE", f"{SESSIONS}/{files.id}")
            while piece := _received(client):
                got += len(piece)
        assert got < 100 * MIB


@contextlib.contextmanager
def _downloading(files: Folder, name: str) -> Iterator[socket.socket]:
    """A connection over which a download comes, unread."""
    gateway = files.gateway
    head = f"GET {SESSIONS}/{files.id}/files/{name} HTTP/1.1\r\nHost: localhost\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.settimeout(HANG_S)
        client.sendall(f"{head}Authorization: Bearer {gateway.token}\r\n\r\n".encode())
        yield client


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(1 << 20)
    except ConnectionResetError:
        return b""


def test_a_killed_helper_costs_one_request(gateway: Gateway) -> None:
    """The download ends early; kernel and state are as they were, and the next request has another helper."""
    with folder(gateway) as files:
        files.run("x = 42\nopen('big', 'wb').write(bytes(100 << 20))")
        before = _children_of_spawner(gateway)
        with _downloading(files, "big") as client:
            got = len(client.recv(1000))
            (helper,) = (pid for pid in _children_of_spawner(gateway) - before if _is_helper(pid))
            os.kill(helper, signal.SIGKILL)
            while piece := _received(client):
                got += len(piece)
        assert got < 100 * MIB
        assert files.run("x")["results"][0]["data"]["text/plain"] == "42"
        assert len(files.get(b"big").body) == 100 * MIB


def _children_of_spawner(gateway: Gateway) -> set[int]:
    return {child for spawner in _children(gateway.pid) for child in _children(spawner)}


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_helper(pid: int) -> bool:
    """Neither a zygote nor an init: of all of them it alone is in the spawner's pid namespace, confined."""
    status = Path(f"/proc/{pid}/status").read_text()
    namespaces = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
    return "Seccomp:\t2" in status and len(namespaces) == 2


def test_a_form_of_files_is_taken(files: Folder) -> None:
    """As a browser sends one."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a%22\xc3\xbc.csv"\r\n'
        b"Content-Type: text/csv\r\n\r\n1,2\r\n"
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="sub/b.bin"\r\n\r\n\x00\r\n\r\n--b--\r\n'
    )
    got = files.ask("POST", "", body, {"Content-Type": "multipart/form-data; boundary=b"})
    assert [(one["path"], one["size"]) for one in got.json["files"]] == [('a"ü.csv', 3), ("sub/b.bin", 3)]
    assert files.run("open('a\"ü.csv').read()")["results"][0]["data"]["text/plain"] == "'1,2'"
