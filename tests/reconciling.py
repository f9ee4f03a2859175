"""
Comparing a log with a scripted exchange, step by step as the account feed does.
"""

from collections.abc import Iterable

from spark.events import DifferenceFound, Event, PartitionFenced
from spark.exchanges.port import FundsMoved, News
from spark.ledger.fold import Order
from spark.ledger.reconcile import Book, fold_account, fold_orders
from spark.ledger.reconcile_funds import Span
from spark.ledger.reconcile_look import Look, compare, reconciled
from spark.ledger.reconcile_orders import learn
from spark.names import DifferenceKind
from tests.made import ACCOUNT, EPOCH, NOW_NS, SYMBOL, Life
from tests.scripted_exchange import PAIRS, ScriptedExchange


def fence(role: str) -> PartitionFenced:
    """Begin an epoch."""
    return PartitionFenced(role=role, instance="test", topic_ids={}, settings={}, fenced_ns=NOW_NS)


def book_of(*events: Event, at_ns: int = NOW_NS) -> Book:
    """Fold what the gateway of EPOCH wrote."""
    book = Book(ACCOUNT)
    fold_orders(book, fence("gateway"), offset=EPOCH, appended_ns=at_ns)
    fold_account(book, fence("account_feed"), offset=3, appended_ns=at_ns)
    write(book, *events, at_ns=at_ns)
    return book


def write(book: Book, *events: Event, at_ns: int = NOW_NS) -> None:
    """Fold more of the gateway's records."""
    for event in events:
        fold_orders(book, event, offset=EPOCH + 1, appended_ns=at_ns)


def look(book: Book, exchange: ScriptedExchange, *, is_moved: bool = True) -> list[Event]:
    """Ask everything, as the account feed does, and compare."""
    if is_moved:
        exchange.tick(20)
    now_ns = exchange.now_ns
    said = learn(book, exchange.orders.values(), at_ns=now_ns, is_asked=True)
    said += learn(book, exchange.fills_since(0), at_ns=now_ns, is_asked=True)
    for key, absence in book.absences.items():
        order = book.orders.by_id[key]
        absence.is_asked = order.exchange_order_id not in exchange.orders
    seen = Look(
        at_ns=now_ns,
        asked_ns=now_ns,
        open_orders=exchange.open_orders(),
        open_span=Span(now_ns, now_ns),
        fills_asked_ns={SYMBOL: now_ns},
        balances=exchange.balances(),
        balances_span=Span(now_ns, now_ns),
        pairs=PAIRS,
    )
    found = compare(book, seen)
    if not found.is_unsure:
        found.said.append(reconciled(book, seen, "background", orders=len(exchange.orders)))
    return said + found.said


def hear(book: Book, exchange: ScriptedExchange, news: Iterable[News]) -> list[Event]:
    """Take in one read of the private stream."""
    moved = list(news)
    book.funds.moves += [one for one in moved if isinstance(one, FundsMoved)]
    return learn(book, moved, at_ns=exchange.now_ns)


def kinds(said: Iterable[Event]) -> list[DifferenceKind]:
    """Name the differences that were found."""
    return [one.kind for one in said if isinstance(one, DifferenceFound)]


def only(book: Book, life: Life) -> Order:
    """Give the order of a life."""
    return book.orders.by_id[life.client_order_id]
