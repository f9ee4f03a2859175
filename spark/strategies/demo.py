"""
Demo strategy: quotes a little away from the market and takes its orders back.

Reads   market.<venue>.quotes
Writes  orders.intents: a buy below the bid or a sell above the ask, by turns,
        and the cancel of the order before
Owns    nothing
Fails   by doing nothing: without a fresh quote there is no order
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Final

from spark.bus.port import Bus, Pace, Partition, Reader
from spark.clock import Clock
from spark.codec import decode
from spark.errors import MalformedError
from spark.events import Intent, PlaceOrder, QuotesReceived
from spark.names import AccountId, Side, StrategyId, Symbol, Venue
from spark.producers.intents import IntentWriter, OrderWish
from spark.signing import Tagger
from spark.topics import BINANCE_QUOTES, BTCTURK_QUOTES, INTENTS

#: 20 orders a minute of the 30 that an account may place by default: some are left for people.
_PERIOD_S: Final = 3.0
_READ_WAIT_MS: Final = 200
_QUOTE_AGE_NS_MAX: Final = 2_000_000_000
#: Distance from the best price.
_AWAY: Final = Decimal("0.0005")


@dataclass(frozen=True, slots=True)
class Terms:
    """How it trades one symbol."""

    #: Quote asset spent or got by each order.
    notional: Decimal
    #: Places after the point of a price, and of a quantity.
    price_places: Decimal
    quantity_places: Decimal


@dataclass(frozen=True, slots=True)
class Market:
    """Where it trades, and what of all that is quoted there."""

    account: AccountId
    quotes: str
    symbols: Mapping[Symbol, Terms]


_USDT: Final = Terms(Decimal(8), Decimal("0.01"), Decimal("0.0001"))
MARKETS: Final[Mapping[Venue, Market]] = {
    Venue.BINANCE: Market(
        AccountId("binance:main"),
        BINANCE_QUOTES,
        {Symbol("BTCUSDT"): _USDT, Symbol("ETHUSDT"): _USDT},
    ),
    # There an order is worth 99.91 TRY or 9.91 USDT at least.
    Venue.BTCTURK: Market(
        AccountId("btcturk:main"),
        BTCTURK_QUOTES,
        {
            Symbol("BTCTRY"): Terms(Decimal(250), Decimal(1), Decimal("0.00000001")),
            Symbol("BTCUSDT"): Terms(Decimal(12), Decimal(1), Decimal("0.00000001")),
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Best:
    """Best prices of one symbol."""

    bid: Decimal
    ask: Decimal
    received_ns: int


@dataclass(slots=True)
class DemoState:
    """What it has seen and what it has resting on one market."""

    market: Market
    best: dict[Symbol, Best] = field(default_factory=dict)
    resting: dict[Symbol, PlaceOrder] = field(default_factory=dict)
    turn: int = 0


def see(state: DemoState, quotes: QuotesReceived) -> None:
    """Take the last quote of a record."""
    received_ns, _, bid, _, ask, _ = quotes.rows[-1]
    state.best[quotes.symbol] = Best(Decimal(bid), Decimal(ask), received_ns)


def wish_for(state: DemoState, now_ns: int) -> OrderWish | None:
    """Choose the next order: symbols and sides by turns; None without a fresh quote."""
    fresh = [s for s, best in state.best.items() if now_ns - best.received_ns < _QUOTE_AGE_NS_MAX]
    if not fresh:
        return None
    symbol = sorted(fresh)[state.turn % len(fresh)]
    side = Side.BUY if state.turn // len(fresh) % 2 == 0 else Side.SELL
    state.turn += 1
    best = state.best[symbol]
    raw = best.bid * (1 - _AWAY) if side is Side.BUY else best.ask * (1 + _AWAY)
    terms = state.market.symbols[symbol]
    price = raw.quantize(terms.price_places, ROUND_DOWN)
    return OrderWish(
        account=state.market.account,
        symbol=symbol,
        side=side,
        quantity=(terms.notional / price).quantize(terms.quantity_places, ROUND_DOWN),
        price=price,
    )


async def run(
    bus: Bus,
    tagger: Tagger,
    clock: Clock,
    *,
    strategy: StrategyId,
    venues: Sequence[Venue],
    stop: asyncio.Event,
) -> None:
    """
    Trade on each of some exchanges until told to stop.

    Raises:
        ExitError: a write failed.

    """
    writer = await bus.writer([INTENTS])
    intents = IntentWriter(strategy, writer, tagger, clock=clock)
    states = {MARKETS[venue].quotes: DemoState(MARKETS[venue]) for venue in venues}
    ends = await bus.ends([Partition(topic, 0) for topic in states])
    reader = await bus.reader(ends, Pace.SIDE)
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(reader, states))
            while not stop.is_set():
                for state in states.values():
                    batch = _next_intents(state, intents, clock)
                    if batch:
                        await intents.send(batch)
                try:
                    await asyncio.wait_for(stop.wait(), _PERIOD_S)
                except TimeoutError:
                    continue
            watching.cancel()
    finally:
        await reader.close()
        await writer.close()


def _next_intents(state: DemoState, intents: IntentWriter, clock: Clock) -> list[Intent]:
    wish = wish_for(state, clock.wall_ns())
    if wish is None:
        return []
    batch: list[Intent] = []
    before = state.resting.pop(wish.symbol, None)
    if before is not None:
        batch.append(intents.cancel(before))
    order = intents.place(wish)
    state.resting[wish.symbol] = order
    return [*batch, order]


async def _watch(reader: Reader, states: Mapping[str, DemoState]) -> None:
    while True:
        for record in await reader.read(_READ_WAIT_MS):
            state = states[record.partition.topic]
            try:
                event = decode(record.value or b"")
            except MalformedError:
                continue
            if not isinstance(event, QuotesReceived) or not event.rows:
                continue
            if event.symbol in state.market.symbols:
                see(state, event)
