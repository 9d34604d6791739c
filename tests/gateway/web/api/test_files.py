"""The addresses of a session's files, with the files themselves faked."""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadRequest, Conflict, TooLarge, UnsupportedMediaType
from gateway.web.api import file_names
from gateway.web.api.multipart import MAX_FILES, boundary_of, parse_files
from gateway.web.services import WebSettings
from tests.gateway.web.world import TOKEN, Gateway, json_of, serve

FILES = "/code-interpreter/sessions/there/files"
NAMES = [
    b"plain.txt",
    b"with space.csv",
    b"quo\"te's.txt",
    b"line\r\nSet-Cookie: a=b\r\n\r\n.html",
    b"\xc3.txt",
    "日本語-ü-\u202e😀.svg".encode(),
    b"-rf",
    b"semi;colon=.txt",
    b"percent%41%.txt",
    b"back\\slash",
    b"a/b c/d",
    b"question?and#hash",
    b"x" * 255,
]


def form(*parts: tuple[str, bytes], boundary: str = "b0undary") -> tuple[bytes, dict[str, str]]:
    """A multipart body: each part's whole Content-Disposition and its bytes."""
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: {header}\r\n\r\n".encode("utf-8", "surrogateescape") + data + b"\r\n"
        for header, data in parts
    )
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
async def test_any_name_comes_back_right(gateway: Gateway, name: bytes) -> None:
    """Put, listed, fetched: the listing's urlPath is the address; the download is an attachment, whatever its name says."""
    url = f"{FILES}/{quote(name)}"
    put: Any = json_of(await gateway.ask(url, b"<script>", method="PUT", headers={"Content-Type": "text/html"}))
    assert gateway.files.held == {name: b"<script>"}
    listed = json_of(await gateway.ask(FILES))
    assert listed["files"] == [put["file"]]
    assert listed["truncated"] is False
    url_path = str(put["file"]["urlPath"])
    assert unquote_to_bytes(url_path) == name
    got = await gateway.ask(f"{FILES}/{url_path}")
    assert got.body == b"<script>"
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in got.headers
    disposition = got.headers["Content-Disposition"]
    told = re.fullmatch(r"""attachment; filename="([A-Za-z0-9._-]+)"; filename\*=UTF-8''([A-Za-z0-9%._~-]+)""", disposition)
    assert told, disposition
    assert unquote_to_bytes(told[2]) == name.rpartition(b"/")[2].decode("utf-8", "replace").encode()


@pytest.mark.parametrize(
    "address",
    [
        "../x",
        "a/../b",
        "%2e%2e/x",
        "a%2F..%2Fb",
        "/etc/passwd",
        "%2Fetc/passwd",
        "a//b",
        "a/",
        ".",
        "a%00b",
        "x" * 256,
        "y/" * 2500,
    ],
)
async def test_a_name_that_could_mean_something_else_is_refused(gateway: Gateway, address: str) -> None:
    """Nothing is put, fetched or deleted; the sentence says what is wrong."""
    gateway.files.held[b"x"] = b"1"
    for method, body in (("PUT", b"1"), ("GET", None), ("DELETE", None)):
        headers = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
        sent = f"{method} {FILES}/{address} HTTP/1.1\r\n{headers}".encode() + (
            b"Content-Length: 1\r\n\r\n1" if body else b"\r\n"
        )
        answer = await gateway.raw(sent)
        assert b" 400 " in answer.split(b"\r\n", 1)[0], (method, answer)
        assert b"path" in answer
    assert gateway.files.held == {b"x": b"1"}
    assert not gateway.files.asked


