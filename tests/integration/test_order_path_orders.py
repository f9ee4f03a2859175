"""
Orders through the real stages to the exchange and back: placed, cancelled, refused.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from spark import topics
from spark.events import (
    CancelApproved,
    IntentRefused,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderClaimed,
    OrderFilled,
    OrderRejected,
    RequestNotSent,
    RequestSealed,
    SigningSkipped,
)
from spark.names import AccountId, Action, Reason, Role, Side, StrategyId, Symbol
from spark.ops.order_view import OrderView
from tests.hops import intent_written
from tests.order_path import OrderPath, in_memory
from tests.order_stages import BTC, ETH


@pytest.fixture
async def path() -> AsyncIterator[OrderPath]:
    async with in_memory() as made:
        await made.up()
        yield made


async def test_a_place_is_acknowledged_and_every_hop_says_so(path: OrderPath) -> None:
    """A1-A4: intent, approval, seal, claim, ack; one order in the exchange's ledger."""
    order = path.order()
    await path.ask(order)
    acked = await path.hear(order, OrderAcked)
    approved = await path.hear(order, OrderApproved, topics.DECISIONS)
    await path.hear(order, RequestSealed, topics.SIGNED)
    claimed = await path.hear(order, OrderClaimed)
    assert approved.client_order_id == claimed.client_order_id == acked.client_order_id
    assert (claimed.quantity, claimed.price) == (order.quantity, order.price)
    assert await path.placed() == [acked.client_order_id]
    assert acked.sent_ns < acked.answered_ns


async def test_an_order_that_trades_at_once_is_filled(path: OrderPath) -> None:
    """A6: the reply's trades become fills, after the ack that they imply."""
    order = path.order(side=Side.SELL, price="61000", quantity="0.02")
    await path.ask(order)
    fill = await path.hear(order, OrderFilled)
    assert (fill.cumulative, fill.order_quantity) == (Decimal("0.02"), Decimal("0.02"))
    assert fill.trade_id
    about = [type(one) for _, one in path.tape.records[topics.EVENTS] if hasattr(one, "intent_id")]
    assert about == [OrderClaimed, OrderAcked, OrderFilled]


async def test_a_cancel_is_answered_under_its_own_id(path: OrderPath) -> None:
    """Places and cancels are both intents; the cancel is named in the order's end."""
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderAcked)
    cancel = path.cancel(order)
    await path.ask(cancel)
    cancelled = await path.hear(order, OrderCancelled)
    assert cancelled.cancel_intent_id == cancel.intent_id
    await path.hear(cancel, CancelApproved, topics.DECISIONS)
    assert len(await path.requests("DELETE")) == 1


async def test_a_cancel_right_behind_its_place_never_overtakes_it(path: OrderPath) -> None:
    """Both in one batch: the order is dropped unsent or cancelled after its ack, and gone."""
    orders = [path.order() for _ in range(20)]
    await path.ask(*[one for order in orders for one in (order, path.cancel(order))])

    def ended() -> bool:
        dropped = [
            one for one in path.tape.on(topics.EVENTS, RequestNotSent) if one.action is Action.PLACE
        ]
        return len(dropped) + len(path.tape.on(topics.EVENTS, OrderCancelled)) == len(orders)

    await path.tape.until(ended)
    answer = await path.judge.call("GET", "/api/v3/openOrders")
    assert answer.json == []


async def test_a_cancel_before_the_send_drops_the_order(path: OrderPath) -> None:
    """An order that waits behind a slow exchange is taken back without a byte sent."""
    await path.fault("delay_before", count=4, ms=1_500)
    # Half of the eight slots may be one symbol's: the fifth waits.
    blocking = [path.order() for _ in range(4)]
    waiting = path.order()
    await path.ask(*blocking, waiting)
    await path.hear(waiting, RequestSealed, topics.SIGNED)
    cancel = path.cancel(waiting)
    await path.ask(cancel)
    dropped = await path.hear(waiting, RequestNotSent)
    ended = await path.hear(cancel, RequestNotSent)
    for one in (dropped, ended):
        assert [refusal.code for refusal in one.reasons] == [Reason.CANCELLED_BEFORE_SEND]
    for order in blocking:
        await path.hear(order, OrderAcked)
    assert len(await path.requests()) == 4
    assert await path.requests("DELETE") == []


