"""Corpus 8.8, HTTP: requests as a hostile client or web page makes them, against the real server, by raw sockets."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import itertools
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.live import HANG_S, Gateway

PYTHON = "/code-interpreter/python"
ENOUGH_BYTES = 1 << 20
_FORM = b'--x\r\nContent-Disposition: form-data; name="code"\r\n\r\n1\r\n--x--\r\n'


@dataclass(frozen=True, slots=True)
class Knock:
    """One line of the corpus from outside: *act* raises AssertionError when the gateway does not do as promised."""

    id: str
    act: Callable[[Gateway], None]
    case: str = ""

    @property
    def name(self) -> str:
        """The id, and the case where a line has several."""
        return f"{self.id}-{self.case}" if self.case else self.id


def _raw(gateway: Gateway, data: bytes, *, timeout_s: float = HANG_S) -> bytes:
    """What the server answers to these bytes, up to its end or *timeout_s*."""
    answer = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout_s) as one, contextlib.suppress(OSError):
        one.sendall(data)
        while (piece := one.recv(65536)) and len(answer) < ENOUGH_BYTES:
            answer += piece
            if b"\r\n\r\n" in answer and b"Connection: close" not in answer and answer.endswith(b"}"):
                break
    return answer


def _head(gateway: Gateway, *lines: str, first: str = f"POST {PYTHON} HTTP/1.1") -> bytes:
    fixed = (first, f"Host: 127.0.0.1:{gateway.port}", f"Authorization: Bearer {gateway.token}")
    return "\r\n".join([*fixed, *lines, "", ""]).encode("latin-1")


def _status(answer: bytes) -> int:
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def _post(gateway: Gateway, body: object, headers: Mapping[str, str] | None = None) -> int:
    reply = gateway.ask("POST", PYTHON, body, headers=headers)
    text = json.dumps(reply.body)
    for word in (str(gateway.state_dir), gateway.token, "Traceback", "site-packages"):
        assert reply.status == 200 or word not in text, f"H30: {word} in {text[:500]}"
    return reply.status


def _refuses_forms(gateway: Gateway) -> None:
    body = b'{"code": "1"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json", ""):
        assert _post(gateway, body, {"Content-Type": kind}) == 415, kind
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert _post(gateway, body, form) == 400
    for origin in (
        "https://evil.example",
        "null",
        "file://",
        f"http://127.0.0.1:{gateway.port}.evil.example",
        "http://localhost",
    ):
        assert _post(gateway, body, {"Origin": origin}) == 403, origin
        assert _post(gateway, _FORM, {"Origin": origin, **form}) == 403, origin
    assert _post(gateway, _FORM, {**form, "Authorization": ""}) == 401


def _refuses_guesses(gateway: Gateway) -> None:
    """Wrong tokens are soon not even looked at any more; whoever has a right one is not locked out by that."""
    half = len(gateway.token) // 2
    answers = set()
    for at in range(300):
        guess = gateway.token[:half] + f"{at:0{half}d}"
        answers.add(_post(gateway, {"code": "1"}, {"Authorization": f"Bearer {guess}"}))
    assert answers == {401, 429}
    assert _post(gateway, {"code": "1"}) == 200
    for word in (
        "",
        "Bearer",
        "Bearer ",
        f"Basic {gateway.token}",
        f"Bearer {gateway.token} x",
        f"Bearer {gateway.token}" * 2,
        "Bearer " + "x" * 9000,
    ):
        assert _post(gateway, {"code": "1"}, {"Authorization": word}) in (400, 401, 429), word
    assert _post(gateway, {"code": "1"}) == 200


def _logs_no_token(gateway: Gateway) -> None:
    gateway.ask("GET", f"/code-interpreter/history?token={gateway.token}", headers={"Referer": f"http://x/?{gateway.token}"})
    gateway.ask("GET", f"/{gateway.token[:5]}?access_token={gateway.token}", headers={"Cookie": f"token={gateway.token}"})
    assert _post(gateway, b'{"code": ' + gateway.token.encode()) == 400
    assert gateway.token not in gateway.log.read_text()


def _logs_no_forgery(gateway: Gateway) -> None:
    """Neither terminal codes nor line ends from a request line reach the log or the answer's headers."""
    for path in (
        "/\x1b[31mred",
        "/%0d%0aX-Forged:%20yes",
        "/\x1b]0;title\x07",
        "/%1b%5b31m",
        "/\x00",
        "/\x85next",
        "/" + "x" * 5000,
    ):
        answer = _raw(gateway, _head(gateway, "Connection: close", first=f"GET {path} HTTP/1.1"))
        assert 400 <= _status(answer) < 500, answer[:200]
        assert b"\r\nX-Forged" not in answer
    for line in ("X-Run-Id: a\rb", "X-Forged: a\x00b", "X: \x1b[31m", "Bad Header: x", ": x", "Host: evil.example"):
        assert 400 <= _status(
            _raw(gateway, _head(gateway, line, "Connection: close", first="GET / HTTP/1.1"))
        ) < 500 or line.startswith("X:")
    log = gateway.log.read_bytes()
    assert b"\x1b[31mred" not in log and b"\nX-Forged" not in log and b"\x1b]0" not in log


