"""
The gateway's manners on the whole order path, judged by the exchange's own ledger.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.clock import SystemClock
from spark.codec import encode
from spark.consumers.gateway_away import AwayFile
from spark.consumers.gateway_intake import Now
from spark.events import (
    BreakerChanged,
    CancelRejected,
    Intent,
    KeyUsed,
    OrderAcked,
    OrderCancelled,
    OrderClaimed,
    OrderRejected,
    OrderResolved,
    OutcomeUnknown,
    PlaceOrder,
    RequestNotSent,
    ResolveUnknown,
)
from spark.exchanges.binance.signer import BinanceSigner
from spark.exchanges.port import Question
from spark.ids import client_order_id
from spark.ledger import breaker
from spark.names import BreakerState, Reason, Role
from spark.producers import words
from spark.producers.words import Operator
from tests import keyed
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, STRATEGY
from tests.mannered import BINANCE_RULES, manners
from tests.order_path import OrderPath, in_memory
from tests.order_stages import BTC, ETH
from tests.persons import LOCAL, SECOND
from tests.tape import PATIENCE_S

_NOWHERE: Final = "http://127.0.0.1:1"
_ACCOUNT_EVENTS: Final = Partition(topics.ACCOUNT_EVENTS, 0)


@pytest.fixture
async def path() -> AsyncIterator[OrderPath]:
    async with in_memory() as made:
        await made.up()
        yield made


@pytest.fixture
async def searched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OrderPath]:
    """An exchange that cannot be asked by our ids, and whose stamps must grow: as BTCTurk."""
    monkeypatch.setattr(BinanceSigner, "stamps_increase", True)
    rules = replace(BINANCE_RULES, has_questions=False, is_in_stamp_order=True)
    async with in_memory(rules=rules) as made:
        await made.up()
        yield made


async def sent(path: OrderPath) -> list[dict[str, Any]]:
    """List what arrived for orders, in its order."""
    return [
        entry
        for entry in await path.ledger()
        if entry["kind"] == "request" and entry["path"] == "/api/v3/order"
        if entry["method"] in {"POST", "DELETE"}
    ]


async def breakers(path: OrderPath, count: int) -> list[tuple[BreakerState, str]]:
    """Wait for so many changes of the breaker."""
    found = await path.tape.some(topics.EVENTS, BreakerChanged, count)
    return [(one.state, one.cause) for one in found]


async def say_evidence(path: OrderPath, *events: Any) -> None:  # noqa: ANN401  (any events)
    """Write as the account feed."""
    bus = path.bus_of("broker")
    writer = await bus.writer([topics.ACCOUNT_EVENTS])
    await writer.write([Outgoing(_ACCOUNT_EVENTS, ACCOUNT.encode(), encode(e)) for e in events])
    await writer.close()
    await bus.close()


def seen(order: PlaceOrder) -> OrderAcked:
    """What the account feed says when it found an order."""
    return OrderAcked(
        account=ACCOUNT,
        strategy=STRATEGY,
        intent_id=order.intent_id,
        client_order_id=client_order_id(ACCOUNT, STRATEGY, order.intent_id),
        symbol=order.symbol,
        exchange_order_id="77",
        exchange_ns=1,
        sent_ns=0,
        answered_ns=0,
    )


async def resolve(path: OrderPath, order: PlaceOrder) -> None:
    """Let two persons say that an order was never placed."""
    operators = [
        Operator(name, keyed.person(name), keyed.LOG_EPOCH, SystemClock())
        for name in (LOCAL, SECOND)
    ]
    now_ns = SystemClock().wall_ns()
    word = ResolveUnknown(
        account=ACCOUNT,
        client_order_id=seen(order).client_order_id,
        reason="looked it up in the web page",
        proposed_by=LOCAL,
        created_ns=now_ns,
        expires_ns=now_ns + 60 * SECOND_NS,
        log_epoch=keyed.LOG_EPOCH,
    )
    bus = path.bus_of("broker")
    await words.propose(bus, operators[0], word)
    await words.approve(bus, operators[1], encode(word))
    await bus.close()


async def test_trap_14_nothing_arrives_before_retry_after_is_over_and_cancels_come_first(
    path: OrderPath,
) -> None:
    """Trap 14, A4, fault V3: `Retry-After` to the letter, judged by the exchange's ledger."""
    resting = path.order()
    await path.ask(resting)
    await path.hear(resting, OrderAcked)
    await path.fault("reject_429", ms=2_000)
    refused = path.order(ETH)
    await path.ask(refused)
    await path.hear(refused, OrderRejected)
    due = len(await sent(path))
    waiting, out = path.order(), path.cancel(resting)
    await path.ask(waiting, out)
    await path.hear(waiting, OrderAcked)
    await path.hear(resting, OrderCancelled)
    arrived = await sent(path)
    assert [entry["method"] for entry in arrived[due:]] == ["DELETE", "POST"]
    assert arrived[due]["at_ns"] - arrived[due - 1]["at_ns"] >= 2 * SECOND_NS


