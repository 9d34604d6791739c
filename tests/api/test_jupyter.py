"""The Jupyter API over real HTTP and WebSockets, spoken by hand: what any client may rely on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import struct
import uuid

import pytest
from tornado.websocket import WebSocketClosedError

from gateway.web.jupyter.channels import MAX_MALFORMED
from tests.api.jupyter import V1, Channels, Jupyter, Message, execute, is_reply, kinds, request, texts
from tests.live import Gateway

pytestmark = pytest.mark.kernel

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


# ---- REST ---------------------------------------------------------------------------------------------------------------


async def test_a_kernel_is_made_shown_listed_and_deleted(gateway: Gateway, jupyter: Jupyter) -> None:
    """201 with Location and the model Jupyter documents; 204 and then 404, as JSON with reason and message."""
    made = gateway.ask("POST", "/api/kernels", {"name": "python3", "path": "x"})
    model = made.body
    assert (made.status, made.headers["Location"]) == (201, f"/api/kernels/{model['id']}")
    assert set(model) == {"id", "name", "last_activity", "execution_state", "connections"}
    assert (model["name"], model["execution_state"], model["connections"]) == ("python3", "idle", 0)
    assert TIME.fullmatch(model["last_activity"])
    assert uuid.UUID(model["id"])
    assert model in gateway.ask("GET", "/api/kernels").body
    assert gateway.ask("DELETE", f"/api/kernels/{model['id']}").status == 204
    gone = gateway.ask("GET", f"/api/kernels/{model['id']}")
    assert (gone.status, gone.body["reason"]) == (404, "Not Found")
    assert "does not exist" in gone.body["message"]
    assert gone.body["error"]["code"] == "not_found"
    assert gateway.ask("POST", f"/api/kernels/{model['id']}/interrupt", b"").status == 404


async def test_kernels_are_asked_for_in_all_the_ways_clients_do(gateway: Gateway, jupyter: Jupyter) -> None:
    """No body, an empty object, an alias, any Content-Type or none, an id of its own; what is unknown is refused."""
    wanted = str(uuid.uuid4())
    bodies: list[object] = [b"", {}, {"name": ""}, {"name": "python"}, {"name": "python3", "kernel_id": wanted}]
    made = [jupyter.start(body) for body in bodies]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    made.append(jupyter.start(b'{"name": "python3"}', headers=form))
    assert made[4] == wanted
    assert gateway.ask("POST", "/api/kernels", {"kernel_id": wanted}).status == 409
    assert {jupyter.model(kernel_id)["name"] for kernel_id in made} == {"python3"}
    for body in ({"name": "cobol"}, {"kernel_id": "../../etc"}, {"env": 5}, {"name": 7}, b"[]", b"{", b"\xff"):
        refused = gateway.ask("POST", "/api/kernels", body)
        assert refused.status == 400, (body, refused)
        assert refused.body["message"]
    for kernel_id in made:
        assert gateway.ask("DELETE", f"/api/kernels/{kernel_id}").status == 204


def test_every_spelling_of_the_token_is_taken(gateway: Gateway) -> None:
    """token X, Bearer X, ?token=X and /t/X/api; OPTIONS needs none; the log shows none."""
    empty = {"Authorization": ""}
    for headers in ({"Authorization": f"token {gateway.token}"}, {"Authorization": f"Bearer {gateway.token}"}):
        assert gateway.ask("GET", "/api/kernels", headers=headers).status == 200
    assert gateway.ask("GET", f"/api/kernels?token={gateway.token}", headers=empty).status == 200
    for headers in (empty, {"Authorization": "token "}):
        assert gateway.ask("GET", f"/t/{gateway.token}/api/kernels", headers=headers).status == 200
    assert gateway.ask("GET", f"/t/{gateway.token}/code-interpreter/history", headers=empty).status in (401, 404)
    for path in ("/api/kernels", "/t/wrong-token-of-enough-chars/api/kernels", "/api/kernels?token=wrong-token-as-well"):
        assert gateway.ask("GET", path, headers=empty).status in (401, 429)
    asked = gateway.ask("OPTIONS", "/api/kernels", headers=empty)
    assert (asked.status, asked.headers["Access-Control-Allow-Methods"]) == (200, "GET, POST")
    assert gateway.token not in gateway.log.read_text()


def test_clients_learn_what_there_is(gateway: Gateway) -> None:
    """Version, kernelspecs with their logos, the API's description."""
    assert gateway.ask("GET", "/api").body["version"]
    specs = gateway.ask("GET", "/api/kernelspecs").body
    assert specs["default"] == "python3"
    spec = specs["kernelspecs"]["python3"]
    assert (spec["spec"]["language"], spec["spec"]["display_name"]) == ("python", "Python (sandboxed)")
    assert gateway.ask("GET", "/api/kernelspecs/python3").body == spec
    assert gateway.ask("GET", "/api/kernelspecs/cobol").status == 404
    logo = gateway.ask("GET", spec["resources"]["logo-svg"])
    assert (logo.status, logo.headers["Content-Type"]) == (200, "image/svg+xml")
    assert gateway.ask("GET", "/kernelspecs/python3/kernel.js").status == 404
    described = gateway.ask("GET", "/api/swagger.json").body
    assert described["swagger"] == "2.0"
    assert {"get", "delete"} == set(described["paths"]["/api/kernels/{kernel_id}"])
    assert gateway.ask("GET", "/api/swagger.yaml").status == 200
    assert gateway.ask("GET", "/api/me").body["identity"]["username"]


