"""
Log and exchange compared: what becomes evidence, what a difference, what neither.
"""

from decimal import Decimal

import pytest

from spark.events import (
    AccountReconciled,
    DifferenceClosed,
    DifferenceFound,
    ForeignOrderSeen,
    OrderAcked,
    OrderCancelled,
    OrderFilled,
)
from spark.exchanges.port import FillSeen
from spark.ledger.reconcile_finds import searched
from spark.ledger.reconcile_funds import Span
from spark.ledger.reconcile_look import Look, compare, take_words
from spark.ledger.reconcile_orders import learn, release
from spark.names import DifferenceKind, DifferenceRule, OrderState
from tests.made import SECOND_NS, SYMBOL, Life
from tests.reconciling import book_of, hear, kinds, look, only, write
from tests.scripted_exchange import PAIRS, ScriptedExchange, order_of


def test_a_fill_that_no_record_tells_of_is_taken_over() -> None:
    """A9, R5: the exchange's fill is adopted as evidence, and that it was missing is told."""
    life, exchange = Life(), ScriptedExchange()
    book = book_of(life.claimed())
    exchange.trade(order_of(life, exchange), "1")
    said = look(book, exchange)
    (fill,) = [one for one in said if isinstance(one, OrderFilled)]
    assert (fill.trade_id, fill.cumulative, fill.strategy) == ("1000", Decimal(1), "strategy-demo")
    assert kinds(said) == [DifferenceKind.FILL_MISSING]
    assert not book.differences.open
    assert only(book, life).state is OrderState.FILLED


def test_evidence_that_both_told_is_written_once() -> None:
    """R4: what the gateway wrote is not said again, whichever came first."""
    life, exchange = Life(), ScriptedExchange()
    name = order_of(life, exchange)
    book = book_of(life.claimed())
    hear(book, exchange, exchange.told[0])
    fill = exchange.trade(name, "1")
    heard = hear(book, exchange, exchange.told[1])
    assert [type(one) for one in heard] == [OrderFilled]
    write(book, life.acked(), life.filled("1", "1", fill.trade_id))
    assert not [one for one in look(book, exchange) if isinstance(one, OrderFilled | OrderAcked)]
    assert not book.unproven


def test_a_fill_that_the_gateway_told_first_is_told_here_too() -> None:
    """S9: `account.events` tells every fill by itself, once; what was known is no difference."""
    life, exchange = Life(), ScriptedExchange()
    fill = exchange.trade(order_of(life, exchange), "1")
    book = book_of(life.claimed(), life.acked(), life.filled("1", "1", fill.trade_id))
    said = look(book, exchange)
    assert [one.trade_id for one in said if isinstance(one, OrderFilled)] == [fill.trade_id]
    assert kinds(said) == []
    assert not [one for one in look(book, exchange) if isinstance(one, OrderFilled)]


def test_ours_is_never_foreign() -> None:
    """R14: news of an id of ours wait for their claim, then count."""
    life, exchange = Life(), ScriptedExchange()
    book = book_of()
    order_of(life, exchange)
    assert hear(book, exchange, exchange.told[0]) == []
    assert not book.foreign
    write(book, life.claimed())
    (acked,) = release(book, at_ns=exchange.now_ns)
    assert isinstance(acked, OrderAcked)
    assert only(book, life).state is OrderState.SUBMITTED


def test_ours_that_nobody_claims_halts() -> None:
    """
    S4, R14: an order under an id of our form without a claim was placed past the chain.

    Faults K3 and V6.
    """
    life, exchange = Life(), ScriptedExchange()
    book = book_of()
    order_of(life, exchange)
    look(book, exchange)
    said = look(book, exchange)
    assert kinds(said) == [DifferenceKind.ORDER_STATE]
    assert book.differences.halting == 1
    write(book, life.claimed(), at_ns=exchange.now_ns)
    release(book, at_ns=exchange.now_ns)
    look(book, exchange)
    assert not book.differences.open


