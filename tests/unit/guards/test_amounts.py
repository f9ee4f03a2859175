"""
The guards on prices, amounts, rates and time, each under, at and over its limit.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from spark.events import ClockMeasured, LimitValues, PlaceOrder
from spark.guards.duplicate import order_key
from spark.guards.limits import Limits
from spark.ledger.exposure import Entry, Exposure
from spark.ledger.fold import Order
from spark.ledger.prices import Prices
from spark.ledger.rates import Rates
from spark.ledger.snapshot import Snapshot
from spark.names import (
    Book,
    ClientOrderId,
    IntentId,
    OrderState,
    OrderType,
    Reason,
    Side,
    StrategyId,
    TradingMode,
    Venue,
)
from tests.guarded import LIRA, MS, D, codes, equity, prices, snapshot
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, STRATEGY, SYMBOL, instrument, place
from tests.start import SPEC, WIDE

#: What is proved here, for the test that every guard is proved somewhere.
PROVED = (
    "clock_drift", "append_drift", "price_known", "audit_lag", "audit_witnessed", "exposure",
    "drawdown", "price_collar", "order_rate", "notional_rate", "duplicate_order", "open_orders",
    "strategy_notional", "strategy_exposure", "strategy_drawdown", "strategy_order_rate",
    "strategy_notional_rate", "strategy_open_orders", "trickle_symbol", "trickle_notional",
)  # fmt: skip
#: 600 USD, 24,000 TRY.
ORDER = place()
MARKET = place(order_type=OrderType.MARKET, price=None, time_in_force=None)
OTHER = StrategyId("strategy-other")
#: As at the exchange itself, or with the key of a witness (S14).
WITNESSED = replace(WIDE, receipt_age_ns_max=600 * SECOND_NS)


def clock(offset_ms: int = 0, *, uncertain_ms: int = 0, age_ms: int = 0) -> ClockMeasured:
    return ClockMeasured(
        venue=Venue.BINANCE,
        offset_ns=offset_ms * MS,
        uncertainty_ns=uncertain_ms * MS,
        measured_ns=NOW_NS - age_ms * MS,
    )


def at_risk(
    *, buys: str = "0", sells: str = "0", position: str = "0", strategy: StrategyId = STRATEGY
) -> Exposure:
    """Make an account with one open buy and sell, and a position, worth so many dollars."""
    made = Exposure()
    for name, side, usd in (("b", Side.BUY, buys), ("s", Side.SELL, sells)):
        if Decimal(usd):
            entry = Entry(
                strategy=strategy,
                symbol=SYMBOL,
                side=side,
                book=Book.LIVE,
                quantity=Decimal(1),
                worth_usd=Decimal(usd),
                open_usd=Decimal(usd),
            )
            made.approve(ClientOrderId(name), entry)
    if Decimal(position):
        filled = Order(
            client_order_id=ClientOrderId("p"),
            intent_id=IntentId("p"),
            account=ACCOUNT,
            strategy=strategy,
            symbol=SYMBOL,
            mode=TradingMode.LIVE,
            state=OrderState.FILLED,
            side=Side.BUY if Decimal(position) > 0 else Side.SELL,
            filled=abs(Decimal(position)) / 60_000,
        )
        made.see(filled, NOW_NS)
    return made


def used(*, orders: int = 0, lira: str = "0", strategy: StrategyId = STRATEGY) -> Rates:
    """Make windows with so many unanswered orders, worth so much together."""
    made = Rates()
    for number in range(max(orders, 1) if orders or Decimal(lira) else 0):
        worth = int(Decimal(lira) * 1_000_000) if number == 0 else 0
        made.approve(f"o{number}", strategy, worth)
    return made


def own(**caps: Any) -> Limits:  # noqa: ANN401
    return replace(WIDE, strategy=LimitValues(**caps))


Row = tuple[PlaceOrder, Snapshot, Limits, Prices | None, Reason | None]


def row(
    snap: Snapshot | None = None,
    limits: Limits = WIDE,
    *,
    order: PlaceOrder = ORDER,
    marks: Prices | None = None,
    refused: Reason | None = None,
) -> Row:
    return order, snap or snapshot(), limits, marks, refused


def split(feed: Prices, watch: Prices) -> Prices:
    return Prices(feed=feed.feed, watch=watch.watch)


SPEC_COLLAR = replace(WIDE, price_collar_pct_max=D("5"))
CLOCK = [
    row(snapshot(clock=clock(2000))),
    row(snapshot(clock=clock(2000, uncertain_ms=1)), refused=Reason.CLOCK_DRIFT_EXCEEDED),
    row(snapshot(clock=clock(-2001)), refused=Reason.CLOCK_DRIFT_EXCEEDED),
    row(snapshot(clock=clock(age_ms=10_000))),
    row(snapshot(clock=clock(age_ms=10_001)), refused=Reason.CLOCK_UNKNOWN),
    row(snapshot(clock=clock(age_ms=-10_001)), refused=Reason.CLOCK_UNKNOWN),
    row(snapshot(clock=None), refused=Reason.CLOCK_UNKNOWN),
    row(snapshot(appended_ns=NOW_NS + 2000 * MS)),
    row(snapshot(appended_ns=NOW_NS + 2001 * MS), refused=Reason.CLOCK_DRIFT_EXCEEDED),
]
PRICES = [
    row(marks=prices(NOW_NS - 2000 * MS)),
    row(marks=prices(NOW_NS - 2001 * MS), refused=Reason.QUOTE_STALE),
    row(marks=split(prices(), prices(NOW_NS - 5000 * MS))),
    row(marks=split(prices(), prices(NOW_NS - 5001 * MS)), refused=Reason.QUOTE_STALE),
    row(marks=prices(BTCUSDT=""), refused=Reason.QUOTE_STALE),
    row(marks=split(prices(), prices(BTCUSDT="")), refused=Reason.QUOTE_STALE),
    row(marks=prices(USDTTRY=""), refused=Reason.QUOTE_STALE),
    row(marks=prices(BTCUSDT="60001 60000"), refused=Reason.QUOTE_INVALID),
    row(marks=prices(BTCUSDT="0 60000"), refused=Reason.QUOTE_INVALID),
    row(marks=prices(BTCUSDT="60000 60000")),
    row(marks=split(prices(BTCUSDT="60600 60600"), prices())),
    row(
        marks=split(prices(BTCUSDT="60600.01 60600.01"), prices()),
        refused=Reason.PRICES_DISAGREE,
    ),
    row(order=MARKET, marks=prices(NOW_NS - 2001 * MS), refused=Reason.QUOTE_STALE),
    row(
        limits=SPEC_COLLAR,
        order=place(price=D("63000")),
    ),
    row(limits=SPEC_COLLAR, order=place(price=D("63000.01")), refused=Reason.PRICE_COLLAR_EXCEEDED),
    row(limits=SPEC_COLLAR, order=place(price=D("57000"))),
    row(limits=SPEC_COLLAR, order=place(price=D("56999.99")), refused=Reason.PRICE_COLLAR_EXCEEDED),
]
EXPOSED = replace(WIDE, exposure_usd_max=D("50000"))
AMOUNTS = [
    row(snapshot(exposure=at_risk(buys="49400")), EXPOSED),
    row(snapshot(exposure=at_risk(buys="49400.01")), EXPOSED, refused=Reason.EXPOSURE_EXCEEDED),
    row(snapshot(exposure=at_risk(position="49400.00")), replace(EXPOSED)),
    row(snapshot(exposure=at_risk(position="49500")), EXPOSED, refused=Reason.EXPOSURE_EXCEEDED),
    row(
        snapshot(exposure=at_risk(buys="20000", position="30000")), EXPOSED,
        refused=Reason.EXPOSURE_EXCEEDED,
    ),
    # Selling what is held takes risk away, whatever the position.
    row(snapshot(exposure=at_risk(position="90000")), EXPOSED, order=place(side=Side.SELL),
        refused=Reason.EXPOSURE_EXCEEDED),
    row(snapshot(exposure=at_risk(position="50000")), EXPOSED, order=place(side=Side.SELL)),
    row(snapshot(exposure=at_risk(sells="49400")), EXPOSED, order=place(side=Side.SELL)),
    row(
        snapshot(exposure=at_risk(sells="49400.01")), EXPOSED, order=place(side=Side.SELL),
        refused=Reason.EXPOSURE_EXCEEDED,
    ),
    # Over all strategies.
    row(
        snapshot(exposure=at_risk(buys="49401", strategy=OTHER)), EXPOSED,
        refused=Reason.EXPOSURE_EXCEEDED,
    ),
    row(snapshot(equity=equity("8500", "10000")), SPEC_COLLAR),
    row(snapshot(equity=equity("8499.99", "10000")), refused=Reason.DRAWDOWN_EXCEEDED),
    row(snapshot(equity=equity("0", "0")), refused=Reason.DRAWDOWN_EXCEEDED),
    row(snapshot(equity=None), refused=Reason.EQUITY_UNKNOWN),
    row(snapshot(equity_ns=NOW_NS - 10 * SECOND_NS)),
    row(snapshot(equity_ns=NOW_NS - 10 * SECOND_NS - 1), refused=Reason.EQUITY_UNKNOWN),
    row(snapshot(exposure=at_risk(buys="1", sells="1")), replace(WIDE, open_orders_max=3)),
    row(
        snapshot(exposure=at_risk(buys="1", sells="1")), replace(WIDE, open_orders_max=2),
        refused=Reason.OPEN_ORDERS_EXCEEDED,
    ),
]  # fmt: skip
RATES = [
    row(snapshot(rates=used(orders=29)), replace(WIDE, orders_per_minute_max=30)),
    row(
        snapshot(rates=used(orders=30)), replace(WIDE, orders_per_minute_max=30),
        refused=Reason.ORDER_RATE_EXCEEDED,
    ),
    row(snapshot(rates=used(lira="1000")), replace(WIDE, notional_try_per_s_max=D("25000"))),
    row(
        snapshot(rates=used(lira="1000.000001")),
        replace(WIDE, notional_try_per_s_max=D("25000")),
        refused=Reason.NOTIONAL_RATE_EXCEEDED,
    ),
    row(
        snapshot(recent={order_key(ORDER): NOW_NS - SECOND_NS}),
        replace(WIDE, duplicate_window_ns=SECOND_NS),
    ),
    row(
        snapshot(recent={order_key(ORDER): NOW_NS - SECOND_NS + 1}),
        replace(WIDE, duplicate_window_ns=SECOND_NS),
        refused=Reason.DUPLICATE_ORDER,
    ),
    row(
        snapshot(recent={order_key(place(quantity=D("0.02"))): NOW_NS}),
        replace(WIDE, duplicate_window_ns=SECOND_NS),
    ),
    row(snapshot(audit_lag_ns=2000 * MS)),
    row(snapshot(audit_lag_ns=2000 * MS + 1), refused=Reason.AUDIT_LAG_EXCEEDED),
    row(snapshot(audit_lag_ns=None), refused=Reason.AUDIT_LAG_EXCEEDED),
    row(snapshot(receipt_age_ns=600 * SECOND_NS), WITNESSED),
    row(
        snapshot(receipt_age_ns=600 * SECOND_NS + 1), WITNESSED,
        refused=Reason.AUDIT_NOT_WITNESSED,
    ),
    row(snapshot(), WITNESSED, refused=Reason.AUDIT_NOT_WITNESSED),
    row(snapshot(mode=TradingMode.TRICKLE), replace(WITNESSED, trickle_order_try_max=D("99999"))),
]  # fmt: skip
STRATEGY_OWN = [
    row(limits=own(order_notional_usd_max=D("600"))),
    row(
        limits=own(order_notional_usd_max=D("599.99")), refused=Reason.STRATEGY_NOTIONAL_EXCEEDED
    ),
    row(snapshot(exposure=at_risk(buys="400")), own(exposure_usd_max=D("1000"))),
    row(
        snapshot(exposure=at_risk(buys="400.01")), own(exposure_usd_max=D("1000")),
        refused=Reason.STRATEGY_EXPOSURE_EXCEEDED,
    ),
    row(snapshot(exposure=at_risk(buys="900", strategy=OTHER)), own(exposure_usd_max=D("1000"))),
    row(snapshot(equity=equity(strategy_demo="95 100")), own(drawdown_pct_max=D("5"))),
    row(
        snapshot(equity=equity(strategy_demo="94.99 100")), own(drawdown_pct_max=D("5")),
        refused=Reason.STRATEGY_DRAWDOWN_EXCEEDED,
    ),
    row(
        snapshot(equity=equity(strategy_demo="84.99 100")),
        refused=Reason.STRATEGY_DRAWDOWN_EXCEEDED,
    ),
    row(snapshot(equity=equity(strategy_other="1 100"))),
    row(snapshot(rates=used(orders=1)), own(orders_per_minute_max=2)),
    row(
        snapshot(rates=used(orders=2)), own(orders_per_minute_max=2),
        refused=Reason.STRATEGY_ORDER_RATE_EXCEEDED,
    ),
    row(snapshot(rates=used(orders=9, strategy=OTHER)), own(orders_per_minute_max=2)),
    row(snapshot(rates=used(lira="1000")), own(notional_try_per_s_max=D("25000"))),
    row(
        snapshot(rates=used(lira="1000.01")), own(notional_try_per_s_max=D("25000")),
        refused=Reason.STRATEGY_NOTIONAL_RATE_EXCEEDED,
    ),
    row(snapshot(exposure=at_risk(buys="1")), own(open_orders_max=2)),
    row(
        snapshot(exposure=at_risk(buys="1")), own(open_orders_max=1),
        refused=Reason.STRATEGY_OPEN_ORDERS_EXCEEDED,
    ),
]  # fmt: skip
TINY = place(price=D("60000"), quantity=D("0.00002"))
TRICKLE = snapshot(mode=TradingMode.TRICKLE, instruments={SYMBOL: instrument(notional_min=D("0"))})
TRICKLES = [
    row(TRICKLE, order=TINY),
    row(TRICKLE, order=place(price=D("62500"), quantity=D("0.00002"))),
    row(
        TRICKLE, order=place(price=D("62500.01"), quantity=D("0.00002")),
        refused=Reason.TRICKLE_NOTIONAL_EXCEEDED,
    ),
    row(TRICKLE, replace(WIDE, trickle_symbols=frozenset()), order=TINY,
        refused=Reason.TRICKLE_SYMBOL_FORBIDDEN),
    row(limits=replace(WIDE, trickle_symbols=frozenset())),
]  # fmt: skip


@pytest.mark.parametrize("case", CLOCK + PRICES + AMOUNTS + RATES + STRATEGY_OWN + TRICKLES)
def test_each_guard_under_at_and_over_its_limit(case: Row) -> None:
    """
    B3, B4, B5, B8, B9, S8: exactly where each guard begins to refuse.

    Faults K13, D3, C1, C2, M1, M4, M5, A1 and A3.
    """
    order, snap, limits, marks, refused = case
    found = codes(order, snap, limits, marks)
    assert found == [] if refused is None else refused in found


@pytest.mark.parametrize(
    "change",
    [
        {"halts": ("h",)},
        {"clock": None},
        {"audit_lag_ns": None},
        {"equity": None},
        {"gateway_ready_epoch": None},
        {"unknown_symbols": frozenset({SYMBOL})},
        {"rates": used(orders=50)},
        {"exposure": at_risk(buys="900000")},
    ],
    ids=str,
)
def test_a_worse_world_never_turns_a_refusal_into_an_approval(change: dict[str, object]) -> None:
    """Nothing that is missing or worse lets an order pass that was refused before."""
    for order in (place(price=D("70000")), place(quantity=D("0.2"))):
        before = codes(order, snapshot(), SPEC)
        assert set(before) <= set(codes(order, snapshot(**change), SPEC))


def test_another_quote_currency_is_converted_by_its_rate() -> None:
    """B5: TRY by USDTTRY, any other by its dollar price; without that price nothing passes."""
    lira = {SYMBOL: instrument(quote_asset="TRY", price_max=D("0"))}
    order = place(price=D("2400000"), quantity=D("0.1"))
    marks = prices(BTCUSDT="2400000 2400000")
    limits = replace(WIDE, order_notional_usd_max=D("6000"))
    assert codes(order, snapshot(instruments=lira), limits, marks) == []
    tight = replace(limits, order_notional_usd_max=D("5999.99"))
    assert codes(order, snapshot(instruments=lira), tight, marks) == [Reason.NOTIONAL_EXCEEDED]
    other = {SYMBOL: instrument(quote_asset="ETH", price_max=D("0"))}
    assert Reason.QUOTE_STALE in codes(order, snapshot(instruments=other), limits, marks)
    priced = prices(BTCUSDT="2400000 2400000", ETHUSDT="2500 2500")
    assert Reason.NOTIONAL_EXCEEDED in codes(order, snapshot(instruments=other), limits, priced)
    assert LIRA in priced.feed