async def test_sessions_name_the_notebook_of_a_kernel(gateway: Gateway, jupyter: Jupyter) -> None:
    """POST makes one with its kernel, or finds it by its path; PATCH renames it; DELETE ends the kernel too."""
    asked = {"path": "a/b.ipynb", "name": "b", "type": "notebook", "kernel": {"name": "python3"}}
    made = gateway.ask("POST", "/api/sessions", asked)
    session = made.body
    assert (made.status, made.headers["Location"]) == (201, f"/api/sessions/{session['id']}")
    assert (session["path"], session["kernel"]["execution_state"]) == ("a/b.ipynb", "idle")
    assert gateway.ask("POST", "/api/sessions", asked).body == session
    where, kernel_id = f"/api/sessions/{session['id']}", session["kernel"]["id"]
    renamed = gateway.ask("PATCH", where, {"path": "c.ipynb"}).body
    assert (renamed["path"], renamed["kernel"]["id"]) == ("c.ipynb", kernel_id)
    other = gateway.ask("PATCH", where, {"kernel": {"name": "python3"}}).body["kernel"]["id"]
    assert other != kernel_id
    assert gateway.ask("GET", f"/api/kernels/{kernel_id}").status == 404
    assert [item["id"] for item in gateway.ask("GET", "/api/sessions").body] == [session["id"]]
    assert gateway.ask("DELETE", where).status == 204
    assert gateway.ask("GET", f"/api/kernels/{other}").status == 404
    assert gateway.ask("GET", where).status == 404