def test_a_foreign_order_is_shown_until_it_ends() -> None:
    """
    R14: an order of others is marked and left alone; its trades move what we expect to own.

    Fault V6.
    """
    exchange, book = ScriptedExchange(), book_of()
    look(book, exchange)
    name = exchange.place("somebody-else", "2")
    said = look(book, exchange)
    assert [one.client_order_id for one in said if isinstance(one, ForeignOrderSeen)]
    assert kinds(said) == [DifferenceKind.FOREIGN_ORDER]
    assert book.differences.halting == 0
    exchange.trade(name, "2")
    said = look(book, exchange)
    assert not book.differences.open
    assert not book.foreign
    assert [one for one in said if isinstance(one, AccountReconciled)]


def test_a_fill_that_the_exchange_does_not_have_halts() -> None:
    """S9: two seconds after the gateway wrote a fill, the exchange's fills must show it."""
    life, exchange = Life(), ScriptedExchange()
    order_of(life, exchange)
    book = book_of(life.claimed(), life.acked(), life.filled("0.5", "0.5", "666"))
    said = look(book, exchange)
    assert kinds(said) == [DifferenceKind.FILL_UNPROVEN]
    (found,) = [one for one in said if isinstance(one, DifferenceFound)]
    assert found.rule is DifferenceRule.HALTED
    assert kinds(look(book, exchange)) == []
    assert book.differences.halting == 1


def test_a_fresh_fill_is_given_its_two_seconds() -> None:
    """S9: the exchange lists a trade a moment after it answered."""
    life, exchange = Life(), ScriptedExchange()
    order_of(life, exchange)
    book = book_of(life.claimed(), life.acked())
    look(book, exchange)
    write(book, life.filled("0.5", "0.5", "666"), at_ns=exchange.now_ns)
    exchange.tick(1)
    assert kinds(look(book, exchange, is_moved=False)) == []


def test_a_fill_with_other_numbers_is_no_proof() -> None:
    """S9, fault V5: a true trade id with a made-up quantity is a made-up fill."""
    life, exchange = Life(), ScriptedExchange()
    name = order_of(life, exchange)
    fill = exchange.trade(name, "0.5")
    book = book_of(life.claimed(), life.acked(), life.filled("0.1", "0.1", fill.trade_id))
    assert DifferenceKind.FILL_UNPROVEN in kinds(look(book, exchange))


def test_absence_needs_two_looks_and_a_question_and_ends_nothing() -> None:
    """R14: an order that the exchange does not list stays alive here; people are told."""
    life, exchange = Life(), ScriptedExchange()
    name = order_of(life, exchange)
    book = book_of(life.claimed(), life.acked())
    hear(book, exchange, exchange.told[0])
    del exchange.orders[name]
    book.ours.clear()
    assert kinds(look(book, exchange)) == []
    said = look(book, exchange)
    assert kinds(said) == [DifferenceKind.ORDER_ABSENT]
    assert only(book, life).state is OrderState.SUBMITTED
    assert book.differences.halting == 0
    for _ in range(5):
        look(book, exchange)
    assert only(book, life).state is OrderState.SUBMITTED


def test_an_order_acked_after_the_question_left_is_not_missed() -> None:
    """R14: only what was acked before the request and unchanged until the reply is compared."""
    life, exchange = Life(), ScriptedExchange()
    book = book_of()
    exchange.tick(30)
    write(book, life.claimed(), life.acked(), at_ns=exchange.now_ns)
    look(book, exchange, is_moved=False)
    assert not book.absences


def test_an_order_that_lives_on_halts() -> None:
    """R5: closed here and alive there: its exposure is counted nowhere."""
    life, exchange = Life(), ScriptedExchange()
    order_of(life, exchange)
    book = book_of(life.claimed(), life.acked(), life.cancelled())
    look(book, exchange)
    assert kinds(look(book, exchange)) == [DifferenceKind.ORDER_STATE]
    assert book.differences.halting == 1


def test_a_second_order_under_one_id_halts() -> None:
    """Trap 3, fault V5: BTCTurk takes the same client id twice; the second is an order, too."""
    life, exchange = Life(), ScriptedExchange()
    order_of(life, exchange)
    order_of(life, exchange)
    book = book_of(life.claimed())
    look(book, exchange)
    assert book.differences.halting == 1


