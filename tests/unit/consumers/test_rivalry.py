"""Whether there are two writers of the same tables."""

from spark.consumers.rivalry import LOST_MAX, LOST_NS, Rivalry


def test_r19_who_loses_again_and_again_leaves() -> None:
    """
    R19: a race lost now and then is a predecessor's; several soon are a rival's.

    Faults P10 and D4.
    """
    rivalry = Rivalry()
    found = [rivalry.is_over_after(number) for number in range(LOST_MAX)]
    assert found == [False] * (LOST_MAX - 1) + [True]


def test_r19_who_writes_alone_stays() -> None:
    """R19, fault D4: after each restart of the database one transaction may turn out to be lost."""
    rivalry = Rivalry()
    assert not any(rivalry.is_over_after(number * LOST_NS) for number in range(50))
