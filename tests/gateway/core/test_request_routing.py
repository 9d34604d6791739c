"""Who asked what, and which replies are held."""

from __future__ import annotations

import sys

import orjson

from gateway.core import request_routing
from gateway.core.jupyter import Channel, Relayed, read
from gateway.core.request_routing import EVERYBODY, Asked


def message(channel: Channel, kind: str, parent: str = "", msg_id: str = "m", **content: object) -> Relayed:
    """A message that answers *parent*."""
    header = {"msg_id": msg_id, "msg_type": kind}
    about = {"msg_id": parent, "msg_type": "execute_request"} if parent else {}
    return read(channel, [orjson.dumps(part) for part in (header, about, {}, content)])


def run(msg_id: str) -> Relayed:
    return message("shell", "execute_request", msg_id=msg_id)


def idle(parent: str) -> Relayed:
    return message("iopub", "status", parent, execution_state="idle")


def reply(parent: str) -> Relayed:
    return message("shell", "execute_reply", parent, status="ok")


def test_a_reply_waits_for_the_idle_of_its_own_request() -> None:
    """Not for another's; after it, the reply follows at once, to who asked."""
    book = Asked()
    book.note(run("r1"), "ada")
    book.note(run("r2"), "bob")
    early, other, done = reply("r1"), idle("r2"), idle("r1")
    assert book.route(early) == []
    assert book.is_holding()
    assert book.route(other) == [(EVERYBODY, other)]
    assert book.route(done) == [(EVERYBODY, done), ("ada", early)]
    assert not book.is_holding()
    late = reply("r2")
    assert book.route(late) == [("bob", late)]
    assert book.askers() == set()


def test_other_replies_and_questions_go_to_the_asker_at_once() -> None:
    """kernel_info_reply, input_request; what nobody is known to have asked goes to all."""
    book = Asked()
    book.note(message("shell", "kernel_info_request", msg_id="k"), "ada")
    book.note(run("r"), "ada")
    for said in (message("shell", "kernel_info_reply", "k"), message("stdin", "input_request", "r")):
        assert book.route(said) == [("ada", said)]
    stranger = reply("nobody")
    assert book.route(stranger) == [(EVERYBODY, stranger)]


def test_open_requests_are_those_without_reply() -> None:
    """A comm message wants none, an answered one has its own; hand_on gives them to somebody else."""
    book = Asked()
    for sent in (run("r1"), run("r2"), message("shell", "comm_msg", msg_id="c")):
        book.note(sent, "ada")
    book.route(idle("r1"))
    book.route(reply("r1"))
    assert [item.head.msg_id for item in book.open_requests()] == ["r2"]
    book.hand_on({"ada"}, "bob")
    assert book.askers() == {"bob"}
    assert book.asker_of(message("iopub", "stream", "r2")) == "bob"
    book.route(idle("c"))
    held = reply("r2")
    book.route(held)
    assert book.release() == [("bob", held)]
    book.clear()
    assert book.askers() == set()


def test_a_request_is_remembered_without_what_it_asked_for() -> None:
    """Of any size, and kept for as long as the kernel does not answer: the header is enough for every answer."""
    book = Asked()
    asking = message("shell", "odd_request", msg_id="r", text="x" * 1000)
    before = sys.getrefcount(asking), sys.getrefcount(asking.content)
    book.note(asking, "ada")
    assert (sys.getrefcount(asking), sys.getrefcount(asking.content)) == before
    (request,) = book.open_requests()
    assert (request.channel, request.head, request.header) == ("shell", asking.head, asking.header)


def test_what_is_remembered_is_bounded() -> None:
    """The oldest of too many requests is forgotten, and too large replies are not held."""
    book = Asked()
    for number in range(request_routing.MOST + 1):
        book.note(run(f"r{number}"), "ada")
    first, last = reply("r0"), reply(f"r{request_routing.MOST}")
    assert book.route(first) == [(EVERYBODY, first)]
    assert book.route(last) == []
    huge = message("shell", "execute_reply", "r5", text="x" * request_routing.HELD_BYTES)
    assert [sent for _, sent in book.route(huge)] == [huge, last] or [sent for _, sent in book.route(huge)] == [last, huge]


def test_an_answer_on_stdin_is_no_request() -> None:
    """It answers the kernel's."""
    book = Asked()
    book.note(message("stdin", "input_reply", msg_id="i"), "ada")
    assert book.askers() == set()


def test_requests_are_handed_on_with_their_answers() -> None:
    """Those of others stay theirs."""
    book = Asked()
    book.note(run("r1"), "ada")
    book.note(run("r2"), "bob")
    book.hand_on({"ada"}, "eve")
    assert book.asker_of(reply("r1")) == "eve"
    assert book.asker_of(reply("r2")) == "bob"


def test_states_that_are_no_ends_let_nothing_go() -> None:
    """The reply still waits."""
    book = Asked()
    book.note(run("r"), "ada")
    book.route(reply("r"))
    busy = message("iopub", "status", "r", execution_state="busy")
    assert book.route(busy) == [(EVERYBODY, busy)]
    assert book.is_holding()
