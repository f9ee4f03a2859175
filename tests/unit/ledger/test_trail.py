"""How far behind the audit is (A5, B9)."""

from spark.events import ProcessPulsed, Receipt
from spark.ledger.trail import Trail
from spark.names import Role

MS = 1_000_000
AT = 5_000_000 * MS
SOURCE = "orders.intents/0"


def pulse(next_offset: int, role: Role = Role.AUDITOR) -> ProcessPulsed:
    return ProcessPulsed(
        role=role,
        instance="a",
        state="ready",
        epochs={},
        positions={SOURCE: next_offset, "orders.intents/1": 99},
        halts=(),
        at_ns=0,
    )


def test_without_a_pulse_nothing_is_known() -> None:
    """An auditor that was never heard of is no auditor; another's pulse is not its."""
    trail = Trail()
    trail.pulsed(pulse(5, Role.GATEWAY), SOURCE, AT)
    assert trail.lag_ns(AT) is None


def test_caught_up_the_lag_is_the_age_of_the_pulse() -> None:
    """What was appended before the pulse is audited; later nobody knows yet."""
    trail = Trail()
    trail.decided(0, AT)
    trail.pulsed(pulse(1), SOURCE, AT + 10 * MS)
    assert trail.lag_ns(AT + 10 * MS) == 0
    assert trail.lag_ns(AT + 300 * MS) == 290 * MS


def test_behind_the_lag_is_the_age_of_the_oldest_that_is_not_audited() -> None:
    """Fault A3: however often it says that it lives."""
    trail = Trail()
    for number in range(4):
        trail.decided(number, AT + number * 100 * MS)
    trail.pulsed(pulse(2), SOURCE, AT + 400 * MS)
    trail.pulsed(pulse(2), SOURCE, AT + 2_000 * MS)
    assert trail.lag_ns(AT + 2_000 * MS) == 1_800 * MS


def test_a_run_of_intents_is_due_until_its_last_one_is_audited() -> None:
    """Intents that came together share an entry, and none of them is lost."""
    trail = Trail()
    for number in range(3):
        trail.decided(number, AT + number * MS)
    trail.pulsed(pulse(2), SOURCE, AT + 50 * MS)
    assert trail.lag_ns(AT + 100 * MS) == 100 * MS
    trail.pulsed(pulse(3), SOURCE, AT + 60 * MS)
    assert trail.lag_ns(AT + 100 * MS) == 40 * MS


def receipt(at_ns: int) -> Receipt:
    return Receipt(size=1, root="r", at_ns=at_ns, witness="w", signature="")


def test_a_receipt_is_as_old_as_the_witness_says_and_never_younger_than_its_record() -> None:
    """S14: neither a clock that is ahead nor an old receipt said again makes it younger."""
    trail = Trail()
    assert trail.receipt_age_ns(AT) is None
    trail.witnessed(receipt(AT - 5 * MS), AT)
    assert trail.receipt_age_ns(AT) == 5 * MS
    trail.witnessed(receipt(AT - 500 * MS), AT + 100 * MS)
    assert trail.receipt_age_ns(AT + 100 * MS) == 105 * MS
    trail.witnessed(receipt(AT + 900 * MS), AT + 200 * MS)
    assert trail.receipt_age_ns(AT + 300 * MS) == 100 * MS
