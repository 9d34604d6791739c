"""Corpus 8.7, second half: floods, foreign formats and raw bytes on the kernel's ends of its connections."""

from __future__ import annotations

from tests.promises.attempt import Cut, Either, Ends
from tests.promises.protocol import RIGHT, line

_LOST = Either(Ends("output"), Ends("kernel_died"))

_CUT = Cut("still right")

WIRE = (
    line(
        "G18",
        """
for at in range(3000):
    forge("comm_open", {"comm_id": str(at), "target_name": "jupyter.widget", "data": {"x": at}})
    forge("comm_msg", {"comm_id": "../../x", "data": {"method": "custom"}})
    forge("comm_close", {"comm_id": at})
""",
    ),
    line(
        "G18",
        """
big = b"x" * (10 << 20)
for at in range(20):
    raw([*signed(header("comm_msg"), about(), {}, {"comm_id": "x", "data": {}}), big])
""",
        Ends("output"),
        case="buffers",
    ),
    line(
        "G19",
        """
prompt = {"prompt": "\\x1b]0;x\\x07<script>alert(1)</script> password:", "password": True}
forge("input_request", prompt)
reply("input_request", prompt)
""",
    ),
    line(
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
    line(
        "G20",
        """
types = {f"x{at}/y": {"a": at} for at in range(10_000)}
names = ("x/\\0", "x/\\x1b[2J", "x/y\\r\\nX: y", "../..", "x/" + "y" * 10**6, "\\ud800/x", "x/y;" + " " * 10**6, "")
wrong = {"image/png": {"a": 1}, "image/svg+xml": [1], "text/html": 1, "x/y": None}
for data in (types, dict.fromkeys(names, "v"), wrong, {"x/y": types}):
    for kind in ("display_data", "execute_result", "update_display_data"):
        forge(kind, {"data": data, "metadata": data})
""",
        case="types",
    ),
    line(
        "G20",
        "for at in range(5): forge('display_data', {'data': {'x/y': ['v' * 2**20] * 8}, 'metadata': {}})\ntime.sleep(1000)",
        Ends("output"),
        case="enormous",
    ),
    line(
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
    line(
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
    line(
        "G23",
        "for one in wires():\n    one.setblocking(False); one.send(b'garbage' * 1000)\ntime.sleep(1000)",
        Ends("kernel_died"),
    ),
    line(
        "G23",
        """
for one in wires():
    one.setblocking(False); one.send(b"\\x02" + (8 << 30).to_bytes(8, "big") + b"x")
time.sleep(1000)
""",
        Ends("output"),
        case="length",
    ),
    line(
        "G23",
        """
for one in wires():
    one.setblocking(False); one.send(b"\\xff" + bytes(8) + b"\\x7f\\x01"); one.send(b"\\x01\\0\\x01\\0")
time.sleep(0.5)
""",
        Either(_LOST, RIGHT, Ends("timeout")),
        case="greeting",
        timeout_ms=2000,
    ),
    line(
        "G23",
        "for one in wires():\n    one.setblocking(False); one.send(b'\\x04\\x05\\x04PING' * 50_000)\ntime.sleep(0.3)",
        Either(_LOST, RIGHT, Ends("timeout")),
        case="commands",
        timeout_ms=2000,
    ),
    line(
        "G23",
        "for one in wires():\n    one.shutdown(socket.SHUT_RDWR)\ntime.sleep(1000)",
        Ends("kernel_died"),
        case="closed",
    ),
    line(
        "G23",
        """
import threading
def unfinished(one):
    while True: one.sendall(b"\\x01\\x40" + b"x" * 64)
for one in wires():
    one.setblocking(True); threading.Thread(target=unfinished, args=(one,), daemon=True).start()
time.sleep(1000)
""",
        Ends("output"),
        case="unfinished",
    ),
    line(
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
    line(
        "G24",
        "for _ in range(60):\n    forge('display_data', {'data': {'image/png': 'A' * (2 << 20)}, 'metadata': {}})",
        Ends("output"),
        case="much",
    ),
    line(
        "G24",
        """
from IPython.display import display
display({"application/json": [[]] * 1_000_000}, raw=True)
display({"application/json": [{"a": 1}] * 500_000}, raw=True)
""",
        _CUT,
        case="values",
    ),
    line(
        "G24",
        """
for many in (900_000, 400_000, 400_000, 400_000):
    half = b",".join([b'"' + bytes([92]) + b'ud800"'] * many)
    raw(signed(header("display_data"), about(), {}, b'{"data":{"application/json":[' + half + b']},"metadata":{}}'))
raw(signed(header("stream"), about(), {}, b'{"name":"stdout","text":"' + half.replace(b'"', b"").replace(b",", b"") + b'"}'))
""",
        _CUT,
        case="half-characters",
    ),
    line(
        "G24",
        """
number = b",".join([b"18446744073709551617"] * 900_000)
raw(signed(header("display_data"), about(), {}, b'{"data":{"application/json":[' + number + b']},"metadata":{}}'))
lists = b",".join([b"[]"] * 900_000)
raw(signed(header("display_data"), about(), {}, b'{"data":{},"metadata":{"a":[' + lists + b"]}}"))
raw(signed(header("error"), about(), {}, b'{"ename":"E","evalue":"","traceback":[' + lists + b"]}"))
reply("execute_reply", b'{"status":"ok","payload":[' + lists + b"]}")
""",
        _CUT,
        case="parts",
    ),
    line(
        "G24",
        """
rows = json.dumps({"data": {"application/json": [[]] * 20_000}, "metadata": {}}).encode()
for _ in range(300):
    raw(signed(header("display_data"), about(), {}, rows))
time.sleep(100)
""",
        Ends("output"),
        case="values-in-small",
        timeout_ms=120_000,
    ),
    line(
        "G24",
        """
from IPython.display import display
for _ in range(40_000):
    display({}, raw=True)
time.sleep(100)
""",
        Ends("output"),
        case="empty-displays",
        timeout_ms=120_000,
    ),
    line(
        "G03",
        """
raw([*signed(header("stream"), about(), {}, {"name": "stdout", "text": "forged"}), *[b""] * 100_000])
time.sleep(100)
""",
        Ends("output"),
        case="frames",
        timeout_ms=120_000,
    ),
    line(
        "G26",
        """
boast = {"variables": {"forged": {"type": "x" * 10**6}}, "usage": {"cpu_s": 1e308, "peak_bytes": -1}}
failed = {"status": "error", "ename": "Forged", "evalue": "", "traceback": []}
for metadata in ({"kernel_id": "other"}, {"omega": boast}, {"omega": [1]}, {"omega": {"usage": "x", "variables": []}}):
    text("", metadata=metadata)
    reply("execute_reply", failed, of={**about(), "msg_id": "x"}, metadata=metadata)
""",
    ),
    line(
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
