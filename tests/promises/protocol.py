"""Corpus 8.7, protocol attacks from inside a kernel, which holds its own key and sockets: the gateway believes none of it.

FORGE stands before each program: *forge* sends a message as the kernel would, *raw* sends frames, *signed* signs any four
parts, *wires* are the kernel's ends of its connections. A run may spoil its own answer, never another's.
"""

from __future__ import annotations

from dataclasses import replace

from tests.live import HANG_MS
from tests.promises.attempt import Attempt, Counts, Either, Place, Prints, Verdict
from tests.promises.beacon import BEACON, lit

FORGE = """
import json, socket, time
kernel = get_ipython().kernel
session, parent = kernel.session, dict(kernel.get_parent())
ident = kernel._parent_ident["shell"]
ident = ident if isinstance(ident, list) else [ident]
def raw(frames):
    kernel.iopub_socket.send_multipart(frames)
def signed(*parts):
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts]
    return [b"<IDS|MSG>", session.sign(parts), *parts]
def header(kind, **more):
    return {**session.msg_header(kind), "date": "2026-01-01T00:00:00Z", **more}
def about():
    return {**parent["header"], "date": "2026-01-01T00:00:00Z"}
def forge(kind, content, of=None, metadata=None, **more):
    raw(signed(header(kind, **more), about() if of is None else of, metadata or {}, content))
def reply(kind, content, of=None, metadata=None, channel=None):
    stream = kernel.shell_stream if channel is None else channel
    stream.socket.send_multipart([*ident, *signed(header(kind), about() if of is None else of, metadata or {}, content)])
def text(said, **more):
    forge("stream", {"name": "stdout", "text": said}, **more)
def wires():
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            one = socket.socket(fileno=os.dup(int(name)))
            if one.family == socket.AF_UNIX and not one.getsockopt(socket.SOL_SOCKET,
                                                                   socket.SO_ACCEPTCONN) and one.getsockname():
                found.append(one)
        except OSError:
            continue
    return found
"""


def _works_undisturbed(place: Place) -> None:
    """The neighbour, whose request the forger names, gets its own output and no other."""
    with lit(place):
        for _ in range(4):
            answer = place.neighbour.session.run("import time\nprint('mine')\ntime.sleep(0.2)\nprint('to the end')")
            assert answer["success"] and answer["output"] == "mine\nto the end\n", answer


RIGHT = Prints("still right")
"""The forgeries changed nothing: the answer is what the program printed, and no more."""
_CLEAN = "import os\nprint('clean', os.listdir('/work'))"


def line(
    name: str, program: str, verdict: Verdict = RIGHT, *, case: str = "", timeout_ms: int = HANG_MS, slow: bool = False
) -> Attempt:
    """An attempt that says "still right" in the end; the next request finds nothing of it."""
    return Attempt(
        name,
        f"{FORGE}\n{program}\nprint('still right')",
        verdict,
        case=case,
        timeout_ms=timeout_ms,
        then=_CLEAN,
        after=Prints("clean []"),
        slow=slow,
    )


