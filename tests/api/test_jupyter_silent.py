"""Jupyter clients that do not read: they cost their key little, and other clients nothing but time."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack

import pytest

from tests.api.jupyter import V1, Jupyter, execute, is_reply, kinds, texts
from tests.api.silent import open_silent
from tests.api.test_jupyter_facts import resident_bytes
from tests.live import HANG_S, Gateway

pytestmark = pytest.mark.kernel

SHOWN = 3_000_000
FLOOD = f"""
for number in range(40): display({{"text/plain": str(number % 10) * {SHOWN}}}, raw=True)
"""


async def test_clients_that_do_not_read_share_what_waits_for_them(gateway: Gateway, jupyter: Jupyter) -> None:
    """Sixty of them, in both layouts, cost less together than a few messages; before they had five megabytes each."""
    async with jupyter.kernel() as kernel_id:
        asker = await jupyter.connect(kernel_id)
        await asker.run("from IPython.display import display")
        with ExitStack() as stack:
            for number in range(60):
                path = f"/api/kernels/{kernel_id}/channels"
                stack.enter_context(open_silent(gateway, path, V1 if number % 2 else None))
            await _until_connected(jupyter, kernel_id, 61)
            before = resident_bytes(gateway.pid)
            msg_id = await asker.send(execute(FLOOD))
            got = await asker.until(lambda message: message["msg_type"] == "display_data")
            # Enough is said that each would have a copy of its own by now, were there copies.
            got += await asker.until(lambda message: message["msg_type"] == "display_data")
            assert resident_bytes(gateway.pid) - before < 15 * SHOWN
            assert jupyter.model(kernel_id)["execution_state"] == "busy", "the kernel waits for them"
        got += await asker.until(lambda message: is_reply(message, msg_id))
        shown = [message["content"]["data"]["text/plain"] for message in got if message["msg_type"] == "display_data"]
        assert [text[0] for text in shown] == [str(number % 10) for number in range(40)]
        assert {len(text) for text in shown} == {SHOWN}
        assert kinds(got)[-2:] == ["iopub:status:idle", "shell:execute_reply"]


async def test_clients_of_both_layouts_get_everything_once(jupyter: Jupyter) -> None:
    """Large and small messages, with and without buffers, in order, however many clients there are."""
    code = (
        "from comm import create_comm\n"
        "comm = create_comm(target_name='x', data={})\n"
        "for number in range(30):\n"
        "    print(number, flush=True)\n"
        "    print('y' * (number * 10_000), flush=True)\n"
        "    comm.send({'number': number}, buffers=[bytes([number]) * size for size in (0, 5, 16384, 100_000)])\n"
        "    if number % 10 == 0: comm.send({'number': number}, buffers=[b'z' * (16_384 + at % 2) for at in range(60)])\n"
    )
    async with jupyter.kernel() as kernel_id:
        clients = [await jupyter.connect(kernel_id, protocol=protocol) for protocol in (None, V1, None, V1)]
        msg_id = await clients[0].send(execute(code))
        heard = await asyncio.gather(*(client.until(lambda m: kinds([m]) == ["iopub:status:idle"]) for client in clients))
        await clients[0].until(lambda message: is_reply(message, msg_id))
        expected = "".join(f"{number}\n{'y' * (number * 10_000)}\n" for number in range(30))
        sizes = [(number, [0, 5, 16384, 100_000]) for number in range(30)]
        for number in (20, 10, 0):
            sizes.insert(number + 1, (number, [16_384 + at % 2 for at in range(60)]))
        for got in heard:
            assert texts(got) == expected
            comms = [message for message in got if message["msg_type"] == "comm_msg"]
            assert [(m["content"]["data"]["number"], [len(part) for part in m["buffers"]]) for m in comms] == sizes
            assert all(set(part) <= {m["content"]["data"]["number"], ord("z")} for m in comms for part in m["buffers"])
        ids = [[message["header"]["msg_id"] for message in got] for got in heard]
        assert all(len(set(one)) == len(one) for one in ids)
        assert all(one == ids[0] for one in ids)


async def test_what_one_never_read_is_there_when_it_comes_back(gateway: Gateway, jupyter: Jupyter) -> None:
    """The only client does not read and vanishes: the next one gets all that did not fit into the first one's system."""
    async with jupyter.kernel() as kernel_id:
        asker = await jupyter.connect(kernel_id, "asker")
        msg_id = await asker.send(execute("for number in range(2000): print(number, 'x' * 1000, flush=True)"))
        await asker.until(lambda message: message["msg_type"] == "stream")
        asker.socket.protocol.stream.close()  # type: ignore[union-attr]  # it has one
        again = await jupyter.connect(kernel_id, "asker")
        got = await again.until(lambda message: is_reply(message, msg_id))
        numbers = [int(line.split()[0]) for line in texts(got).splitlines()]
        assert numbers == list(range(numbers[0], 2000))
        assert json.dumps(kinds(got)).count("execute_reply") == 1
        asker.has_ended = True


async def _until_connected(jupyter: Jupyter, kernel_id: str, number: int) -> None:
    async with asyncio.timeout(HANG_S):
        while jupyter.model(kernel_id)["connections"] != number:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)
