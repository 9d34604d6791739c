"""Both clients against a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

import omega_client as omega
from tests.clients.python import peer
from tests.clients.python.both import Both
from tests.live import Gateway, looks

pytestmark = pytest.mark.kernel


@asynccontextmanager
async def session_of(gateway: Gateway) -> AsyncIterator[omega.AsyncSession]:
    """A new session on asyncio."""
    async with (
        omega.AsyncClient(gateway.url, gateway.token) as client,
        await client.create_session(timeout_s=20) as session,
    ):
        yield session


def test_a_run_is_what_its_code_gave(client: omega.Client) -> None:
    """In both languages: output, value, error, pictures, files."""
    run = client.run("import os\nprint(os.environ['A'], input())\n6 * 7", env={"A": "b"}, stdin="c\n", timeout_s=20)
    assert (run.output, run.value, run.check()) == ("b c\n", 42, run)
    assert client.run("return [1, 'a']", language="javascript").value == [1, "a"]
    failed = client.run("x = 1\n1 / 0")
    assert failed.error is not None
    assert (failed.error.type, failed.variables["x"]["preview"]) == ("ZeroDivisionError", "1")
    with pytest.raises(omega.RunFailed, match="ZeroDivisionError: division by zero"):
        failed.check()
    copied = client.run("open('b', 'wb').write(open('d/a', 'rb').read())", files={"d/a": b"\xff\0"}, fetch_files=["b"])
    assert copied.fetched == {"b": b"\xff\0"}
    png, svg = client.chart("plt.plot([1, 2])"), client.chart("plt.plot([1, 2])", format="svg", dpi=40)
    assert png.charts[0].data.startswith(b"\x89PNG")
    assert png.charts[0].chart_data["type"] == "line"
    assert (svg.charts[0].mime_type, b"<svg" in svg.charts[0].data) == ("image/svg+xml", True)


def test_a_session_keeps_names_and_files(client: omega.Client) -> None:
    """And ends with its `with`."""
    with client.create_session(name="trial", timeout_s=20, idle_timeout_s=60, env={"A": "b"}) as session:
        session.execute("import os, pandas as pd\nx = os.environ['A']\ndf = pd.DataFrame({'a': [1, 2, 3]})").check()
        assert client.open_session(session.id).execute("x").value == "b"
        assert "trial" in [one["name"] for one in client.sessions()]
        assert {one["name"] for one in session.variables()} == {"x", "df"}
        assert session.variable("df", where="a > 1", sort="-a")["data"] == [[3], [2]]
        session.files.write("é/a b.txt", "ü")
        entry = next(one for one in session.files.list() if one.type == "file")
        assert (entry.path, entry.size) == ("é/a b.txt", 2)
        assert [one.size for one in session.files.list() if one.type == "directory"] == [None]
        assert session.files.read(entry) == session.files.read("é/a b.txt") == "ü".encode()
        assert session.execute("open('é/a b.txt').read()").value == "ü"
        session.files.delete("é", recursive=True)
        assert session.files.list() == []
        assert session.info()["executionCount"] == 3
        assert b'"cells"' in session.notebook()
        assert session.interrupt() is False
        session.restart()
        assert session.execute("x").error is not None
    with pytest.raises(omega.Gone, match="deleted"):
        session.execute("x")
    with client.create_session(language="javascript") as other:
        assert (other.language, other.execute("return 2").value) == ("javascript", 2)
        other.delete()


def test_a_session_works_alike_on_asyncio(both: Both, gateway: Gateway) -> None:
    """Every method of it."""

    async def use() -> None:
        async with session_of(gateway) as session:
            assert (await session.execute("x = 5\nx")).value == 5
            assert [one["name"] for one in await session.variables()] == ["x"]
            await session.files.write("a", b"1" * 300_000)
            assert [one.size for one in await session.files.list()] == [300_000]
            assert await session.files.read("a") == b"1" * 300_000
            await session.files.delete("a")
            await session.execute("import pandas as pd\ndf = pd.DataFrame({'a': [1]})")
            assert (await session.variable("df"))["data"] == [[1]]
            assert b'"cells"' in await session.notebook()
            assert (await session.info())["executionCount"] == 2
            assert await session.interrupt() is False
            await session.restart()
            await session.delete()
            with pytest.raises(omega.Gone):
                await session.execute("x")
        async with omega.AsyncClient(gateway.url, gateway.token) as client:
            runs = await asyncio.gather(*(client.run(f"{number} * 2") for number in range(3)))
            assert [run.value for run in runs] == [0, 2, 4]
            assert (await client.chart("plt.plot([1])")).charts[0].mime_type == "image/png"
            assert (await client.health())["status"] == "healthy"
            assert session.id not in [one["id"] for one in await client.sessions()]
            with pytest.raises(omega.NotFound):
                await client.open_session("nowhere")

    if both.kind == "asyncio":
        both.wait(use())


CODE = """
import matplotlib.pyplot as plt
print("first")
plt.plot([1, 2])
plt.show()
"last"
"""


def test_events_come_to_the_same_run(both: Both, gateway: Gateway, client: omega.Client) -> None:
    """As the plain answer, but for what differs from run to run."""
    events, run = both.stream(gateway.url, CODE, gateway.token)
    assert [event.type for event in events] == ["accepted", "started", "stdout", "chart", "result", "done"]
    plain = client.run(CODE)
    apart = {"executionTime", "usage", "charts"}
    assert {name: run.answer[name] for name in run.answer if name not in apart} == {
        name: plain.answer[name] for name in plain.answer if name not in apart
    }
    assert [chart.chart_data for chart in run.charts] == [chart.chart_data for chart in plain.charts]


def test_leaving_a_stream_stops_its_run(client: omega.Client, gateway: Gateway) -> None:
    """The session is free at once."""
    endless = "print('begun')\nwhile True: pass"
    with client.create_session() as session:
        with session.stream(endless) as events:
            assert next(event.text for event in events if event.type == "stdout") == "begun\n"
        assert session.execute("1").value == 1
        with pytest.raises(omega.ConnectionFailed):
            assert events.run

    async def leave() -> None:
        async with session_of(gateway) as session:
            async with session.stream(endless) as events:
                async for event in events:
                    if event.type == "stdout":
                        break
            task = asyncio.ensure_future(session.execute(endless))
            for _ in looks():
                if (await session.info())["currentRun"] is not None:
                    break
            task.cancel()
            assert (await session.execute("1")).value == 1
            task = asyncio.ensure_future(session.execute(endless))
            for _ in looks():
                if await session.interrupt():
                    break
            stopped = (await task).error
            assert stopped is not None and stopped.type == "KeyboardInterrupt"

    asyncio.run(leave())


def test_a_session_is_watched_until_its_end(client: omega.Client, gateway: Gateway) -> None:
    """Every run of it, also those of others; a watch goes on where the last one has ended."""
    with client.create_session() as session:
        first = session.watch()
        assert next(first).type == "watching"
        client.open_session(session.id).execute("print('seen')")
        seen = [next(first) for _ in range(4)]
        assert [event.type for event in seen] == ["accepted", "started", "stdout", "done"]
        first.close()
        session.execute("1")
        later = session.watch(after=seen[-1].fields["at"])
        types = [next(later).type]
        session.delete()
        types += [event.type for event in later]
        assert types == ["watching", "accepted", "started", "result", "done", "ended"]

    async def watch() -> list[str]:
        async with session_of(gateway) as other:
            events = other.watch()
            first = await events.__anext__()
            await other.execute("2")
            await other.delete()
            return [first.type, *[event.type async for event in events]]

    assert asyncio.run(watch()) == ["watching", "accepted", "started", "result", "done", "ended"]


@pytest.mark.parametrize(
    ("code", "options", "kind", "says"),
    [
        ("1", {"timeout_s": 1e6}, omega.BadRequest, "timeout must be"),
        ("", {}, omega.BadRequest, "code must be source code that is not empty"),
        ("1", {"session": "nowhere"}, omega.NotFound, "no such session"),
        ("1", {"speed": 2}, TypeError, "There is no option 'speed'"),
    ],
)
def test_what_is_refused_raises(
    both: Both, gateway: Gateway, client: omega.Client, code: str, options: dict[str, Any], kind: type[Exception], says: str
) -> None:
    """In the words of the gateway, also where events were asked for."""
    with pytest.raises(kind, match=says):
        client.run(code, **options)
    with pytest.raises(kind, match=says):
        both.stream(gateway.url, code, gateway.token, **options)


def test_a_wrong_token_raises(gateway: Gateway) -> None:
    """Whatever is asked."""
    with omega.Client(gateway.url, "wrong") as client, pytest.raises(omega.Unauthorized) as refused:
        client.run("1")
    assert refused.value.code == "unauthorized"


def test_url_and_token_come_from_the_environment(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL may have the path that all endpoints have."""
    monkeypatch.setenv("OMEGA_URL", f"{gateway.url}/code-interpreter/")
    monkeypatch.setenv("OMEGA_TOKEN", gateway.token)
    with omega.Client() as client:
        assert client.health()["status"] == "healthy"
    monkeypatch.delenv("OMEGA_TOKEN")
    with pytest.raises(ValueError, match="There is no token"):
        omega.Client()


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        ({"language": "ruby"}, ValueError, "There is no language 'ruby': the languages are python, javascript"),
        ({"language": "chart"}, ValueError, "There is no language 'chart'"),
        *(
            ({"timeout_s": seconds}, ValueError, f"timeout_s must be a number of seconds above 0, not {seconds}")
            for seconds in (0, -1, 0.0001, float("nan"), float("inf"), 1e308)
        ),
        ({"timeout_s": "5"}, TypeError, "timeout_s must be a number of seconds, not str"),
        ({"timeout_s": True}, TypeError, "timeout_s must be a number of seconds, not bool"),
    ],
)
def test_what_is_wrong_anyway_is_refused_here(both: Both, options: dict[str, Any], kind: type[Exception], says: str) -> None:
    """In the words of this library, before anything is sent."""

    async def create(**asked: Any) -> None:
        await omega.AsyncClient(served.url, "t").create_session(**asked)

    with peer.peer(lambda _: []) as served:
        asks: list[Callable[..., object]] = [
            partial(both.run, served.url, "1"),
            partial(both.stream, served.url, "1"),
            lambda **asked: both.wait(create(**asked)),
            omega.Client(served.url, "t").create_session,
        ]
        for ask in asks:
            with pytest.raises(kind) as refused:
                ask(**options)
            assert str(refused.value).startswith(says)
        with pytest.raises(ValueError, match="idle_timeout_s must be a number of seconds above 0"):
            omega.Client(served.url, "t").create_session(idle_timeout_s=0)
        assert served.asked == []


