"""Start, use, interrupt, restart and end a sandboxed kernel as any Jupyter client would; prints what was seen."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

LOOP = "import time\nprint('looping', flush=True)\nwhile True: time.sleep(0.01)"
os.environ["OWN_SECRET"] = "hush"


def run(client: BlockingKernelClient, code: str, on_text: Any = None) -> tuple[str, str]:
    """All text *code* wrote, and how it ended: ok, or the name of the error."""
    texts: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            texts.append(message["content"]["text"])
            if on_text:
                on_text()

    reply = client.execute_interactive(code, timeout=30, output_hook=hear, allow_stdin=False)
    return "".join(texts).strip(), reply["content"].get("ename", "ok")


manager, client = start_new_kernel(kernel_name=sys.argv[1], env={**os.environ, "ASKED_FOR": "yes"})
seen: dict[str, Any] = {"directory": os.path.dirname(manager.ip), "transport": manager.transport}
seen["env"] = run(client, "import os; print(os.environ.get('OWN_SECRET'), os.environ.get('ASKED_FOR'))")
seen["set"] = run(client, "x = 1")
seen["interrupted"] = run(client, LOOP, manager.interrupt_kernel)
seen["kept"] = run(client, "print(x)")
if sys.argv[2:] == ["--be-killed"]:
    print(json.dumps(seen), flush=True)
    os.kill(os.getpid(), 9)
first = manager.get_connection_info()
manager.restart_kernel()
client.wait_for_ready(timeout=30)
seen["restarted"] = run(client, "print('x' in globals())")
seen["same_sockets"] = manager.get_connection_info() == first
beating = threading.Event()
client.hb_channel.call_handlers = lambda _since: beating.set()
client.hb_channel.unpause()
seen["missed_beat_alive"] = beating.wait(2.5)
seen["alive"] = manager.is_alive()
client.execute("import os; os._exit(3)")
seen["missed_beat_dead"] = beating.wait(10)
seen["alive_after_exit"] = manager.is_alive()
manager.restart_kernel(now=True)
client.wait_for_ready(timeout=30)
seen["after_death"] = run(client, "print('again')")
client.stop_channels()
manager.shutdown_kernel()
seen["alive_after_shutdown"] = manager.is_alive()
seen["left"] = os.path.exists(seen["directory"])
print(json.dumps(seen))
