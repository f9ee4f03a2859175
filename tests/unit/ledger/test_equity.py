"""
Equity and its peak: what counts, what cannot be valued, and the window of a day.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from spark.codec import decode_as, encode
from spark.events import EquityMarked, Event, LimitValues, Mark, OrderFilled, PricesMarked
from spark.ledger.control_state import Control, LimitsWord, limits_key
from spark.ledger.equity import (
    DAY_NS,
    Peaks,
    UnpricedError,
    Valuation,
    mark_equity,
    marked_books,
    peak_key,
    refold_peaks,
)
from spark.ledger.positions import Positions, fold_positions
from spark.ledger.prices import PriceRules, Prices, fold_marks
from spark.names import AccountId, Book, Side, StrategyId, Symbol, TradingMode, Venue
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, STRATEGY, Life, instrument

_D = Decimal
_MINUTE_NS: Final = 60 * SECOND_NS
_RULES: Final = PriceRules(
    age_ns_max=2 * SECOND_NS,
    check_age_ns_max=5 * SECOND_NS,
    apart_pct_max=_D(1),
    collar_pct=_D(5),
)
_PRICES: Final = {"BTCUSDT": "60000", "USDTTRY": "40", "BTCTRY": "2400000", "BNBUSDT": "500"}
_QUOTES: Final = {"BTCUSDT": "USDT", "BTCTRY": "TRY", "USDTTRY": "TRY", "BNBUSDT": "USDT"}


def marks(prices: dict[str, str], at_ns: int = NOW_NS) -> Prices:
    """Let both principals mark the same prices."""
    found = Prices()
    event = PricesMarked(
        venue=Venue.BINANCE,
        marks=tuple(
            Mark(symbol=Symbol(name), bid=_D(price), ask=_D(price), measured_ns=at_ns)
            for name, price in prices.items()
        ),
        marked_ns=at_ns,
    )
    for known in (found.feed, found.watch):
        fold_marks(known, event, at_ns)
    return found


def valuation(prices: dict[str, str] | None = None, *, now_ns: int = NOW_NS) -> Valuation:
    return Valuation(
        prices=marks(_PRICES if prices is None else prices, now_ns),
        rules=_RULES,
        instruments={
            Symbol(name): instrument(
                symbol=Symbol(name), base_asset=name.removesuffix(quote), quote_asset=quote
            )
            for name, quote in _QUOTES.items()
        },
        now_ns=now_ns,
    )


def trade(text: str, quantity: str, price: str, **changes: Any) -> OrderFilled:  # noqa: ANN401
    """Execute a whole order at once."""
    life = Life(text, quantity=_D(quantity))
    return replace(life.filled(quantity, quantity, text), price=_D(price), **changes)


def held(events: Iterable[Event]) -> Positions:
    positions = Positions()
    for event in events:
        fold_positions(positions, event, NOW_NS)
    return positions


def marked(
    events: Iterable[Event] = (),
    *,
    peaks: Peaks | None = None,
    control: Control | None = None,
    book: Book = Book.LIVE,
    values: Valuation | None = None,
) -> EquityMarked:
    return mark_equity(
        held(events),
        peaks if peaks is not None else Peaks(),
        account=ACCOUNT,
        book=book,
        control=control or Control(),
        start_usd=_D(10_000),
        valuation=values or valuation(),
    )


def test_an_account_without_trades_is_worth_its_capital() -> None:
    """B5: no price is needed for nothing, so the first order finds an equity."""
    event = marked(values=valuation({}))

    assert (event.total.equity_usd, event.total.peak_usd, event.total.capital_usd) == (
        _D(10_000),
        _D(10_000),
        _D(10_000),
    )
    assert event.strategies == {}


def test_what_is_held_is_worth_its_mark_and_what_was_sold_is_realised() -> None:
    """B5: capital + realised + unrealised at the mark."""
    event = marked(
        [
            trade("one", "0.2", "50000"),
            trade("two", "0.1", "55000", side=Side.SELL),
        ]
    )

    # 500 realised on the half that was sold, 1000 on the half that is held.
    assert event.total.equity_usd == 11_500
    assert event.strategies[STRATEGY].equity_usd == 11_500


def test_each_strategy_is_marked_beside_the_account() -> None:
    """B5: per strategy and per account; books never mix (A10)."""
    other = StrategyId("op-local")
    events = [
        trade("one", "0.1", "50000"),
        trade("two", "0.1", "62000", strategy=other),
        trade("three", "1", "1", mode=TradingMode.PAPER),
    ]
    event = marked(events)

    assert event.total.equity_usd == 10_800
    assert {name: one.equity_usd for name, one in event.strategies.items()} == {
        STRATEGY: 11_000,
        other: 9_800,
    }
    assert set(marked_books(held(events), ACCOUNT)) == {Book.LIVE, Book.PAPER}
    assert list(marked_books(held(events), AccountId("btcturk:main"))) == []


def test_lira_is_converted() -> None:
    """B5: other quote currencies are converted by USDTTRY."""
    event = marked([trade("one", "0.01", "2000000", symbol=Symbol("BTCTRY"))])

    # 4000 TRY won, at 40 a dollar.
    assert event.total.equity_usd == 10_100


def test_fees_are_taken_off_in_their_own_asset() -> None:
    """B5: a fee in the base asset, in the quote and in a third one."""
    events = [
        trade("one", "0.1", "60000", commission=_D("0.0001"), commission_asset="BTC"),
        trade("two", "0.1", "60000", commission=_D(3), commission_asset="USDT"),
        trade("three", "0.1", "60000", commission=_D("0.01"), commission_asset="BNB"),
    ]

    assert marked(events).total.equity_usd == 10_000 - 6 - 3 - 5


@pytest.mark.parametrize(
    ("prices", "why"),
    [
        ({}, "quote_stale: BTCUSDT"),
        ({**_PRICES, "BTCUSDT": "0"}, "quote_invalid: BTCUSDT"),
        ({name: p for name, p in _PRICES.items() if name != "BNBUSDT"}, "quote_stale: BNBUSDT"),
    ],
    ids=["no price", "no possible price", "a fee's asset without one"],
)
def test_without_a_price_there_is_no_sample(prices: dict[str, str], why: str) -> None:
    """B5: nothing is guessed; the reason names what is missing, and no peak is noted."""
    peaks = Peaks()
    events = [trade("one", "0.1", "60000", commission=_D("0.01"), commission_asset="BNB")]

    with pytest.raises(UnpricedError, match=why):
        marked(events, peaks=peaks, values=valuation(prices))
    assert not peaks.by_key


def test_a_stale_or_disputed_price_gives_no_sample() -> None:
    """S8, B9: a price older than its limit, or one that two principals do not share."""
    events = [trade("one", "0.1", "60000")]
    stale = replace(valuation(), now_ns=NOW_NS + 3 * SECOND_NS)
    with pytest.raises(UnpricedError, match="quote_stale: BTCUSDT: none of the feed"):
        marked(events, values=stale)
    disputed = valuation()
    disputed.prices.feed[Symbol("BTCUSDT")].ask = _D(66_000)
    with pytest.raises(UnpricedError, match="prices_disagree"):
        marked(events, values=disputed)


def test_a_symbol_or_an_order_that_nobody_can_value_gives_no_sample() -> None:
    """B5: without its instrument a symbol has no quote asset; an unpriced order is named."""
    with pytest.raises(UnpricedError, match="instrument_unknown: NOSUCH"):
        marked([trade("one", "1", "1", symbol=Symbol("NOSUCH"))])
    life = Life(quantity=_D(1))
    with pytest.raises(UnpricedError, match=life.client_order_id):
        marked([replace(life.claimed(), price=None), life.expired("0.3")])


def test_capital_is_the_least_that_was_said() -> None:
    """B1: of environment and people the stricter; a strategy may have less than its account."""
    control = Control()
    for strategy, capital in (("", "8000"), (STRATEGY, "1000"), ("op-local", "90000")):
        values = LimitValues(capital_usd=_D(capital))
        control.limits[limits_key(ACCOUNT, strategy)] = LimitsWord(1, values, 0)
    events = [
        trade("one", "0.1", "60000"),
        trade("two", "0.1", "60000", strategy=StrategyId("op-local")),
    ]

    event = marked(events, control=control)

    assert event.total.capital_usd == 8_000
    assert event.strategies[STRATEGY].capital_usd == 1_000
    assert event.strategies["op-local"].capital_usd == 8_000


def test_a_changed_capital_is_no_drawdown() -> None:
    """B5: the peak is kept of the profit, so an allocation that shrinks loses nothing."""
    peaks, control = Peaks(), Control()
    events = [trade("one", "0.1", "50000")]
    before = marked(events, peaks=peaks)
    values = LimitValues(capital_usd=_D(2_000))
    control.limits[limits_key(ACCOUNT, "")] = LimitsWord(1, values, 0)
    after = marked(events, peaks=peaks, control=control)

    assert before.total.peak_usd - before.total.equity_usd == 0
    assert (after.total.equity_usd, after.total.peak_usd) == (_D(3_000), _D(3_000))


def test_a_peak_lasts_a_day() -> None:
    """B5: the highest of the last 24 h, and no longer."""
    peaks = Peaks()
    peaks.note("k", _D(100), NOW_NS)

    assert peaks.note("k", _D(10), NOW_NS + DAY_NS - _MINUTE_NS) == 100
    assert peaks.note("k", _D(5), NOW_NS + DAY_NS + _MINUTE_NS) == 10
    peaks.forget(NOW_NS + 3 * DAY_NS)
    assert not peaks.by_key


@given(
    st.lists(st.tuples(st.integers(0, 4_000), st.integers(-1_000, 1_000)), min_size=1, max_size=80)
)
def test_the_peak_is_that_of_all_samples_of_a_day(steps: list[tuple[int, int]]) -> None:
    """B5: whatever comes when, the kept peak is the plain maximum, in a bounded memory."""
    peaks, minute, seen = Peaks(), NOW_NS // _MINUTE_NS, list[tuple[int, int]]()
    for pause, profit in steps:
        minute += pause
        seen.append((minute, profit))
        told = peaks.note("k", _D(profit), minute * _MINUTE_NS)
        assert told == max(one for at, one in seen if at > minute - 1_440)
        assert len(peaks.by_key["k"]) <= 1_440


def test_a_peak_is_the_same_from_its_own_records() -> None:
    """R15: who reads the last day's samples knows the peak as who wrote them."""
    written, events = Peaks(), [trade("one", "0.1", "50000")]
    records = []
    for minute, price in enumerate(("60000", "70000", "40000", "65000")):
        values = valuation({**_PRICES, "BTCUSDT": price}, now_ns=NOW_NS + minute * _MINUTE_NS)
        records.append(marked(events, peaks=written, values=values))
    read = Peaks()
    for record in records:
        refold_peaks(read, decode_as(EquityMarked, encode(record)))

    assert read == written
    assert records[-1].total.peak_usd == 12_000
    assert set(read.by_key) == {
        peak_key(ACCOUNT, Book.LIVE),
        peak_key(ACCOUNT, Book.LIVE, STRATEGY),
    }


def test_peaks_survive_being_kept() -> None:
    """R8: the window is plain values."""
    peaks = Peaks({"k": deque([(1, _D("0.5")), (2, _D("0.25"))])})
    adapter = TypeAdapter(Peaks)

    assert adapter.validate_json(adapter.dump_json(peaks)) == peaks
