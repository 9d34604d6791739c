"""The control packets: what is sent arrives, what is not of the agreed form is refused with a reason."""

from __future__ import annotations

import json
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels import contract
from kernels.contract import (
    CommandExited,
    ContractError,
    Exited,
    Forked,
    Kill,
    Level,
    Policy,
    Reached,
    Ready,
    RunCommand,
    Spawn,
    SpawnerOptions,
)

PACKETS: list[contract.Packet] = [
    Spawn("0123456789ab", "python", "key", Policy(memory_bytes=1), {"TZ": "UTC"}),
    Kill("0123456789ab"),
    Reached("L2+"),
    Ready("L3", "3.11.2", {"seccomp": "ok"}, {"numpy": "2"}),
    Exited("0123456789ab", 0, 9, out_of_memory=True, asked=False, peak_bytes=5, cpu_s=0.5),
    Forked("0123456789ab", 0, "fork: no memory"),
    Spawn("0123456789ab", "python", "key", place="ba9876543210"),
    RunCommand("0123456789ab", "ba9876543210", ["sh", "-c", "echo é"], {"A": "b"}, "below"),
    CommandExited("0123456789ab", 0, 9, out_of_memory=True),
]


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: type(packet).__name__)
def test_a_packet_arrives_as_it_was_sent(packet: contract.Packet) -> None:
    """Encoding and decoding lose nothing, nested policies included."""
    assert contract.decode(contract.encode(packet)) == packet


def test_descriptors_travel_beside_a_packet_and_are_not_inherited() -> None:
    """A received descriptor is close-on-exec: a kernel must not inherit another kernel's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    read_end, write_end = os.pipe()
    try:
        contract.send(ours, Kill("0123456789ab"), (write_end,))
        received = contract.receive(theirs)
        assert received is not None
        assert received[0] == Kill("0123456789ab")
        os.write(received[1][0], b"x")
        assert os.read(read_end, 1) == b"x"
        assert not os.get_inheritable(received[1][0])
        os.close(received[1][0])
        ours.close()
        assert contract.receive(theirs) is None
    finally:
        for fd in (read_end, write_end):
            os.close(fd)
        ours.close()
        theirs.close()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "known kind"),
        (b'{"kind": "Nothing"}', "known kind"),
        (b'{"kind": ["Kill"]}', "known kind"),
        (b'{"kind": {"a": 1}}', "known kind"),
        (b'{"kind": "Kill"}', "kernel_id"),
        (b'{"kind": "Kill", "kernel_id": 7}', "Kill.kernel_id is not a str"),
        (b'{"kind": "Kill", "kernel_id": "x", "more": 1}', "no field 'more'"),
        (b'{"kind": "Reap", "pid": true}', "Reap.pid is not a int"),
        (b'{"kind": "RunCommand", "command_id": "x", "place": "y", "argv": "ls"}', "RunCommand.argv is not a list"),
        (b'{"kind": "RunCommand", "command_id": "x", "place": "y", "argv": ["ls", 1]}', "has an item that is not text"),
        (b'{"kind": "SignalCommand", "command_id": "x", "signal": "9"}', "SignalCommand.signal is not a int"),
        (b'{"kind": "Spawn", "kernel_id": "x", "language": "perl", "key": ""}', "unknown language 'perl'"),
        (b'{"kind": "Spawn", "kernel_id": "x", "language": "python", "key": "", "env": {"A": 1}}', "not text"),
        (
            b'{"kind": "Spawn", "kernel_id": "x", "language": "python", "key": "", "policy": {"pids": "9"}}',
            "no field 'pids'",
        ),
        *(
            (
                b'{"kind": "Spawn", "kernel_id": "x", "language": "python", "key": "", "policy": {"cpu_cores": %s}}' % value,
                "Policy.cpu_cores is not between",
            )
            for value in (b"0", b"-1", b"NaN", b"Infinity", b"1e300", b"1" * 400)
        ),
        (
            b'{"kind": "Spawn", "kernel_id": "x", "language": "python", "key": "", "policy": {"memory_bytes": -1}}',
            "Policy.memory_bytes is not between",
        ),
    ],
)
def test_a_malformed_packet_is_refused_with_its_reason(body: bytes, says: str) -> None:
    """The reader can rely on every field of a packet it gets."""
    with pytest.raises(ContractError, match=says):
        contract.decode(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_json_at_all_brings_the_decoder_down(body: object) -> None:
    """Whatever JSON comes, the answer is a packet or a ContractError."""
    with pytest.raises(ContractError):
        contract.decode(json.dumps(body).encode())


def test_a_packet_that_would_not_fit_is_refused_before_it_is_sent() -> None:
    """The size limit is the sender's to notice."""
    with pytest.raises(ContractError, match="is over"):
        contract.encode(Spawn("0123456789ab", "python", "key", env={"A": "x" * contract.PACKET_BYTES}))


def test_levels_are_ordered_and_named() -> None:
    """A level can be compared with the one asked for, and its label finds it again."""
    assert Level.NONE < Level.L1 < Level.L2 < Level.L2_PLUS < Level.L3
    assert [Level.parse(level.label) for level in Level] == list(Level)
    assert Level.parse("l2+") is Level.L2_PLUS
    with pytest.raises(ContractError, match="unknown isolation level 'L9'"):
        Level.parse("L9")


def test_spawner_options_survive_the_command_line() -> None:
    """What the gateway says is what the spawner reads, and a wrong option stops it."""
    options = SpawnerOptions("i", "/usr/bin/python3", "/app", "/run/x", at_most="L1", extra_dirs=("/a", "/b"))
    assert SpawnerOptions.from_text(options.to_text()) == options
    for wrong in ("{", "[]", '{"instance": "i"}', options.to_text().replace('"L1"', '"L7"')):
        with pytest.raises(ContractError):
            SpawnerOptions.from_text(wrong)
