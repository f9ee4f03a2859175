"""
The self-made market: one seeded participant that quotes, trades and moves.

Reads   the books
Writes  orders of the house account, through the same door as everyone's
Owns    one random generator a symbol: the same seed and steps give the same market
Fails   never: it may owe, and asks for nothing that the venue refuses

A step is one act: change a quote, trade at the touch, or sweep a few levels, which
moves the price. A weak pull keeps the price near its start for days.
"""

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Final

from spark.exchanges.simulator.ledger import Ledger
from spark.exchanges.simulator.orders import Kind, Order, Terms
from spark.exchanges.simulator.venue import Venue
from spark.names import Side, TimeInForce

#: Levels the market keeps on each side.
LEVELS: Final = 40
#: Mean gap between two levels, as a fraction of the price.
GAP: Final = Decimal("0.00001")
#: Two levels further apart than so many mean gaps have a hole between them.
HOLE_GAPS: Final = 4
#: Quoted below and above the start by this fraction, the market turns round.
PULL_AT: Final = Decimal("0.02")
QUOTE_SHARE: Final = 0.55
#: Of the quotes taken away, this part comes back in another size.
REQUOTE_SHARE: Final = 0.8
TRADE_SHARE: Final = 0.9
#: Sweeps take at most this many levels.
SWEEP_LEVELS_MAX: Final = 3
#: Levels from the touch among which quotes change.
BUSY_LEVELS: Final = 12
#: Every symbol's steps are spread over this many wake-ups a second at most.
WAKEUPS_PER_S_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Character:
    """How one symbol trades."""

    symbol: str
    tick: Decimal
    step: Decimal
    start_price: Decimal
    level_quantity: Decimal