async def test_a_slow_symbol_does_not_hold_up_another(path: OrderPath) -> None:
    """A4: bulkheads by symbol; the other symbol's order is acknowledged first."""
    # As many as one symbol has slots: the two behind them wait in its queue.
    await path.fault("delay_before", count=4, ms=1_500)
    slow = [path.order() for _ in range(6)]
    await path.ask(*slow)
    for order in slow[:4]:
        await path.hear(order, OrderClaimed)
    quick = path.order(ETH)
    await path.ask(quick)
    await path.hear(quick, OrderAcked)
    assert path.tape.on(topics.EVENTS, OrderAcked)[0].symbol == ETH


async def test_a_cancel_of_an_ended_order_is_closed_without_a_request(path: OrderPath) -> None:
    """A6, fault V5: what is over needs no request; the cancel's end says what the order is."""
    order = path.order(side=Side.SELL, price="61000")
    await path.ask(order)
    await path.hear(order, OrderFilled)
    cancel = path.cancel(order)
    await path.ask(cancel)
    ended = await path.hear(cancel, RequestNotSent)
    assert [(one.code, one.found) for one in ended.reasons] == [
        (Reason.CANCEL_TARGET_CLOSED, "filled")
    ]
    assert await path.requests("DELETE") == []


async def test_what_the_exchange_rejects_is_rejected(path: OrderPath) -> None:
    """Fault V8: a definite refusal of the exchange ends the order with the exchange's own word."""
    order = path.order(price="9999")
    await path.ask(order)
    rejected = await path.hear(order, OrderRejected)
    assert (rejected.code, rejected.http_status) == ("FILTER_PERCENT_PRICE_BY_SIDE", 400)
    assert await path.placed() == []


async def test_an_approved_intent_is_never_lost_between_the_hops(path: OrderPath) -> None:
    """R6: a hundred intents, places and cancels mixed: exactly one output each, on every hop."""
    orders = [path.order(ETH if n % 3 == 0 else BTC) for n in range(50)]
    await path.ask(*orders)
    await path.ask(*[path.cancel(order) for order in orders])

    def are_over() -> bool:
        gone = {one.intent_id for one in path.tape.on(topics.EVENTS, OrderCancelled)}
        gone |= {one.intent_id for one in path.tape.on(topics.EVENTS, RequestNotSent)}
        return gone >= {order.intent_id for order in orders}

    await path.tape.until(are_over)
    assert path.tape.numbers(topics.DECISIONS) == list(range(100))
    assert path.tape.numbers(topics.SIGNED) == list(range(100))
    assert len(await path.placed()) == len(set(await path.placed()))


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"quantity": "1"}, [Reason.NOTIONAL_EXCEEDED]),
        ({"price": "60000.005"}, [Reason.PRICE_PRECISION]),
        (
            {"quantity": "-0.000001", "price": "0"},
            [
                Reason.PRICE_OUT_OF_RANGE,
                Reason.QUANTITY_PRECISION,
                Reason.QUANTITY_OUT_OF_RANGE,
                Reason.NOTIONAL_BELOW_MINIMUM,
                Reason.PRICE_COLLAR_EXCEEDED,
            ],
        ),
        ({"symbol": Symbol("XXXYYY")}, [Reason.INSTRUMENT_UNKNOWN]),
        ({"ttl_ns": 0}, [Reason.INTENT_EXPIRED]),
        ({"account": AccountId("btcturk:main")}, None),
    ],
    ids=["worth", "tick", "five at once", "symbol", "expired", "another account"],
)
async def test_a_refusal_carries_all_its_reasons_to_the_end(
    path: OrderPath, changes: dict[str, Any], codes: list[Reason] | None
) -> None:
    """A2, R6, fault V8: refused with every reason, skipped by the signer, closed by the gateway."""
    order = path.order(**changes)
    await path.ask(order)
    refused = await path.hear(order, IntentRefused, topics.DECISIONS)
    if codes is None:
        # Another exchange's rules are not its own, though the symbol is the same.
        assert Reason.INSTRUMENT_UNKNOWN in [one.code for one in refused.reasons]
        assert Reason.GATEWAY_NOT_READY in [one.code for one in refused.reasons]
        return
    assert [one.code for one in refused.reasons] == codes
    skipped = await path.hear(order, SigningSkipped, topics.SIGNED)
    assert [one.code for one in skipped.reasons] == [Reason.UPSTREAM_REFUSED, *codes]
    ended = await path.hear(order, RequestNotSent)
    assert ended.reasons == skipped.reasons
    assert await path.requests() == []


