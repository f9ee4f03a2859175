"""
`spark drill faults`: each fault of each exchange once, alone, and what became of the order.

An order is placed, or cancelled, into one fault; then both sides are read: what Spark's
topics say happened to it, event by event, and what the exchange's own ledger holds.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Final

from spark import topics
from spark.bench.judges import Judges
from spark.bench.persons import PERSONS, Persons
from spark.bus.kafka import KafkaBus
from spark.bus.port import Bus, Pace, Partition, Record
from spark.clock import SystemClock
from spark.codec import decode
from spark.embedded.throwaway import Throwaway
from spark.errors import MalformedError
from spark.events import Event, Evidence, IntentRefused, PlaceOrder, RequestNotSent
from spark.ids import client_order_id
from spark.keyring import Keyring
from spark.ledger.fold import Orders, fold_event
from spark.names import AccountId, ClientOrderId, OrderState, Role, Side, StrategyId, Symbol, Venue
from spark.producers.intents import IntentWriter, OrderWish

_WHO: Final = PERSONS[0]
_READ_WAIT_MS: Final = 200
_LOOK_S: Final = 0.2
#: No sooner is an order held for settled: what comes late must have had its time.
_QUIET_S: Final = 2.0
_SETTLE_S_MAX: Final = 60.0
#: Where the exchange's denial is never final, persons look after so long.
_PATIENCE_S: Final = 20.0
_READY_S_MAX: Final = 60.0
#: Resting a little below the market, and through it.
_ORDERS: Final[Mapping[Venue, tuple[AccountId, Symbol, Decimal, Decimal, Decimal]]] = {
    Venue.BINANCE: (AccountId("binance:main"), Symbol("BTCUSDT"), Decimal(60_000),
                    Decimal(63_000), Decimal("0.001")),
    Venue.BTCTURK: (AccountId("btcturk:main"), Symbol("BTCTRY"), Decimal(2_010_000),
                    Decimal(2_110_000), Decimal("0.001")),
}  # fmt: skip
_PLACE: Final = {Venue.BINANCE: "POST /api/v3/order", Venue.BTCTURK: "POST /api/v1/order"}
_CANCEL: Final = {Venue.BINANCE: "DELETE /api/v3/order", Venue.BTCTURK: "DELETE /api/v1/order"}
_REQUESTS: Final = (
    ("delay_before", 1_000), ("delay_after", 1_000), ("drop_request", 0), ("drop_reply", 0),
    ("error_5xx_before", 0), ("error_5xx_after", 0), ("garble", 0), ("truncate", 0),
    ("slow_loris", 2), ("reject_429", 1_000), ("storm_429", 1_000), ("invalid_nonce", 0),
    ("maintenance", 0),
)  # fmt: skip
_STREAMS: Final = (
    ("mute_socket", 0), ("disconnect", 0), ("duplicate_message", 0), ("reorder_messages", 0),
    ("drop_message", 0),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault and what became of an order in it."""

    venue: str
    fault: str
    #: `place`, `cancel`, or the private stream during a place that trades.
    during: str
    #: Event by event.
    spark: str
    #: As Spark holds it in the end.
    state: str
    ledger: str
    agree: bool


@dataclass(slots=True)
class _Heard:
    """What the topics of one account say."""

    orders: Orders = field(default_factory=Orders)
    #: Names of events by client order id, in the order of their times.
    stories: dict[str, list[str]] = field(default_factory=dict)
    reconciled: int = 0

    def take(self, record: Record) -> None:
        """Take in one record."""
        with suppress(MalformedError):
            event = decode(record.value or b"")
            topic = record.partition.topic
            if topic == topics.EVENTS or isinstance(event, Evidence):
                fold_event(self.orders, event, record.offset, record.timestamp_ms * 1_000_000)
            self.reconciled += event.type == "account_reconciled"
            self._note(topic, event)

    def _note(self, topic: str, event: Event) -> None:
        key = getattr(event, "client_order_id", "")
        if isinstance(event, IntentRefused):
            key = client_order_id(AccountId(event.account), event.strategy, event.intent_id)
        if not key or (
            topic in {topics.SIGNED, topics.DECISIONS} and not isinstance(event, IntentRefused)
        ):
            return
        story = self.stories.setdefault(key, [])
        said = event.type.removeprefix("order_").removeprefix("request_")
        if isinstance(event, IntentRefused | RequestNotSent):
            said += f" ({', '.join(reason.code for reason in event.reasons)})"
        if topic == topics.ACCOUNT_EVENTS:
            said += " by feed"
        if not story or story[-1] != said:
            story.append(said)