def _refuses_smuggling(gateway: Gateway) -> None:
    json_type = "Content-Type: application/json"
    for lines in (
        ("Content-Length: 10737418240",),
        ("Content-Length: -1",),
        ("Content-Length: 5", "Content-Length: 13"),
        ("Content-Length: 13, 13",),
        ("Content-Length: +13",),
        ("Content-Length: 0x0d",),
        ("Content-Length: 13", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: identity, chunked",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ):
        answer = _raw(gateway, _head(gateway, json_type, *lines, "Connection: close") + b'{"code": "1"}')
        is_same_twice = lines == ("Content-Length: 13, 13",)
        assert 400 <= _status(answer) < 500 or is_same_twice, (lines, answer[:300])
        assert answer.count(b"HTTP/1.1 ") == 1
    for size in (b"ffffffffffffffff", b"-1", b"0x5", b"5;" + b"x" * 100_000, b"zz"):
        answer = _raw(gateway, _head(gateway, json_type, "Transfer-Encoding: chunked") + size + b"\r\nhello\r\n0\r\n\r\n")
        assert answer == b"" or 400 <= _status(answer) < 500, (size[:20], answer[:300])


def _serves_beside_slow_clients(gateway: Gateway) -> None:
    """Connections that say nothing, half of a head, or a byte at a time keep nobody waiting.

    Whoever waited for one of them after the other would not be answered before this test's caller gives up.
    """
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), HANG_S)) for _ in range(300)]
        for at, one in enumerate(slow):
            one.sendall((b"", b"POST", _head(gateway)[:60], _head(gateway, "Content-Length: 100") + b"x")[at % 4])
        for _ in range(5):
            assert _post(gateway, {"code": "print(1)"}) == 200


def _refuses_compression(gateway: Gateway) -> None:
    bomb = gzip.compress(b'{"code": "' + b"1" * (1 << 26) + b'"}')
    for encoding in ("gzip", "deflate", "br", "x-gzip", "gzip, gzip"):
        assert _post(gateway, bomb, {"Content-Encoding": encoding}) == 415, encoding


