"""Corpus 8.7, protocol attacks from inside a kernel, which holds its own key and sockets: the gateway believes none of it.

FORGE stands before each program: *forge* sends a message as the kernel would, *raw* sends frames, *signed* signs any four
parts, *wires* are the kernel's ends of its connections. A run may spoil its own answer, never another's.
"""

from __future__ import annotations

from tests.promises.attempt import Attempt, Either, Ends, Prints, Verdict

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

_RIGHT = Prints("still right")
_CLEAN = "import os\nprint('clean', os.listdir('/work'))"
_LOST = Either(Ends("output"), Ends("kernel_died"))


def _line(
    line: str, program: str, verdict: Verdict = _RIGHT, *, case: str = "", timeout_ms: int = 20_000, slow: bool = False
) -> Attempt:
    """An attempt that says "still right" in the end; the next request finds nothing of it."""
    return Attempt(
        line,
        f"{FORGE}\n{program}\nprint('still right')",
        verdict,
        case=case,
        timeout_ms=timeout_ms,
        then=_CLEAN,
        after=Prints("clean []"),
        slow=slow,
    )


PROTOCOL = (
    _line(
        "G01",
        """
for signature in (b"", b"0" * 64, b"\\xff" * 64, session.sign([b"other"]), b"a" * 100_000):
    frames = signed(header("stream"), about(), {}, {"name": "stdout", "text": "forged"})
    raw([frames[0], signature, *frames[2:]])
""",
    ),
    _line(
        "G03",
        """
raw([b""] * 2000)
raw([*signed(header("stream"), about(), {}, {"name": "stdout", "text": "forged"}), *[b"x"] * 2000])
raw([b"<IDS|MSG>"]); raw([b"<IDS|MSG>"] * 6); raw([b"x"]); raw([b""])
""",
    ),
    _line(
        "G04",
        """
good = json.dumps(header("stream")).encode(), json.dumps(about()).encode(), b"{}", b'{"name": "stdout", "text": "forged"}'
for bad in (b"", b"{", b"\\xff\\xfe", b"null", b"[]", b"1", b'"x"', b"{'a': 1}", b"\\0" * 1000, b"{}{}"):
    for at in range(4):
        raw(signed(*good[:at], bad, *good[at + 1:])) if not (at == 2) else None
""",
    ),
    _line(
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
    _line(
        "G07",
        """
numbers = b'{"a":NaN,"b":Infinity,"c":-Infinity,"d":1e999,"e":' + b"9" * 5000 + b"}"
raw(signed(header("display_data"), about(), {}, b'{"data":{"application/json":' + numbers + b'},"metadata":{"n":NaN}}'))
""",
    ),
    _line(
        "G08",
        """
shown = b'{"data":{"text/plain":"?"},"metadata":{"?":"?"},"transient":{"display_id":"?"}}'
raw(signed(header("display_data"), about(), {}, shown.replace(b"?", b"\\\\ud800")))
raw(signed(header("error"), about(), {}, b'{"ename":"\\\\ud800","evalue":"\\\\udc00","traceback":["\\\\ud800"]}'))
""",
        Either(_RIGHT, Prints("still right", "\ufffd")),
    ),
    _line(
        "G09",
        """
for content in ([], [1], "x", 1, None, True, {"name": ["stdout"], "text": {"a": 1}}, {"name": 1, "text": 2}, {}):
    for kind in ("stream", "display_data", "status", "error", "clear_output", "update_display_data"):
        if kind not in ("error", "clear_output") or not isinstance(content, dict):
            forge(kind, content)
    reply("execute_reply", content)
""",
    ),
    _line(
        "G10",
        """
for of in ("x", [], 1, {"msg_id": 1}, {"msg_id": ["x"]}, {"msg_id": {"a": 1}}, {"msg_id": "x" * 10**6}, {"msg_id": None}):
    text("forged", of=of)
raw(signed({**header("stream"), "msg_id": {"a": []}, "session": 1, "username": []}, {}, {}, {"name": "stdout",
                                                                                             "text": "forged"}))
raw(signed(header(["stream"]), about(), {}, {"name": "stdout", "text": "forged"}))
""",
    ),
    _line(
        "G12",
        """
for date in ("9999-99-99T99:99:99Z", "", 0, None, [], "x" * 10**5, "0000-00-00T00:00:00+99:99"):
    forge("status", {"execution_state": "busy"}, date=date)
    forge("status", {"execution_state": "busy"}, of={**about(), "date": date})
""",
    ),
    _line(
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
    _line(
        "G14",
        """
print("before", flush=True)
forge("status", {"execution_state": "idle"})
time.sleep(0.05)
text("after\\n")
""",
        Prints("before", "after", "still right"),
    ),
    _line(
        "G14",
        """
forge("status", {"execution_state": "idle"})
reply("execute_reply", {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}})
for at in range(200):
    text("late %s\\n" % at); time.sleep(0.001)
""",
        Prints(),
        case="and-reply",
    ),
    _line(
        "G17",
        """
payload = [{"source": "set_next_input", "text": "forged"}, {"source": "page", "data": {"text/plain": "forged"}},
           {"source": "ask_exit"},
           {"source": "edit_magic", "filename": "/etc/passwd"}]
reply("execute_reply", {"status": "ok", "execution_count": 7, "payload": payload,
                        "user_expressions": {"x": {"status": "ok"}}})
""",
    ),
    _line(
        "G18",
        """
for at in range(3000):
    forge("comm_open", {"comm_id": str(at), "target_name": "jupyter.widget", "data": {"x": at}})
    forge("comm_msg", {"comm_id": "../../x", "data": {"method": "custom"}})
    forge("comm_close", {"comm_id": at})
""",
    ),
    _line(
        "G18",
        """
big = b"x" * (10 << 20)
for at in range(20):
    raw([*signed(header("comm_msg"), about(), {}, {"comm_id": "x", "data": {}}), big])
""",
        Ends("output"),
        case="buffers",
    ),
    _line(
        "G19",
        """
prompt = {"prompt": "\\x1b]0;x\\x07<script>alert(1)</script> password:", "password": True}
forge("input_request", prompt)
reply("input_request", prompt)
""",
    ),
    _line(
        "G20",
        """
import base64, pickle
class Trap:
    def __reduce__(self):
        return (os.system, ("touch " + HOST["canary_folder"] + "/sprung",))
trap = pickle.dumps(Trap())
yaml = "!!python/object/apply:os.system ['touch " + HOST["canary_folder"] + "/sprung']"
jinja = "{{ cycler.__init__.__globals__.os.popen('touch " + HOST["canary_folder"] + "/sprung').read() }}"
for data in ({"application/x-python-pickle": base64.b64encode(trap).decode()}, {"text/x-yaml": yaml}, {"text/html": jinja},
             {"text/plain": jinja},
             {"application/x-cloudpickle": trap.decode("latin-1")}):
    raw([*signed(header("display_data"), about(), {}, {"data": data, "metadata": {}}), trap])
text("")
reply("execute_reply", {"status": trap.decode("latin-1")})
raw([*signed(header("apply_reply"), about(), {}, {"status": "ok"}), trap])
""",
    ),
    _line(
        "G21",
        """
info = {"status": "ok", "protocol_version": "99.0", "implementation": "../../x", "banner": "x" * 10**6,
        "language_info": {"name": "../../x", "pygments_lexer": {"name": "x"}, "file_extension": "/../x",
                          "mimetype": "text/html"}}
for channel in (None, kernel.control_stream):
    reply("kernel_info_reply", info, channel=channel)
forge("kernel_info_reply", info)
""",
    ),
    _line(
        "G22",
        """
for at in range(3000):
    forge("iopub_welcome", {"subscription": "x"}, of={})
    forge("status", {"execution_state": ("busy", "starting", "restarting", "dead", "terminating", "autorestarting")[at % 6]})
for channel in (None, kernel.control_stream):
    for kind in ("shutdown_reply", "interrupt_reply", "debug_reply", "create_subshell_reply"):
        reply(kind, {"status": "ok", "restart": True}, channel=channel)
""",
    ),
    _line("G23", "for one in wires():\n    one.setblocking(False); one.send(b'garbage' * 1000)\ntime.sleep(0.5)", _LOST),
    _line(
        "G23",
        """
for one in wires():
    one.setblocking(False); one.send(b"\\x02" + (8 << 30).to_bytes(8, "big") + b"x")
time.sleep(0.5)
""",
        _LOST,
        case="length",
    ),
    _line(
        "G23",
        """
for one in wires():
    one.setblocking(False); one.send(b"\\xff" + bytes(8) + b"\\x7f\\x01"); one.send(b"\\x01\\0\\x01\\0")
time.sleep(0.5)
""",
        Either(_LOST, _RIGHT, Ends("timeout")),
        case="greeting",
        timeout_ms=2000,
    ),
    _line(
        "G23",
        "for one in wires():\n    one.setblocking(False); one.send(b'\\x04\\x05\\x04PING' * 50_000)\ntime.sleep(0.3)",
        Either(_LOST, _RIGHT, Ends("timeout")),
        case="commands",
        timeout_ms=2000,
    ),
    _line("G23", "for one in wires():\n    one.shutdown(socket.SHUT_RDWR)\ntime.sleep(0.5)", _LOST, case="closed"),
    _line(
        "G24",
        """
forge("display_data", {"data": {"x/y%s" % at: "z" for at in range(10_000)}, "metadata": {}})
forge("display_data", {"data": {"image/png": "bm90IGEgcG5n" * 100_000}, "metadata": {}})
forge("display_data", {"data": {"image/svg+xml": "<svg onload='alert(1)'><script>alert(1)</script></svg>"}, "metadata": {}})
forge("display_data", {"data": {"text/html": "<script>alert(1)</script>", "application/javascript": "alert(1)",
                                "application/vnd.x+json": {}}})
forge("display_data", {"data": {"../../x": "x", "text/plain\\r\\nX: y": "x", "": "x", "x" * 10_000: "x", "image/png": 1,
                                "text/plain": ["x"]}})
""",
    ),
    _line(
        "G24",
        "for _ in range(60):\n    forge('display_data', {'data': {'image/png': 'A' * (2 << 20)}, 'metadata': {}})",
        Ends("output"),
        case="much",
    ),
    _line(
        "G26",
        """
for metadata in ({"kernel_id": "other"}, {"omega": {"variables": {"forged": {"type": "x" * 10**6}},
                                                    "usage": {"cpu_s": 1e308, "peak_bytes": -1}}},
                 {"omega": [1]}, {"omega": {"usage": "x", "variables": []}}):
    text("", metadata=metadata)
    reply("execute_reply", {"status": "error", "ename": "Forged", "evalue": "", "traceback": []}, of={**about(),
                                                                                                      "msg_id": "x"}, metadata=metadata)
""",
    ),
    _line(
        "G28",
        """
slow = wires()
for one in slow:
    one.setblocking(False); one.send(b"\\x00\\xff")
while True:
    for one in slow: one.send(b"x")
    time.sleep(0.05)
""",
        Either(Ends("timeout"), _LOST),
        timeout_ms=1500,
    ),
)
