"""Corpus 8.1 and 8.8, files taken out of a session and put in: its code sets traps, the gateway is asked from outside."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import socket
import tarfile
import zipfile
import zlib
from urllib.parse import quote, unquote_to_bytes

from tests.folders import SESSIONS, Got, folder
from tests.live import HANG_MS, HANG_S, Gateway
from tests.promises.http import Knock

HOST_WORDS = (b"root:", b"daemon:")
ROUNDS = 150


def _refused(got: Got, *statuses: int) -> None:
    assert got.status in (statuses or (409,)), got
    assert got.json["success"] is False
    assert not any(word in got.body for word in HOST_WORDS), got


def _follows_no_link(gateway: Gateway) -> None:
    """FS28: what a link points to is neither fetched nor overwritten; deleting takes the link."""
    with folder(gateway) as files:
        files.run(
            "import os\nopen('mine', 'w').write('mine')\n"
            "for n, t in (('out.csv', '/etc/passwd'), ('up', '../etc/passwd'), ('in', 'mine'), ('self', 'self'),\n"
            "             ('null', '/dev/null'), ('exe', '/proc/self/exe')):\n    os.symlink(t, n)"
        )
        for name in (b"out.csv", b"up", b"in", b"self", b"null", b"exe"):
            _refused(files.get(name))
            _refused(files.put(name, b"x"))
        assert files.get(b"mine").body == b"mine"
        assert files.delete(b"in").status == 200
        assert files.get(b"mine").body == b"mine"


def _goes_through_no_link(gateway: Gateway) -> None:
    """FS30: a link in the middle of a path leads nowhere, for no method, also not one back inside."""
    with folder(gateway) as files:
        files.run("import os\nos.mkdir('d'); open('d/f', 'w')\nos.symlink('/etc', 'dirlink'); os.symlink('d', 'inner')")
        for name in (b"dirlink/passwd", b"inner/f"):
            _refused(files.get(name))
            _refused(files.put(name, b"x"))
            _refused(files.delete(name))
        _refused(files.put(b"dirlink/new/deep", b"x"))
        for name in (b"dirlink", b"inner"):
            _refused(files.ask("GET", f"?path={quote(name)}"))


def _follows_no_magic_link(gateway: Gateway) -> None:
    """FS31: the links of /proc, which lead out of any root."""
    with folder(gateway) as files:
        files.run("import os\nfor n, t in (('r', 'root'), ('c', 'cwd'), ('f', 'fd/0')): os.symlink('/proc/self/' + t, n)")
        for name in (b"r/etc/passwd", b"c/../etc/passwd", b"r", b"c", b"f"):
            _refused(files.get(name), 400, 409)


def _changes_nothing_through_links(gateway: Gateway) -> None:
    """FS30 for names: what a link leads to is not described, made, moved or given a mode; the link itself may move."""
    with folder(gateway) as files:
        files.run(
            "import os\nos.mkdir('d'); open('d/f', 'w').write('1'); os.chmod('d/f', 0o600)\n"
            "for n, t in (('etc', '/etc'), ('in', 'd'), ('p', '/etc/passwd'), ('r', '/proc/self/root'), ('s', 's')):\n"
            "    os.symlink(t, n)"
        )
        for name in (b"etc/passwd", b"in/f", b"r/etc/passwd", b"s/x"):
            _refused(files.entry("GET", name))
            _refused(files.entry("PATCH", name, {"mode": "0777"}))
            _refused(files.entry("PATCH", name, {"path": "taken"}))
            _refused(files.entry("PATCH", b"d/f", {"path": name.decode() + "2", "replace": True}))
            _refused(files.entry("PUT", name + b"/new"))
        for name in (b"etc", b"in", b"p", b"s"):
            _refused(files.entry("PUT", name))
            _refused(files.entry("PATCH", name, {"mode": "0777"}))
            _refused(files.entry("PATCH", b"d/f", {"path": name.decode(), "replace": True}))
            assert files.entry("GET", name).json["type"] == "link"
        assert files.entry("PATCH", b"p", {"path": "d/p"}).json["file"]["target"] == "/etc/passwd"
        said = files.run("print(oct(os.stat('d/f').st_mode), sorted(os.listdir('.')), os.readlink('d/p'))")
        assert said["output"] == "0o100600 ['d', 'etc', 'in', 'r', 's'] /etc/passwd\n"


def _sets_no_more_than_permissions(gateway: Gateway) -> None:
    """FS20 from outside: no bit that makes a program run as its owner, and nothing for what is no file."""
    with folder(gateway) as files:
        files.run("import os, socket\nopen('f', 'w').close(); s = socket.socket(socket.AF_UNIX); s.bind('s')")
        for mode in ("4755", "2755", "1777", "07777", "-1", "0o755", "888"):
            _refused(files.entry("PATCH", b"f", {"mode": mode}), 400)
        _refused(files.entry("PATCH", b"s", {"mode": "0777"}))
        assert files.entry("PATCH", b"f", {"mode": "0777"}).status == 200
        assert files.run("print(oct(os.stat('f').st_mode))")["output"] == "0o100777\n"


def _names_no_way_out(gateway: Gateway) -> None:
    """FS41 for names: the new path of a move is checked as every path is; strange names stay names."""
    with folder(gateway) as files:
        files.put(b"f", b"1")
        for bad in ("../x", "/x", "a/../../x", "a//b", "a/", ".", "", "a\0", "x" * 256, "y/" * 3000):
            _refused(files.entry("PATCH", b"f", {"path": bad}), 400)
        for way in (b"../x", b"a/../../x", b"a//b", b"..", b"x" * 256):
            for method in ("GET", "PUT", "PATCH"):
                assert files.entry(method, way, None if method == "GET" else {}).status in (400, 404), (method, way)
        for name in ("a\nSet-Cookie: x=y", '\u202e"; x', "-rf", "$(id)", "\x1b[2J"):
            moved = files.entry("PATCH", b"f", {"path": name})
            assert (moved.status, moved.json["file"]["path"]) == (200, name)
            assert "Set-Cookie" not in moved.headers
            assert files.entry("PATCH", name.encode(), {"path": "f"}).status == 200
        assert [entry["path"] for entry in files.listed()["files"]] == ["f"]


def _watches_nothing_outside(gateway: Gateway) -> None:
    """FS30 for watches: no link is watched, nor what lies behind it; a few watches at once, and no more."""
    with folder(gateway) as files:
        files.run("import os\nos.symlink('/etc', 'etc'); os.symlink('/proc/self/root', 'r')")
        for bad in ("etc", "r", "r/etc", "none"):
            _refused(files.request("GET", f"changes?path={bad}"), 404, 409)
        for bad in ("../etc", "/etc", "a%00", "a//b"):
            _refused(files.request("GET", f"changes?path={bad}"), 400)
        head = (
            f"GET {SESSIONS}/{files.id}/changes HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.token}\r\n\r\n"
        )
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), HANG_S))
                client.sendall(head.encode())
                assert b" 200 " in client.recv(65536)
            _refused(files.request("GET", "changes"), 429)
            assert files.put(b"f", b"1").status == 200


def _takes_no_socket(gateway: Gateway) -> None:
    """FS34: a socket is no file, to be fetched or overwritten, and asking does not wait."""
    with folder(gateway) as files:
        files.run("import socket\ns = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen()")
        _refused(files.get(b"s"))
        _refused(files.put(b"s", b"x"))
        assert [entry["type"] for entry in files.listed()["files"]] == ["other"]


def _lists_what_is_there(gateway: Gateway) -> None:
    """FS40: hidden files are listed, and what is no file by its kind; names that look like devices are names."""
    with folder(gateway) as files:
        files.run(
            "import os, socket\nfor n in ('.hidden', 'CON', 'null', 'dev'): open(n, 'w').close()\n"
            "os.mkdir('.d'); os.symlink('x', 'l'); s = socket.socket(socket.AF_UNIX); s.bind('s')"
        )
        kinds = {entry["path"]: entry["type"] for entry in files.listed()["files"]}
        plain = dict.fromkeys((".hidden", "CON", "null", "dev"), "file")
        assert kinds == {**plain, ".d": "directory", "l": "link", "s": "other"}


def _keeps_strange_names(gateway: Gateway) -> None:
    """FS39: every name comes back exactly, in strict JSON and in a header that it can't leave."""
    names = [
        b"a\nSet-Cookie: x=y",
        b"\r\n\r\n<html>",
        b"\x1b[2J",
        b'q"; filename="evil.exe',
        b"-rf",
        "\u202egpj.exe".encode(),
        b"x" * 255,
        "😀".encode(),
        "é".encode(),
        "e\u0301".encode(),
        b"\xc3.txt",
        b"\xff\xfe",
        b"CON",
        "․․".encode(),
        b"...",
        b"%2e%2e",
        b"a?b#c&d",
        b"~root",
        b"$(id)",
    ]
    with folder(gateway) as files:
        files.run(f"import os\nfor n in {names!r}: open(n, 'wb').write(n)")
        listing = files.ask("GET")
        assert json.loads(listing.body.decode("utf-8"))["truncated"] is False
        assert {unquote_to_bytes(entry["urlPath"]) for entry in listing.json["files"]} == set(names)
        for entry in listing.json["files"]:
            got = files.ask("GET", "/" + entry["urlPath"])
            assert (got.status, got.body) == (200, unquote_to_bytes(entry["urlPath"]))
            assert "Set-Cookie" not in got.headers
            assert all(" " <= char <= "~" for char in got.headers["Content-Disposition"])
        for name in names:
            assert files.put(name + b"2" if len(name) < 255 else b"y" * 255, name).status == 200


