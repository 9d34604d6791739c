"""The whole corpus: every line that applies, in the order of the specification."""

from __future__ import annotations

from typing import Final

from tests.promises.arguments import ARGUMENTS
from tests.promises.attempt import Attempt
from tests.promises.files import FILES
from tests.promises.javascript import JAVASCRIPT
from tests.promises.lifecycle import LIFECYCLE
from tests.promises.network import NETWORK
from tests.promises.protocol import PROTOCOL
from tests.promises.resources import RESOURCES
from tests.promises.secrets import SECRETS
from tests.promises.syscalls import SYSCALLS
from tests.promises.wire import WIRE
from tests.promises.zygote import ZYGOTE

CORPUS: Final[tuple[Attempt, ...]] = (
    *SECRETS,
    *FILES,
    *NETWORK,
    *SYSCALLS,
    *ARGUMENTS,
    *RESOURCES,
    *JAVASCRIPT,
    *LIFECYCLE,
    *ZYGOTE,
    *PROTOCOL,
    *WIRE,
)
