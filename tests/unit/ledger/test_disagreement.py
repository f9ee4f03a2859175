"""
What log and exchange differ in, as a reason to stop everything (S9).
"""

from decimal import Decimal

import pytest

from spark.events import DifferenceFound
from spark.ledger.control_state import Control
from spark.ledger.health import Health
from spark.ledger.protection import judge, reaction
from spark.ledger.protection_case import Rule, Thresholds
from spark.names import DifferenceKind, DifferenceRule, Symbol
from tests.made import ACCOUNT, NOW_NS

_LIMITS = Thresholds(nonce_part_max=Decimal("0.01"), limited_per_s_max=Decimal("0.05"))


def difference(kind: DifferenceKind, rule: DifferenceRule) -> DifferenceFound:
    return DifferenceFound(
        epoch=1,
        account=ACCOUNT,
        difference="d1",
        kind=kind,
        rule=rule,
        subject="BTCUSDT 666",
        symbol=Symbol("BTCUSDT"),
        ours="buy 1 at 10",
        theirs="no such trade",
        amount=Decimal(-1),
        at_ns=NOW_NS,
    )


@pytest.mark.parametrize(
    ("kind", "is_killing"),
    [
        (DifferenceKind.FILL_UNPROVEN, True),
        (DifferenceKind.ORDER_STATE, True),
        (DifferenceKind.BALANCE, False),
        (DifferenceKind.FILL_MISSING, False),
        (DifferenceKind.FOREIGN_ORDER, False),
        (DifferenceKind.ORDER_ABSENT, False),
    ],
)
def test_a_disagreement_about_our_orders_kills(kind: DifferenceKind, is_killing: bool) -> None:
    """
    S9: a fill that the exchange does not have kills; a balance halts its account alone.

    Fault V5.
    """
    found = judge(
        Health(),
        Control(),
        account=ACCOUNT,
        thresholds=_LIMITS,
        clock=None,
        now_ns=NOW_NS,
        differences=[difference(kind, DifferenceRule.HALTED)],
    )
    assert [one.rule for one in found] == ([Rule.DISAGREEMENT] if is_killing else [])
    if found:
        kill, _ = reaction(found[0], NOW_NS)
        assert kill.evidence["theirs"] == "no such trade"
