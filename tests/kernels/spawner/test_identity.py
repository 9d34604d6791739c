"""Host uids: distinct while in use, reused late, and only from ids that exist here."""

from __future__ import annotations

import os

import pytest

from kernels.sandbox import sysc
from kernels.spawner.identity import Uids, answer_as


def test_two_live_kernels_never_share_a_uid() -> None:
    """Every uid handed out is different until one is given back."""
    uids = Uids(base=1000, count=50, instance="a")
    assert len({uids.take() for _ in range(50)}) == 50
    with pytest.raises(OSError, match="every uid"):
        uids.take()
    uids.give_back(1007)
    assert uids.take() == 1007


def test_a_freed_uid_is_used_again_as_late_as_possible() -> None:
    """The whole range goes by before a uid returns."""
    uids = Uids(base=0, count=10, instance="a")
    first = uids.take()
    uids.give_back(first)
    assert first not in [uids.take() for _ in range(9)]
    assert uids.take() == first


def test_two_gateways_start_at_different_places() -> None:
    """Their kernels have different uids although the range is the same."""
    assert Uids(0, 65_536, "one").take() != Uids(0, 65_536, "two").take()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_who_acts_as_a_kernels_uid_holds_no_capability() -> None:
    """With one left, what is meant for a kernel's own processes and files would reach everybody's."""
    seen = answer_as(1_879_048_190, lambda: f"{os.getresuid()} {os.getgroups()} {sysc.capget()}")
    assert seen == "(1879048190, 1879048190, 1879048190) [] (0, 0, 0)"
    assert answer_as(1_879_048_190, lambda: str(os.stat("/root/.").st_uid)) == "" or os.stat("/root").st_mode & 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_nobody_acts_as_root_by_mistake() -> None:
    """Uid 0 is no kernel's."""
    assert answer_as(0, lambda: "acted") == ""
