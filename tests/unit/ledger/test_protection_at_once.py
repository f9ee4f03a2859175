"""
What kills at first sight: what an exchange should never say about orders that are sent.
"""

from dataclasses import replace
from typing import Final

import pytest

from spark.ledger.protection_case import Rule
from spark.names import TradingMode
from tests.faring import FARED_NS, Told, judged, key_refused, overfilled
from tests.made import SECOND_NS

_MINUTE: Final = 60 * SECOND_NS


def test_one_refused_key_kills_and_says_whose_and_why() -> None:
    """Fault V7: the exchange's word, the order and the time stand in the record."""
    told = key_refused()
    refused = told.records[-1][1]

    (finding,) = judged(told)

    order = getattr(refused, "client_order_id", "")
    assert finding.is_kill
    assert finding.evidence["found"] == f"1, the last: {order} REJECTED_MBX_KEY, HTTP 401"
    assert finding.evidence["at_ns"] == str(FARED_NS - SECOND_NS)


def test_a_cancel_that_is_refused_for_its_key_kills_too() -> None:
    """Fault V7: whoever may not cancel may not place either."""
    told = Told()
    life = told.acked(FARED_NS - _MINUTE)
    told.ends(life, life.claimed(told.epoch, cancel_of="c1"), FARED_NS - _MINUTE)
    refused = replace(life.cancel_rejected("c1"), code="UNAUTHORIZED", http_status=401)
    told.ends(life, refused, FARED_NS - SECOND_NS)

    assert [one.rule for one in judged(told)] == [Rule.KEY_REFUSED]


@pytest.mark.parametrize("mode", [TradingMode.PAPER, TradingMode.SHADOW])
def test_a_key_refused_to_what_trades_for_nobody_kills_nothing(mode: TradingMode) -> None:
    """A10, V7: paper and shadow sign with a dummy key, which every exchange refuses."""
    told = Told(mode=mode)
    told.refused(FARED_NS - SECOND_NS, "REJECTED_MBX_KEY", 401)

    assert judged(told) == []


def test_an_overfill_kills_with_both_quantities() -> None:
    """Fault V5: an exchange that fills 1.5 of 1 has another order than we have."""
    (finding,) = judged(overfilled())

    assert (finding.rule, finding.is_kill) == (Rule.OVERFILL, True)
    assert finding.evidence["found"].endswith(" overfill 1.5 of 1")
    assert finding.evidence["at_ns"] == str(FARED_NS - SECOND_NS)


def test_an_overfill_after_the_end_is_told_as_both() -> None:
    """Fault V5, R5: a late fill that is also too much says so twice."""
    told = Told()
    life = told.refused(FARED_NS - _MINUTE, "INSUFFICIENT_BALANCE")
    told.ends(life, life.filled("1.5", "1.5", "t"), FARED_NS - SECOND_NS)

    assert [one.rule for one in judged(told)] == [Rule.LATE_FILL, Rule.OVERFILL]


def test_an_overfill_on_paper_kills_nothing() -> None:
    """A10, V5: no exchange filled it."""
    told = Told(mode=TradingMode.PAPER)
    life = told.acked(FARED_NS - _MINUTE)
    fill = replace(life.filled("1.5", "1.5", "t"), mode=TradingMode.PAPER)
    told.ends(life, fill, FARED_NS - SECOND_NS)

    assert judged(told) == []