async def test_requests_at_once_for_one_path_make_one_session(gateway: Gateway, jupyter: Jupyter) -> None:
    """As when a browser opens a notebook in two tabs: a second kernel would be nobody's."""
    asked = {"path": "at/once.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    made = await asyncio.gather(*(asyncio.to_thread(gateway.ask, "POST", "/api/sessions", asked) for _ in range(4)))
    assert {reply.status for reply in made} == {201}
    (kernel_id,) = {reply.body["kernel"]["id"] for reply in made}
    assert [item["id"] for item in gateway.ask("GET", "/api/kernels").body] == [kernel_id]
    assert gateway.ask("DELETE", f"/api/sessions/{made[0].body['id']}").status == 204


# ---- WebSocket ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [None, V1])
async def test_a_run_says_everything_in_order(jupyter: Jupyter, protocol: str | None) -> None:
    """In both protocols: busy, input, output, result, idle, and the reply last; no greeting of our subscription."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id, protocol=protocol)
        got = await channels.run("print('é\U0001f600'); 6 * 7")
        assert kinds(got) == [
            "iopub:status:busy",
            "iopub:execute_input",
            "iopub:stream",
            "iopub:execute_result",
            "iopub:status:idle",
            "shell:execute_reply",
        ]
        assert texts(got) == "é\U0001f600\n"
        assert got[3]["content"]["data"]["text/plain"] == "42"
        assert all(message["parent_header"]["username"] == "ada" for message in got)
        assert "iopub_welcome" not in [message["msg_type"] for message in channels.seen]
        assert jupyter.model(kernel_id)["connections"] == 1


async def test_envelopes_have_what_clients_look_for(jupyter: Jupyter) -> None:
    """msg_id, msg_type, channel and buffers at the top, beside the four parts."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id)
        for message in await channels.run("1"):
            assert message["msg_id"] == message["header"]["msg_id"]
            assert message["msg_type"] == message["header"]["msg_type"]
            assert message["buffers"] == []
            assert {"parent_header", "metadata", "content", "channel"} < set(message)


@pytest.mark.parametrize("protocol", [None, V1])
async def test_comms_carry_buffers_both_ways(jupyter: Jupyter, protocol: str | None) -> None:
    """What a widget sends and gets is the same bytes; in the default protocol such messages are binary."""
    echo = (
        "from comm import get_comm_manager\n"
        "def opened(comm, message):\n"
        "    turned = [bytes(buffer)[::-1] for buffer in message['buffers']]\n"
        "    comm.send({'got': message['content']['data']}, buffers=turned or [b'ab', b''])\n"
        "get_comm_manager().register_target('echo', opened)"
    )
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id, protocol=protocol)
        await channels.run(echo)
        opening = request("comm_open", {"comm_id": "c1", "target_name": "echo", "data": {"deep": [1.5, None, "é"]}})
        if protocol == V1:
            opening["buffers"] = [b"\x00\xff12", b"z" * 70_000]
        await channels.send(opening)
        (*_, answer) = await channels.until(lambda message: message["msg_type"] == "comm_msg")
        assert answer["content"]["data"]["got"] == {"deep": [1.5, None, "é"]}
        expected = [b"21\xff\x00", b"z" * 70_000] if protocol == V1 else [b"ab", b""]
        assert [bytes(buffer) for buffer in answer["buffers"]] == expected


async def test_input_asks_the_client_that_runs_the_code(jupyter: Jupyter) -> None:
    """input() and getpass() are asked on stdin, of nobody else; a client that allows none gets an error instead."""
    async with jupyter.kernel() as kernel_id:
        channels, other = await jupyter.connect(kernel_id), await jupyter.connect(kernel_id)
        msg_id = await channels.send(execute("input('name? ')"))
        (*_, asked) = await channels.until(lambda message: message["msg_type"] == "input_request")
        assert (asked["channel"], asked["content"]["prompt"]) == ("stdin", "name? ")
        await channels.send(request("input_reply", {"value": "Ada"}, "stdin"))
        got = await channels.until(lambda message: is_reply(message, msg_id))
        assert "'Ada'" in [message["content"].get("data", {}).get("text/plain") for message in got]
        refused = await channels.run("input()", allow_stdin=False)
        assert refused[-1]["content"]["ename"] == "StdinNotImplementedError"
        seen = await other.until(lambda message: message["msg_type"] == "error")
        assert not {"input_request", "execute_reply"} & {message["msg_type"] for message in seen}


THREADS = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
def tool(number): return int(input(str(number)))
with ThreadPoolExecutor(4) as pool: print(list(pool.map(tool, range(6))))
print(await asyncio.gather(*[asyncio.to_thread(tool, number) for number in range(6)]))
"""
LEFT = """
import threading
ended = []
def ask():
    try: ended.append(input('left'))
    except EOFError: ended.append('EOF')
left = threading.Thread(target=ask); left.start()
"""


async def answer_all(channels: Channels, code: str) -> list[Message]:
    """Run *code*, answering each question with its prompt."""
    msg_id = await channels.send(execute(code))
    got = [await channels.next()]
    while not is_reply(got[-1], msg_id):
        if got[-1]["msg_type"] == "input_request":
            await channels.send(request("input_reply", {"value": got[-1]["content"]["prompt"]}, "stdin"))
        got.append(await channels.next())
    return got


async def test_each_thread_gets_the_answer_to_its_own_question(jupyter: Jupyter) -> None:
    """One is asked after the other; who still asks when its run is over does not hold up the next one."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id)
        assert texts(await answer_all(channels, THREADS)) == "[0, 1, 2, 3, 4, 5]\n" * 2
        msg_id = await channels.send(execute(LEFT))
        await channels.until(  # in either order
            lambda _message: (
                any(is_reply(seen, msg_id) for seen in channels.seen)
                and any(seen["content"].get("prompt") == "left" for seen in channels.seen)
            )
        )
        later = await answer_all(channels, "print(input('later')); left.join(); print(ended)")
        assert texts(later) == "later\n['EOF']\n"