async def test_a4_who_cannot_wait_that_long_is_told_at_once(path: OrderPath) -> None:
    """A4, fault V3: a place whose signature ends before the ban does never leaves."""
    await path.fault("reject_429", ms=600_000)
    refused, order = path.order(), path.order(ETH)
    await path.ask(refused)
    await path.hear(refused, OrderRejected)
    await path.ask(order)
    assert [one.code for one in (await path.ended(order)).reasons] == [Reason.VENUE_BACKING_OFF]
    assert len(await path.requests()) == 1


async def test_b10_after_a_burst_of_429_one_request_goes_at_a_time(path: OrderPath) -> None:
    """
    B10, A4: the gateway lowers its own concurrency at once; the sentinel's word comes later.

    Fault V3.
    """
    await path.fault("reject_429", count=3, ms=1)
    for _ in range(3):
        refused = path.order(ETH)
        await path.ask(refused)
        await path.hear(refused, OrderRejected)
    await path.tape.catch_up()
    before = len(path.tape.records[topics.EVENTS])
    asked = [path.order(symbol) for symbol in (BTC, ETH, BTC, ETH)]
    await path.ask(*asked)
    for order in asked:
        await path.hear(order, OrderAcked)
    said = [type(event) for _, event in path.tape.records[topics.EVENTS][before:]]
    assert said == [OrderClaimed, OrderAcked] * 4


async def test_trap_14_a_ban_is_kept_over_a_crash(tmp_path: Path) -> None:
    """
    Trap 14, A4: a gateway that begins anew does not ask before the ban of the last is over.

    Fault V3.
    """
    async with in_memory(state_dir=tmp_path) as path:
        await path.up()
        await path.fault("reject_429", ms=600_000)
        refused, order = path.order(), path.order(ETH)
        await path.ask(refused)
        await path.hear(refused, OrderRejected)
        await path.restart(Role.GATEWAY)
        await path.ask(order)
        reasons = (await path.ended(order)).reasons
        assert [one.code for one in reasons] == [Reason.VENUE_BACKING_OFF]
        assert len(await path.requests()) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"account_ns":"x","address_ns":1}'])
def test_a_spoilt_away_file_is_none(tmp_path: Path, body: bytes) -> None:
    """A4: nothing to read keeps nobody away, and stops nobody."""
    file = tmp_path / "gateway.0.away"
    file.write_bytes(body)
    at, now = manners(1), Now(NOW_NS, 0)
    AwayFile(file).restore(at, now)
    assert at.away_ns(now) == 0


def test_a_ban_is_never_longer_than_the_longest(tmp_path: Path) -> None:
    """A4, C1, fault C1: a wall clock that was set back by a year makes no ban of a year."""
    file = tmp_path / "gateway.0.away"
    file.write_bytes(b'{"account_ns":0,"address_ns":%d}' % (NOW_NS + 400 * 86_400 * SECOND_NS))
    at, now = manners(1), Now(NOW_NS, 0)
    AwayFile(file).restore(at, now)
    assert at.away_ns(now) == 3 * 86_400 * SECOND_NS


