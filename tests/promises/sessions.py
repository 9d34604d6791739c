"""Sessions beside an attack: one that was used before, and one of another key that must not notice anything."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.live import HANG_S, Gateway, Reply, patience_s
from tests.promises import as_user

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = "/code-interpreter/sessions"
NOTICED_S = HANG_S

_SET_UP = """
mine, text = 41, "of the neighbour"
class Thing:
    def __init__(self): self.parts = [mine, text]
thing = Thing()
for place in ("/work", "/tmp", "/dev/shm"): open(place + "/mine", "w").write(text)
header = get_ipython().kernel.get_parent()["header"]
print(header["msg_id"], header["session"])
"""
_LOOK = """
import os
places = ("/work", "/tmp", "/dev/shm")
print(mine + 1, text, thing.parts, [(os.listdir(place), open(place + "/mine").read()) for place in places])
"""
_SEEN = "42 of the neighbour [41, 'of the neighbour'] " + str([(["mine"], "of the neighbour")] * 3) + "\n"


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the key that *gateway* holds the token of."""

    gateway: Gateway
    id: str

    def run(self, code: str, **fields: object) -> Any:
        """The answer's body for *code*; anything but HTTP 200 is an AssertionError."""
        path, timeout_s = f"{SESSIONS}/{self.id}/execute", patience_s(fields)
        reply = self.gateway.ask("POST", path, {"code": code, **fields}, timeout_s=timeout_s)
        assert reply.status == 200, reply
        return reply.body

    def restart(self) -> None:
        """Give it a new kernel."""
        reply = self.gateway.ask("POST", f"{SESSIONS}/{self.id}/restart", {})
        assert reply.status == 200, reply

    def has_its_first_kernel(self) -> bool:
        """Whether no limit and no crash has taken its kernel along."""
        reply = self.gateway.ask("GET", f"{SESSIONS}/{self.id}")
        assert reply.status == 200, reply
        return bool(reply.body["kernelsReplaced"] == 0)

    def close(self) -> None:
        """Delete it."""
        reply = self.gateway.ask("DELETE", f"{SESSIONS}/{self.id}")
        assert reply.status == 200, reply


def create(gateway: Gateway) -> Session:
    """A new session."""
    reply = gateway.ask("POST", SESSIONS, {})
    assert reply.status in (200, 201), reply
    return Session(gateway, reply.body["id"])


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A session of another key. *message_id* and *client* name a request it was sent, as a forger would like to know."""

    session: Session
    message_id: str
    client: str

    def is_intact(self) -> bool:
        """Its variables, objects and files are as it left them."""
        answer = self.session.run(_LOOK)
        return bool(answer["success"]) and answer["output"] == _SEEN


def neighbour(gateway: Gateway, uid: int | None) -> Neighbour:
    """A neighbour with a key of its own, whose session holds variables and files; *uid* owns the gateway's state."""
    session = create(_as_holder_of_a_new_key(gateway, uid))
    answer = session.run(_SET_UP)
    assert answer["success"], answer
    return Neighbour(session, *answer["output"].split())


def _as_holder_of_a_new_key(gateway: Gateway, uid: int | None) -> Gateway:
    command = [sys.executable, "-m", "gateway", "token", "add", "neighbour", "--state-dir", str(gateway.state_dir)]
    if uid is not None:
        command = [sys.executable, as_user.__file__, str(uid), *command]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMEGA_")}
    kept["OMEGA_KERNEL_PYTHON"] = os.environ.get("OMEGA_KERNEL_PYTHON", "")
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    holder = replace(gateway, token=done.stdout.strip())
    deadline = time.monotonic() + NOTICED_S
    while _ask(holder).status != 200:
        assert time.monotonic() < deadline, "the gateway has not taken the new key"
        time.sleep(0.1)  # another process: it looks once a second
    return holder


def _ask(holder: Gateway) -> Reply:
    return holder.ask("GET", "/code-interpreter/examples")
