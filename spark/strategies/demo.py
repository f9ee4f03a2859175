"""
Demo strategy: quotes a little away from the market and takes its orders back.

Reads   market.binance.quotes
Writes  orders.intents: a buy below the bid or a sell above the ask, by turns,
        and the cancel of the order before
Owns    nothing
Fails   by doing nothing: without a fresh quote there is no order
"""

import asyncio
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Final

from spark.bus.port import Bus, Pace, Partition, Reader
from spark.clock import Clock
from spark.codec import decode
from spark.errors import MalformedError
from spark.events import Intent, PlaceOrder, QuotesReceived
from spark.names import AccountId, Side, StrategyId, Symbol
from spark.producers.intents import IntentWriter, OrderWish
from spark.signing import Tagger
from spark.topics import BINANCE_QUOTES, INTENTS

#: 20 orders a minute of the 30 that an account may place by default: some are left for people.
_PERIOD_S: Final = 3.0
_READ_WAIT_MS: Final = 200
_QUOTE_AGE_NS_MAX: Final = 2_000_000_000
#: Distance from the best price, and the grid that prices lie on.
_AWAY: Final = Decimal("0.0005")
_TICK: Final = Decimal("0.01")
#: Quote asset spent or got by each order.
_NOTIONAL: Final = Decimal(8)
#: A multiple of the quantity step of every symbol that it trades.
_STEP: Final = Decimal("0.0001")
_ACCOUNT: Final = AccountId("binance:main")
#: What it trades, of all that is quoted.
_SYMBOLS: Final = frozenset({Symbol("BTCUSDT"), Symbol("ETHUSDT")})


@dataclass(frozen=True, slots=True)
class Best:
    """Best prices of one symbol."""

    bid: Decimal
    ask: Decimal
    received_ns: int


@dataclass(slots=True)
class DemoState:
    """What it has seen and what it has resting."""

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
    price = raw.quantize(_TICK, ROUND_DOWN)
    quantity = (_NOTIONAL / price).quantize(_STEP, ROUND_DOWN)
    return OrderWish(account=_ACCOUNT, symbol=symbol, side=side, quantity=quantity, price=price)


async def run(
    bus: Bus, tagger: Tagger, clock: Clock, *, strategy: StrategyId, stop: asyncio.Event
) -> None:
    """
    Trade until told to stop.

    Raises:
        ExitError: a write failed.

    """
    writer = await bus.writer([INTENTS])
    quotes = Partition(BINANCE_QUOTES, 0)
    reader = await bus.reader({quotes: (await bus.ends([quotes]))[quotes]}, Pace.SIDE)
    intents = IntentWriter(strategy, writer, tagger, clock=clock)
    state = DemoState()
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(reader, state))
            while not stop.is_set():
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


async def _watch(reader: Reader, state: DemoState) -> None:
    while True:
        for record in await reader.read(_READ_WAIT_MS):
            try:
                event = decode(record.value or b"")
            except MalformedError:
                continue
            if isinstance(event, QuotesReceived) and event.rows and event.symbol in _SYMBOLS:
                see(state, event)
