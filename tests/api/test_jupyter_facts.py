"""What measured weakly elsewhere: the facts about Jupyter's own gateways that this one was built against, each a promise.

Facts 8 (forking) and 10 (lo in the sandbox) are promises of the kernels and tried where those are.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.api.jupyter import Jupyter, execute, is_reply, kinds, request, texts
from tests.live import Gateway, looks

pytestmark = pytest.mark.kernel

FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n'the end'"


async def test_a_kernel_was_there_before_it_was_asked_for(gateway: Gateway, jupyter: Jupyter) -> None:
    """Fact 2: its process is one of the pool's, older than the request."""
    await _wait_for_pool(gateway)
    asked_at_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    age = "import os; print(int(open('/proc/self/stat').read().rpartition(')')[2].split()[19]) / os.sysconf('SC_CLK_TCK'))"
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id)
        assert float(texts(await channels.run(age))) < asked_at_s


async def test_no_reply_overtakes_the_output_of_its_run(jupyter: Jupyter) -> None:
    """Fact 3: a client that stops at execute_reply has lost nothing, however often it asks."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id)
        for number in range(200):
            got = await channels.run(f"print({number})")
            assert texts(got) == f"{number}\n"
            assert kinds(got)[-2:] == ["iopub:status:idle", "shell:execute_reply"]


async def test_a_flood_of_text_takes_no_chart_along(jupyter: Jupyter) -> None:
    """Fact 4: five million characters and thousands of lines arrive whole, and so do figure and result after them."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id)
        assert len(texts(await channels.run("print('x' * 5_000_000)"))) == 5_000_001
        got = await channels.run(f"for i in range(5_000): print(i, flush=True)\n{FIGURE}")
        assert texts(got).split() == [str(number) for number in range(5_000)]
        shown = [message["content"]["data"] for message in got if message["msg_type"] in ("display_data", "execute_result")]
        assert sorted("image/png" in data for data in shown) == [False, True]


@pytest.mark.parametrize("sessions", [("a", "a"), ("a", "b"), ("", "")])
async def test_output_waits_for_a_client_that_comes_back(jupyter: Jupyter, sessions: tuple[str, str]) -> None:
    """Fact 5: all lines and the reply, once, whether or not it says the same session_id."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id, sessions[0])
        # Output while a connection closes may reach the client's system and yet not the client: here there is none.
        wait = "print(0, flush=True)\ntry:\n    while True: time.sleep(0.01)\nexcept KeyboardInterrupt: pass"
        rest = "for i in range(1, 8): print(i, flush=True)"
        msg_id = await channels.send(execute(f"import time\n{wait}\n{rest}"))
        before = await channels.until(lambda message: message["msg_type"] == "stream")
        await channels.close()
        await _wait_alone(jupyter, kernel_id)
        assert jupyter.gateway.ask("POST", f"/api/kernels/{kernel_id}/interrupt", b"").status == 204
        await _wait_idle(jupyter, kernel_id)
        again = await jupyter.connect(kernel_id, sessions[1])
        after = await again.until(lambda message: is_reply(message, msg_id))
        assert texts(before + after).split() == [str(number) for number in range(8)]
        assert kinds(after)[-2:] == ["iopub:status:idle", "shell:execute_reply"]
        assert kinds(await again.run("pass"))[0] == "iopub:status:busy", "what was kept is sent once"


async def test_output_kept_for_a_client_is_bounded_and_says_what_is_missing(jupyter: Jupyter) -> None:
    """Fact 5: of 40 MB of text the last is kept, the figure and the reply too, and a note in the same run tells the rest."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id)
        loop = "for i in range(400): print(str(i) * 25_000, flush=True)"
        msg_id = await channels.send(execute(f"import time; time.sleep(0.2)\n{FIGURE[:-10]}\n{loop}"))
        await channels.until(lambda message: message["msg_type"] == "execute_input")
        await channels.close()
        await _wait_idle(jupyter, kernel_id)
        again = await jupyter.connect(kernel_id)
        got = await again.until(lambda message: is_reply(message, msg_id))
        assert all(message["parent_header"].get("msg_id") == msg_id for message in got)
        assert "messages of output" in texts(got, "stderr")
        assert texts(got).endswith("399" * 25_000 + "\n")
        assert 1_000_000 < len(texts(got)) < 9_000_000
        assert [message for message in got if "image/png" in message["content"].get("data", {})]


