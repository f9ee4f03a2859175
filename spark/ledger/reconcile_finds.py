"""
What differs between the log's orders and fills and the exchange's, and by which rule. Pure.

Rules: the exchange's fill is taken over; another's order is shown; what cannot be explained
is said aloud, and stops new risk where a position may be wrong: a fill that the exchange does
not have (S9), an order that lives there and not here. Only what was acked before the question
left and did not change until the answer is compared, and an absence never ends an order,
however often it is seen (R14).
"""

from collections.abc import Mapping
from typing import Final

from spark.events import DifferenceFound, Event
from spark.exchanges.port import FillSeen, OrderSeen
from spark.ledger.reconcile import (
    PROOF_NS,
    Absence,
    Book,
    Search,
    is_closed,
    is_proven,
    is_real,
)
from spark.ledger.reconcile_differences import Disagreement, close, find
from spark.ledger.reconcile_funds import Span
from spark.ledger.reconcile_orders import is_recent, progress
from spark.names import ClientOrderId, DifferenceKind, DifferenceRule, OrderState, Symbol

#: The log's clock and ours may be apart; an order that changed within this is too fresh.
_FRESH_NS: Final = 1_000_000_000
#: Trades that have not come for so long are told by their sum.
FORCED_NS: Final = 10_000_000_000
#: News without a claim are nobody's after this; so is a hint without a trade.
CLAIM_NS: Final = 10_000_000_000
#: Absences before an order is called absent.
_ABSENCES_MIN: Final = 2
_ID_CHARS_MAX: Final = 40
_NS_PER_S: Final = 1_000_000_000

Said = list[Event]


def say(book: Book, found: Disagreement) -> Said:
    """Note a difference; returns what is to be written."""
    return list(find(book.differences, found, epoch=book.epoch, at_ns=book.heard_ns))


def agree(book: Book, known: DifferenceFound) -> Said:
    """Close a difference that is none any more; returns what is to be written."""
    closed = close(
        book.differences,
        known.kind,
        known.subject,
        how="agreed",
        epoch=book.epoch,
        at_ns=book.heard_ns,
    )
    return list(closed)


def unproven(book: Book, fills_asked_ns: Mapping[Symbol, int]) -> Said:
    """
    Find fills of the gateway's that the exchange, asked long enough after, does not have (S9).

    Args:
        fills_asked_ns: by symbol, when its trades were asked for.

    """
    said: Said = []
    for known in book.differences.of_kind(DifferenceKind.FILL_UNPROVEN):
        if known.subject not in book.unproven:
            said += agree(book, known)
    for key, proof in list(book.unproven.items()):
        fill = proof.fill
        if is_proven(book, proof):
            del book.unproven[key]
            continue
        if fills_asked_ns.get(fill.symbol, 0) <= proof.appended_ns + PROOF_NS:
            continue
        shown = book.shown.get(key)
        found = Disagreement(
            kind=DifferenceKind.FILL_UNPROVEN,
            rule=DifferenceRule.HALTED,
            subject=key,
            symbol=fill.symbol,
            ours=f"{fill.side} {fill.quantity} at {fill.price}, order {fill.client_order_id}",
            theirs="no such trade" if shown is None else _words(shown),
            amount=-fill.quantity,
        )
        said += say(book, found)
    return said


def searched(book: Book, key: ClientOrderId, *, at_ns: int) -> Said:
    """
    Note that an order without an outcome was looked for everywhere and not found.

    It stays what it is; the difference tells people what was searched, and when (R14, A8).
    """
    book.heard_ns = at_ns
    order = book.orders.by_id.get(key)
    if order is None or order.state is not OrderState.UNKNOWN:
        book.searches.pop(key, None)
        return []
    search = book.searches.setdefault(key, Search(at_ns))
    search.times += 1
    search.last_ns = at_ns
    found = Disagreement(
        kind=DifferenceKind.ORDER_ABSENT,
        rule=DifferenceRule.ALERTED,
        subject=key,
        symbol=order.symbol,
        ours=f"sent, without an outcome since {order.changed_ns // _NS_PER_S}",
        theirs="in no open order, order or trade; "
        f"asked {search.times} times, last at {at_ns // _NS_PER_S}",
    )
    return say(book, found)


def catch_up(book: Book, fills_asked_ns: Mapping[Symbol, int]) -> Said:
    """Tell by their sum what trades have not told for long, and give up on hints."""
    said: Said = []
    for key, due in list(book.due.items()):
        order = book.orders.by_id.get(key)
        if order is None:
            del book.due[key]
            continue
        is_old = fills_asked_ns.get(order.symbol, 0) > due.since_ns + FORCED_NS
        if due.seen is not None:
            said += progress(book, key, None, at_ns=book.heard_ns, is_forced=is_old)
        elif is_old:
            del book.due[key]
    return said


