"""
What the exchange tells of orders and trades becomes evidence for the log. Pure.

Told once or five times, early or late, in any order: an order of ours is known by its client
id or the exchange's, a trade by its id, and whatever has no id of its own by the cumulative
quantity (R4). Trades come before the end that they led to, so an end waits for them. An id of
our own form is never foreign: news of it wait until its claim is read (R14).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from spark.events import (
    Event,
    ForeignOrderSeen,
    OrderAcked,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
)
from spark.exchanges.port import FillSeen, OrderSeen
from spark.ids import is_ours
from spark.ledger.fold import Order
from spark.ledger.reconcile import (
    ALIVE,
    MEMORY_NS,
    PROOF_NS,
    WAITING_MAX,
    Book,
    Due,
    fill_key,
    fold_account,
    is_proven,
    reached,
)
from spark.ledger.reconcile_differences import Disagreement, adopt
from spark.names import (
    ClientOrderId,
    DifferenceKind,
    DifferenceRule,
    OrderState,
    TradingMode,
    VenueOrderState,
)

_ZERO: Final = Decimal(0)
_QUANTUM: Final = Decimal("1e-10")
#: How an end that the exchange lists as a refusal is written; its reason is not told there.
_REJECTED_CODE: Final = "REJECTED"
#: The log does not know that the exchange has these.
_UNACKED: Final = frozenset(
    {OrderState.PENDING, OrderState.CLAIMED, OrderState.UNKNOWN, OrderState.NOT_FOUND}
)
#: Ends that an end of the exchange's adds nothing to.
_ENDED: Final = frozenset(
    {OrderState.FILLED, OrderState.SETTLED, OrderState.CANCELLED, OrderState.EXPIRED}
)


def learn(book: Book, news: Iterable[object], *, at_ns: int, is_asked: bool = False) -> list[Event]:
    """
    Take in what the exchange told, and say what of it the log does not know.

    Args:
        news: of them orders and trades; whatever else there is, is passed over.
        is_asked: told as an answer; a trade that only a question brought is a difference.

    Returns: evidence and foreign orders to be written to `account.events`, folded already.

    """
    book.heard_ns = at_ns
    told = list(news)
    orders = [one for one in told if isinstance(one, OrderSeen)]
    # With those that were shown before anybody could say whose they are.
    named = {seen.exchange_order_id for seen in orders} & book.unowned.keys()
    earlier = [one for one in book.shown.values() if named and one.exchange_order_id in named]
    fills = [*earlier, *(one for one in told if isinstance(one, FillSeen))]
    fills.sort(key=lambda one: _number(one.trade_id))
    said: list[Event] = []
    mine: dict[ClientOrderId, OrderSeen] = {}
    for seen in orders:
        order = _owner(book, seen, at_ns)
        if order is None:
            said += _foreign(book, seen, at_ns)
            continue
        if _rank(seen) >= _rank(mine.get(order.client_order_id, seen)):
            mine[order.client_order_id] = seen
        said += _ack(book, order, seen)
    touched = dict.fromkeys(mine)
    for fill in fills:
        order = _owner(book, fill, at_ns)
        _show(book, fill, order)
        if order is None:
            continue
        touched[order.client_order_id] = None
        if not fill.trade_id:
            book.due.setdefault(order.client_order_id, Due(None, at_ns))
            continue
        is_known = fill.trade_id in book.told.get(order.client_order_id, {})
        said += _adopt(book, order, fill, seen=mine.get(order.client_order_id))
        if not is_known and is_asked and fill.exchange_ns < at_ns - PROOF_NS:
            said += _missed(book, fill, at_ns)
    for key in touched:
        said += progress(book, key, mine.get(key), at_ns=at_ns)
    return said


def release(book: Book, *, at_ns: int) -> list[Event]:
    """Go on with the news of orders whose claim has been read meanwhile (R14)."""
    said: list[Event] = []
    for key in [key for key in book.waiting if key in book.orders.by_id]:
        _, news = book.waiting.pop(key)
        said += learn(book, news, at_ns=at_ns)
    return said


def progress(
    book: Book,
    key: ClientOrderId,
    seen: OrderSeen | None,
    *,
    at_ns: int,
    is_forced: bool = False,
) -> list[Event]:
    """
    Follow what the exchange says of one of our orders as far as its trades are told.

    Args:
        seen: its newest word; None for the one that waits for trades.
        is_forced: the trades have not come for long: its cumulative quantity is enough.

    """
    order, due = book.orders.by_id[key], book.due.get(key)
    if seen is None:
        seen = due.seen if due is not None else None
    elif due is not None and due.seen is not None and _rank(due.seen) > _rank(seen):
        seen = due.seen
    if seen is None:
        return []
    said: list[Event] = []
    if seen.filled > order.filled:
        told = _average(book, order, seen) if is_forced else None
        if told is None:
            book.due[key] = Due(seen, at_ns if due is None else due.since_ns)
            return []
        said.append(told)
    book.due.pop(key, None)
    if order.state not in _ENDED and (ended := _end(order, seen)) is not None:
        said.append(_noted(book, ended))
    return said


def _owner(book: Book, seen: OrderSeen | FillSeen, at_ns: int) -> Order | None:
    """Find the order of ours; one whose claim is not read yet is put aside."""
    order = book.named(seen.exchange_order_id, seen.client_order_id)
    if order is not None or not is_ours(seen.client_order_id):
        return order
    key = ClientOrderId(seen.client_order_id)
    if key in book.waiting or len(book.waiting) < WAITING_MAX:
        _, news = book.waiting.setdefault(key, (at_ns, []))
        if seen not in news:
            news.append(seen)
    return None


def _ack(book: Book, order: Order, seen: OrderSeen) -> list[Event]:
    known = order.exchange_order_id
    if known and seen.exchange_order_id != known:
        # No exchange promises to refuse an id twice: a second order is an order (trap 3).
        book.doubles[order.client_order_id] = seen.exchange_order_id
        return []
    book.ours[seen.exchange_order_id] = order.client_order_id
    before = book.reached.get(order.client_order_id, _ZERO)
    book.reached[order.client_order_id] = max(before, seen.filled)
    _prove(book, order.client_order_id)
    if seen.state is VenueOrderState.REJECTED or (known and order.state not in _UNACKED):
        return []
    acked = OrderAcked(
        **_about(order),
        exchange_order_id=seen.exchange_order_id,
        exchange_ns=seen.exchange_ns,
        sent_ns=0,
        answered_ns=0,
    )
    return [_noted(book, acked)]


def _show(book: Book, fill: FillSeen, order: Order | None) -> None:
    """Remember a trade that the exchange showed; it proves what the gateway wrote of it."""
    if not fill.trade_id:
        return
    key = fill_key(fill.symbol, fill.trade_id, fill.exchange_order_id)
    book.shown[key] = fill
    proof = book.unproven.get(key)
    if proof is not None and is_proven(book, proof):
        del book.unproven[key]
    name = fill.exchange_order_id
    if order is not None:
        book.traded.setdefault(order.client_order_id, {})[key] = fill.quantity
        book.unowned.pop(name, None)
        _prove(book, order.client_order_id)
        return
    is_named = fill.client_order_id or name in book.foreign or name in book.foreign_past
    if not is_named and is_recent(fill, book.heard_ns):
        book.unowned[name] = fill.symbol


def _prove(book: Book, key: ClientOrderId) -> None:
    """Drop proofs of fills without an id that the exchange's quantity covers."""
    much = reached(book, key)
    for name, proof in list(book.unproven.items()):
        fill = proof.fill
        if fill.client_order_id == key and not fill.trade_id and fill.cumulative <= much:
            del book.unproven[name]


