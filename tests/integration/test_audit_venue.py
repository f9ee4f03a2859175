"""
The exchange's own history as a witness: what it tells is what the log says, or it is found (S14).
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from spark import topics
from spark.bus.memory import MemoryBroker
from spark.bus.port import Partition
from spark.clock import SystemClock
from spark.codec import decode, encode
from spark.consumers.account_feed_ask import Asker
from spark.errors import VenueUnavailable
from spark.events import Event, OrderAcked, OrderApproved, OrderCancelled, OrderClaimed, OrderFilled
from spark.exchanges.binance.auth import SecretKey
from spark.exchanges.binance.signer import BinanceKey, BinanceSigner, dummy_key
from spark.ops import audit_venue
from spark.ops.audit_venue import Held, OwnSigner, hold_against
from tests import keyed
from tests.made import ACCOUNT
from tests.order_path import OrderPath, in_memory, memory_log
from tests.order_stages import account_ends
from tests.simulated_venue import READ


class Auditor:
    """Somebody with a key of their own, which only reads."""

    def __init__(self, path: OrderPath) -> None:
        self._path = path
        self._ends, clock = account_ends(path), SystemClock()
        read = BinanceKey(READ[0], SecretKey(READ[1].encode()))
        signer = BinanceSigner(dummy_key(), read, keyed.RECV_WINDOW_MS)
        self._asker = Asker(self._ends, OwnSigner(signer, clock), clock)

    async def look(self) -> Held:
        """Compare everything."""
        return await hold_against(
            self._path.bus_of("op-local"), ACCOUNT, self._asker, symbols=self._ends.symbols
        )

    async def close(self) -> None:
        """Let go of the exchange."""
        await self._ends.venue.close()


@pytest.fixture
def log() -> MemoryBroker:
    """The log, for whoever may do with it what they like."""
    return memory_log()


@pytest.fixture
async def path(log: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OrderPath]:
    """An order path that worked: one order filled, one taken back, one that rests."""
    monkeypatch.setattr(audit_venue, "_ON_THE_WAY_S", 1.0)
    monkeypatch.setattr(audit_venue, "_TRY_S", 0.01)
    async with in_memory(log) as made:
        await made.up()
        filled, gone, rests = made.order(price="70000"), made.order(), made.order(price="59000")
        await made.ask(filled, gone, rests)
        await made.hear(filled, OrderFilled)
        for order in (gone, rests):
            await made.hear(order, OrderAcked)
        await made.ask(made.cancel(gone))
        await made.hear(gone, OrderCancelled)
        yield made


@pytest.fixture
async def auditor(path: OrderPath) -> AsyncIterator[Auditor]:
    """Somebody who asks the exchange."""
    made = Auditor(path)
    yield made
    await made.close()


async def test_s14_the_exchange_tells_what_the_log_says(auditor: Auditor) -> None:
    """S14: every order of ours is told, in the terms that were approved, filled as far."""
    held = await auditor.look()
    assert held == Held(account=ACCOUNT, orders=3, foreign=0, unasked=0, objections=())


async def test_s14_somebody_elses_orders_are_counted_and_not_judged(
    path: OrderPath, auditor: Auditor
) -> None:
    """R14: an account may be shared; an order without our form of id is nobody's fault here."""
    await path.judge.place()
    held = await auditor.look()
    assert (held.orders, held.foreign, held.objections) == (3, 1, ())


async def test_s14_an_order_of_ours_that_nobody_approved_is_found(
    path: OrderPath, auditor: Auditor
) -> None:
    """S14: whoever has the trading key may trade past everything; the exchange remembers it."""
    forged = "spk" + "0" * 29
    await path.judge.place(newClientOrderId=forged)
    (found,) = (await auditor.look()).objections
    assert found.startswith(forged)
    assert "nobody approved it" in found


def _change(log: MemoryBroker, topic: str, change: Callable[[Event], Event | None]) -> None:
    """Write records of a topic anew; those that are left without an event say nothing any more."""
    records = log.log(Partition(topic, 0))
    for number, record in enumerate(records):
        found = change(decode(record.value or b""))
        value = b"{}" if found is None else encode(found)
        records[number] = record._replace(value=value)


def _intent_of(log: MemoryBroker, kind: type) -> str:
    found = [decode(one.value or b"") for one in log.log(Partition(topics.EVENTS, 0))]
    return next(str(getattr(one, "intent_id", "")) for one in found if isinstance(one, kind))


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        ((OrderFilled,), "filled 0.01 at the exchange, 0 on the log"),
        ((OrderClaimed, OrderAcked, OrderFilled), "the log has no claim of it"),
    ],
)
async def test_s14_what_the_log_was_made_to_forget_is_found(
    auditor: Auditor, path: OrderPath, log: MemoryBroker, kinds: tuple[type, ...], why: str
) -> None:
    """S14, fault A2: whatever was written anew on this side, the exchange still has it."""
    del path
    intent_id = _intent_of(log, OrderFilled)

    def forget(event: Event) -> Event | None:
        is_it = getattr(event, "intent_id", "") == intent_id and isinstance(event, kinds)
        return None if is_it else event

    for topic in (topics.EVENTS, topics.ACCOUNT_EVENTS):
        _change(log, topic, forget)
    (found,) = (await auditor.look()).objections
    assert why in found


async def test_s14_an_approval_with_other_terms_is_found(
    auditor: Auditor, log: MemoryBroker
) -> None:
    """S14: more was traded than the log says was approved."""

    def halve(event: Event) -> Event:
        if isinstance(event, OrderApproved):
            return replace(event, quantity=event.quantity / 2)
        return event

    _change(log, topics.DECISIONS, halve)
    found = (await auditor.look()).objections
    assert len(found) == 3
    assert all("in other terms than approved" in one for one in found)


async def test_s14_an_order_that_the_exchange_never_had_is_found(
    auditor: Auditor, log: MemoryBroker
) -> None:
    """S14: an acknowledgement that somebody made up."""
    intent_id = _intent_of(log, OrderAcked)

    def make_up(event: Event) -> Event:
        if isinstance(event, OrderAcked) and event.intent_id == intent_id:
            return replace(event, exchange_order_id="987654321")
        return event

    _change(log, topics.EVENTS, make_up)
    found = (await auditor.look()).objections
    assert "the exchange knows no such order" in found[0]


async def test_an_exchange_that_is_away_is_no_witness(auditor: Auditor, path: OrderPath) -> None:
    """Nothing is concluded from silence."""
    await path.fault("error_5xx_before", count=1_000, route="GET /api/v3/openOrders")
    with pytest.raises(VenueUnavailable):
        await auditor.look()
