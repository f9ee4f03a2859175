"""The judge of the exchange drill: whatever differs by a decimal is counted."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest

from spark import topics
from spark.bench.exchange_judge import Ledger, Told, Verdict, judge
from spark.events import (
    Balance,
    BalancesSeen,
    Event,
    OrderApproved,
    PartitionFenced,
)
from tests.hops import Chain, intent_written
from tests.made import ACCOUNT, EPOCH, NOW_NS, SYMBOL, Life, place

_LIFE: Final = Life(quantity=Decimal(2))
_FENCE: Final = PartitionFenced(
    role="gateway", instance="g", topic_ids={}, settings={}, fenced_ns=NOW_NS
)
_FILL: Final = replace(_LIFE.filled("2", "2", "t1"), commission=Decimal("0.002"))
_GOOD: Final[tuple[tuple[str, Event], ...]] = (
    (topics.EVENTS, _LIFE.claimed()),
    (topics.EVENTS, _LIFE.acked()),
    (topics.ACCOUNT_EVENTS, _FILL),
)
_THERE: Final = {"USDT": (Decimal("979.998"), Decimal(0)), "BTC": (Decimal(2), Decimal(0))}
_Change = Mapping[str, Any]


def approval() -> OrderApproved:
    decision = Chain().decide(intent_written(place()))
    assert isinstance(decision, OrderApproved)
    return decision


def told(*events: tuple[str, Event], balances: Mapping[str, object] = _THERE) -> Told:
    made = Told()
    seen = BalancesSeen(
        account=ACCOUNT,
        balances=tuple(
            Balance(asset=asset, free=both[0], locked=both[1])  # type: ignore[index]
            for asset, both in balances.items()
        ),
        is_complete=True,
        exchange_ns=0,
        at_ns=NOW_NS,
    )
    records: list[tuple[str, Event]] = [
        (topics.INTENTS, place()),
        (topics.DECISIONS, approval()),
        (topics.EVENTS, _FENCE),
        *events,
        (topics.ACCOUNT_EVENTS, seen),
    ]
    for offset, (topic, event) in enumerate(records, EPOCH - 2):
        made.add(topic, event, offset, appended_ns=NOW_NS)
    return made


def ledger(order: _Change | None = None, fill: _Change | None = None, more: int = 0) -> Ledger:
    made = Ledger()
    about = {"client_order_id": _LIFE.client_order_id, "symbol": SYMBOL, "order_id": 77}
    line = about | {"kind": "order", "status": "filled", "executed": "2"} | dict(order or {})
    for number in range(1 + more):
        made.add(line | {"order_id": 77 + number})
    if fill is not None:
        made.add(
            about
            | {"kind": "fill", "trade_id": "t1", "side": "buy", "price": "10", "quantity": "2",
               "commission": "0.002", "commission_asset": "BNB"}
            | dict(fill)
        )  # fmt: skip
    return made


def found(verdict: Verdict) -> tuple[int, int, int, int, int, Decimal]:
    return (
        verdict.duplicates,
        verdict.unapproved,
        verdict.lost,
        verdict.unknown_open,
        verdict.fills_differing,
        verdict.balance_difference,
    )


def test_two_sides_that_agree_leave_nothing() -> None:
    """H2: orders, fills, fees and balances are the same to the last decimal."""
    verdict = judge(told(*_GOOD), ledger(fill={}), _THERE)
    assert found(verdict) == (0, 0, 0, 0, 0, Decimal(0)), verdict
    assert (verdict.intents, verdict.orders_in_ledger, verdict.fills_in_ledger) == (1, 1, 1)


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        # A second order for the same id.
        (_GOOD, ledger(fill={}, more=1), (1, 0, 0, 0, 0)),
        # Another quantity, another state, an order that is unknown here, none there.
        (_GOOD, ledger({"executed": "1"}, {}), (0, 0, 1, 0, 0)),
        (_GOOD, ledger({"status": "cancelled"}, {}), (0, 0, 1, 0, 0)),
        (_GOOD[:2], ledger(fill={}), (0, 0, 1, 0, 1)),
        (_GOOD[:1], Ledger(), (0, 0, 1, 0, 0)),
        ((), Ledger(), (0, 0, 1, 0, 0)),
        # Never answered, and nobody has settled it.
        (
            ((topics.EVENTS, _LIFE.claimed()), (topics.EVENTS, _LIFE.unknown())),
            Ledger(),
            (0, 0, 1, 1, 0),
        ),
        # A fee, a price, a trade that only one side has.
        (_GOOD, ledger(fill={"commission": "0.0020001"}), (0, 0, 0, 0, 1)),
        (_GOOD, ledger(fill={"price": "10.01"}), (0, 0, 0, 0, 1)),
        (_GOOD, ledger(), (0, 0, 0, 0, 1)),
        # An order that nobody approved.
        (_GOOD, ledger({"client_order_id": Life("two").client_order_id}), (0, 1, 2, 0, 1)),
    ],
)
def test_whatever_differs_is_counted(
    here: tuple[tuple[str, Event], ...], there: Ledger, expected: tuple[int, ...]
) -> None:
    """H2: nothing is forgiven, and each report names the first that differ."""
    verdict = judge(told(*here), there, _THERE)
    assert found(verdict)[:5] == expected, verdict
    assert verdict.examples or verdict.duplicates


@pytest.mark.parametrize(
    ("ours", "difference"),
    [
        (_THERE | {"BTC": (Decimal("1.99999999"), Decimal(0))}, "0.00000001"),
        (_THERE | {"BTC": (Decimal(1), Decimal(1))}, "1"),
        ({"USDT": _THERE["USDT"]}, "2"),
        (_THERE | {"ETH": (Decimal(3), Decimal(0))}, "3"),
    ],
)
def test_balances_differ_by_what_they_differ(ours: Mapping[str, object], difference: str) -> None:
    """A9: free and locked are compared each; an asset that one side lacks counts whole."""
    verdict = judge(told(*_GOOD, balances=ours), ledger(fill={}), _THERE)
    assert verdict.balance_difference == Decimal(difference)


def test_an_order_that_was_refused_has_no_end_to_wait_for() -> None:
    """What was not sent is over; what is not ours is passed over."""
    ended = ((topics.EVENTS, _LIFE.not_sent()),)
    there = Ledger()
    there.add({"kind": "order", "client_order_id": "by-hand", "order_id": 1})
    verdict = judge(told(*ended), there, _THERE)
    assert found(verdict) == (0, 0, 0, 0, 0, Decimal(0)), verdict