def _refuses_ways_out(gateway: Gateway) -> None:
    """FS41: names of uploads that could mean something else are refused, in address and form, and nothing is written."""
    bad = [b"../../x", b"/abs", b"a/../b", b"a\0b", b"", b".", b"..", b"x" * 10_000, b"a/" * 3000 + b"x", b"a//b", b"a/"]
    with folder(gateway) as files:
        for name in bad:
            for address in ("/" + quote(name), "/" + quote(name, safe="")):
                got = files.ask("PUT", address, b"x")
                assert 400 <= got.status < 500, (name, got)
            part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="' + name + b'"\r\n\r\nx\r\n--b--\r\n'
            got = files.ask("POST", "", part, {"Content-Type": "multipart/form-data; boundary=b"})
            assert 400 <= got.status < 500, (name, got)
        assert files.listed()["files"] == []


def _unpacks_nothing(gateway: Gateway) -> None:
    """FS44: an archive put in is a file; what is in it comes out only by the session's own code, within its limits."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, kind in (
            ("/abs", tarfile.REGTYPE),
            ("../up", tarfile.REGTYPE),
            ("l", tarfile.SYMTYPE),
            ("n", tarfile.CHRTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(1 << 28))
    with folder(gateway) as files:
        for path, body in ((b"x.tar", packed.getvalue()), (b"x.zip", bomb.getvalue())):
            assert files.put(path, body).status == 200
            assert files.get(path).body == body
        assert [entry["path"] for entry in files.listed()["files"]] == ["x.tar", "x.zip"]
        said = files.run(
            "import zipfile\ntry: zipfile.ZipFile('x.zip').extractall()\nexcept OSError as e: print(e.errno)\n"
            "import os; os.remove('zeros')"
        )
        assert said["output"].split() in (["28"], ["27"])


def _is_blown_up_by_no_bomb(gateway: Gateway) -> None:
    """FS44 for gzip in transfer: what unpacks to more than fits ends at the limit, and leaves nothing."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    bomb = b"".join(packer.compress(zeros) for _ in range(256)) + packer.flush()
    twice = zlib.compressobj(9, wbits=31)
    nested = twice.compress(bomb) + twice.flush()
    packed = {"Content-Encoding": "gzip"}
    with folder(gateway) as files:
        files.put(b"f", b"kept")
        for _ in range(2):
            _refused(files.ask("PUT", "/f", bomb, packed), 413)
        assert files.ask("PUT", "/nested", nested, packed).json["file"]["size"] == len(bomb)
        _refused(files.ask("PUT", "/g", zlib.compress(zeros), packed), 400)
        _refused(files.ask("PUT", "/g", bomb, {"Content-Encoding": "gzip, gzip"}), 415)
        _refused(files.ask("PUT", "/g", gzip.compress(b"") * 20_000, packed), 400)
        assert files.get(b"f").body == b"kept"
        assert [entry["path"] for entry in files.listed()["files"]] == ["f", "nested"]
        assert files.run("1 + 1")["success"]


