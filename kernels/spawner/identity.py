"""Host uids for kernels: every live kernel has its own, and a freed one is used again as late as possible.

Also runs code as such a uid, which can access only that uid's processes and files, and needs no further privilege.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from kernels.sandbox import capabilities, identity


@dataclass(slots=True)
class Uids:
    """Hands out uids from a range; two gateways on one machine start at different places in it."""

    base: int
    count: int
    instance: str
    used: set[int] = field(default_factory=set)
    next: int = 0

    def __post_init__(self) -> None:
        self.next = zlib.crc32(self.instance.encode()) % self.count

    def take(self) -> int:
        """A uid that no live kernel has; raises OSError if all are in use."""
        for _ in range(self.count):
            uid = self.base + self.next
            self.next = (self.next + 1) % self.count
            if uid not in self.used:
                self.used.add(uid)
                return uid
        raise OSError("every uid of the range is in use")

    def give_back(self, uid: int) -> None:
        """Release a uid whose kernel, with every file it owned, is gone."""
        self.used.discard(uid)


def answer_as(uid: int, act: Callable[[], str]) -> str:
    """The result of *act* in a short-lived child that is *uid* without capabilities; "" if it raised an error.

    Without capabilities it can do no more to other processes than a kernel of that uid.
    """

    def act_without_capabilities() -> str:
        capabilities.drop_all()
        return act()

    return identity.answer_as(uid, uid, act_without_capabilities)