async def test_every_client_sees_output_and_only_the_asker_its_reply(jupyter: Jupyter) -> None:
    """As in Jupyter, where two windows may look at one kernel."""
    async with jupyter.kernel() as kernel_id:
        asker = await jupyter.connect(kernel_id, query=f"token={jupyter.gateway.token}")
        other = await jupyter.connect(kernel_id, protocol=V1, prefix=f"/t/{jupyter.gateway.token}")
        await asker.run("print(5)")
        seen = await other.until(lambda message: kinds([message]) == ["iopub:status:idle"])
        assert texts(seen) == "5\n"
        assert "shell:execute_reply" not in kinds(seen)


BAD_TEXT = [
    "",
    "garbage",
    "[]",
    "7",
    "null",
    "{}",
    '{"header": 5}',
    '{"channel": "nowhere", "header": {"msg_id": "a"}}',
    "[" * 50_000,
]
_WHOLE = execute("x = 6")
BAD_TEXT += [json.dumps({**_WHOLE, "channel": channel}) for channel in ("iopub", "", None, ["shell"])]
_NO_KINDS: tuple[object, ...] = (5, [], {"a": 1})
BAD_TEXT += [json.dumps({**_WHOLE, "header": {**_WHOLE["header"], "msg_type": kind}}) for kind in _NO_KINDS]
BAD_V1 = [b"", b"garbage", bytes(8), b"\xff" * 64, struct.pack("<3Q", 2, 24, 2**63), struct.pack("<8Q", 7, *[64] * 7)]
BAD_V1 += [struct.pack("<8Q", 7, 64, 5, 9, 64, 64, 64, 1) + b"shell", struct.pack("<2Q", 10**6, 16)]


@pytest.mark.parametrize(("protocol", "bad"), [(None, BAD_TEXT), (V1, BAD_V1)])
async def test_what_is_no_message_harms_no_kernel(jupyter: Jupyter, protocol: str | None, bad: list[str | bytes]) -> None:
    """It is left out and the connection goes on; of a client that sends nothing else it is closed with 1008."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id, protocol=protocol)
        await channels.run("x = 5")
        for data in bad:
            await channels.socket.write_message(data, binary=isinstance(data, bytes))
        assert texts(await channels.run("print(x)")) == "5\n"
        for _ in range(30):
            with contextlib.suppress(WebSocketClosedError):
                await channels.socket.write_message(bad[1], binary=protocol == V1)
        with pytest.raises(EOFError, match="1008 malformed"):
            while True:
                await channels.next()
        again = await jupyter.connect(kernel_id, protocol=protocol)
        assert texts(await again.run("print(x)")) == "5\n"


async def test_a_client_that_is_told_to_go_harms_no_kernel(jupyter: Jupyter) -> None:
    """It does not answer the close while output comes for it: the kernel and its other clients go on."""
    async with jupyter.kernel() as kernel_id:
        going, staying = await jupyter.connect(kernel_id), await jupyter.connect(kernel_id)
        await staying.run("x = 5")
        msg_id = await staying.send(
            execute("import time\nfor at in range(30):\n    print(at, flush=True); time.sleep(0.05)")
        )
        await staying.until(lambda message: message["msg_type"] == "stream")
        protocol = going.socket.protocol
        assert protocol is not None
        protocol.close = lambda *_: None  # type: ignore[method-assign]  # so that it says nothing
        for _ in range(MAX_MALFORMED):
            await going.socket.write_message("no message")
        await staying.until(lambda message: is_reply(message, msg_id))
        assert texts(staying.seen).split() == [str(at) for at in range(30)]
        assert texts(await staying.run("print(x)")) == "5\n"
        going.has_ended = True
        protocol.stream.close()  # type: ignore[union-attr]  # an open one has it


async def test_interrupt_stops_code_and_keeps_the_state(gateway: Gateway, jupyter: Jupyter) -> None:
    """204; the run ends with KeyboardInterrupt, also when it is asked for over the WebSocket."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id)
        await channels.run("import time; x = 5")
        for way in ("rest", "socket"):
            msg_id = await channels.send(execute("print('on', flush=True)\nwhile True: time.sleep(0.01)"))
            await channels.until(lambda message: message["msg_type"] == "stream")
            assert jupyter.model(kernel_id)["execution_state"] == "busy"
            if way == "rest":
                reply = await asyncio.to_thread(gateway.ask, "POST", f"/api/kernels/{kernel_id}/interrupt", b"")
                assert reply.status == 204
            else:
                await channels.send(request("interrupt_request", {}, "control"))
            got = await channels.until(lambda message, msg_id=msg_id: is_reply(message, msg_id))  # type: ignore[misc]  # bound now
            assert got[-1]["content"]["ename"] == "KeyboardInterrupt"
        assert texts(await channels.run("print(x)")) == "5\n"
        assert jupyter.model(kernel_id)["execution_state"] == "idle"