def _reads_as_the_kernel(gateway: Gateway) -> None:
    """FS45: what the code has closed with chmod is closed, also where the gateway is root's."""
    with folder(gateway) as files:
        files.run(
            "import os\nopen('f', 'w').write('1'); os.mkdir('d'); open('d/f', 'w'); os.chmod('f', 0); os.chmod('d', 0)"
        )
        for got in (files.get(b"f"), files.get(b"d/f"), files.put(b"d/g", b"x"), files.ask("GET", "?path=d")):
            _refused(got, 403)
        assert files.listed()["truncated"] is True


def _serves_nothing_active(gateway: Gateway) -> None:
    """H23: a page or picture with a script is an attachment of no type, whatever it is called and was sent as."""
    active = b"<html><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/><script>alert(1)</script>"
    with folder(gateway) as files:
        for name in (b"x.html", b"x.svg", b"x.xhtml", b"x.js", b"index", b"x.pdf"):
            assert files.ask("PUT", "/" + quote(name), active, {"Content-Type": "text/html"}).status == 200
            for query in ("", "?inline=1", "?type=text/html"):
                got = files.ask("GET", "/" + quote(name) + query, headers={"Accept": "text/html"})
                assert got.body == active
                assert got.headers["Content-Type"] == "application/octet-stream"
                assert got.headers["Content-Disposition"].startswith("attachment;")
                assert got.headers["X-Content-Type-Options"] == "nosniff"
                assert "default-src 'none'" in got.headers["Content-Security-Policy"]


