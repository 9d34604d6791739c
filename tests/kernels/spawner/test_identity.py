"""Host uids: distinct while in use, reused late, and only from ids that exist here."""

from __future__ import annotations

import pytest

from kernels.spawner.identity import Uids, fits_uid_map


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


def test_a_range_outside_the_user_namespace_is_noticed() -> None:
    """In a container only the mapped ids can be taken."""
    assert fits_uid_map(1_879_048_192, 65_536, "         0          0 4294967295\n")
    assert fits_uid_map(1000, 1000, "0 100000 65536\n")
    assert not fits_uid_map(1_879_048_192, 65_536, "0 100000 65536\n")
    assert not fits_uid_map(65_000, 1000, "0 100000 65536\n")
