"""Where a server is."""

from __future__ import annotations

import pytest

from omega_client.address import Address, parse_address


@pytest.mark.parametrize(
    ("url", "address", "header"),
    [
        ("http://127.0.0.1:8080", Address(False, "127.0.0.1", 8080, ""), "127.0.0.1:8080"),
        ("https://omega.example/", Address(True, "omega.example", 443, ""), "omega.example"),
        ("http://omega.example:80/a/b/", Address(False, "omega.example", 80, "/a/b"), "omega.example"),
        ("https://[::1]:8080/x", Address(True, "::1", 8080, "/x"), "[::1]:8080"),
        ("http://[::1]", Address(False, "::1", 80, ""), "[::1]"),
    ],
)
def test_a_url_is_an_address(url: str, address: Address, header: str) -> None:
    """With the usual port where it names none."""
    assert parse_address(url) == address
    assert address.host_header == header


@pytest.mark.parametrize(
    "url",
    [
        "",
        "omega",
        "localhost:8080",
        "ftp://x",
        "http://",
        "http://x:port",
        "http://u:p@x",
        "ftp://u:p@x",
        "http://u:p@x:port",
        "http://x/?q=1",
        "http://x/#f",
    ],
)
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    """And a password in it is not repeated."""
    with pytest.raises(ValueError, match="URL") as refused:
        parse_address(url)
    assert "u:p@" not in str(refused.value)