def _wins_no_race(gateway: Gateway) -> None:
    """FS30: a thread that swaps a directory and a link to the host's, while the gateway reads, writes and lists."""
    with folder(gateway) as files:
        files.run(
            "import ctypes, os, threading\n"
            "os.mkdir('d'); open('d/passwd', 'w').write('inside'); os.symlink('/etc', 't')\n"
            "swap = ctypes.CDLL(None).renameat2\n"
            "def go():\n    while True: swap(-100, b'd', -100, b't', 2)\n"
            "threading.Thread(target=go, daemon=True).start()"
        )
        statuses: set[int] = set()
        rounds = 0
        while rounds < ROUNDS or not {409, 200} <= statuses:  # both sides of the race
            got, rounds = files.get(b"d/passwd"), rounds + 1
            statuses.add(got.status)
            assert got.status == 409 or (got.status, got.body) == (200, b"inside"), got
            assert rounds < 100 * ROUNDS, statuses
        for _ in range(ROUNDS // 5):
            assert files.put(b"d/new", b"x").status in (200, 409)
            assert not any(word in files.ask("GET", "?path=d").body for word in (b"shadow", b"hosts"))


def _bounds_listings(gateway: Gateway) -> None:
    """FS37 and FS38 from outside: as many files as fit and a deep tree are listed in part, and it says so."""
    with folder(gateway) as files:
        files.run(
            "import os\nos.mkdir('many')\ntry:\n    for i in range(10**5): open(f'many/{i}', 'w').close()\n"
            "except OSError: pass\nfor i in range(100): os.remove(f'many/{i}')\n"
            "for _ in range(90): os.mkdir('d' * 50); os.chdir('d' * 50)",
            timeout=HANG_MS,
        )
        listing = files.listed("?hashes=false")
        assert listing["truncated"] is True
        assert len(listing["files"]) == 10_000
        assert files.delete(b"d" * 50, "?recursive=true").json["deleted"] == 90
        assert files.delete(b"many", "?recursive=true").status == 200


def _refuses_hostile_forms(gateway: Gateway) -> None:
    """H14 where forms are taken: too many parts, endless headers, no boundary, no end; all refused and quickly."""
    part = b"--x\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\n1\r\n"
    with folder(gateway) as files:
        for body, kind in (
            (part * 100_000 + b"--x--", "multipart/form-data; boundary=x"),
            (b"--x\r\n" + b"a" * 10**6, "multipart/form-data; boundary=x"),
            (b"--x\r\n" + b"a: b\r\n" * 10**5 + b"\r\n1\r\n--x--", "multipart/form-data; boundary=x"),
            (b"x", "multipart/form-data"),
            (part, "multipart/form-data; boundary=" + "y" * 5000),
            (b"a=b&" * 10**5, "application/x-www-form-urlencoded"),
        ):
            got = files.ask("POST", "", body, {"Content-Type": kind})
            assert got.status in (400, 415), (kind[:60], got)
        assert files.listed()["files"] == []


TAKING = (
    Knock("FS28", _follows_no_link),
    Knock("FS30", _goes_through_no_link),
    Knock("FS30", _wins_no_race, case="race"),
    Knock("FS20", _sets_no_more_than_permissions, case="from outside"),
    Knock("FS30", _changes_nothing_through_links, case="names"),
    Knock("FS30", _watches_nothing_outside, case="watches"),
    Knock("FS31", _follows_no_magic_link),
    Knock("FS34", _takes_no_socket),
    Knock("FS38", _bounds_listings, case="from outside"),
    Knock("FS39", _keeps_strange_names),
    Knock("FS40", _lists_what_is_there),
    Knock("FS41", _refuses_ways_out),
    Knock("FS41", _names_no_way_out, case="names"),
    Knock("FS44", _unpacks_nothing),
    Knock("FS44", _is_blown_up_by_no_bomb, case="in transfer"),
    Knock("FS45", _reads_as_the_kernel),
    Knock("H14", _refuses_hostile_forms, case="where forms are taken"),
    Knock("H23", _serves_nothing_active),
)