def absent(book: Book, open_orders: tuple[OrderSeen, ...], span: Span) -> Said:
    """
    Find orders that live here and that the exchange does not list (R14).

    Args:
        span: when the open orders were asked for and answered, by our clock.

    """
    listed = {one.exchange_order_id for one in open_orders}
    missing: set[ClientOrderId] = set()
    for order in book.alive():
        key = order.client_order_id
        is_listed = not order.exchange_order_id or order.exchange_order_id in listed
        if is_listed or order.changed_ns >= span.asked_ns - _FRESH_NS:
            continue
        missing.add(key)
        known = book.absences.get(key)
        if known is None or known.changed_ns != order.changed_ns:
            book.absences[key] = Absence(order.changed_ns, 1, book.heard_ns)
        else:
            known.times += 1
    book.absences = {key: one for key, one in book.absences.items() if key in missing}
    said = [event for one in _no_more_absent(book) for event in agree(book, one)]
    for key, absence in book.absences.items():
        if absence.times < _ABSENCES_MIN or not absence.is_asked:
            continue
        order = book.orders.by_id[key]
        found = Disagreement(
            kind=DifferenceKind.ORDER_ABSENT,
            rule=DifferenceRule.ALERTED,
            subject=key,
            symbol=order.symbol,
            ours=f"{order.state}, {order.filled} of {order.quantity}",
            theirs=f"not among the open ones, and no answer about {order.exchange_order_id}",
        )
        said += say(book, found)
    return said


def undead(book: Book, open_orders: tuple[OrderSeen, ...], span: Span) -> Said:
    """Find orders that live at the exchange and not here, and second ones under one id."""
    alive: dict[ClientOrderId, OrderSeen] = {}
    for seen in open_orders:
        order = book.named(seen.exchange_order_id, seen.client_order_id)
        if order is None or not is_real(order) or not is_closed(order):
            continue
        if order.changed_ns < span.asked_ns - _FRESH_NS:
            alive[order.client_order_id] = seen
    book.undead = {key: book.undead.get(key, book.heard_ns) for key in alive}
    found = {
        key: f"{_words(seen)}, {seen.exchange_order_id}"
        for key, seen in alive.items()
        # A cancel that was taken and not carried out yet looks the same for a moment.
        if book.heard_ns - book.undead[key] >= PROOF_NS
    }
    found |= {key: f"a second order, {name}" for key, name in book.doubles.items()}
    said: Said = []
    for known in book.differences.of_kind(DifferenceKind.ORDER_STATE):
        key = ClientOrderId(known.subject)
        if key not in found and key not in book.waiting:
            said += agree(book, known)
    for key, theirs in found.items():
        order = book.orders.by_id.get(key)
        if order is not None:
            ours = f"{order.state}, {order.filled} of {order.quantity}, {order.exchange_order_id}"
            said += say(book, _state(order.client_order_id, order.symbol, (ours, theirs)))
    return said


def unclaimed(book: Book) -> Said:
    """Find news of orders of our own form that nobody here has claimed (R14, S4)."""
    said: Said = []
    for key, (since_ns, news) in list(book.waiting.items()):
        recent = [one for one in news if is_recent(one, book.heard_ns)]
        if not recent:
            # Older than what is remembered here.
            del book.waiting[key]
        elif book.heard_ns - since_ns > CLAIM_NS:
            words = ("nobody claimed it", _words(recent[-1]))
            said += say(book, _state(key, recent[-1].symbol, words))
    return said


def others(book: Book) -> Said:
    """Show each alive order of others, and take it back when it ended."""
    said: Said = []
    for known in book.differences.of_kind(DifferenceKind.FOREIGN_ORDER):
        if known.subject not in book.foreign:
            said += agree(book, known)
    for key, other in book.foreign.items():
        price = "the market's price" if other.price is None else other.price
        found = Disagreement(
            kind=DifferenceKind.FOREIGN_ORDER,
            rule=DifferenceRule.MARKED_FOREIGN,
            subject=key,
            symbol=other.symbol,
            ours="no order of ours",
            theirs=f"{other.side} {other.quantity} at {price}, id "
            f"{other.client_order_id[:_ID_CHARS_MAX] or 'none'}",
        )
        said += say(book, found)
    return said


def _no_more_absent(book: Book) -> list[DifferenceFound]:
    found = []
    for known in book.differences.of_kind(DifferenceKind.ORDER_ABSENT):
        order = book.orders.by_id.get(ClientOrderId(known.subject))
        is_unknown = order is not None and order.state is OrderState.UNKNOWN
        if known.subject not in book.absences and not is_unknown:
            found.append(known)
    return found


def _state(subject: ClientOrderId, symbol: Symbol, words: tuple[str, str]) -> Disagreement:
    return Disagreement(
        kind=DifferenceKind.ORDER_STATE,
        rule=DifferenceRule.HALTED,
        subject=subject,
        symbol=symbol,
        ours=words[0],
        theirs=words[1],
    )


def _words(seen: OrderSeen | FillSeen) -> str:
    if isinstance(seen, FillSeen):
        return f"{seen.side} {seen.quantity} at {seen.price}"
    return f"{seen.state}, {seen.filled} of {seen.quantity}"