async def test_a_client_that_left_while_others_look_on_gets_its_answers(jupyter: Jupyter) -> None:
    """Its output and reply are kept for it although somebody else is connected all the time."""
    async with jupyter.kernel() as kernel_id:
        other = await jupyter.connect(kernel_id, "other")
        channels = await jupyter.connect(kernel_id, "mine")
        msg_id = await channels.send(execute("print('a', flush=True)\nimport time; time.sleep(0.3)\nprint('b')"))
        await channels.until(lambda message: message["msg_type"] == "stream")
        await channels.close()
        await other.until(lambda message: kinds([message]) == ["iopub:status:idle"])
        again = await jupyter.connect(kernel_id, "mine")
        got = await again.until(lambda message: is_reply(message, msg_id))
        assert texts(got) == "b\n"
        assert texts(other.seen) == "a\nb\n"


async def test_a_second_connection_of_a_session_takes_over_from_the_first(jupyter: Jupyter) -> None:
    """The first one's client has lost it without saying so; what it asked is answered to the second."""
    async with jupyter.kernel() as kernel_id:
        first = await jupyter.connect(kernel_id, "mine")
        msg_id = await first.send(execute("print('a', flush=True)\nimport time; time.sleep(0.3)\nprint('b')"))
        await first.until(lambda message: message["msg_type"] == "stream")
        second = await jupyter.connect(kernel_id, "mine")
        assert texts(await second.until(lambda message: is_reply(message, msg_id))) == "b\n"
        with pytest.raises(EOFError, match="4000"):
            while True:
                await first.next()
        assert jupyter.model(kernel_id)["connections"] == 1


async def test_a_client_that_does_not_read_stops_the_code_that_prints(gateway: Gateway, jupyter: Jupyter) -> None:
    """The gateway holds some megabytes for it, not all; what it never took in goes to the connection that replaces it."""
    async with jupyter.kernel() as kernel_id:
        whole = "".join(str(number % 10) * 99_999 + "\n" for number in range(600))
        first = await jupyter.connect(kernel_id, "mine")
        before = resident_bytes(gateway.pid)
        msg_id = await first.send(execute("for i in range(600): print(str(i % 10) * 99_999, flush=True)"))
        await first.until(lambda message: message["msg_type"] == "stream")
        await asyncio.sleep(1)
        assert jupyter.model(kernel_id)["execution_state"] == "busy", "60 MB have nowhere to go"
        assert resident_bytes(gateway.pid) - before < 40_000_000
        second = await jupyter.connect(kernel_id, "mine")
        await second.until(lambda message: is_reply(message, msg_id))
        with pytest.raises(EOFError):
            while True:
                await first.next()
        early, late = texts(first.seen), texts(second.seen)
        assert whole.startswith(early)
        assert whole.endswith(late)
        assert len(early) + len(late) >= len(whole)


async def test_a_client_that_breaks_off_in_the_middle_gets_the_rest(jupyter: Jupyter) -> None:
    """No close frame, output on its way: what its system took in is gone with it, the rest comes, nothing twice."""
    async with jupyter.kernel() as kernel_id:
        first = await jupyter.connect(kernel_id)
        msg_id = await first.send(execute("for i in range(60): print(str(i % 10) * 99_999, flush=True)"))
        await first.until(lambda message: message["msg_type"] == "stream")
        first.socket.protocol.stream.close()  # type: ignore[union-attr]  # it has one
        with pytest.raises(EOFError):
            while True:
                await first.next()
        second = await jupyter.connect(kernel_id)
        await second.until(lambda message: is_reply(message, msg_id))
        whole, late = "".join(str(number % 10) * 99_999 + "\n" for number in range(60)), texts(second.seen)
        assert whole.endswith(late)
        assert late