@omega.tool
def square(number: int) -> int:
    """Square a number.

    Args:
        number: At most 100.
    """
    if number > 100:
        raise ValueError("too large")
    return number**2


CALLING = """
import threading
found = {}
def work(number):
    found[number] = tools.square(number=number)
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
try:
    tools.square(1000)
except ToolError as error:
    print(error)
sorted(found.items())
"""


def test_code_calls_tools(both: Both, gateway: Gateway, client: omega.Client) -> None:
    """From threads too, each gets its own answer; in a stream as in a plain run, in a session, and in JavaScript."""
    events, run = both.stream(gateway.url, CALLING, gateway.token, tools=[square])
    assert [event.type for event in events].count("tool_call") == 5
    for one in (run, client.run(CALLING, tools=[square])):
        assert one.check().output == "ValueError: too large\n"
        assert one.value == [[0, 0], [1, 1], [2, 4], [3, 9]]
    code = "return await Promise.all([1, 2].map(number => tools.square({number})))"
    assert client.run(code, language="javascript", tools=[square]).value == [1, 4]
    with client.create_session() as session:
        assert session.execute("tools.square(3)", tools=[square]).value == 9
        failed = session.execute("tools.cube(3)", tools=[square])
        assert failed.error is not None and "square" in failed.error.message