def test_balances_that_follow_agree() -> None:
    """A9: expected is the baseline and all trades since, ours and foreign, with commissions."""
    life, exchange = Life(), ScriptedExchange()
    book = book_of(life.claimed())
    look(book, exchange)
    exchange.trade(order_of(life, exchange), "0.4", "11.5")
    exchange.trade(exchange.place("other", "3"), "1.5", "9")
    look(book, exchange)
    assert not book.differences.of_kind(DifferenceKind.BALANCE)
    assert book.funds.base == {k: v for k, v in exchange.totals.items() if v}


def test_a_balance_that_follows_from_nothing_halts_until_persons_explain_it() -> None:
    """A9, S9: an unexplained amount is a position nobody knows; two persons may take it over."""
    exchange, book = ScriptedExchange(), book_of()
    look(book, exchange)
    exchange.deposit("BTC", "-1", is_told=False)
    assert not any(isinstance(one, AccountReconciled) for one in look(book, exchange))
    said = look(book, exchange)
    (found,) = [one for one in said if isinstance(one, DifferenceFound)]
    assert (found.kind, found.rule, found.amount) == (
        DifferenceKind.BALANCE,
        DifferenceRule.HALTED,
        Decimal(-1),
    )
    assert (found.ours, found.theirs) == ("10", "9")
    (closed,) = take_words(book, {found.difference: 5}, at_ns=exchange.now_ns)
    assert isinstance(closed, DifferenceClosed)
    look(book, exchange)
    assert not book.differences.open
    assert book.funds.base["BTC"] == Decimal(9)


def test_another_amount_is_another_difference() -> None:
    """S9: what persons took over was that amount, and covers no later one."""
    exchange, book = ScriptedExchange(), book_of()
    look(book, exchange)
    exchange.deposit("BTC", "-1", is_told=False)
    look(book, exchange)
    (first,) = (one for one in look(book, exchange) if isinstance(one, DifferenceFound))
    take_words(book, {first.difference: 5}, at_ns=exchange.now_ns)
    look(book, exchange)
    exchange.deposit("BTC", "-1", is_told=False)
    look(book, exchange)
    (second,) = (one for one in look(book, exchange) if isinstance(one, DifferenceFound))
    assert second.difference != first.difference
    assert take_words(book, {first.difference: 5}, at_ns=exchange.now_ns) == []


def test_a_deposit_that_the_stream_told_is_expected() -> None:
    """A9: funds that moved without a trade are part of what is expected."""
    exchange, book = ScriptedExchange(), book_of()
    look(book, exchange)
    exchange.deposit("USDT", "500")
    hear(book, exchange, exchange.told[-1])
    look(book, exchange)
    assert not book.differences.open


def test_a_balance_between_two_trades_fits_that_moment() -> None:
    """A9: the exchange took its picture somewhere between question and answer."""
    exchange, book = ScriptedExchange(), book_of()
    look(book, exchange)
    name = exchange.place("other", "3")
    exchange.tick(30)
    exchange.trade(name, "1")
    between = exchange.balances()
    exchange.trade(name, "1")
    learn(book, exchange.fills, at_ns=exchange.now_ns)
    span = Span(exchange.now_ns - SECOND_NS, exchange.now_ns)
    seen = Look(
        at_ns=exchange.now_ns,
        asked_ns=exchange.now_ns,
        open_orders=exchange.open_orders(),
        open_span=span,
        fills_asked_ns={SYMBOL: exchange.now_ns},
        balances=between,
        balances_span=span,
        pairs=PAIRS,
    )
    found = compare(book, seen)
    assert not found.is_unsure
    assert book.funds.cut_ns == exchange.now_ns - SECOND_NS


def test_a_balance_that_runs_ahead_of_its_trades_waits_for_them() -> None:
    """Trap 22, A9: trades are listed after balances changed, and the account trades on."""
    exchange, book = ScriptedExchange(), book_of()
    look(book, exchange)
    name = exchange.place("other", "9")
    for _ in range(8):
        exchange.trade(name, "1")
        late, exchange.fills = exchange.fills[-1], exchange.fills[:-1]
        look(book, exchange)
        assert not book.differences.of_kind(DifferenceKind.BALANCE)
        exchange.fills.append(late)
    said = look(book, exchange)
    assert any(isinstance(one, AccountReconciled) for one in said)
    assert not book.differences.open.keys() - {"foreign_order 77"}


