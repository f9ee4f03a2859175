"""
Every stage crashed in the middle of its work and started again: nothing lost, nothing twice.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from spark import topics
from spark.consumers import auditor, gateway_desk
from spark.events import (
    Intent,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderClaimed,
    OrderFilled,
    OutcomeUnknown,
    PartitionFenced,
    PlaceOrder,
    RequestNotSent,
    RequestSealed,
    SigningSkipped,
)
from spark.ledger.fold import Orders, fold_event
from spark.names import OrderState, Reason, Role
from spark.worker import keeper
from tests.made import SECOND_NS
from tests.order_path import OrderPath, in_memory
from tests.order_stages import BTC, ETH

#: What each stage writes; so many records more, and it is in the middle of its work.
OUTPUTS = {
    Role.GUARDRAIL: topics.DECISIONS,
    Role.SIGNER: topics.SIGNED,
    Role.GATEWAY: topics.EVENTS,
}
MORE = 30


@pytest.fixture(params=["folded whole", "from a kept state"])
async def path(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OrderPath]:
    """An order path whose stages keep no state on disk, or keep it after every batch."""
    state_dir = None
    if request.param == "from a kept state":
        state_dir = tmp_path
        monkeypatch.setattr(keeper, "_IDLE_OUTPUTS_MIN", 1)
        monkeypatch.setattr(keeper, "_BUSY_OUTPUTS_MAX", 5)
        monkeypatch.setattr(gateway_desk, "_IDLE_EVENTS_MIN", 1)
        monkeypatch.setattr(gateway_desk, "_BUSY_EVENTS_MAX", 5)
        monkeypatch.setattr(auditor, "_UNKEPT_LINES_MAX", 1)
    async with in_memory(state_dir=state_dir) as made:
        await made.up()
        yield made


@asynccontextmanager
async def loaded(path: OrderPath) -> AsyncIterator[list[Intent]]:
    """Ask for places and cancels on two symbols while the body runs."""
    asked: list[Intent] = []
    is_over = asyncio.Event()

    async def load() -> None:
        number = 0
        while not is_over.is_set():
            order = path.order(ETH if number % 2 else BTC)
            before = asked[-4] if len(asked) > 4 else None
            batch: list[Intent] = [order]
            if isinstance(before, PlaceOrder):
                batch.append(path.cancel(before))
            asked.extend(batch)
            await path.ask(*batch)
            number += 1
            await asyncio.sleep(0.003)  # the rate of the load, not a wait for anything

    task = asyncio.create_task(load())
    try:
        yield asked
    finally:
        is_over.set()
        await task


async def settled(path: OrderPath, intents: int) -> Orders:
    """Wait until each signed record has its event and no order is in flight or unknown."""
    # A claim that was never sent is denied for good only after the exchange's window.
    await path.shift_exchange_clock(60_000)

    def book() -> Orders:
        orders = Orders()
        for record, event in path.tape.records[topics.EVENTS]:
            if event is not None and record.partition.number == 0:
                fold_event(orders, event, record.offset, record.timestamp_ms * 1_000_000)
        return orders

    def is_quiet() -> bool:
        numbers = [path.tape.numbers(topic) for topic in (topics.DECISIONS, topics.SIGNED)]
        if any(len(one) < intents for one in numbers):
            return False
        ended = {offset for offset, _ in path.events_of_signed()}
        if ended < path.signed_offsets():
            return False
        orders = book()
        return not orders.cancels and not any(
            one.state in {OrderState.CLAIMED, OrderState.UNKNOWN} for one in orders.by_id.values()
        )

    await path.tape.until(is_quiet)
    return book()


async def judged(path: OrderPath, asked: list[Intent]) -> None:
    """Hold the log against what was asked and against the exchange's own ledger."""
    orders = await settled(path, len(asked))
    dense = list(range(len(asked)))
    assert path.tape.numbers(topics.DECISIONS) == dense
    assert path.tape.numbers(topics.SIGNED) == dense
    # Each signed record: claimed once or ended once; a claim may still end before its send.
    outcomes = Counter(offset for offset, event in path.events_of_signed() if event == "claimed")
    assert set(outcomes.values()) <= {1}
    assert {offset for offset, _ in path.events_of_signed()} == path.signed_offsets()
    placed = await path.placed()
    assert len(placed) == len(set(placed)), "an order was placed twice"
    posted = Counter(one["client_order_id"] for one in await path.requests())
    assert set(posted.values()) <= {1}, "a request was sent twice"
    known = {
        event.client_order_id
        for _, event in path.tape.records[topics.EVENTS]
        if isinstance(event, OrderAcked | OrderFilled | OrderCancelled)
    }
    assert known == set(placed), "the log and the exchange disagree"
    states = {orders.by_id[key].state for key in known}
    assert states <= {OrderState.SUBMITTED, OrderState.FILLED, OrderState.CANCELLED}


