"""Client of Omega Gateway: runs code in isolated kernels, and gives the gateway's tools to models.

`Client` and `AsyncClient` run code; `tool` makes a function that the code can call. `ToolRegistry` has the tools for models,
`call_with_tools` the loop in which a model uses them.
"""

from omega_client.async_client import AsyncClient
from omega_client.async_sessions import AsyncSession
from omega_client.async_streams import AsyncEventStream
from omega_client.client import Client
from omega_client.endpoints import FileEntry
from omega_client.errors import (
    ApiError,
    BadRequest,
    Conflict,
    ConnectionFailed,
    Forbidden,
    Gone,
    ModelError,
    NotFound,
    OmegaError,
    RunFailed,
    TimedOut,
    TooLarge,
    TooManyRequests,
    TooManyRounds,
    Unauthorized,
    Unavailable,
)
from omega_client.events import Event
from omega_client.host_tools import HostTool, tool
from omega_client.llm.async_call import AsyncModelStream, call_with_tools_async
from omega_client.llm.call import ModelStream, call_with_tools
from omega_client.llm.dialect import Call, ModelEvent, Outcome
from omega_client.llm.loop import Answer
from omega_client.registry import AsyncToolRegistry, ToolRegistry, ToolResult
from omega_client.results import Chart, Run, RunError
from omega_client.sessions import Session
from omega_client.streams import EventStream

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "ApiError",
    "AsyncClient",
    "AsyncEventStream",
    "AsyncModelStream",
    "AsyncSession",
    "AsyncToolRegistry",
    "BadRequest",
    "Call",
    "Chart",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Event",
    "EventStream",
    "FileEntry",
    "Forbidden",
    "Gone",
    "HostTool",
    "ModelError",
    "ModelEvent",
    "ModelStream",
    "NotFound",
    "OmegaError",
    "Outcome",
    "Run",
    "RunError",
    "RunFailed",
    "Session",
    "TimedOut",
    "TooLarge",
    "TooManyRequests",
    "TooManyRounds",
    "ToolRegistry",
    "ToolResult",
    "Unauthorized",
    "Unavailable",
    "call_with_tools",
    "call_with_tools_async",
    "tool",
]