def _refuses_multipart(gateway: Gateway) -> None:
    parts = b"".join(b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" for _ in range(100_000))
    for body, kind, status in (
        (parts + b"--x--", "multipart/form-data; boundary=x", 400),
        (b"--x\r\n" + b"a" * 10**6, "multipart/form-data; boundary=x", 400),
        (_FORM.replace(b"code", b"a" * 10**5), "multipart/form-data; boundary=x", 400),
        (_FORM.replace(b'"code"', b'"code"; filename="../x"'), "multipart/form-data; boundary=x", 400),
        (_FORM.replace(b"code", b"__class__"), "multipart/form-data; boundary=x", 400),
        (b"x", "multipart/form-data", 415),
        (b"a=b&" * 10**5, "application/x-www-form-urlencoded", 415),
    ):
        assert _post(gateway, body, {"Content-Type": kind}) == status, body[:80]


def _bounds_code(gateway: Gateway) -> None:
    """Source of any size and shape is refused or run; the answer is JSON and names what was wrong."""
    assert _post(gateway, b'{"code": "' + b"1" * (40 << 20) + b'"}') == 413
    with contextlib.suppress(ConnectionError):  # so much is not even thrown away: the connection ends
        assert _post(gateway, b'{"code": "' + b"1" * (100 << 20) + b'"}') == 413
    for body, wanted in (
        ({"code": "1\0"}, 400),
        (b'{"code": "\\ud800"}', None),
        (b'{"code": "\xff"}', 400),
        ({"code": "\n" * 10**5 + "1"}, 200),
        ({"code": "(" * 10_000 + ")" * 10_000}, 200),
        ({"code": "-" * 20_000 + "1"}, 200),
        ({"code": "x = [" + "0," * 50_000 + "]"}, 200),
        ({"code": "1 if " * 5_000 + "1"}, 200),
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"code":' * 50_000 + b"1" + b"}" * 50_000, 400),
        (b'{"code": "1", "timeout": ' + b"9" * 100_000 + b"}", 400),
    ):
        status = _post(gateway, body)
        assert status in ((wanted,) if wanted else (200, 400)), (str(body)[:60], status)


def _checks_fields(gateway: Gateway) -> None:
    for timeout in ("-1", "0", "1e308", "NaN", '"inf"', "1" + "0" * 30, "true", "[]", "{}", "1e-9", "-0.0", "Infinity"):
        assert _post(gateway, b'{"code": "1", "timeout": ' + timeout.encode() + b"}") == 400, timeout
    for name, value in (
        ("language", "../x"),
        ("cwd", "/"),
        ("memory", 10**18),
        ("preload", "x"),
        ("user", "root"),
        ("__class__", "x"),
        ("constructor", {}),
        ("__proto__", {}),
    ):
        assert _post(gateway, {"code": "1", name: value}) == 400, name
    for body in (
        b"",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b"{",
        b"{}",
        b'{"code": 1}',
        b'{"code": null}',
        b'{"code": []}',
        b'{"code": " "}',
    ):
        assert _post(gateway, body) == 400, body


def _fetches_nothing(gateway: Gateway) -> None:
    """No field takes an address to fetch from."""
    for name in ("url", "source", "callback", "webhook", "file", "files", "image", "proxy"):
        assert _post(gateway, {"code": "1", name: f"http://127.0.0.1:{gateway.port}/"}) == 400, name
    for package in (
        "http://127.0.0.1/x.whl",
        "../x",
        "x @ file:///etc/passwd",
        "-r /etc/passwd",
        "--index-url=http://x",
        "git+https://x",
    ):
        reply = gateway.ask("POST", "/code-interpreter/install", {"package": package})
        assert 400 <= reply.status < 500, (package, reply)


def _gives_a_run_nothing_outside(gateway: Gateway) -> None:
    """Files, input and variables stay in the run's own kernel, whatever they are called."""
    for path in ("/etc/x", "../x", "a/../../x", "a//b", "a/", ".", "", "a\0b", "x" * 256, "x/" * 2001):
        assert _post(gateway, {"code": "1", "files": {path: "1"}}) == 400, path
        assert _post(gateway, {"code": "1", "fetchFiles": [path]}) == 400, path
    for name in ("", "A=B", "A B", "A\0", "1A", "A\n", "\u00e4", "A" * 129):
        assert _post(gateway, {"code": "1", "env": {name: "1"}}) == 400, name
    hostile = {"LD_PRELOAD": "/work/x.so", "PYTHONPATH": "/work", "PATH": "/work", "HOME": "/", "TZ": "../../etc/passwd"}
    assert gateway.run("open('/work/seen', 'w').close()", env=hostile, files={"x.so": "x", "json.py": "1/0"})["success"]
    assert gateway.run("import os; print(os.environ['HOME'], os.listdir())")["output"] == "/work []\n"


def _fetches_no_more_than_it_may(gateway: Gateway) -> None:
    """Links lead nowhere, and no pattern, directory or forged reply keeps the gateway or takes its memory."""
    linked = "import os\nos.symlink('/', 'root'); os.symlink('.', 'self'); os.symlink('/etc/passwd', 'passwd')"
    got = gateway.run(linked, fetchFiles=["root/etc/passwd", "self/self/passwd", "passwd", "**/*", "root/**"])
    assert got["fetched"]["files"] == []
    deep = "import os\nfor _ in range(300):\n os.mkdir('d'); os.chdir('d')\n for n in range(20): open(str(n), 'w').close()"
    got = gateway.run(deep, fetchFiles=["**/" * 300 + "none", *["*" * 200 + "x"] * 31])
    assert got["success"] and got["fetched"]["truncated"] and got["fetched"]["files"] == []
    forged = """
from kernels.python import run_files
row = {"path": b"../../x".hex(), "base64": "AAAA", "size": 1, "reason": "limit"}
run_files.fetch = lambda *_: {"files": [row] * 5 + [{"path": b"a".hex(), "base64": "A" * SIZE}], "left_out": [row] * 10**5}
"""
    for size in (4, 40 << 20):
        reply = gateway.ask("POST", PYTHON, {"code": forged.replace("SIZE", str(size)), "fetchFiles": ["*"]})
        assert reply.status == 200
        assert ".." not in json.dumps(reply.body["fetched"])
        assert len(json.dumps(reply.body)) < 1 << 20
    assert _post(gateway, {"code": "1"}) == 200


def _redirects_nowhere(gateway: Gateway) -> None:
    for path in (
        "//evil.example",
        "/?next=//evil.example",
        "/login?next=https://evil.example",
        "/%2f%2fevil.example",
        "/\\evil.example",
        "/code-interpreter//",
        "/code-interpreter/../python",
        "/..;/",
    ):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=HANG_S)
        connection.request("GET", path, headers={"Authorization": f"Bearer {gateway.token}"})
        answer = connection.getresponse()
        assert not 300 <= answer.status < 400 and answer.getheader("Location") is None, path
        connection.close()