PROTOCOL = (
    line(
        "G01",
        """
for signature in (b"", b"0" * 64, b"\\xff" * 64, session.sign([b"other"]), b"a" * 100_000):
    frames = signed(header("stream"), about(), {}, {"name": "stdout", "text": "forged"})
    raw([frames[0], signature, *frames[2:]])
""",
    ),
    line(
        "G03",
        """
raw([b""] * 2000)
raw([*signed(header("stream"), about(), {}, {"name": "stdout", "text": "forged"}), *[b"x"] * 2000])
raw([b"<IDS|MSG>"]); raw([b"<IDS|MSG>"] * 6); raw([b"x"]); raw([b""])
""",
    ),
    line(
        "G04",
        """
good = json.dumps(header("stream")).encode(), json.dumps(about()).encode(), b"{}", b'{"name": "stdout", "text": "forged"}'
for bad in (b"", b"{", b"\\xff\\xfe", b"null", b"[]", b"1", b'"x"', b"{'a': 1}", b"\\0" * 1000, b"{}{}"):
    for at in range(4):
        raw(signed(*good[:at], bad, *good[at + 1:])) if not (at == 2) else None
""",
    ),
    line(
        "G05",
        """
deep = b'{"name":"stdout","text":"forged","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
raw(signed(header("stream"), about(), {}, deep))
raw(signed(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, about(), {}, {}))
deep = b'{"data":{"application/json":' + b"[" * 90_000 + b"]" * 90_000 + b'},"metadata":{}}'
raw(signed(header("display_data"), about(), {}, deep))
reply("execute_reply", b'{"status":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
""",
    ),
    line(
        "G07",
        """
numbers = b'{"a":NaN,"b":Infinity,"c":-Infinity,"d":1e999,"e":' + b"9" * 5000 + b"}"
raw(signed(header("display_data"), about(), {}, b'{"data":{"application/json":' + numbers + b'},"metadata":{"n":NaN}}'))
""",
    ),
    line(
        "G08",
        """
shown = b'{"data":{"text/plain":"?"},"metadata":{"?":"?"},"transient":{"display_id":"?"}}'
raw(signed(header("display_data"), about(), {}, shown.replace(b"?", b"\\\\ud800")))
raw(signed(header("error"), about(), {}, b'{"ename":"\\\\ud800","evalue":"\\\\udc00","traceback":["\\\\ud800"]}'))
""",
        Either(RIGHT, Prints("still right", "\ufffd")),
    ),
    line(
        "G09",
        """
for content in ([], [1], "x", 1, None, True, {"name": ["stdout"], "text": {"a": 1}}, {"name": 1, "text": 2}, {}):
    for kind in ("stream", "display_data", "status", "error", "clear_output", "update_display_data"):
        if kind not in ("error", "clear_output") or not isinstance(content, dict):
            forge(kind, content)
    reply("execute_reply", content)
""",
    ),
    line(
        "G10",
        """
for of in ("x", [], 1, {"msg_id": 1}, {"msg_id": ["x"]}, {"msg_id": {"a": 1}}, {"msg_id": "x" * 10**6}, {"msg_id": None}):
    text("forged", of=of)
raw(signed({**header("stream"), "msg_id": {"a": []}, "session": 1, "username": []}, {}, {}, {"name": "stdout",
                                                                                             "text": "forged"}))
raw(signed(header(["stream"]), about(), {}, {"name": "stdout", "text": "forged"}))
""",
    ),
    line(
        "G12",
        """
for date in ("9999-99-99T99:99:99Z", "", 0, None, [], "x" * 10**5, "0000-00-00T00:00:00+99:99"):
    forge("status", {"execution_state": "busy"}, date=date)
    forge("status", {"execution_state": "busy"}, of={**about(), "date": date})
""",
    ),
    line(
        "G13",
        """
import uuid
for of in ("", uuid.uuid4().hex, session.session + "_1_1",
           *(about()["msg_id"].rpartition("_")[0] + "_%s" % at for at in range(50, 99))):
    text("forged", of={**about(), "msg_id": of})
    forge("status", {"execution_state": "idle"}, of={**about(), "msg_id": of})
    reply("execute_reply", {"status": "error", "ename": "Forged", "evalue": "", "traceback": []}, of={**about(),
                                                                                                      "msg_id": of})
""",
    ),
    replace(
        line(
            "G13",
            BEACON
            + """
theirs, _, sent = HOST["neighbour_message"].rpartition("_")
while not told:
    for at in range(int(sent) - 2, int(sent) + 700):
        victim = {**about(), "msg_id": "%s_%s" % (theirs, at), "session": HOST["neighbour_client"]}
        text("forged", of=victim)
        forge("error", {"ename": "Forged", "evalue": "", "traceback": []}, of=victim)
        reply("execute_reply", {"status": "error", "ename": "Forged", "evalue": "", "traceback": []}, of=victim)
        forge("status", {"execution_state": "idle"}, of=victim)
    time.sleep(0.05)
""",
            case="neighbour",
        ),
        during=_works_undisturbed,
    ),
    line(
        "G14",
        """
print("before", flush=True)
forge("status", {"execution_state": "idle"})
time.sleep(0.05)
text("after\\n")
""",
        Prints("before", "after", "still right"),
    ),
    line(
        "G14",
        """
forge("status", {"execution_state": "idle"})
reply("execute_reply", {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}})
for at in range(10**6):
    text("late %s\\n" % at); time.sleep(0.001)
""",
        # The two come by different connections: what overtakes the reply is in time. Nothing else ends this but the reply.
        Counts("late"),
        case="and-reply",
    ),
    line(
        "G17",
        """
payload = [{"source": "set_next_input", "text": "forged"}, {"source": "page", "data": {"text/plain": "forged"}},
           {"source": "ask_exit"},
           {"source": "edit_magic", "filename": "/etc/passwd"}]
reply("execute_reply", {"status": "ok", "execution_count": 7, "payload": payload,
                        "user_expressions": {"x": {"status": "ok"}}})
""",
    ),
)