def nested(levels: int) -> Any:
    """A list in a list, and so on."""
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


RESULTS: dict[str, Callable[[], Any]] = {
    "too deep": lambda: nested(100),
    "far too deep": lambda: nested(100_000),
    "too large a number": lambda: 10**400,
    "too long": lambda: "x" * (17 << 20),
    "far too long": lambda: "x" * (40 << 20),
}
ASKING = """
import asyncio
for kind in KINDS:
    try:
        tools.give(kind=kind)
    except ToolError as error:
        print(kind)
print(tools.give(kind="half a character"))
"""


def test_a_result_that_the_gateway_refuses_is_an_error_of_its_call(both: Both, gateway: Gateway) -> None:
    """The code catches it, and the run goes on to its end."""

    @omega.tool
    def give(kind: str) -> Any:
        return "\ud800" if kind == "half a character" else RESULTS[kind]()

    code = ASKING.replace("KINDS", repr(list(RESULTS)))
    if both.kind == "plain":  # asks in turns
        with omega.Client(gateway.url, gateway.token) as client:
            run = client.run(code, tools=[give])
    else:
        _, run = both.stream(gateway.url, code, gateway.token, tools=[give])
    assert run.check().output == "".join(f"{kind}\n" for kind in [*RESULTS, "\ufffd"])


def test_a_run_whose_client_raises_ends(client: omega.Client, gateway: Gateway) -> None:
    """Its host does not come back; the code would go on to call."""

    @omega.tool
    def stop() -> None:
        raise KeyboardInterrupt

    code = "while True:\n    try:\n        tools.stop()\n    except ToolError:\n        pass"
    with pytest.raises(KeyboardInterrupt):
        client.run(code, tools=[stop], timeout_s=240)
    for _ in looks():
        if 'omega_runs_active{kind="python"} 0.0' in str(gateway.ask("GET", "/metrics").body):
            return
    raise AssertionError("the run goes on")


def test_async_tools_of_one_run_go_side_by_side(gateway: Gateway) -> None:
    """All of them have begun before the first ends."""

    async def use() -> None:
        waiting: list[int] = []
        everybody = asyncio.Event()

        @omega.tool
        async def meet(number: int) -> int:
            waiting.append(number)
            if len(waiting) == 3:
                everybody.set()
            await everybody.wait()
            return number

        code = "import asyncio\nawait asyncio.gather(*(tools.meet(number) for number in range(3)))"
        async with omega.AsyncClient(gateway.url, gateway.token) as client:
            assert (await client.run(code, tools=[meet])).value == [0, 1, 2]
            waiting.clear()
            everybody.clear()
            async with client.stream(code, tools=[meet]) as events:
                async for _ in events:
                    pass
            assert events.run.value == [0, 1, 2]

    asyncio.run(use())