@dataclass(slots=True)
class _Table:
    """The drill at work."""

    judges: Mapping[Venue, Judges]
    intents: IntentWriter
    persons: Persons
    heard: dict[str, _Heard]
    lines: dict[Venue, list[dict[str, Any]]]
    say: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)

    async def run(self, venue: Venue) -> None:
        """Fill in one exchange's rows."""
        for name, ms in _REQUESTS:
            await self._request(venue, name, ms, during="place")
        for name, ms in _REQUESTS:
            await self._request(venue, name, ms, during="cancel")
        for name, ms in _STREAMS:
            await self._stream(venue, name, ms)

    async def _request(self, venue: Venue, name: str, ms: int, *, during: str) -> None:
        fault = {"kind": name, "count": 1, "ms": ms}
        if during == "place":
            await self._able(venue)
            order = self._order(venue, is_crossing=False)
            await self.judges[venue].arm(fault | {"route": _PLACE[venue]})
            await self.intents.send([order])
        else:
            order = await self._resting(venue)
            await self.judges[venue].arm(fault | {"route": _CANCEL[venue]})
            await self.intents.send([self.intents.cancel(order)])
        await self._finish(venue, order, name, during=during)

    async def _stream(self, venue: Venue, name: str, ms: int) -> None:
        await self._able(venue)
        await self.judges[venue].arm({"kind": name, "count": 1, "ms": ms, "route": "private"})
        order = self._order(venue, is_crossing=True)
        await self.intents.send([order])
        await self._finish(venue, order, name, during="private stream")

    async def _finish(self, venue: Venue, order: PlaceOrder, name: str, *, during: str) -> None:
        key = _key(order)
        await self._settled(venue, key)
        await self.judges[venue].disarm()
        row = self._row(venue, key, name, during=during)
        self.rows.append(row)
        self.say(f"{row.venue} {row.fault} during {row.during}: {row.spark} | {row.ledger}")

    async def _able(self, venue: Venue) -> None:
        """Wait until an order goes through: what the fault before left behind is over."""
        await self._resting(venue)

    async def _resting(self, venue: Venue) -> PlaceOrder:
        deadline = time.monotonic() + _READY_S_MAX
        while True:
            await self.persons.resume()
            order = self._order(venue, is_crossing=False)
            await self.intents.send([order])
            await self._settled(venue, _key(order))
            known = self.heard[order.account].orders.by_id.get(_key(order))
            if known is not None and known.state is OrderState.SUBMITTED:
                return order
            if time.monotonic() > deadline:
                story = self.heard[order.account].stories.get(_key(order), [])
                raise TimeoutError(f"{venue} takes no order: {', '.join(story)}")
            await asyncio.sleep(_LOOK_S)

    async def _settled(self, venue: Venue, key: ClientOrderId) -> None:
        """Wait until nothing more is said of an order, and both sides agree on it."""
        account = _ORDERS[venue][0]
        began, quiet_since, said = time.monotonic(), time.monotonic(), 0
        is_resolved = False
        while time.monotonic() - began < _SETTLE_S_MAX:
            await asyncio.sleep(_LOOK_S)
            await self._read_ledger(venue)
            heard = self.heard[account]
            story = heard.stories.get(key, [])
            if len(story) != said:
                said, quiet_since = len(story), time.monotonic()
            is_open = key in heard.orders.unknown
            is_for_persons = venue is Venue.BTCTURK and not self._at_exchange(venue, key)
            is_late = time.monotonic() - began > _PATIENCE_S
            if is_open and is_for_persons and is_late and not is_resolved:
                is_resolved = True
                await self.persons.resolve(account, key)
            is_quiet = story and time.monotonic() - quiet_since > _QUIET_S
            if is_quiet and not is_open and self._agree(venue, key):
                return

    async def _read_ledger(self, venue: Venue) -> None:
        self.lines[venue] += [
            line for line in await self.judges[venue].new_lines() if line["kind"] == "order"
        ]

    def _at_exchange(self, venue: Venue, key: str) -> list[dict[str, Any]]:
        return [line for line in self.lines[venue] if line["client_order_id"] == key]

    def _agree(self, venue: Venue, key: ClientOrderId) -> bool:
        known = self.heard[_ORDERS[venue][0]].orders.by_id.get(key)
        lines = self._at_exchange(venue, key)
        if not lines:
            return known is None or not (known.exchange_order_id or known.filled)
        if known is None or len({line["order_id"] for line in lines}) != 1:
            return False
        is_alive = lines[-1]["status"] in {"open", "partly_filled"}
        is_alive_here = known.state in {OrderState.SUBMITTED, OrderState.PARTIALLY_FILLED}
        return is_alive == is_alive_here and known.filled == Decimal(lines[-1]["executed"])

    def _row(self, venue: Venue, key: ClientOrderId, name: str, *, during: str) -> Row:
        heard = self.heard[_ORDERS[venue][0]]
        known = heard.orders.by_id.get(key)
        lines = self._at_exchange(venue, key)
        count = len({line["order_id"] for line in lines})
        ends = f", {lines[-1]['status']} {lines[-1]['executed']}" if lines else ""
        return Row(
            venue=venue.value,
            fault=name,
            during=during,
            spark=", ".join(heard.stories.get(key, [])),
            state="none" if known is None else known.state.value,
            ledger=f"{count} order{'' if count == 1 else 's'}{ends}",
            agree=self._agree(venue, key),
        )

    def _order(self, venue: Venue, *, is_crossing: bool) -> PlaceOrder:
        account, symbol, below, above, quantity = _ORDERS[venue]
        price = above if is_crossing else below
        return self.intents.place(
            OrderWish(account=account, symbol=symbol, side=Side.BUY, quantity=quantity, price=price)
        )


