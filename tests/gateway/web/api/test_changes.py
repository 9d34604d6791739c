"""What changes in a work directory as server-sent events, with the files themselves faked."""

from __future__ import annotations

from gateway.core.errors import Unavailable
from gateway.core.files import FileChanged, FileEntry
from tests.gateway.web.world import Gateway

CHANGES = "/code-interpreter/sessions/there/changes"
FILE = FileEntry(b"a/\xff", "file", 3, 0)


async def test_changes_are_events(gateway: Gateway) -> None:
    """First that the watch has begun; a gap where it sees too little; in the end why it ended."""
    gateway.files.changes = [FileChanged("created", FILE), None, FileChanged("changed", None), Unavailable("gone")]
    answer = await gateway.ask(f"{CHANGES}?path=a&depth=2")
    assert answer.headers["Content-Type"] == "text/event-stream"
    events = answer.body.decode().split("\n\n")
    assert [event.partition("\n")[0] for event in events] == [
        "event: watching",
        "event: created",
        ": still running",
        "event: gap",
        "event: closed",
        "",
    ]
    assert '"urlPath":"a/%FF"' in events[1]
    assert '"code":503' in events[4]
    assert gateway.files.asked == [("watch", b"a", 2)]


async def test_a_watch_is_of_a_directory_of_a_session(gateway: Gateway) -> None:
    """Bad paths and depths are refused before anything is watched; HEAD watches nothing for long."""
    for query in ("path=..", "path=%2Fetc", "depth=0", "depth=x"):
        assert (await gateway.ask(f"{CHANGES}?{query}")).code == 400
    assert gateway.files.asked == []
    assert (await gateway.ask(CHANGES.replace("there", "other"))).code == 404
    assert (await gateway.ask(CHANGES, method="HEAD")).code == 200
