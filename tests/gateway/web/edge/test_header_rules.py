"""The rules on headers, one by one; that they hold on every address is shown in test_endpoint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from gateway.core.errors import BadRequest, Forbidden, GatewayError, Misdirected, Unauthorized, UpgradeRequired
from gateway.web.edge import header_rules
from gateway.web.services import LOCAL_HOSTS

ALLOWED = frozenset({*LOCAL_HOSTS, "omega.example"})


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]", "[::1]:8080", "omega.example", "Omega.Example.:443"],
)
def test_names_of_this_server_are_accepted(host: str) -> None:
    """In any case, with any port, with the final dot of a full name."""
    header_rules.check_host([host], ALLOWED)


@pytest.mark.parametrize(
    ("hosts", "error"),
    [
        ([], BadRequest),
        (["localhost", "localhost"], BadRequest),
        ([""], BadRequest),
        (["localhost/"], BadRequest),
        (["localhost:x"], BadRequest),
        (["localhost:99999"], BadRequest),
        (["a@localhost"], BadRequest),
        (["localhost?x"], BadRequest),
        (["localhost#x"], BadRequest),
        (["[::1"], BadRequest),
        (["evil.example"], Misdirected),
        (["localhost.evil.example"], Misdirected),
        (["evil-localhost"], Misdirected),
        (["127.0.0.2"], Misdirected),
        (["[::ffff:127.0.0.1]"], Misdirected),
        (["2130706433"], Misdirected),
        (["localhost evil.example"], Misdirected),
        (["xn--localhost-"], Misdirected),
    ],
)
def test_any_other_host_is_refused(hosts: list[str], error: type[GatewayError]) -> None:
    """Also those that only begin or end like ours."""
    with pytest.raises(error):
        header_rules.check_host(hosts, ALLOWED)


def test_a_star_accepts_every_host_of_the_right_form() -> None:
    """For an operator whose proxy checks it."""
    header_rules.check_host(["evil.example"], {"*"})
    with pytest.raises(BadRequest):
        header_rules.check_host(["a b/c"], {"*"})


@pytest.mark.parametrize(
    "origin",
    [
        *("http://localhost", "http://localhost:8081", "https://evil.example", "null", "", "localhost:8080", "file://"),
        *("http://localhost:8080.evil.example", "ftp://localhost:8080", "http://x@localhost:8080", "http://[", "*"),
    ],
)
def test_an_origin_that_is_not_ours_is_refused(origin: str) -> None:
    """Another port is another origin."""
    with pytest.raises(Forbidden):
        header_rules.check_origin([origin], "localhost:8080", frozenset())


def test_two_origins_are_refused() -> None:
    """A browser sends one."""
    with pytest.raises(Forbidden):
        header_rules.check_origin(["http://localhost:8080", "http://localhost:8080"], "localhost:8080", frozenset())


def test_our_own_origin_and_none_are_accepted() -> None:
    """Neither is told that another origin may read."""
    assert header_rules.check_origin([], "localhost:8080", frozenset()) is None
    assert header_rules.check_origin(["https://LOCALHOST:8080"], "localhost:8080", frozenset()) is None
    assert header_rules.check_origin(["https://a.example"], "localhost:8080", {"https://a.example"}) == "https://a.example"


@pytest.mark.parametrize("header", ["Bearer abc", "bearer  abc ", "TOKEN abc"])
def test_a_token_is_read(header: str) -> None:
    """Whatever the case of the scheme."""
    assert header_rules.bearer([header]) == "abc"


@pytest.mark.parametrize(
    "headers",
    [[], [""], ["Bearer"], ["Bearer "], ["abc"], ["Basic abc"], ["Bearer abc", "Bearer abc"], ["Bearer " + "x" * 513]],
)
def test_no_token_is_no_token(headers: list[str]) -> None:
    """And the sentence says how to send one, without repeating what came."""
    with pytest.raises(Unauthorized) as caught:
        header_rules.bearer(headers)
    assert "Bearer <token>" in caught.value.message
    assert "abc" not in caught.value.message


@pytest.mark.parametrize(
    ("lengths", "size"),
    [
        ([], 0),
        (["0"], 0),
        (["17"], 17),
        (["-1"], -1),
        (["+1"], -1),
        (["1e3"], -1),
        (["٣"], -1),
        (["1", "1"], -1),
        (["9" * 19], -1),
    ],
)
def test_a_length_is_digits(lengths: list[str], size: int) -> None:
    """What int() would read beside them is not one."""
    assert header_rules.declared_bytes(lengths) == size


UPGRADE = {
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "WebSocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("name", "values", "error"),
    [
        ("Upgrade", ["websocket"], None),
        ("Upgrade", [], UpgradeRequired),
        ("Upgrade", ["h2c"], UpgradeRequired),
        ("Connection", ["upgrade"], None),
        ("Connection", [], UpgradeRequired),
        ("Connection", ["keep-alive"], UpgradeRequired),
        ("Connection", ["notupgrade"], UpgradeRequired),
        ("Sec-WebSocket-Version", [], UpgradeRequired),
        ("Sec-WebSocket-Version", ["8"], UpgradeRequired),
        ("Sec-WebSocket-Version", ["13", "13"], UpgradeRequired),
        ("Sec-WebSocket-Key", [], BadRequest),
        ("Sec-WebSocket-Key", ["dGhlIHNhbXBsZSBub25jZQ=="] * 2, BadRequest),
        ("Sec-WebSocket-Key", ["dGhlIHNhbXBsZSBub25jZQ"], BadRequest),
        ("Sec-WebSocket-Key", ["c2hvcnQ="], BadRequest),
        ("Sec-WebSocket-Key", ["dGhlIHNhbXBsZSBub25jZ Q=="], BadRequest),
        ("Sec-WebSocket-Key", ["é"], BadRequest),
    ],
)
def test_an_upgrade_has_all_its_headers(name: str, values: list[str], error: type[GatewayError] | None) -> None:
    """In any case of letters; what is not asked for or malformed is refused before Tornado looks at it."""
    headers = HTTPHeaders({other: value for other, value in UPGRADE.items() if other != name})
    for value in values:
        headers.add(name, value)
    if error is None:
        header_rules.check_upgrade(headers)
        return
    with pytest.raises(error):
        header_rules.check_upgrade(headers)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/t/SECRET/api/kernels", "/t/***/api/kernels"),
        ("//t//SECRET", "/t/***"),
        ("/T/SECRET/api", "/t/***/api"),
        ("/%74/SECRET/api", "/t/***/api"),
        ("/t%2fSECRET%2Fapi", "/t/***"),
        ("/./t/SECRET/api", "/./t/***/api"),
        ("/proxy/t/SECRET/t/SECRET", "/proxy/t/***/t/***"),
        ("http://localhost:8080/t/SECRET/api", "http://localhost:8080/t/***/api"),
        ("/api/kernels/it/x", "/api/kernels/it/x"),
        ("/omega_mzBuXNbqBDMVrb8pZS-vddODOUZwc54pY2KmuGH38PY", "/***"),
        ("/api/mzBuXNbqBDMVrb8pZS-vddODOUZwc54pY2KmuGH38PY/kernels", "/api/***/kernels"),
        ("/api/kernels/12345678-1234-1234-1234-123456789abc", "/api/kernels/12345678-1234-1234-1234-123456789abc"),
        ("/" + "x/" * 300, "/" + "x/" * 99 + "x"),
    ],
)
def test_a_path_is_logged_without_its_token(path: str, shown: str) -> None:
    """However it is written, also where it is no address of ours; and never more than a line."""
    assert header_rules.shown_path(path) == shown


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_any_header_is_accepted_or_refused_in_words(host: str, origin: str, token: str, kind: str) -> None:
    """No other exception, whatever is sent."""
    for check in (
        lambda: header_rules.check_host([host], ALLOWED),
        lambda: header_rules.check_origin([origin], host, ALLOWED),
        lambda: header_rules.bearer([token]),
        lambda: header_rules.check_json(kind),
        lambda: header_rules.check_encoding(kind),
    ):
        try:
            check()
        except GatewayError as error:
            assert error.message
