"""The life of one Jupyter kernel, whose processes come and go: its state, and what follows the death of a process. Pure.

```
starting ─ started ─▶ idle ◀─ said ─▶ busy
                       │ died, or the client asks for a restart
                       ▼
                   restarting ─ started ─▶ idle
                       │ no process can be had, or too many died in a row
                       ▼
                      dead ─ the client asks for a restart ─▶ restarting
```
"""

from __future__ import annotations

from typing import Final, Literal

STABLE_S: Final = 60.0
MOST_DEATHS: Final = 5
"""A kernel whose processes died so often in a row, each within STABLE_S, is not started again."""

State = Literal["starting", "idle", "busy", "restarting", "dead"]
"""What clients see as execution_state."""
Wish = Literal["shutdown", "restart"]
"""What a client's shutdown_request asks for."""
Sequel = Literal["replace", "give up", "shut down"]
"""What follows a death: another process, none, or the end of the kernel that the client asked for."""


class JupyterLife:
    """Where one kernel stands. Times are given by the caller: *now* on the loop's clock, *now_utc* on the wall's."""

    def __init__(self, now: float, now_utc: float) -> None:
        self.state: State = "starting"
        self.deaths = 0
        """How many processes in a row died by themselves."""
        self.wish: Wish | None = None
        """What a client has asked the present process for."""
        self.idle_since = self._started_at = now
        self.last_activity_utc = now_utc

    @property
    def is_busy(self) -> bool:
        """Code runs, or the process is being replaced."""
        return self.state not in ("idle", "dead")

    def touch(self, now: float, now_utc: float) -> None:
        """A client or the kernel did something."""
        self.idle_since, self.last_activity_utc = now, now_utc

    def started(self, now: float, now_utc: float) -> None:
        """There is a process, and it waits for requests."""
        self.state, self._started_at = "idle", now
        self.touch(now, now_utc)

    def said(self, state: str, now: float) -> None:
        """The process has published *state*; one that has gone on for long enough is stable."""
        if state not in ("busy", "idle") or self.state in ("restarting", "dead"):
            return
        self.state = "busy" if state == "busy" else "idle"
        if now - self._started_at > STABLE_S:
            self.deaths = 0

    def asked(self, wish: Wish) -> None:
        """A client has sent a shutdown_request, so that the death to come is no accident."""
        self.wish = wish

    def died(self) -> Sequel:
        """The process has died; what follows."""
        wish, self.wish = self.wish, None
        if wish is None:
            self.deaths += 1
        if wish == "shutdown" or self.deaths > MOST_DEATHS:
            self.state = "dead"
            return "shut down" if wish == "shutdown" else "give up"
        self.state = "restarting"
        return "replace"

    def restart(self) -> None:
        """A client wants another process, whatever was before."""
        self.state, self.deaths, self.wish = "restarting", 0, None

    def end(self) -> None:
        """There is no process, and none is to come unless a client asks for a restart."""
        self.state = "dead"
