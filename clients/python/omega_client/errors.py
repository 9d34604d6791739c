"""What can go wrong. Code that fails is no error here: its run says so (`Run.success`, `Run.check`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class OmegaError(Exception):
    """Everything that this library raises by itself."""


class ConnectionFailed(OmegaError):
    """There was no answer, or not all of it. Whether the gateway carried the request out is not known."""


class TimedOut(ConnectionFailed):
    """The other side was silent for longer than this client waits."""


class ApiError(OmegaError):
    """The gateway did not carry a request out.

    *code* is stable. *hint* says what to do, where the gateway says so. *retry_after_s* is how long it asks to wait.
    """

    def __init__(self, status: int, error: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        self.status = status
        self.code = str(error.get("code") or "")
        self.type = str(error.get("type") or "")
        self.message = str(error.get("message") or f"The gateway answered with status {status}.")
        self.hint = str(error.get("hint") or "")
        self.retry_after_s = retry_after_s
        super().__init__(self.message + (f" {self.hint}" if self.hint else ""))


class BadRequest(ApiError):
    """400: the request is not as documented; nothing was run."""


class Unauthorized(ApiError):
    """401: the token is missing or wrong."""


class Forbidden(ApiError):
    """403: the gateway knows the token, but does not allow this."""


class NotFound(ApiError):
    """404: it is not there, or belongs to another key."""


class Conflict(ApiError):
    """409: it does not fit the present state; nothing was changed."""


class Gone(ApiError):
    """410: the session, or the run, was yours and has ended."""


class TooLarge(ApiError):
    """413: over a limit of size."""


class TooManyRequests(ApiError):
    """429: over a limit of this key. Wait `retry_after_s`."""


class Unavailable(ApiError):
    """503: the gateway is full, or kernels can't be started right now. Wait `retry_after_s`."""


BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    429: TooManyRequests,
    503: Unavailable,
}


class RunFailed(OmegaError):
    """Code has failed, and `Run.check` was asked to say so. *run* has everything."""

    def __init__(self, text: str, run: Any) -> None:
        super().__init__(text)
        self.run = run


class ModelError(OmegaError):
    """The API of a model did not answer; *status* is 0 if a stream has said so."""

    def __init__(self, message: str, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s


class TooManyRounds(OmegaError):
    """The model still calls tools after its last round, though it was told not to.

    *messages* is the conversation up to there, without the refused calls, so that it can go on. *text* is what the model
    said beside them.
    """

    def __init__(self, rounds: int, messages: Sequence[Any], text: str) -> None:
        super().__init__(f"The model has called tools in {rounds} rounds and asks for more: raise max_rounds.")
        self.rounds = rounds
        self.messages = list(messages)
        self.text = text