async def test_a_download_has_its_length_also_without_its_body(gateway: Gateway) -> None:
    """HEAD says what GET would; an empty file is one too."""
    gateway.files.held.update({b"f": b"12345", b"empty": b""})
    head = await gateway.ask(f"{FILES}/f", method="HEAD")
    assert (head.code, head.body, head.headers["Content-Length"]) == (200, b"", "5")
    assert head.headers["Last-Modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    empty = await gateway.ask(f"{FILES}/empty")
    assert (empty.code, empty.body, empty.headers["Content-Length"]) == (200, b"", "0")
    assert (await gateway.ask(f"{FILES}/none")).code == 404
    assert (await gateway.ask("/code-interpreter/sessions/other/files/f")).code == 404


async def test_a_part_of_a_file_is_206_and_says_which(gateway: Gateway) -> None:
    """Single ranges; others are answered whole, and one beyond the end is 416 with the size."""
    gateway.files.held[b"f"] = b"0123456789"
    for wanted, part, told in [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
    ]:
        got = await gateway.ask(f"{FILES}/f", headers={"Range": wanted})
        assert (got.code, got.body, got.headers["Content-Range"]) == (206, part, told)
        assert (got.headers["Content-Length"], got.headers["Accept-Ranges"]) == (str(len(part)), "bytes")
    for wanted in ("bytes=0-1,4-5", "lines=1-2", "bytes=4-2"):
        got = await gateway.ask(f"{FILES}/f", headers={"Range": wanted})
        assert (got.code, got.body, "Content-Range" in got.headers) == (200, b"0123456789", False)
    beyond = await gateway.ask(f"{FILES}/f", headers={"Range": "bytes=10-"})
    assert (beyond.code, beyond.headers["Content-Range"]) == (416, "bytes */10")
    assert json_of(beyond)["error"]["code"] == "range_not_satisfiable"  # type: ignore[index, call-overload]
    head = await gateway.ask(f"{FILES}/f", method="HEAD", headers={"Range": "bytes=2-4"})
    assert (head.code, head.headers["Content-Length"], head.headers["Accept-Ranges"]) == (200, "10", "bytes")
    assert [status for _, _, status in gateway.metrics.answered] == [206] * 3 + [200] * 3 + [416, 200]


async def test_a_part_is_sent_only_of_the_file_that_the_client_knows(gateway: Gateway) -> None:
    """If-Range names it by tag or time; a client that has all of it gets no body."""
    gateway.files.held[b"f"] = b"0123456789"
    first = await gateway.ask(f"{FILES}/f")
    for known in (first.headers["ETag"], first.headers["Last-Modified"]):
        got = await gateway.ask(f"{FILES}/f", headers={"Range": "bytes=2-4", "If-Range": known})
        assert (got.code, got.body) == (206, b"234")
    for headers in ({"If-None-Match": first.headers["ETag"]}, {"If-Modified-Since": first.headers["Last-Modified"]}):
        for method in ("GET", "HEAD"):
            got = await gateway.ask(f"{FILES}/f", method=method, headers=headers)
            assert (got.code, got.body, got.headers["ETag"]) == (304, b"", first.headers["ETag"])
    gateway.files.modified_ns += 10**9
    for header, known in (("If-Range", "ETag"), ("If-Range", "Last-Modified"), ("If-None-Match", "ETag")):
        got = await gateway.ask(f"{FILES}/f", headers={header: first.headers[known]})
        assert (got.code, got.body) == (200, b"0123456789")


async def test_a_download_that_fails_half_way_does_not_look_whole(gateway: Gateway) -> None:
    """The connection is closed before the promised length."""
    gateway.files.held[b"f"] = b"12345678"
    gateway.files.fails = Conflict("changed")
    request = f"GET {FILES}/f HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    answer = await gateway.raw(request.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Length: 8" in head
    assert len(body) < 8
    gateway.files.fails = None
    assert (await gateway.ask(f"{FILES}/f")).body == b"12345678"


async def test_a_client_that_leaves_with_all_it_came_for_was_served(gateway: Gateway) -> None:
    """It is counted as a 200, though the file was not closed yet when the connection was."""
    gateway.files.held[b"f"] = b"12345678"
    gateway.files.lasts = asyncio.Event()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(f"GET {FILES}/f HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(8) == b"12345678"
    writer.close()
    await writer.wait_closed()
    while gateway.server._connections and not next(iter(gateway.server._connections)).stream.closed():  # noqa: ASYNC110
        await asyncio.sleep(0)
    gateway.files.lasts.set()
    while not gateway.metrics.answered:  # noqa: ASYNC110  # neither has an event
        await asyncio.sleep(0)
    assert [status for _, _, status in gateway.metrics.answered] == [200]


async def test_an_upload_may_have_any_type_but_no_compression(gateway: Gateway) -> None:
    """It is kept as it comes; an empty body is an empty file."""
    for kind in ("application/x-anything", "application/json", "multipart/form-data; boundary=x", ""):
        assert (await gateway.ask(f"{FILES}/f", b"\x00\xff", method="PUT", headers={"Content-Type": kind})).code == 200
        assert gateway.files.held[b"f"] == b"\x00\xff"
    assert (await gateway.ask(f"{FILES}/e", b"", method="PUT")).code == 200
    assert gateway.files.held[b"e"] == b""
    for coding in ("br", "deflate", "gzip, gzip", "x"):
        assert (await gateway.ask(f"{FILES}/g", b"1", method="PUT", headers={"Content-Encoding": coding})).code == 415
    assert set(gateway.files.held) == {b"f", b"e"}


async def test_an_upload_of_gzip_is_unpacked(gateway: Gateway) -> None:
    """For an address without files in it gzip is still refused."""
    body = b"day,sold\n" * 5000
    sent = {"Content-Encoding": "gzip", "Content-Type": "text/csv"}
    assert (await gateway.ask(f"{FILES}/f", gzip.compress(body), method="PUT", headers=sent)).code == 200
    assert (await gateway.ask(f"{FILES}/g", body, method="PUT", headers={"Content-Encoding": "identity"})).code == 200
    assert gateway.files.held == {b"f": body, b"g": body}
    form_body, headers = form(('form-data; name="a"; filename="a"', b"1"))
    assert (await gateway.ask(FILES, gzip.compress(form_body), headers={**headers, **sent})).code == 415


async def test_a_download_is_gzip_where_it_is_asked_for_and_worth_it(gateway: Gateway) -> None:
    """Not for a part, for HEAD, for HTTP/1.0 or for what does not get smaller; a proxy is told what it depends on."""
    gateway.files.held.update({b"f": b"day,sold\n" * 5000, b"short": b"1"})

    async def asked(line: str, *headers: str) -> tuple[bytes, bytes]:
        always = ("Host: localhost", f"Authorization: Bearer {TOKEN}", "Connection: close")
        head, _, body = (await gateway.raw("\r\n".join([line, *always, *headers, "", ""]).encode())).partition(b"\r\n\r\n")
        return head, body

    head, body = await asked(f"GET {FILES}/f HTTP/1.1", "Accept-Encoding: br, gzip;q=0.5")
    assert b"Content-Encoding: gzip" in head
    assert b'Etag: W/"' in head
    assert b"Vary: Accept-Encoding" in head
    assert b"Content-Length" not in head
    assert body.startswith(b"%x\r\n" % (len(gzip.compress(gateway.files.held[b"f"])) // 2))
    assert body.endswith(b"\r\n0\r\n\r\n")
    for line, *headers in (
        (f"GET {FILES}/f HTTP/1.1",),
        (f"GET {FILES}/f HTTP/1.1", "Accept-Encoding: br, gzip;q=0"),
        (f"GET {FILES}/f HTTP/1.1", "Accept-Encoding: gzip", "Range: bytes=0-9"),
        (f"GET {FILES}/f HTTP/1.0", "Accept-Encoding: gzip"),
        (f"HEAD {FILES}/f HTTP/1.1", "Accept-Encoding: gzip"),
        (f"GET {FILES}/short HTTP/1.1", "Accept-Encoding: gzip"),
    ):
        head, _ = await asked(line, *headers)
        assert b"Content-Encoding" not in head, line
        assert b"Content-Length" in head
        assert b"Vary: Accept-Encoding" in head
    got = await gateway.ask(f"{FILES}/f", headers={"Accept-Encoding": "gzip"})
    assert got.body == gateway.files.held[b"f"], "a client that knows gzip has the file"
    known = await gateway.ask(f"{FILES}/f", headers={"If-None-Match": got.headers["ETag"]})
    assert known.code == 304


async def test_gzip_that_fails_half_way_does_not_look_whole(gateway: Gateway) -> None:
    """There is no last chunk."""
    gateway.files.held[b"f"] = b"day,sold\n" * 5000
    gateway.files.fails = Conflict("changed")
    request = f"GET {FILES}/f HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nAccept-Encoding: gzip\r\n\r\n"
    answer = await gateway.raw(request.encode())
    assert b"Content-Encoding: gzip" in answer
    assert not answer.endswith(b"0\r\n\r\n")


async def test_a_piece_of_a_file_does_not_replace_the_whole(gateway: Gateway) -> None:
    """An upload that a client wants to continue (Content-Range) is refused in words, and the file stays."""
    await gateway.ask(f"{FILES}/f", b"whole", method="PUT")
    answer = await gateway.ask(f"{FILES}/f", b"le", method="PUT", headers={"Content-Range": "bytes 3-4/5"})
    assert answer.code == 400
    assert "Content-Range" in answer.body.decode()
    assert gateway.files.held == {b"f": b"whole"}


async def test_an_upload_over_the_limit_is_413_and_leaves_nothing() -> None:
    """Declared or not; the limit of other bodies is not its limit."""
    async with serve(WebSettings(body_bytes=1024, file_bytes=100_000)) as gateway:
        assert (await gateway.ask(f"{FILES}/f", bytes(100_000), method="PUT")).code == 200
        refused = await gateway.ask(f"{FILES}/g", bytes(100_001), method="PUT")
        assert refused.code == 413
        assert "100000 bytes" in str(json_of(refused)["error"])
        head = f"PUT {FILES}/h HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
        chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
        for expect in ("", "Expect: 100-continue\r\n"):
            sent = f"{head}{expect}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 7 + b"0\r\n\r\n"
            assert b" 413 " in await gateway.raw(sent)
        assert set(gateway.files.held) == {b"f"}


async def test_a_refusal_in_the_middle_of_an_upload_is_the_answer(gateway: Gateway) -> None:
    """The rest of the body is thrown away, and the connection is good for the next request."""
    gateway.files.refusal = TooLarge("The session's work directory is full.")
    refused = await gateway.ask(f"{FILES}/f", bytes(5_000_000), method="PUT")
    assert refused.code == 413
    assert "is full" in str(json_of(refused)["error"])
    assert (await gateway.ask("/code-interpreter/sessions/other/files/f", bytes(5_000_000), method="PUT")).code == 404


async def test_an_upload_that_stops_coming_is_ended() -> None:
    """408, and what came is not kept as the file."""
    async with serve(WebSettings(body_timeout_s=0.2)) as gateway:
        head = f"PUT {FILES}/f HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        answer = await gateway.raw(f"{head}Content-Length: 10\r\n\r\n12345".encode())
        assert b" 408 " in answer.split(b"\r\n", 1)[0]
        assert not gateway.files.held


async def test_an_upload_whose_client_leaves_is_not_kept(gateway: Gateway) -> None:
    """Half a file is no file."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = f"PUT {FILES}/f HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 10\r\n\r\n"
    writer.write(head.encode() + b"123")
    await writer.drain()
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    assert await reader.read() == b""
    assert (await gateway.ask(FILES)).code == 200
    assert not gateway.files.held


async def test_a_form_puts_all_its_files(gateway: Gateway) -> None:
    """As browsers, curl and HTTP libraries write names: escaped by percent or backslash, or in the extended form."""
    body, headers = form(
        ('form-data; name="a"; filename="a%22b%0A.txt"', b"1"),
        ('form-data; name="b"; filename="c\\"d.txt"', b"22\r\n"),
        ('form-data; name="b"; filename="dir/日本.csv"', b""),
        ('form-data; name="x"; filename="u.txt"; filename*=UTF-8\'\'%C3%BC.txt', b"4"),
    )
    answer = await gateway.ask(FILES, body, headers=headers)
    assert answer.code == 200
    assert gateway.files.held == {
        b'a"b\n.txt': b"1",
        b'c"d.txt': b"22\r\n",
        "dir/日本.csv".encode(): b"",
        "ü.txt".encode(): b"4",
    }
    listed = json_of(answer)["files"]
    assert isinstance(listed, list)
    assert len(listed) == 4


@pytest.mark.parametrize(
    "name", ["../../x", "/abs", "a/../b", "a\x00b", ".", "x" * 300, "..", "a//b", "\udcc3("], ids=range(9)
)
async def test_a_form_with_one_bad_name_puts_nothing(gateway: Gateway, name: str) -> None:
    """400, also when the other files are good."""
    body, headers = form(
        ('form-data; name="a"; filename="good"', b"1"),
        (f'form-data; name="b"; filename="{name}"', b"1"),
    )
    assert (await gateway.ask(FILES, body, headers=headers)).code == 400
    assert not gateway.files.held


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"", "application/json", UnsupportedMediaType),
        (b"", None, UnsupportedMediaType),
        (b"", "multipart/form-data", UnsupportedMediaType),
        (b"", "multipart/form-data; boundary=", UnsupportedMediaType),
        (b"", "multipart/form-data; boundary=x", BadRequest),
        (b"--x--", "multipart/form-data; boundary=x", BadRequest),
        (b"--x\r\nno end", "multipart/form-data; boundary=x", BadRequest),
        (b"--x\r\n" * 100_000 + b"--x--", "multipart/form-data; boundary=x", BadRequest),
        (b"--x\r\n" + b"A" * 100_000 + b"\r\n\r\n1\r\n--x--", "multipart/form-data; boundary=x", BadRequest),
        (form(('form-data; name="a"', b"a field"))[0], "multipart/form-data; boundary=b0undary", BadRequest),
        (form(("attachment; filename=x", b""))[0], "multipart/form-data; boundary=b0undary", BadRequest),
    ],
    ids=range(11),
)
def test_a_malformed_form_is_refused_in_words(
    body: bytes, content_type: str | None, error: type[BadRequest | UnsupportedMediaType]
) -> None:
    """No other exception; what is large is refused quickly."""
    with pytest.raises(error) as raised:
        parse_files(content_type, body)
    assert raised.value.message


@pytest.mark.parametrize("count", [MAX_FILES - 1, MAX_FILES, MAX_FILES + 1])
def test_a_form_has_a_hundred_files_at_most(count: int) -> None:
    """So many pass, and one more does not."""
    body, headers = form(*((f'form-data; name="f"; filename="f{number}"', b"") for number in range(count)))
    if count <= MAX_FILES:
        assert len(parse_files(headers["Content-Type"], body)) == count
    else:
        with pytest.raises(BadRequest, match=f"more than {MAX_FILES} files"):
            parse_files(headers["Content-Type"], body)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("a", "b", "a"), "more than one file named 'a'"),
        (("d/a%22", "x", 'd/a\\"'), "more than one file named 'd/a\"'"),
        (("a/b/c", "a-", "a"), "a file named 'a' and another below that name"),
        (("a", "a.txt", "a/b"), "a file named 'a' and another below that name"),
    ],
)
async def test_a_form_whose_files_can_not_all_be_there_puts_none(
    gateway: Gateway, names: tuple[str, ...], told: str
) -> None:
    """Two files of one name, or one where another needs a directory: most likely a mistake, so 400 names it."""
    body, headers = form(*((f'form-data; name="f"; filename="{name}"', b"1") for name in names))
    answer = await gateway.ask(FILES, body, headers=headers)
    assert answer.code == 400
    said: Any = json_of(answer)
    assert told in said["error"]["message"]
    assert not gateway.files.held


@given(st.binary(max_size=200), st.text(max_size=60))
def test_no_form_brings_the_parser_down(body: bytes, content_type: str) -> None:
    """Whatever is sent, with whatever boundary."""
    for kind in (content_type, f"multipart/form-data; boundary={content_type}", "multipart/form-data; boundary=x"):
        try:
            parse_files(kind, b"--x\r\n" + body + b"--x--")
            boundary_of(kind)
        except (BadRequest, UnsupportedMediaType) as refused:
            assert refused.message


@given(st.binary(min_size=1, max_size=300))
def test_no_name_ends_the_header(name: bytes) -> None:
    """Printable ASCII only, the quotes ours."""
    header = file_names.disposition(name)
    assert all(" " <= char <= "~" for char in header)
    assert header.count('"') == 2
    assert unquote_to_bytes(file_names.url_path(name)) == name


async def test_directories_are_listed_and_deleted_as_asked(gateway: Gateway) -> None:
    """The query says which, with or without digests, with all in it or not; anything else is refused."""
    assert (await gateway.ask(f"{FILES}?path=a%2Fb%FF&hashes=false")).code == 200
    assert (await gateway.ask(f"{FILES}/a?recursive=true", method="DELETE")).code == 200
    assert (await gateway.ask(f"{FILES}/a", method="DELETE")).code == 200
    assert gateway.files.asked == [
        ("list", b"a/b\xff", False, 40),
        ("delete", b"a", True, False),
        ("delete", b"a", False, False),
    ]
    for bad in (f"{FILES}?path=..", f"{FILES}?hashes=maybe", f"{FILES}?path=a%00"):
        assert (await gateway.ask(bad)).code == 400
    assert (await gateway.ask(f"{FILES}/a?recursive=", method="DELETE")).code == 400
    assert len(gateway.files.asked) == 3
    gateway.files.is_cut = True
    assert json_of(await gateway.ask(FILES))["truncated"] is True