@pytest.mark.parametrize("role", list(OUTPUTS))
async def test_r6_a_stage_crashed_under_load_goes_on_where_it_was(
    path: OrderPath, role: Role
) -> None:
    """
    R6, R1: crashed three times in the middle; one output each, no order lost or doubled.

    Fault P2.
    """
    output = OUTPUTS[role]
    async with loaded(path) as asked:
        for _ in range(3):
            await path.tape.more(output, MORE)
            await path.restart(role)
    await judged(path, asked)
    assert len(path.tape.on(topics.EVENTS, OrderAcked)) > 0


async def test_r6_all_stages_crashed_at_once_go_on_where_they_were(path: OrderPath) -> None:
    """R6: a machine that dies takes all of them; they start in any order."""
    async with loaded(path) as asked:
        await path.tape.until(lambda: len(path.tape.on(topics.EVENTS, OrderAcked)) > MORE)
        await asyncio.gather(*(path.stage(role).crash() for role in OUTPUTS))
        for role in (Role.GUARDRAIL, Role.GATEWAY, Role.SIGNER):
            path.start(role)
        for role in OUTPUTS:
            await path.stage(role).is_up()
        await path.tape.more(topics.EVENTS, 3 * MORE)
    await judged(path, asked)


async def test_a_stop_leaves_nothing_in_doubt(path: OrderPath) -> None:
    """SIGTERM: what is in flight is awaited and written down; nothing is unknown afterwards."""
    await path.fault("delay_after", count=4, ms=300)
    orders = [path.order() for _ in range(4)]
    await path.ask(*orders)
    for order in orders:
        await path.hear(order, OrderClaimed)
    await path.stage(Role.GATEWAY).end()
    for order in orders:
        await path.hear(order, OrderAcked)
    await path.start(Role.GATEWAY).is_up()
    await path.tape.catch_up()
    assert path.tape.on(topics.EVENTS, OutcomeUnknown) == []


async def test_a8_a_crash_between_claim_and_answer_is_an_unknown(path: OrderPath) -> None:
    """A8, fault P4: after the restart the order is asked for, not sent again."""
    await path.fault("delay_after", ms=500)
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderClaimed)
    while not await path.placed():
        pass
    await path.restart(Role.GATEWAY)
    unknown = await path.hear(order, OutcomeUnknown)
    assert unknown.cause == "restart"
    acked = await path.hear(order, OrderAcked)
    assert await path.placed() == [acked.client_order_id]
    assert len(await path.requests()) == 1


async def test_a11_what_waited_too_long_behind_a_slow_exchange_is_not_sent() -> None:
    """A11, faults P3 and N4: a signature that is over when its turn comes ends the order unsent."""
    async with in_memory(signature_life_ns=SECOND_NS) as path:
        await path.up()
        await path.fault("delay_before", count=4, ms=2_000)
        blocking = [path.order() for _ in range(4)]
        await path.ask(*blocking)
        for order in blocking:
            await path.hear(order, OrderClaimed)
        late = path.order()
        await path.ask(late)
        ended = await path.ended(late)
        assert [one.code for one in ended.reasons] == [Reason.SIGNATURE_EXPIRED]
        assert len(await path.requests()) == 4


async def test_starting_again_and_again_writes_only_fences(path: OrderPath) -> None:
    """Start is recovery: without input a restart changes nothing but the epoch."""
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderAcked)
    for role in OUTPUTS:
        for _ in range(3):
            await path.restart(role)
    await path.tape.catch_up()
    assert len(path.tape.on(topics.DECISIONS, OrderApproved)) == 1
    assert len(path.tape.on(topics.SIGNED, RequestSealed)) == 1
    assert len(path.tape.on(topics.EVENTS, OrderClaimed)) == 1
    assert len(path.tape.on(topics.DECISIONS, PartitionFenced)) == 4 * topics.ACCOUNT_PARTITIONS
    later = path.order()
    await path.ask(later)
    await path.hear(later, OrderAcked)
    assert path.tape.on(topics.SIGNED, SigningSkipped) == []
    assert path.tape.on(topics.EVENTS, RequestNotSent) == []