async def drill_faults(
    stack: Throwaway,
    judges: Mapping[Venue, Judges],
    *,
    say: Callable[[str], None],
) -> dict[str, object]:
    """
    Run the drill on a running stack.

    Returns: the object that `--json` prints.

    Raises:
        TimeoutError: an exchange takes no order any more.

    """
    buses = {person: KafkaBus(stack.login(person)) for person in PERSONS}
    bus = buses[_WHO]
    keyring = Keyring(_WHO, stack.secrets.root / _WHO, stack.home.public)
    writer = await bus.writer([topics.INTENTS])
    tagger = keyring.tagger((Role.GUARDRAIL, Role.SIGNER))
    table = _Table(
        judges=judges,
        intents=IntentWriter(StrategyId(_WHO), writer, tagger, clock=SystemClock()),
        persons=Persons(stack, buses),
        heard={_ORDERS[venue][0]: _Heard() for venue in judges},
        lines={venue: [] for venue in judges},
        say=say,
    )
    following = asyncio.create_task(_follow(bus, table.heard))
    try:
        for venue in judges:
            await table.run(venue)
    finally:
        following.cancel()
        await writer.close()
        for one in buses.values():
            await one.close()
        for judge in judges.values():
            await judge.close()
    return {
        "faults": len(table.rows),
        "disagreements": sum(not row.agree for row in table.rows),
        "rows": [asdict(row) for row in table.rows],
    }


async def _follow(bus: Bus, heard: Mapping[str, _Heard]) -> None:
    numbers = {topics.ACCOUNT_PARTITION[AccountId(account)]: account for account in heard}
    names = (topics.INTENTS, topics.DECISIONS, topics.EVENTS, topics.ACCOUNT_EVENTS)
    reader = await bus.reader(
        {Partition(name, number): 0 for name in names for number in numbers}, Pace.HOT
    )
    try:
        while True:
            for record in sorted(
                await reader.read(_READ_WAIT_MS), key=lambda one: one.timestamp_ms
            ):
                heard[numbers[record.partition.number]].take(record)
    finally:
        await reader.close()


def _key(order: PlaceOrder) -> ClientOrderId:
    return client_order_id(order.account, order.strategy, order.intent_id)