def _adopt(book: Book, order: Order, fill: FillSeen, *, seen: OrderSeen | None) -> list[Event]:
    told = book.told.get(order.client_order_id, {})
    if fill.trade_id in book.written.get(order.client_order_id, ()):
        return []
    own = _number(fill.trade_id)
    before = sum((t.quantity for name, t in told.items() if _number(name) < own), _ZERO)
    cumulative = before + fill.quantity
    is_last = all(_number(name) <= own for name in told)
    if seen is not None and is_last:
        # Trades before it may not have been told; the exchange's own count says so.
        cumulative = max(cumulative, min(seen.filled, order.quantity or seen.filled))
    event = OrderFilled(
        **_about(order),
        exchange_order_id=fill.exchange_order_id,
        mode=order.mode or TradingMode.LIVE,
        trade_id=fill.trade_id,
        side=fill.side,
        quantity=fill.quantity,
        price=fill.price,
        cumulative=cumulative,
        order_quantity=order.quantity or (seen.quantity if seen else cumulative),
        commission=fill.commission,
        commission_asset=fill.commission_asset,
        exchange_ns=fill.exchange_ns,
    )
    due = book.due.get(order.client_order_id)
    if due is not None and due.seen is None:
        del book.due[order.client_order_id]
    return [_noted(book, event)]