async def test_no_variable_of_a_kernel_is_another_ones(gateway: Gateway, jupyter: Jupyter) -> None:
    """Fact 6: KERNEL_ variables are the kernel's they were given to, also when many are asked for at once."""
    bodies = [{"env": {"KERNEL_SECRET": f"tenant{number}", "LD_PRELOAD": "x", "PATH": "/x"}} for number in range(4)]
    with ThreadPoolExecutor(8) as threads:
        made = [
            reply.body["id"] for reply in threads.map(lambda body: gateway.ask("POST", "/api/kernels", body), [*bodies, {}])
        ]
    made.append(jupyter.start({}))
    ask = "import os; print(os.environ.get('KERNEL_SECRET'), 'LD_PRELOAD' in os.environ, os.environ['PATH'] == '/x')"
    said = []
    for kernel_id in made:
        channels = await jupyter.connect(kernel_id)
        said.append(texts(await channels.run(ask)).strip())
        gateway.ask("DELETE", f"/api/kernels/{kernel_id}")
    assert said == [*(f"tenant{number} False False" for number in range(4)), *["None False False"] * 2]


async def test_limits_hold_whoever_races(narrow: Gateway) -> None:
    """Fact 7: of six kernels asked for at once a key that may have two gets two; sessions count with them; 429 says so.

    Fact 2: and what is started comes from the pool, whose kernels were started before. Idle kernels are ended.
    """
    jupyter = Jupyter(narrow)
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda _: narrow.ask("POST", "/api/kernels", {}), range(6)))
    assert sorted(reply.status for reply in replies) == [201, 201, 429, 429, 429, 429]
    assert len(narrow.ask("GET", "/api/kernels").body) == 2
    assert narrow.ask("POST", "/code-interpreter/sessions", {"language": "python"}).status == 429
    (first, second) = [reply.body["id"] for reply in replies if reply.status == 201]
    channels = await jupyter.connect(first)
    idle = await jupyter.connect(second)
    await channels.send(execute("import time; time.sleep(3); print('still here')"))
    with pytest.raises(EOFError, match="1001 the kernel was idle"):
        while True:
            await idle.next()
    assert narrow.ask("GET", f"/api/kernels/{second}").status == 404
    await channels.until(lambda message: message["msg_type"] == "stream")
    with pytest.raises(EOFError, match="1001 the kernel was idle"):
        while True:
            await channels.next()
    assert narrow.ask("GET", "/api/kernels").body == []
    assert jupyter.start({})
    await jupyter.close()


async def test_no_first_request_is_lost(jupyter: Jupyter) -> None:
    """Fact 9: a fresh connection of a fresh kernel is answered at once."""
    for _ in range(10):
        async with jupyter.kernel() as kernel_id:
            channels = await jupyter.connect(kernel_id)
            msg_id = await channels.send(request("kernel_info_request", {}))
            (*_, reply) = await channels.until(lambda message, msg_id=msg_id: is_reply(message, msg_id))  # type: ignore[misc]  # bound now
            assert reply["content"]["language_info"]["name"] == "python"


def resident_bytes(pid: int) -> int:
    """The memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _wait_for_pool(gateway: Gateway) -> None:
    """Return once an unused kernel stands ready."""
    for _ in looks():
        shown = str(gateway.ask("GET", "/metrics").body)
        if re.search(r'omega_pool_kernels\{language="python",state="idle"\} [1-9]', shown):
            return
        await asyncio.sleep(0.05)  # another process: there is nothing to wait on
    raise AssertionError(shown)


async def _wait_alone(jupyter: Jupyter, kernel_id: str) -> None:
    """Return once no client is connected to the kernel."""
    for _ in looks():
        if jupyter.model(kernel_id)["connections"] == 0:
            return
        await asyncio.sleep(0.05)  # another process: there is nothing to wait on
    raise AssertionError("a client stays connected")


async def _wait_idle(jupyter: Jupyter, kernel_id: str) -> None:
    """Return once what runs in the kernel has ended."""
    for _ in looks():
        if jupyter.model(kernel_id)["execution_state"] == "idle":
            return
        await asyncio.sleep(0.05)  # another process: there is nothing to wait on
    raise AssertionError("the kernel stays busy")
