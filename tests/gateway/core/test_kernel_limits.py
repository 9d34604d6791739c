"""The table of what a kernel may use, and who reads it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from gateway.core.kernel_limits import FILE_SYSTEMS, KERNEL_LIMITS, KernelLimit, find_conflict, kernel_limit, policy_of
from gateway.core.limits import KeyLimits
from gateway.settings import Settings
from kernels.contract import MIB, Policy

COUNT = KernelLimit("count", "processes", 8, 2, 16, "")
SHARE = KernelLimit("share", "cpu_cores", 1, 0.5, 4, "", is_whole=False)


def test_the_defaults_of_the_table_are_those_of_the_contract() -> None:
    """Spawner and gateway agree on a kernel without limits of its own."""
    assert policy_of({}) == Policy()


def test_a_value_goes_into_the_policy_in_its_unit() -> None:
    """A file can be as large as the largest of the file systems."""
    made = policy_of({"memory_mb": 1024, "work_mb": 300, "cpu_cores": 0.5})
    assert (made.memory_bytes, made.work_bytes, made.file_bytes, made.cpu_cores) == (1024 * MIB, 300 * MIB, 300 * MIB, 0.5)
    assert made.tmp_bytes == Policy().tmp_bytes


@pytest.mark.parametrize(("limit", "value"), [(COUNT, 2), (COUNT, 16), (SHARE, 0.5), (SHARE, 4)])
def test_the_bounds_belong_to_what_is_allowed(limit: KernelLimit, value: float) -> None:
    """Both of them."""
    assert limit.fit(value) == value


@pytest.mark.parametrize("value", [1, 17, 4.0, True, "4", None, float("nan")])
def test_a_value_that_does_not_fit_is_refused_with_what_does(value: object) -> None:
    """A number of the right kind, within the bounds."""
    with pytest.raises(ValueError, match=r"count is .*: use a whole number from 2 to 16"):
        COUNT.fit(value)


@pytest.mark.parametrize("value", [0.4, 4.1, float("nan"), float("inf"), False, "1"])
def test_a_share_may_have_a_fraction(value: object) -> None:
    """And has bounds all the same."""
    with pytest.raises(ValueError, match=r"share is .*: use a number from 0\.5 to 4"):
        SHARE.fit(value)


def test_file_systems_stay_below_memory() -> None:
    """They are memory: a full one would end the kernel."""
    assert not find_conflict({})
    assert find_conflict({"work_mb": 384}) == "work_mb + tmp_mb + shm_mb is 512: it must be below memory_mb, which is 512"
    assert not find_conflict({"work_mb": 384, "memory_mb": 513})


def test_every_row_is_a_setting_and_each_of_a_key_is_a_field_of_its_limits() -> None:
    """A row that nobody reads would be a limit that does not hold."""
    own = {item.name for item in fields(KeyLimits)}
    for limit in KERNEL_LIMITS:
        assert Settings.model_fields[limit.name].description == limit.about
        assert bool(limit.key_about) == (limit.name in own), limit.name
        assert kernel_limit(limit.name) is limit
        assert limit.policy in {item.name for item in fields(Policy)}
    assert set(FILE_SYSTEMS) <= {limit.name for limit in KERNEL_LIMITS}
