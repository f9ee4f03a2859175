"""
One process for each role and partition on a host.
"""

from pathlib import Path

import pytest

from spark.errors import FencedError
from spark.worker.lock import PartitionLock


def test_f4_a_second_one_is_turned_away(tmp_path: Path) -> None:
    """F4, fault P10: two supervisors on one host cannot fence each other for ever."""
    first, second = (PartitionLock(tmp_path, "guardrail", 0) for _ in range(2))
    first.take()
    with pytest.raises(FencedError, match=r"guardrail\.0"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_f4_other_roles_and_partitions_are_free(tmp_path: Path) -> None:
    """F4: the lock is of one role and one partition."""
    locks = [PartitionLock(tmp_path, role, n) for role in ("guardrail", "signer") for n in (0, 1)]
    for lock in locks:
        lock.take()
    for lock in locks:
        lock.release()
        lock.release()