async def test_restart_forgets_the_state_and_keeps_id_and_connections(gateway: Gateway, jupyter: Jupyter) -> None:
    """200 with the model; what was asked before gets an answer, and the open WebSocket goes on."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id)
        await channels.run("x = 5")
        msg_id = await channels.send(execute("print('on', flush=True)\nimport time; time.sleep(600)"))
        await channels.until(lambda message: message["msg_type"] == "stream")
        reply = await asyncio.to_thread(gateway.ask, "POST", f"/api/kernels/{kernel_id}/restart", {})
        assert (reply.status, reply.body["id"], reply.body["connections"]) == (200, kernel_id, 1)
        cut = await channels.until(lambda message: is_reply(message, msg_id))
        assert cut[-1]["content"]["ename"] == "KernelRestarted"
        assert (await channels.run("x"))[-1]["content"]["ename"] == "NameError"


async def test_a_kernel_that_dies_says_so_and_is_replaced(jupyter: Jupyter) -> None:
    """The run gets an error and a reply, all are told "restarting", and the next run works; after too many it is dead."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id)
        got = await channels.run("import os; os._exit(3)")
        assert (got[-1]["content"]["ename"], kinds(got)[-2]) == ("KernelDied", "iopub:status:idle")
        assert "code 3" in got[-1]["content"]["evalue"]
        assert kinds([await channels.next()]) == ["iopub:status:restarting"]
        assert texts(await channels.run("print(7)")) == "7\n"
        big = await channels.run("x = bytearray(10**9)\nfor i in range(0, 10**9, 4096): x[i] = 1")
        assert big[-1]["content"]["status"] == "error"
        for _ in range(10):
            if jupyter.model(kernel_id)["execution_state"] == "dead":
                break
            await channels.run("import os; os._exit(0)")
            await channels.until(lambda message: kinds([message])[0] in ("iopub:status:restarting", "iopub:status:dead"))
        assert jupyter.model(kernel_id)["execution_state"] == "dead"
        assert (await channels.run("1"))[-1]["content"]["ename"] == "KernelDied"
        assert jupyter.gateway.ask("POST", f"/api/kernels/{kernel_id}/restart", b"").body["execution_state"] == "idle"
        assert texts(await channels.run("print(8)")) == "8\n"


async def test_a_shutdown_over_the_socket_ends_the_kernel(jupyter: Jupyter) -> None:
    """As DELETE does: the client is told, its connection closed, the kernel gone."""
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id)
        await channels.send(request("shutdown_request", {"restart": False}, "control"))
        with pytest.raises(EOFError):
            while True:
                await channels.next()
        assert "iopub:status:dead" in kinds(channels.seen)
        assert jupyter.gateway.ask("GET", f"/api/kernels/{kernel_id}").status == 404


async def test_a_kernel_here_is_as_confined_as_any(jupyter: Jupyter) -> None:
    """No network, no other processes, nothing of the host's files, the key's limits: the same pool, the same walls."""
    probe = (
        "import os, socket, resource\n"
        "try: socket.create_connection(('127.0.0.1', %d), 2); reached = True\n"
        "except OSError: reached = False\n"
        "pids = [p for p in os.listdir('/proc') if p.isdigit()]\n"
        "print(reached, len(pids) < 6, os.path.exists('/root') and bool(os.listdir('/root')), os.getuid() == 0)\n"
        "print(open('/proc/self/status').read().split('CapEff:')[1].split()[0], 'OMEGA' in str(os.environ))"
    )
    async with jupyter.kernel() as kernel_id:
        channels = await jupyter.connect(kernel_id)
        assert texts(await channels.run(probe % jupyter.gateway.port)) == "False True False False\n0000000000000000 False\n"
