"""
One comparison of log and exchange, and what it leads to. Pure.

Orders and fills are judged in reconcile_finds.py, balances in reconcile_funds.py; here it
all becomes records, in one order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from spark.events import AccountReconciled, Balance, BalancesSeen
from spark.exchanges.port import BalanceSeen, OrderSeen
from spark.ledger.reconcile import Book, fold_account, settle_accepted
from spark.ledger.reconcile_differences import (
    ACCEPTED,
    Disagreement,
    accepted,
    close,
    take_over,
)
from spark.ledger.reconcile_finds import (
    Said,
    absent,
    agree,
    catch_up,
    others,
    say,
    unclaimed,
    undead,
    unproven,
)
from spark.ledger.reconcile_funds import (
    Pair,
    Span,
    settle_balances,
)
from spark.names import DifferenceKind, DifferenceRule, Symbol

#: Shown trades that the baseline holds are forgotten above this, but for the latest.
_SHOWN_MIN: Final = 1_000
_SHOWN_NS: Final = 300_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the exchange answered; times by our clock, but for the balances'."""

    at_ns: int
    #: When the first question left.
    asked_ns: int
    open_orders: tuple[OrderSeen, ...]
    open_span: Span
    #: By symbol: when its trades were asked for.
    fills_asked_ns: Mapping[Symbol, int]
    balances: tuple[BalanceSeen, ...]
    #: Exchange time.
    balances_span: Span
    pairs: Mapping[Symbol, Pair]


@dataclass(slots=True)
class Compared:
    """What came of a look."""

    said: Said = field(default_factory=list)
    #: Something may still explain itself within seconds: look again before judging.
    is_unsure: bool = False


def compare(book: Book, look: Look) -> Compared:
    """
    Compare; the orders and trades of the answers have been learnt before.

    Returns: what is to be written, folded already.
    """
    book.heard_ns = look.at_ns
    found = Compared()
    found.said += catch_up(book, look.fills_asked_ns)
    found.said += unproven(book, look.fills_asked_ns)
    found.said += absent(book, look.open_orders, look.open_span)
    found.said += undead(book, look.open_orders, look.open_span)
    found.said += unclaimed(book)
    found.said += others(book)
    balances, found.is_unsure = _balances(book, look)
    found.said += balances
    return found


def reconciled(book: Book, look: Look, cause: str, *, orders: int) -> AccountReconciled:
    """Say that log and exchange were compared; folded already."""
    event = AccountReconciled(
        epoch=book.epoch,
        account=book.account,
        cause=cause,
        orders=orders,
        fills=len(book.shown),
        balances=len(look.balances),
        differences_open=len(book.differences.open),
        halting=book.differences.halting,
        asked_ns=look.asked_ns,
        done_ns=look.at_ns,
    )
    fold_account(book, event, offset=-1, appended_ns=look.at_ns)
    return event


def again(book: Book, *, at_ns: int) -> Said:
    """Say what is still open once more, in this epoch, so that its readers know."""
    said: Said = []
    for key, known in book.differences.open.items():
        event = replace(known, epoch=book.epoch, at_ns=at_ns)
        book.differences.open[key] = event
        said.append(event)
    return said


def take_words(book: Book, words: Mapping[str, int], *, at_ns: int) -> Said:
    """
    Close what persons took over.

    Args:
        words: `Control.accepted`.

    """
    said: Said = []
    for known in accepted(book.differences, words):
        how = f"{ACCEPTED} by persons, control/{words[known.difference]}"
        said += close(
            book.differences, known.kind, known.subject, how=how, epoch=book.epoch, at_ns=at_ns
        )
        take_over(book.differences, known)
        settle_accepted(book, known)
    return said


def _balances(book: Book, look: Look) -> tuple[Said, bool]:
    settled = settle_balances(
        book.funds,
        look.balances,
        fills=list(book.shown.values()),
        pairs=look.pairs,
        span=look.balances_span,
        at_ns=look.at_ns,
    )
    book.balances = BalancesSeen(
        account=book.account,
        balances=_listed(settled.balances),
        is_complete=True,
        # The moment up to which trades are in it; 0 where none fits, and then it is no baseline.
        exchange_ns=settled.cut_ns,
        at_ns=look.at_ns,
    )
    said: Said = [book.balances]
    wrong = {one.asset for one in settled.mismatches}
    for known in book.differences.of_kind(DifferenceKind.BALANCE):
        if known.subject not in wrong and not settled.is_unsure:
            said += agree(book, known)
    for one in settled.mismatches:
        found = Disagreement(
            kind=DifferenceKind.BALANCE,
            rule=DifferenceRule.HALTED,
            subject=one.asset,
            ours=f"{one.expected}",
            theirs=f"{one.found}",
            amount=one.found - one.expected,
        )
        said += say(book, found)
    if len(book.shown) > _SHOWN_MIN:
        before_ns = book.funds.cut_ns - _SHOWN_NS
        book.shown = {k: fill for k, fill in book.shown.items() if fill.exchange_ns > before_ns}
    return said, settled.is_unsure


def _listed(balances: tuple[BalanceSeen, ...]) -> tuple[Balance, ...]:
    return tuple(
        Balance(asset=one.asset, free=one.free, locked=one.locked)
        for one in balances
        if one.free or one.locked
    )
