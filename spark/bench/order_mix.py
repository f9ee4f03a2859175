"""
What a load asks for: mixes of intents, repeatable by their number or seed. Pure.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from spark.events import Intent, PlaceOrder
from spark.names import AccountId, Side, Symbol, TimeInForce, Venue, venue_of
from spark.producers.intents import IntentWriter, OrderWish

#: Makes the n-th intent of a run.
Mix = Callable[[int, IntentWriter], Intent]

_ACCOUNT: Final = AccountId("binance:main")
#: Every fourth intent is a cancel, of the oldest place that has none.
_CANCEL_EVERY: Final = 4
#: Symbol, highest price, step between prices, number of prices, quantity: all below the
#: simulator's market, so that orders rest, and within the collar.
_SYMBOLS: Final = (
    (Symbol("BTCUSDT"), Decimal(60_500), Decimal("0.01"), 100_000, Decimal("0.0002")),
    (Symbol("ETHUSDT"), Decimal(2_600), Decimal("0.01"), 7_000, Decimal("0.005")),
)


def resting() -> Mix:
    """Give orders that rest below the simulator's market, and cancels of them."""
    waiting: deque[PlaceOrder] = deque()

    def make(number: int, intents: IntentWriter) -> Intent:
        if number % _CANCEL_EVERY == _CANCEL_EVERY - 1 and waiting:
            return intents.cancel(waiting.popleft())
        symbol, highest, step, prices, quantity = _SYMBOLS[number % len(_SYMBOLS)]
        # A stride that shares no factor with the number of prices visits them all.
        price = highest - step * (number * 7_919 % prices)
        wish = OrderWish(
            account=_ACCOUNT, symbol=symbol, side=Side.BUY, quantity=quantity, price=price
        )
        order = intents.place(wish)
        waiting.append(order)
        return order

    return make


@dataclass(frozen=True, slots=True)
class _Market:
    """A symbol of a simulator: where its price begins, its tick, what one order asks for."""

    account: AccountId
    symbol: Symbol
    start: Decimal
    tick: Decimal
    quantity: Decimal
    quantity_step: Decimal


_BINANCE: Final = AccountId("binance:main")
_BTCTURK: Final = AccountId("btcturk:main")
_MARKETS: Final = (
    _Market(_BINANCE, Symbol("BTCUSDT"), Decimal(61_800), Decimal("0.01"), Decimal("0.002"),
            Decimal("0.00001")),
    _Market(_BINANCE, Symbol("ETHUSDT"), Decimal(2_650), Decimal("0.01"), Decimal("0.05"),
            Decimal("0.0001")),
    _Market(_BTCTURK, Symbol("BTCTRY"), Decimal(2_070_000), Decimal(10), Decimal("0.002"),
            Decimal("0.00000001")),
    _Market(_BTCTURK, Symbol("BTCUSDT"), Decimal(61_800), Decimal(1), Decimal("0.002"),
            Decimal("0.00000001")),
)  # fmt: skip
#: Of the places: how many cross the market, how many rest near it; the others rest far off.
_CROSSING: Final = 0.4
_NEAR: Final = 0.7
_CANCELS: Final = 0.2
_AT_ONCE: Final = 0.1
#: Orders that are kept open at most, so that balances last.
_OPEN_MAX: Final = 60


def trading(seed: int, venues: frozenset[str]) -> Mix:
    """
    Give orders that trade, in whole, in part and not at all, both ways, and cancels of them.

    The simulator's market stays within 2 % of its start, the collar is 5 %.
    """
    chance = random.Random(seed)  # noqa: S311  (repeatable on purpose)
    markets = [market for market in _MARKETS if venue_of(market.account) in venues]
    waiting: deque[PlaceOrder] = deque()

    def make(number: int, intents: IntentWriter) -> Intent:
        del number
        if waiting and (chance.random() < _CANCELS or len(waiting) > _OPEN_MAX):
            order = waiting[chance.randrange(len(waiting))]
            waiting.remove(order)
            return intents.cancel(order)
        order = intents.place(_wish(chance, chance.choice(markets)))
        waiting.append(order)
        return order

    return make


def _wish(chance: random.Random, market: _Market) -> OrderWish:
    side = chance.choice(list(Side))
    where = chance.random()
    if where < _CROSSING:
        off_bp = 200
    elif where < _NEAR:
        off_bp = chance.randrange(-20, 21)
    else:
        off_bp = -chance.randrange(100, 250)
    towards = 1 if side is Side.BUY else -1
    price = market.start + market.start * towards * off_bp / 10_000
    steps = market.quantity * chance.randrange(50, 151) / 100 / market.quantity_step
    may_lapse = venue_of(market.account) == Venue.BINANCE and chance.random() < _AT_ONCE
    return OrderWish(
        account=market.account,
        symbol=market.symbol,
        side=side,
        quantity=steps.to_integral_value(ROUND_FLOOR) * market.quantity_step,
        price=(price / market.tick).to_integral_value(ROUND_FLOOR) * market.tick,
        time_in_force=TimeInForce.IOC if may_lapse else TimeInForce.GTC,
    )