async def test_a4_an_open_breaker_stays_open_over_a_crash_and_a_probe_closes_it(
    path: OrderPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A4: an exchange that is gone; kill -9; cancels go; cooled, one place goes and it is back.

    Fault V8.
    """
    resting = path.order()
    await path.ask(resting)
    await path.hear(resting, OrderAcked)
    path.rest_url = _NOWHERE
    await path.restart(Role.GATEWAY)
    lost = [path.order(BTC if n % 2 else ETH) for n in range(5)]
    for order in lost:
        await path.ask(order)
        reasons = (await path.ended(order)).reasons
        assert [one.code for one in reasons] == [Reason.CONNECTION_UNAVAILABLE]
    assert await breakers(path, 1) == [(BreakerState.OPEN, "failures")]
    path.rest_url = ""
    await path.restart(Role.GATEWAY)
    held = path.order()
    await path.ask(held)
    assert [one.code for one in (await path.ended(held)).reasons] == [Reason.BREAKER_OPEN]
    await path.ask(path.cancel(resting))
    await path.hear(resting, OrderCancelled)
    claimed = {one.intent_id for one in path.tape.on(topics.EVENTS, OrderClaimed)}
    assert held.intent_id not in claimed
    monkeypatch.setattr(breaker, "COOL_NS", 1)
    assert (await breakers(path, 2))[1:] == [(BreakerState.HALF_OPEN, "cooled")]
    probe = path.order()
    await path.ask(probe)
    await path.hear(probe, OrderAcked)
    assert (await breakers(path, 3))[2:] == [(BreakerState.CLOSED, "probe_answered")]


async def test_after_a_refused_key_no_second_request_goes_and_cancels_do() -> None:
    """Fault V7: of three orders one is refused at the exchange; the others end unsent."""
    async with in_memory(concurrency_max=1) as path:
        await path.up()
        resting = path.order()
        await path.ask(resting)
        await path.hear(resting, OrderAcked)
        await path.forget_key("full")
        asked = [path.order(symbol) for symbol in (BTC, ETH, BTC)]
        await path.ask(*asked)
        refused = await path.hear(asked[0], OrderRejected)
        assert (refused.code, refused.http_status) == ("REJECTED_MBX_KEY", 401)
        for order in asked[1:]:
            reasons = (await path.ended(order)).reasons
            assert [one.code for one in reasons] == [Reason.BREAKER_OPEN]
        (changed,) = await path.tape.some(topics.EVENTS, BreakerChanged, 1)
        assert (changed.state, changed.cause) == (BreakerState.OPEN, "key_refused")
        assert changed.evidence["said"] == "REJECTED_MBX_KEY, HTTP 401"
        statuses = [entry["status"] for entry in await path.requests()]
        assert statuses == [200, 401]
        out = path.cancel(resting)
        await path.ask(out)
        await path.hear(out, CancelRejected)
        assert [entry["status"] for entry in await path.requests("DELETE")] == [401]


async def test_a8_what_the_account_feed_found_settles_an_unknown(searched: OrderPath) -> None:
    """A8: evidence on account.events, folded like our own; no question is signed meanwhile."""
    path = searched
    await path.fault("drop_reply")
    order = path.order()
    await path.ask(order)
    await path.hear(order, OutcomeUnknown)
    # Beside its fence and its opinions, which are not the gateway's (tests/surroundings.py).
    await say_evidence(path, seen(order))
    registry = path.stage(Role.GATEWAY).metrics.registry
    async with asyncio.timeout(PATIENCE_S):
        while registry.get_sample_value("spark_unknown_outcomes", {"account": ACCOUNT}) != 0:
            await path.tape.more(topics.RISK_EQUITY, 1)
    asked = [one.purpose for one in path.tape.on(topics.CONTROL_KEYS, KeyUsed)]
    assert Question.ORDER not in asked
    again = path.order()
    await path.ask(again)
    await path.hear(again, OrderAcked)


async def test_a8_evidence_that_came_while_nobody_listened_is_folded_at_start(
    searched: OrderPath,
) -> None:
    """A8, R4: a claim whose ack the account feed wrote is no unknown after the restart."""
    path = searched
    await path.fault("delay_after", ms=60_000)
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderClaimed)
    async with asyncio.timeout(PATIENCE_S):
        while not await path.requests():
            await path.tape.more(topics.RISK_EQUITY, 1)
    await path.stage(Role.GATEWAY).crash()
    await say_evidence(path, seen(order))
    await path.start(Role.GATEWAY).is_up()
    await path.tape.catch_up()
    assert path.tape.on(topics.EVENTS, OutcomeUnknown) == []
    again = path.order()
    await path.ask(again)
    await path.hear(again, OrderAcked)
    assert len(await path.requests()) == 2


async def test_a8_persons_settle_what_no_evidence_will(searched: OrderPath) -> None:
    """
    A8: two persons hold it for never placed; evidence that comes after all reopens it.

    Fault V1.
    """
    path = searched
    await path.fault("drop_request")
    order = path.order()
    await path.ask(order)
    await path.hear(order, OutcomeUnknown)
    await resolve(path, order)
    resolved = await path.hear(order, OrderResolved)
    assert resolved.outcome == "by_person"
    again = path.order()
    await path.ask(again)
    await path.hear(again, OrderAcked)
    await path.tape.catch_up()
    assert len(path.tape.on(topics.EVENTS, OrderResolved)) == 1


async def test_r12_requests_arrive_one_at_a_time_in_the_order_of_their_stamps(
    searched: OrderPath,
) -> None:
    """
    R12, trap 1: a slow symbol holds the others, and a cancel goes last: none is overtaken.

    Fault S2.
    """
    path = searched
    resting = path.order()
    await path.ask(resting)
    await path.hear(resting, OrderAcked)
    await path.fault("delay_before", ms=300)
    last = path.order(ETH)
    asked: list[Intent] = [path.order(), path.order(ETH), path.cancel(resting), last]
    await path.ask(*asked)
    await path.hear(last, OrderAcked)
    await path.tape.catch_up()
    claims = [one.intent_id for one in path.tape.on(topics.EVENTS, OrderClaimed)][1:]
    assert claims == [one.intent_id for one in asked]
    assert [entry["method"] for entry in await sent(path)][1:] == ["POST", "POST", "DELETE", "POST"]
    assert path.tape.on(topics.EVENTS, RequestNotSent) == []