class Participant:
    """The rest of the market in one symbol."""

    def __init__(self, venue: Venue, character: Character, seed: int) -> None:
        self._venue = venue
        self._character = character
        self._book = venue.books[character.symbol]
        # Chance is data here: seeded, so that a run can be repeated.
        self._random = random.Random(f"{seed}/{character.symbol}")  # noqa: S311
        self._quotes: dict[Side, dict[Decimal, Order]] = {Side.BUY: {}, Side.SELL: {}}
        self._gap_ticks = max(1, int(character.start_price * GAP / character.tick))
        # A tick that is a large part of the price moves seldom, or a currency would jump about.
        self._mobility = float(character.start_price * GAP / character.tick)
        self._refill()

    def step(self) -> None:
        """Do one act, then put back what is missing."""
        chance = self._random.random()
        if chance < QUOTE_SHARE or not self._moves():
            self._requote()
        elif chance < TRADE_SHARE:
            self._trade(share=self._random.random() * 0.6, levels=1)
        else:
            self._trade(share=1.0, levels=self._random.randint(1, SWEEP_LEVELS_MAX))
        self._refill()

    def _moves(self) -> bool:
        return self._mobility >= 1 or self._random.random() < self._mobility

    def _requote(self) -> None:
        side = self._random.choice((Side.BUY, Side.SELL))
        prices = self._alive(side)
        price = self._random.choice(prices[:BUSY_LEVELS])
        self._withdraw(side, price)
        if self._random.random() < REQUOTE_SHARE:
            self._quote(side, price)

    def _trade(self, *, share: float, levels: int) -> None:
        side = self._direction()
        resting = self._book.asks if side is Side.BUY else self._book.bids
        targets = [(price, level.total) for price, level in islice(resting.walk(), levels)]
        if not targets:
            return
        total = sum((quantity for _, quantity in targets), Decimal(0))
        steps = max(1, int(total / self._character.step * round(share * 1_000) / 1_000))
        self._send(side, targets[-1][0], steps * self._character.step, in_force=TimeInForce.IOC)

    def _direction(self) -> Side:
        start = self._character.start_price
        pull = (self._middle() - start) / start / PULL_AT
        return Side.BUY if self._random.random() > 0.5 + 0.4 * float(pull) else Side.SELL

    def _middle(self) -> Decimal:
        last = self._venue.last_price.get(self._character.symbol, self._character.start_price)
        bid, ask = self._book.bids.best() or last, self._book.asks.best() or last
        return (bid + ask) / 2

    def _refill(self) -> None:
        self._close_gap()
        for side in (Side.BUY, Side.SELL):
            self._line_up(side)

    def _line_up(self, side: Side) -> None:
        """Keep the levels of a side without a hole: over one the price would leap."""
        prices = deque(self._alive(side))
        edge = prices[0] if prices else self._start(side)
        hole = HOLE_GAPS * self._gap_ticks * self._character.tick
        for _ in range(LEVELS):
            if prices and abs(prices[0] - edge) <= hole:
                edge = prices.popleft()
            else:
                edge = self._further(side, edge, self._random.randint(1, 2 * self._gap_ticks))
                self._quote(side, edge)
        for price in prices:
            self._withdraw(side, price)

    def _close_gap(self) -> None:
        """Quote inside a spread that a sweep left open, on the side that moved after it."""
        bid, ask = self._book.bids.best(), self._book.asks.best()
        if bid is None or ask is None or ask - bid <= self._character.tick:
            return
        side = self._random.choice((Side.BUY, Side.SELL))
        touch = ask if side is Side.BUY else bid
        self._quote(side, self._further(side, touch, 1))

    def _start(self, side: Side) -> Decimal:
        """Return a price to build a side from: beside the other side, or the last trade."""
        opposite = self._book.asks if side is Side.BUY else self._book.bids
        best = opposite.best()
        if best is not None:
            return best
        return self._venue.last_price.get(self._character.symbol, self._character.start_price)

    def _further(self, side: Side, price: Decimal, ticks: int) -> Decimal:
        away = ticks * self._character.tick
        return price - away if side is Side.BUY else price + away

    def _alive(self, side: Side) -> list[Decimal]:
        """List own quoted prices, best first; forget those that traded away."""
        quotes = self._quotes[side]
        for price in [price for price, order in quotes.items() if not order.is_alive]:
            del quotes[price]
        return sorted(quotes, reverse=side is Side.BUY)

    def _withdraw(self, side: Side, price: Decimal) -> None:
        order = self._quotes[side].pop(price)
        if order.is_alive:
            self._venue.cancel(self._venue.house, order)

    def _quote(self, side: Side, price: Decimal) -> None:
        if price <= 0 or price in self._quotes[side]:
            return
        steps = int(self._character.level_quantity / self._character.step)
        quantity = self._random.randint(1, 2 * steps) * self._character.step
        order = self._send(side, price, quantity, in_force=TimeInForce.GTC)
        if order.is_alive:
            self._quotes[side][price] = order

    def _send(
        self, side: Side, price: Decimal, quantity: Decimal, *, in_force: TimeInForce
    ) -> Order:
        terms = Terms(
            symbol=self._character.symbol,
            side=side,
            kind=Kind.LIMIT,
            time_in_force=in_force,
            client_id="",
            quantity=quantity,
            price=price,
        )
        return self._venue.place(self._venue.house, terms)


def quote_levels(
    venue: Venue, symbol: str, *, side: Side, levels: Iterable[tuple[Decimal, Decimal]]
) -> None:
    """Let the house quote given prices and quantities, and leave them there."""
    for price, quantity in levels:
        terms = Terms(
            symbol=symbol,
            side=side,
            kind=Kind.LIMIT,
            time_in_force=TimeInForce.GTC,
            client_id="",
            quantity=quantity,
            price=price,
        )
        venue.place(venue.house, terms)


async def run(participants: Sequence[Participant], ledger: Ledger, *, steps_per_s: float) -> None:
    """Let every participant act `steps_per_s` times a second, for ever."""
    wakeups_per_s = min(steps_per_s, WAKEUPS_PER_S_MAX)
    steps = max(1, round(steps_per_s / wakeups_per_s))
    while True:
        await asyncio.sleep(1 / wakeups_per_s)
        for participant in participants:
            for _ in range(steps):
                participant.step()
        # Clients' orders that were hit stand in the ledger before anyone hears of it.
        ledger.commit()
