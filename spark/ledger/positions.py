"""
Positions as the exchange's evidence tells them: what was bought, at what cost, for what fees.

What an order contributes is a function of the set of its records, not of their order: its
quantity is the highest cumulative one ever told, its worth that of its trades as far as
they are known, else an average's, else its limit's. So repetitions change nothing, and
neither does an average that comes before or after the trades it is made of (R4, R5).
Quantities, money and fees are exact; only the split of a profit into realised and
unrealised goes over an average cost, which is rounded.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Final

from spark.events import (
    Event,
    OrderCancelled,
    OrderClaimed,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    RequestNotSent,
)
from spark.names import (
    BOOK_OF,
    AccountId,
    Action,
    Book,
    ClientOrderId,
    Reason,
    Side,
    StrategyId,
    Symbol,
)

_ZERO: Final = Decimal(0)
#: Wide enough that sums and products of amounts are exact, else an error and no rounding.
_EXACT: Final = Context(prec=256, traps=[Inexact, InvalidOperation, Overflow])
_WIDE: Final = Context(prec=128, traps=[InvalidOperation, Overflow, DivisionByZero])
#: Amounts of more digits, or further from 1, are nothing that an exchange says.
_DIGITS_MAX: Final = 45
_EXPONENT_MAX: Final = 30
#: A cost is kept to this.
_QUANTUM: Final = Decimal("1e-12")
#: How long an order that is over is remembered with its trades, for what is told late.
MEMORY_NS: Final = 120_000_000_000
#: And how long its quantity is after that, for what is told again.
SETTLED_NS: Final = 86_400_000_000_000
_SETTLED_MAX: Final = 100_000
_SIGN: Final = {Side.BUY: Decimal(1), Side.SELL: Decimal(-1)}


@dataclass(slots=True)
class Position:
    """What one strategy holds of one symbol on one account in one book."""

    book: Book
    account: AccountId
    strategy: StrategyId
    symbol: Symbol
    #: Bought less sold, in the base asset.
    quantity: Decimal = _ZERO
    #: Received less paid, in the quote asset, before fees.
    cash: Decimal = _ZERO
    #: What the open quantity cost, with its sign; rounded.
    cost: Decimal = _ZERO
    #: By asset.
    fees: dict[str, Decimal] = field(default_factory=dict)

    @property
    def average_cost(self) -> Decimal | None:
        """Give the cost of one unit of the open quantity; None when there is none."""
        return _WIDE.divide(self.cost, self.quantity) if self.quantity else None

    @property
    def realised(self) -> Decimal:
        """Give the profit of what was closed, in the quote asset, before fees."""
        return _EXACT.add(self.cash, self.cost)


@dataclass(slots=True)
class Execution:
    """One trade that the exchange gave an id, or the average of what traded so far."""

    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str


@dataclass(slots=True)
class Filling:
    """One order: what is known of its trades, and what of it stands in its position."""

    book: Book
    account: AccountId
    strategy: StrategyId
    symbol: Symbol
    side: Side
    #: Of the claim; None where only evidence is known, and for market orders.
    limit: Decimal | None = None
    #: How much is to be traded; 0 while unknown.
    wanted: Decimal = _ZERO
    #: What was settled before this was begun again: only what is beyond counts.
    base: Decimal = _ZERO
    filled: Decimal = _ZERO
    #: By trade id.
    trades: dict[str, Execution] = field(default_factory=dict)
    average: Execution | None = None
    is_over: bool = False
    #: In the position: quantity, worth in the quote asset, fees by asset.
    booked: Decimal = _ZERO
    worth: Decimal = _ZERO
    fees: dict[str, Decimal] = field(default_factory=dict)


@dataclass(slots=True)
class Positions:
    """All positions, and the orders whose records may still come; plain, kept as JSON."""

    #: By `position_key`.
    by_key: dict[str, Position] = field(default_factory=dict)
    orders: dict[ClientOrderId, Filling] = field(default_factory=dict)
    #: Orders that are over and have traded, with when.
    over_at: deque[tuple[int, ClientOrderId]] = field(default_factory=deque)
    #: Orders that are remembered by what they traded alone, oldest first, with when.
    settled: dict[ClientOrderId, tuple[int, Decimal]] = field(default_factory=dict)
    #: Orders that traded at prices that nobody told.
    unpriced: set[ClientOrderId] = field(default_factory=set)
    #: Records whose numbers nobody can mean; not applied.
    absurd: int = 0


def position_key(book: Book, account: AccountId, *, strategy: StrategyId, symbol: Symbol) -> str:
    """Key one position; none of the parts holds a blank."""
    return f"{book} {account} {strategy} {symbol}"


def fold_positions(positions: Positions, event: Event, appended_ns: int) -> Position | None:
    """
    Fold one record of `orders.events`.

    Returns: the position that it changed, None for no change.
    """
    _forget(positions, appended_ns - MEMORY_NS)
    match event:
        case OrderClaimed(action=Action.PLACE):
            _claim(positions, event)
        case OrderFilled():
            return _fill(positions, event, appended_ns)
        case OrderCancelled() | OrderExpired():
            return _end(positions, event, appended_ns)
        case OrderRejected() | OrderResolved():
            _drop(positions, event.client_order_id)
        case RequestNotSent(action=Action.PLACE):
            if Reason.DUPLICATE_CLAIM not in {refusal.code for refusal in event.reasons}:
                _drop(positions, event.client_order_id)
        case _:
            pass
    return None


def _claim(positions: Positions, event: OrderClaimed) -> None:
    if event.side is None or event.client_order_id in positions.orders:
        return
    filling = positions.orders[event.client_order_id] = _begin(event, event.side)
    filling.limit, filling.wanted = event.price, event.quantity or _ZERO


def _fill(positions: Positions, event: OrderFilled, appended_ns: int) -> Position | None:
    if not _is_sensible(event):
        positions.absurd += 1
        return None
    filling = positions.orders.get(event.client_order_id)
    if filling is None:
        _, base = positions.settled.get(event.client_order_id, (0, _ZERO))
        if event.cumulative <= base:
            return None
        filling = positions.orders[event.client_order_id] = _begin(event, event.side)
        filling.base = filling.booked = base
    filling.wanted = filling.wanted or event.order_quantity
    if event.trade_id:
        filling.trades.setdefault(event.trade_id, _execution(event, event.quantity))
    else:
        found, known = _execution(event, event.cumulative), filling.average
        # Of two averages the later one; of two of one quantity always the same one.
        if known is None or (found.quantity, found.price) > (known.quantity, known.price):
            filling.average = found
    traded = _sum(trade.quantity for trade in filling.trades.values())
    filling.filled = max(filling.filled, event.cumulative, _EXACT.add(filling.base, traded))
    return _book(positions, event.client_order_id, appended_ns)


def _end(
    positions: Positions, event: OrderCancelled | OrderExpired, appended_ns: int
) -> Position | None:
    filling = positions.orders.get(event.client_order_id)
    if filling is None or not _is_amount(event.filled):
        # Nothing traded that was told of; a fill that is still to come says it all.
        return None
    if not filling.filled and not event.filled:
        _drop(positions, event.client_order_id)
        return None
    filling.filled = max(filling.filled, event.filled)
    changed = _book(positions, event.client_order_id, appended_ns)
    _close(positions, event.client_order_id, appended_ns)
    return changed


def _drop(positions: Positions, order: ClientOrderId) -> None:
    """Forget an order of which nothing traded; evidence that comes after all says enough."""
    known = positions.orders.get(order)
    if known is not None and not known.filled:
        del positions.orders[order]


def _close(positions: Positions, order: ClientOrderId, appended_ns: int) -> None:
    filling = positions.orders[order]
    if not filling.is_over:
        filling.is_over = True
        positions.over_at.append((appended_ns, order))


def _forget(positions: Positions, before_ns: int) -> None:
    over = positions.over_at
    while over and over[0][0] < before_ns:
        _, order = over.popleft()
        # What has no price yet is waited for.
        if order in positions.unpriced:
            continue
        filling = positions.orders.pop(order, None)
        if filling is not None:
            positions.settled.pop(order, None)
            positions.settled[order] = (before_ns, filling.filled)
    settled = positions.settled
    while settled:
        oldest = next(iter(settled))
        is_old = settled[oldest][0] < before_ns - SETTLED_NS
        if not is_old and len(settled) <= _SETTLED_MAX:
            return
        del settled[oldest]


def _begin(event: OrderClaimed | OrderFilled, side: Side) -> Filling:
    book = BOOK_OF[event.mode]
    return Filling(book, event.account, event.strategy, event.symbol, side)


def _book(positions: Positions, order: ClientOrderId, appended_ns: int) -> Position | None:
    """Put what an order contributes now in place of what it contributed before."""
    filling = positions.orders[order]
    worth = _worth(filling)
    if worth is None:
        positions.unpriced.add(order)
        worth = filling.worth
    else:
        positions.unpriced.discard(order)
    fees = _fees(filling)
    if filling.wanted and filling.filled >= filling.wanted:
        _close(positions, order, appended_ns)
    if (filling.booked, filling.worth, filling.fees) == (filling.filled, worth, fees):
        return None
    about = (filling.book, filling.account, filling.strategy, filling.symbol)
    key = position_key(*about[:2], strategy=filling.strategy, symbol=filling.symbol)
    position = positions.by_key.setdefault(key, Position(*about))
    sign = _SIGN[filling.side]
    _move(
        position,
        quantity=_EXACT.multiply(sign, _EXACT.subtract(filling.filled, filling.booked)),
        paid=_EXACT.multiply(sign, _EXACT.subtract(worth, filling.worth)),
        sign=sign,
    )
    for asset in {*filling.fees, *fees}:
        change = _EXACT.subtract(fees.get(asset, _ZERO), filling.fees.get(asset, _ZERO))
        position.fees[asset] = _EXACT.add(position.fees.get(asset, _ZERO), change)
    filling.booked, filling.worth, filling.fees = filling.filled, worth, fees
    return position


def _move(position: Position, *, quantity: Decimal, paid: Decimal, sign: Decimal) -> None:
    """Trade, or learn what was paid for what had traded before; both with their sign."""
    before = position.quantity
    after = _EXACT.add(before, quantity)
    position.cash = _EXACT.subtract(position.cash, paid)
    if before * sign > 0 or not before:
        # It opens or enlarges, so it is part of the cost.
        cost = _EXACT.add(position.cost, paid)
    elif not quantity:
        # What was closed by it is realised by that much more or less.
        cost = position.cost
    elif before * after > 0:
        cost = _WIDE.divide(_WIDE.multiply(position.cost, after), before)
    else:
        # Through zero: what is open now was traded at this price.
        cost = _WIDE.divide(_WIDE.multiply(paid, after), quantity)
    position.quantity = after
    position.cost = cost.quantize(_QUANTUM, context=_WIDE) if after else _ZERO


def _worth(filling: Filling) -> Decimal | None:
    """Say what an order traded for; None while nobody told enough."""
    trades = filling.trades.values()
    traded = _sum(trade.quantity for trade in trades)
    known = _sum(_EXACT.multiply(trade.quantity, trade.price) for trade in trades)
    told = _EXACT.subtract(filling.filled, filling.base)
    if traded >= told:
        return known
    average = filling.average
    if average is not None and average.quantity - filling.base > traded:
        # The average is that of the trades, too.
        traded = _EXACT.subtract(average.quantity, filling.base)
        known = _EXACT.multiply(traded, average.price)
    price = filling.limit
    if traded:
        price = _WIDE.divide(known, traded).quantize(_QUANTUM, context=_WIDE)
    if price is None:
        return None
    return _EXACT.add(known, _EXACT.multiply(_EXACT.subtract(told, traded), price))


def _fees(filling: Filling) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    told = list(filling.trades.values())
    if not told and filling.average is not None:
        told = [filling.average]
    for one in told:
        if one.fee:
            found[one.fee_asset] = _EXACT.add(found.get(one.fee_asset, _ZERO), one.fee)
    return found


def _execution(event: OrderFilled, quantity: Decimal) -> Execution:
    return Execution(quantity, event.price, event.commission, event.commission_asset)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = _ZERO
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total


def _is_sensible(event: OrderFilled) -> bool:
    amounts = (event.quantity, event.price, event.cumulative, event.order_quantity)
    # A maker may be paid a fee, so a commission has any sign.
    return all(map(_is_amount, amounts)) and _is_amount(event.commission.copy_abs())


def _is_amount(value: Decimal) -> bool:
    is_near = not value or abs(value.adjusted()) <= _EXPONENT_MAX
    return value >= 0 and is_near and len(value.as_tuple().digits) <= _DIGITS_MAX