def _says_nothing_of_the_host(gateway: Gateway) -> None:
    """Errors of every kind: no paths, no stack, no versions of the server."""
    asked = (
        ("GET", "/nothing"),
        ("PUT", PYTHON),
        ("GET", PYTHON),
        ("GET", "/code-interpreter/history?limit=x"),
        ("TRACE", "/"),
        ("GET", "/../../etc/passwd"),
    )
    for method, path in asked:
        answer = _raw(gateway, _head(gateway, "Connection: close", first=f"{method} {path} HTTP/1.1"))
        assert 400 <= _status(answer) < 500, answer
        for word in (str(gateway.state_dir), "Traceback", "site-packages", "Tornado", "/gateway/", "Python/"):
            assert word.encode() not in answer, (path, word)


def _serves_parts_of_files(gateway: Gateway) -> None:
    """Ranges of every size and number, of files of every time: each has an answer, and none is larger than the file."""
    session = gateway.ask("POST", "/code-interpreter/sessions", {}).body["id"]
    place = f"/code-interpreter/sessions/{session}"
    code = "import os\nfor at in (-2**33, 2**40):\n    open(f'f{at}', 'w').write('0123456789'); os.utime(f'f{at}', (at, at))"
    assert gateway.ask("POST", f"{place}/execute", {"code": code}).body["success"]
    wanted = (
        "0-" + "9" * 9000,
        "-" + "9" * 9000,
        "9" * 9000 + "-",
        ",".join(["0-"] * 1200),
        "-0",
        "0-0," * 1000,
        "\xb2-",
        "",
    )
    known = itertools.cycle(('W/"' + "a" * 4000 + '"', "Mon, 99 Foo 99999999999 99:99:99 +99999", '"' * 4000, None))
    for at, part in itertools.product((-(2**33), 2**40), wanted):
        tag = next(known)
        others = (f"If-Range: {tag}", f"If-None-Match: {tag}", f"If-Modified-Since: {tag}") if tag else ()
        first = f"GET {place}/files/f{at} HTTP/1.1"
        answer = _raw(gateway, _head(gateway, f"Range: bytes={part}", *others, "Connection: close", first=first))
        assert _status(answer) in (200, 206, 416), (at, part[:40], (tag or "")[:40], answer[:200])
        assert len(answer.partition(b"\r\n\r\n")[2]) <= 10 or _status(answer) == 416
    gateway.ask("DELETE", place)


def _shows_any_text(gateway: Gateway) -> None:
    """Text that is costly to show as a terminal does, or would grow: it is bounded, and others are served."""
    for text in (
        "'a\\b' * 400_000",
        "'x' * 400_000 + '\\x1b[1K\\x1b[2Ky' * 70_000",
        "'x' * 400_000 + '\\n' + '\\x1b[Ay\\x1b[J\\n' * 60_000",
        "'\\x1b[999999999Cx\\n' * 60_000",
        "'\\x1b[' * 400_000",
        "'\\x1b]' * 400_000",
    ):
        answer = gateway.ask("POST", PYTHON, {"code": f"print({text}, end='')", "text": "terminal"}).body
        assert answer["success"], answer
        assert len(answer["output"]) <= 1 << 20
        assert _post(gateway, {"code": "print(1)"}) == 200


KNOCKS = (
    Knock("H04", _refuses_forms),
    Knock("H05", _refuses_guesses),
    Knock("H06", _logs_no_token),
    Knock("H09", _logs_no_forgery),
    Knock("H10", _refuses_smuggling),
    Knock("H11", _serves_beside_slow_clients),
    Knock("H13", _refuses_compression),
    Knock("H14", _refuses_multipart),
    Knock("H17", _bounds_code),
    Knock("H18", _checks_fields),
    Knock("H19", _fetches_nothing),
    Knock("H24", _redirects_nowhere),
    Knock("H30", _says_nothing_of_the_host),
    Knock("H31", _gives_a_run_nothing_outside, "given"),
    Knock("H31", _fetches_no_more_than_it_may, "fetched"),
    Knock("H18", _serves_parts_of_files, case="ranges"),
    Knock("H17", _shows_any_text, case="terminal"),
)
