"""
The account feed beside the order path: what the simulated Binance says stands on the log.
"""

from collections.abc import Callable
from typing import TypeVar

from spark import topics
from spark.errors import FencedError
from spark.events import (
    AccountDoubted,
    AccountReconciled,
    BalancesSeen,
    DifferenceFound,
    ForeignOrderSeen,
    OrderAcked,
    OrderCancelled,
    OrderFilled,
    OutcomeUnknown,
    PartitionFenced,
)
from spark.names import DifferenceKind, Role, Side
from tests.order_path import OrderPath, in_memory

_T = TypeVar("_T")
FEED = Role.ACCOUNT_FEED


def anything(_: object) -> bool:
    return True


def valid(path: OrderPath, kind: type[_T], fits: Callable[[_T], bool] = anything) -> list[_T]:
    """List what the feed that holds the account wrote: the surroundings' word is void then."""
    epoch = -1
    found: list[_T] = []
    for record, event in path.tape.records[topics.ACCOUNT_EVENTS]:
        if record.partition.number:
            continue
        if isinstance(event, PartitionFenced):
            epoch, found = record.offset, []
        is_void = getattr(event, "epoch", epoch) != epoch
        if isinstance(event, kind) and not is_void and fits(event):
            found.append(event)
    return found if epoch > 0 else []


async def said(path: OrderPath, kind: type[_T], fits: Callable[[_T], bool] = anything) -> list[_T]:
    """Wait for records of the account feed that count."""
    return await path.tape.until(lambda: valid(path, kind, fits))


async def move_funds(path: OrderPath, amount: str) -> None:
    """Move BTC without a trade."""
    moved = {"account": "main", "asset": "BTC", "amount": amount}
    answer = await path.judge.judge("POST", "/funds", moved)
    assert "error" not in answer, answer


async def test_an_account_is_doubted_then_reconciled() -> None:
    """
    A9: before trading starts log and exchange are compared, and it is said with numbers.

    Fault P8.
    """
    async with in_memory() as path:
        await path.up()
        await path.up(FEED)
        (first, *_) = await said(path, AccountReconciled)
        assert (first.cause, first.halting) == ("start", 0)
        assert isinstance(valid(path, object)[1], AccountDoubted)
        (balances, *_) = await said(path, BalancesSeen)
        assert {one.asset for one in balances.balances} >= {"BTC", "USDT"}
        await said(path, AccountReconciled, lambda one: one.cause == "background")


async def test_what_the_stream_tells_is_evidence_at_once() -> None:
    """R4, A9: an order's acknowledgement, trades and end stand on both topics, and agree."""
    async with in_memory() as path:
        await path.up()
        await path.up(FEED)
        await said(path, AccountReconciled)
        bought = path.order(price="70000", quantity="0.01")
        resting = path.order(price="50000")
        await path.ask(bought, resting)
        here = await path.hear(bought, OrderFilled)
        await path.hear(resting, OrderAcked)
        await path.ask(path.cancel(resting))
        await path.hear(resting, OrderCancelled)
        there = await path.hear(bought, OrderFilled, topics.ACCOUNT_EVENTS)
        assert (there.trade_id, there.quantity, there.price, there.commission) == (
            here.trade_id,
            here.quantity,
            here.price,
            here.commission,
        )
        await said(path, AccountReconciled, lambda one: one.fills >= 1)
        count = len(valid(path, AccountReconciled))
        await path.tape.until(lambda: len(valid(path, AccountReconciled)) > count + 1)
        assert not valid(path, DifferenceFound)


async def test_an_unknown_is_settled_by_the_stream() -> None:
    """A8: the reply was lost; the exchange's own word says that the order lives."""
    async with in_memory(reply_ms_max=500) as path:
        await path.up()
        await path.up(FEED)
        await said(path, AccountReconciled)
        await path.fault("drop_reply")
        order = path.order()
        await path.ask(order)
        acked = await path.hear(order, OrderAcked, topics.ACCOUNT_EVENTS)
        assert await path.placed() == [acked.client_order_id]