def test_an_unknown_that_is_found_nowhere_is_shown_with_its_searches() -> None:
    """A8, R14: no number of searches ends it; people read what was searched, and when."""
    life, exchange = Life(), ScriptedExchange()
    book = book_of(life.claimed(), life.unknown())
    for times in range(1, 4):
        (found,) = searched(book, life.client_order_id, at_ns=exchange.tick())
        assert isinstance(found, DifferenceFound)
        assert f"asked {times} times" in found.theirs
    assert only(book, life).state is OrderState.UNKNOWN
    assert len(book.differences.open) == 1


def test_an_unknown_is_found_by_its_client_id() -> None:
    """A8: the exchange's own lists settle it, whatever the venue says of single orders."""
    life, exchange = Life(), ScriptedExchange()
    book = book_of(life.claimed(), life.unknown())
    searched(book, life.client_order_id, at_ns=exchange.tick())
    order_of(life, exchange)
    said = look(book, exchange)
    assert [one.exchange_order_id for one in said if isinstance(one, OrderAcked)] == ["77"]
    assert only(book, life).state is OrderState.SUBMITTED
    assert not book.differences.open


def test_trades_without_an_id_count_by_cumulative_quantity() -> None:
    """R4, trap 22: a match without an id says that something traded; the order says how much."""
    life, exchange = Life(), ScriptedExchange()
    name = order_of(life, exchange)
    book = book_of(life.claimed(), life.acked())
    fill = exchange.trade(name, "0.4")
    nameless = FillSeen(
        symbol=SYMBOL,
        trade_id="",
        exchange_order_id=name,
        client_order_id=life.client_order_id,
        side=fill.side,
        quantity=fill.quantity,
        price=fill.price,
        commission=Decimal(0),
        commission_asset="",
        exchange_ns=0,
    )
    for _ in range(3):
        assert hear(book, exchange, [nameless]) == []
    assert life.client_order_id in book.due
    said = look(book, exchange)
    assert [one.cumulative for one in said if isinstance(one, OrderFilled)] == [Decimal("0.4")]
    assert not book.due
    assert only(book, life).filled == Decimal("0.4")


def test_an_end_waits_for_the_trades_before_it() -> None:
    """R5: a cancel that tells of trades which are not known yet is written after them."""
    life, exchange = Life(), ScriptedExchange()
    name = order_of(life, exchange)
    book = book_of(life.claimed(), life.acked())
    exchange.trade(name, "0.4")
    exchange.cancel(name)
    assert not hear(book, exchange, exchange.told[-1])
    said = [one for one in look(book, exchange) if isinstance(one, OrderFilled | OrderCancelled)]
    assert [type(one) for one in said] == [OrderFilled, OrderCancelled]


def test_trades_that_are_never_listed_are_told_by_their_sum() -> None:
    """R4: ten seconds after the exchange said how much traded, that is evidence enough."""
    life, exchange = Life(), ScriptedExchange()
    name = order_of(life, exchange)
    book = book_of(life.claimed(), life.acked())
    exchange.trade(name, "0.4", "12")
    exchange.fills.clear()
    hear(book, exchange, [exchange.orders[name]])
    said = look(book, exchange)
    (fill,) = [one for one in said if isinstance(one, OrderFilled)]
    assert (fill.trade_id, fill.cumulative, fill.price) == ("", Decimal("0.4"), Decimal(12))


@pytest.mark.parametrize("names_trades", [True, False])
def test_trades_of_an_order_that_nobody_named_wait_for_its_name(names_trades: bool) -> None:
    """R14: Binance's trades carry no client id; the order itself says whose it is."""
    life, exchange = Life(), ScriptedExchange(names_trades=names_trades)
    name = order_of(life, exchange)
    exchange.trade(name, "1")
    book = book_of(life.claimed())
    learn(book, exchange.fills, at_ns=exchange.now_ns)
    assert (name in book.unowned) is not names_trades
    learn(book, [exchange.orders[name]], at_ns=exchange.now_ns)
    assert not book.unowned
    assert only(book, life).filled == Decimal(1)