def _average(book: Book, order: Order, seen: OrderSeen) -> OrderFilled | None:
    """Tell trades that never came by their sum; None where not even a price is known."""
    price = seen.price or order.price
    if seen.quote_filled is not None and seen.filled:
        price = (seen.quote_filled / seen.filled).quantize(_QUANTUM)
    if price is None:
        return None
    event = OrderFilled(
        **_about(order),
        exchange_order_id=seen.exchange_order_id,
        mode=order.mode or TradingMode.LIVE,
        trade_id="",
        side=order.side or seen.side,
        quantity=seen.filled - order.filled,
        price=price,
        cumulative=seen.filled,
        order_quantity=order.quantity or seen.quantity,
        commission=_ZERO,
        commission_asset="",
        exchange_ns=seen.exchange_ns,
    )
    _noted(book, event)
    return event


def _end(order: Order, seen: OrderSeen) -> Event | None:
    about = _about(order)
    match seen.state:
        case VenueOrderState.CANCELLED:
            return OrderCancelled(
                **about,
                cancel_intent_id="",
                filled=seen.filled,
                exchange_ns=seen.exchange_ns,
                sent_ns=0,
                answered_ns=0,
            )
        case VenueOrderState.EXPIRED:
            return OrderExpired(**about, filled=seen.filled, exchange_ns=seen.exchange_ns)
        case VenueOrderState.REJECTED if order.state is not OrderState.REJECTED:
            return OrderRejected(
                **about, code=_REJECTED_CODE, http_status=0, sent_ns=0, answered_ns=0
            )
        case _:
            return None


def _foreign(book: Book, seen: OrderSeen, at_ns: int) -> list[Event]:
    if is_ours(seen.client_order_id):
        return []
    book.unowned.pop(seen.exchange_order_id, None)
    key = seen.exchange_order_id
    known = book.foreign.get(key) or book.foreign_past.get(key)
    if known is not None:
        is_older = seen.filled < known.filled or known.state not in ALIVE
        if is_older or (known.state, known.filled) == (seen.state, seen.filled):
            return []
    event = ForeignOrderSeen(
        account=book.account,
        symbol=seen.symbol,
        exchange_order_id=key,
        client_order_id=seen.client_order_id,
        side=seen.side,
        state=seen.state,
        quantity=seen.quantity,
        filled=seen.filled,
        price=seen.price,
        exchange_ns=seen.exchange_ns,
        at_ns=at_ns,
    )
    return [_noted(book, event)]


def _missed(book: Book, fill: FillSeen, at_ns: int) -> Sequence[Event]:
    key = fill_key(fill.symbol, fill.trade_id, fill.exchange_order_id)
    found = Disagreement(
        kind=DifferenceKind.FILL_MISSING,
        rule=DifferenceRule.ADOPTED,
        subject=key,
        symbol=fill.symbol,
        ours="no record of it",
        theirs=f"{fill.side} {fill.quantity} at {fill.price}, order {fill.exchange_order_id}",
        amount=fill.quantity,
    )
    return adopt(book.differences, found, epoch=book.epoch, at_ns=at_ns)


def is_recent(seen: OrderSeen | FillSeen, at_ns: int) -> bool:
    """Tell news of something that the log must still remember; one without a time is new."""
    return not 0 < seen.exchange_ns < at_ns - MEMORY_NS // 2


def _noted(book: Book, event: Event) -> Event:
    fold_account(book, event, offset=-1, appended_ns=book.heard_ns)
    return event


def _rank(seen: OrderSeen) -> tuple[Decimal, bool]:
    """Tell the later of two words about an order: what traded only grows, an end stays."""
    return seen.filled, seen.state not in ALIVE


def _about(order: Order) -> dict[str, Any]:
    return {
        "account": order.account,
        "strategy": order.strategy,
        "intent_id": order.intent_id,
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
    }


def _number(trade_id: str) -> tuple[int, str]:
    """Sort trades as the exchange numbers them."""
    return (int(trade_id) if trade_id.isascii() and trade_id.isdigit() else 0, trade_id)