async def test_an_unknown_is_searched_for_at_once() -> None:
    """A8: with the stream deaf, too, the exchange's lists show the order; nothing is sent again."""
    async with in_memory(reconcile_period_s=600.0) as path:
        await path.up()
        await path.up(FEED)
        await said(path, AccountReconciled)
        await path.fault("drop_message", route="private", count=20)
        await path.fault("drop_reply")
        order = path.order()
        await path.ask(order)
        unknown = await path.hear(order, OutcomeUnknown)
        acked = await path.hear(order, OrderAcked, topics.ACCOUNT_EVENTS)
        assert acked.client_order_id == unknown.client_order_id
        assert len(await path.placed()) == 1


async def test_an_order_of_somebody_else_is_marked() -> None:
    """R14, fault V6: an order placed past Spark is shown as foreign, and is no reason to stop."""
    async with in_memory() as path:
        await path.up()
        await path.up(FEED)
        await said(path, AccountReconciled)
        await path.judge.place(
            symbol="BTCUSDT",
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity="0.01",
            price="50000",
            newClientOrderId="by-hand",
        )
        (foreign, *_) = await said(path, ForeignOrderSeen)
        assert (foreign.client_order_id, foreign.side) == ("by-hand", Side.BUY)
        (found, *_) = await said(path, DifferenceFound)
        assert found.kind is DifferenceKind.FOREIGN_ORDER


async def test_a_lost_stream_is_doubt_until_it_was_compared_again() -> None:
    """A9, fault M3: what the stream missed is found by the comparison after the reconnect."""
    async with in_memory() as path:
        await path.up()
        await path.up(FEED)
        await said(path, AccountReconciled)
        await path.fault("disconnect", route="private")
        await said(path, AccountDoubted, lambda one: one.cause == "stream_lost")
        await said(path, AccountReconciled, lambda one: one.cause == "reconnect")


async def test_funds_that_nobody_moved_stop_the_account() -> None:
    """S9, fault V6: a balance that follows from nothing is a difference that halts."""
    async with in_memory() as path:
        await path.up()
        await path.up(FEED)
        await said(path, AccountReconciled)
        await path.fault("drop_message", route="private", count=10)
        await move_funds(path, "-1")
        (found, *_) = await said(path, DifferenceFound)
        assert (found.kind, found.subject) == (DifferenceKind.BALANCE, "BTC")
        await said(path, AccountReconciled, lambda one: one.halting == 1)


async def test_funds_that_the_exchange_told_of_are_expected() -> None:
    """A9: a deposit on the private stream explains its balance."""
    async with in_memory() as path:
        await path.up()
        await path.up(FEED)
        await said(path, AccountReconciled)
        await move_funds(path, "2")
        count = len(valid(path, AccountReconciled))
        await path.tape.until(lambda: len(valid(path, AccountReconciled)) > count + 3)
        assert not valid(path, DifferenceFound)


async def test_a_restart_goes_on_from_the_log() -> None:
    """A9, R8: what traded while the feed was away is found, and the old baseline still holds."""
    async with in_memory() as path:
        await path.up()
        await path.up(FEED)
        await said(path, AccountReconciled)
        first = path.order(price="70000", quantity="0.01")
        await path.ask(first)
        await path.hear(first, OrderFilled, topics.ACCOUNT_EVENTS)
        await said(path, AccountReconciled, lambda one: one.cause == "background")
        await path.stage(FEED).crash()
        away = path.order(price="70000", quantity="0.02")
        await path.ask(away)
        await path.hear(away, OrderFilled)
        await path.start(FEED).is_up()
        await said(path, AccountReconciled, lambda one: one.cause == "start")
        count = len(valid(path, AccountReconciled))
        await path.tape.until(lambda: len(valid(path, AccountReconciled)) > count + 2)
        assert not valid(path, DifferenceFound)


async def test_a_second_feed_ends_the_first() -> None:
    """F4: an account has one feed; the one that lost it ends at its next write."""
    async with in_memory() as path:
        await path.up()
        await path.up(FEED)
        await said(path, AccountReconciled)
        old = path.stage(FEED)
        await path.up(FEED)
        assert isinstance(await old.error(), FencedError)
        await said(path, AccountReconciled)