async def test_a7_the_same_intent_twice_is_one_order(path: OrderPath) -> None:
    """
    A7: a repetition is refused and points at the first; other content under the id, too.

    Faults P1 and K11.
    """
    order = path.order()
    other = replace(order, price=Decimal(59_000))
    first, again, reused = [(await path.ask(one))[0] for one in (order, order, other)]
    await path.tape.until(lambda: len(path.tape.on(topics.DECISIONS, IntentRefused)) == 2)
    refused = path.tape.on(topics.DECISIONS, IntentRefused)
    assert [(one.stamp.seq, one.reasons[0].code, one.reasons[0].found) for one in refused] == [
        (again, Reason.DUPLICATE_INTENT, f"first seen at {first}"),
        (reused, Reason.INTENT_ID_REUSED, f"first seen at {first}"),
    ]
    await path.hear(order, OrderAcked)
    assert len(await path.placed()) == 1


async def test_b2_a_kill_file_stops_places_and_lets_cancels_pass(path: OrderPath) -> None:
    """B2, S10: new orders stop at once, and the risk that is there can still be taken away."""
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderAcked)
    kill = path.latch("operator")
    refused, cancel = path.order(), path.cancel(order)
    await path.ask(refused, cancel)
    decision = await path.hear(refused, IntentRefused, topics.DECISIONS)
    assert [(one.code, one.found) for one in decision.reasons] == [
        (Reason.KILL_SWITCH_ACTIVE, kill)
    ]
    await path.hear(order, OrderCancelled)
    (path.latch_dir / "operator").unlink()
    still = path.order()
    await path.ask(still)
    await path.hear(still, IntentRefused, topics.DECISIONS)


async def test_r10_a_kill_between_approval_and_send_is_heeded(path: OrderPath) -> None:
    """R10: approved and sealed before the kill, the order is still not sent."""
    await path.stage(Role.GATEWAY).end()
    order = path.order()
    await path.ask(order)
    await path.hear(order, RequestSealed, topics.SIGNED)
    (path.latch_dir / "late").touch()
    await path.start(Role.GATEWAY).is_up()
    await path.hear(order, RequestNotSent)
    assert await path.requests() == []


async def test_a_strategy_speaks_for_itself_alone(path: OrderPath) -> None:
    """S2: an order in another's name is refused, whoever's key is under it."""
    order = replace(path.order(), strategy=StrategyId("op-local"))
    await path.write(intent_written(order))
    refused = await path.hear(order, IntentRefused, topics.DECISIONS)
    assert [one.code for one in refused.reasons] == [Reason.STRATEGY_MISMATCH]


async def test_the_screens_view_tells_the_same_story(path: OrderPath) -> None:
    """F1: rows and hops are made of the same records, and say what the ledger says."""
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderAcked)
    cancel = path.cancel(order)
    await path.ask(cancel)
    await path.hear(order, OrderCancelled)
    view = OrderView()
    for topic in (topics.EVENTS, topics.SIGNED, topics.DECISIONS, topics.INTENTS):
        for record, event in path.tape.records[topic]:
            if event is None:
                continue
            at_ns = record.timestamp_ms * 1_000_000
            view.see(event, topic=topic, offset=record.offset, appended_ns=at_ns)
    row = view.rows[order.intent_id]
    assert row.state == "cancelled"
    assert row.place_ack_ms is not None
    assert row.hops[0].kind == "place_order"
    assert view.rows[cancel.intent_id].is_settled
