"""
Guards about the account and its exchange: reconciled, without a difference, and able to say it.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

import pytest

from spark.events import PlaceOrder, Refusal
from spark.guards.reconciled import account_reconciled
from spark.guards.venue_terms import order_type_offered, time_in_force_offered
from spark.ledger.standing import Foreign, Standing
from spark.names import AccountId, Book, OrderType, Reason, Side, TimeInForce, TradingMode
from tests.guarded import MS, D, codes, snapshot
from tests.made import NOW_NS, SECOND_NS, SYMBOL, place
from tests.start import SPEC, WIDE

#: Guards whose limits are tried here.
PROVED: Final = (
    "account_reconciled",
    "no_difference",
    "order_type_offered",
    "time_in_force_offered",
)
_AGREED: Final = Standing(epoch=0, reconciled_ns=NOW_NS, doubt="")
_TURKISH: Final = AccountId("btcturk:main")


@pytest.mark.parametrize(
    ("standing", "found"),
    [
        (Standing(), "never reconciled"),
        (Standing(epoch=0, doubt="stream_lost"), "stream_lost"),
        (replace(_AGREED, reconciled_ns=NOW_NS - 120 * SECOND_NS), None),
        (replace(_AGREED, reconciled_ns=NOW_NS - 120 * SECOND_NS - MS), "120001 ms ago"),
        (_AGREED, None),
    ],
)
def test_an_account_that_was_not_compared_gets_nothing_new(
    standing: Standing, found: str | None
) -> None:
    """
    A9, B9: before the first comparison, after a doubt, and past the age that it may have.

    Fault P8.
    """
    refusal = account_reconciled(place(), snapshot(standing=standing), WIDE)
    if found is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert (refusal.code, refusal.found) == (Reason.ACCOUNT_NOT_RECONCILED, found)
        assert Reason.ACCOUNT_NOT_RECONCILED in codes(place(), snapshot(standing=standing))


def test_a_difference_in_what_is_held_halts_new_risk() -> None:
    """A9: while one is open; the refusal says which."""
    differs = replace(_AGREED, halting={"d1": "balance BTC: 1 here, 2 there"})
    assert codes(place(), snapshot(standing=differs)) == [Reason.POSITION_DIFFERENCE]
    assert codes(place(), snapshot(standing=_AGREED)) == []


def test_on_paper_there_is_nothing_to_compare() -> None:
    """A10: paper trades without an account at the exchange; what is sealed does not."""
    unknown = Standing(halting={"d1": "balance"})
    paper = snapshot(standing=unknown, mode=TradingMode.PAPER, book=Book.PAPER)
    assert codes(place(), paper) == []
    shadow = snapshot(standing=unknown, mode=TradingMode.SHADOW, book=Book.SHADOW)
    assert codes(place(), shadow) == [Reason.ACCOUNT_NOT_RECONCILED, Reason.POSITION_DIFFERENCE]


@pytest.mark.parametrize(
    ("orders", "over"),
    [
        # 60,000 a coin; the order asks for 600 USD; 50,000 USD are allowed.
        ({}, False),
        ({"1": Foreign(SYMBOL, Side.BUY, D("0.8"), D("0"), is_alive=True)}, False),
        ({"1": Foreign(SYMBOL, Side.BUY, D("0.83"), D("0"), is_alive=True)}, True),
        ({"1": Foreign(SYMBOL, Side.BUY, D("0.83"), D("0"), is_alive=False)}, False),
        ({"1": Foreign(SYMBOL, Side.BUY, D("0.83"), D("0.83"), is_alive=False)}, True),
        ({"1": Foreign(SYMBOL, Side.SELL, D("0.83"), D("0"), is_alive=True)}, False),
        ({"1": Foreign("ETHUSDT", Side.BUY, D("20"), D("0"), is_alive=True)}, False),
    ],
)
def test_orders_of_others_count_as_exposure(orders: dict[str, Foreign], *, over: bool) -> None:
    """A9, B5, fault V6: what others may still trade on the account, and what they hold."""
    standing = replace(_AGREED, foreign=orders)
    limits = replace(WIDE, exposure_usd_max=SPEC.exposure_usd_max)
    ours = place(quantity=Decimal("0.01"), price=Decimal(60_000))
    found = codes(ours, snapshot(standing=standing), limits)
    assert found == ([Reason.EXPOSURE_EXCEEDED] if over else [])


def _market(side: Side, account: AccountId = _TURKISH) -> PlaceOrder:
    return place(
        account=account, side=side, order_type=OrderType.MARKET, price=None, time_in_force=None
    )


@pytest.mark.parametrize(
    ("order", "code"),
    [
        # trap 4: quantity is quote currency on BTCTurk's market buy
        (_market(Side.BUY), Reason.ORDER_TYPE_UNSUPPORTED),
        (_market(Side.SELL), None),
        (_market(Side.BUY, AccountId("binance:main")), None),
        (place(account=_TURKISH), None),
        (place(account=_TURKISH, time_in_force=TimeInForce.IOC), Reason.TIME_IN_FORCE_UNSUPPORTED),
        (place(account=_TURKISH, time_in_force=TimeInForce.FOK), Reason.TIME_IN_FORCE_UNSUPPORTED),
        (place(time_in_force=TimeInForce.FOK), None),
    ],
)
def test_what_an_exchange_has_no_words_for_is_refused(
    order: PlaceOrder, code: Reason | None
) -> None:
    """B6: an order is never sent as another one than was approved (trap 4)."""
    guards = (order_type_offered, time_in_force_offered)
    found: list[Refusal | None] = [guard(order, snapshot(), WIDE) for guard in guards]
    assert [one.code for one in found if one is not None] == ([] if code is None else [code])
