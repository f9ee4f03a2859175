"""
What the reconcile and unknown commands do: put both sides together, compose words.
"""

from dataclasses import dataclass
from decimal import Decimal
from time import time_ns
from typing import Final

from spark.cli.words_desk import Desk, Sight
from spark.codec import decimal_text
from spark.errors import RefusedError
from spark.events import AcceptDifference, DifferenceFound, ResolveUnknown
from spark.ledger.control import needed_persons, problem_of
from spark.ledger.fold import Order
from spark.ledger.reconcile import Book
from spark.names import AccountId, ClientOrderId, DifferenceKind, venue_of
from spark.names import Book as Ledger
from spark.ops.account_reader import AccountSight, read_accounts
from spark.producers import words

_NS_PER_S: Final = 1_000_000_000
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A word, before it is said."""

    sight: Sight
    proposal: AcceptDifference | ResolveUnknown
    needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownRow:
    """An order without an outcome."""

    account: AccountId
    client_order_id: ClientOrderId
    intent_id: str
    symbol: str
    side: str
    quantity: str
    age_s: int
    #: What the account feed looked through, and when; empty before its first search.
    searched: str
    #: Whether persons said already that it counts as never placed.
    is_resolved: bool


def account_object(sight: AccountSight) -> dict[str, object]:
    """Put both sides of an account together, as `--json` prints it."""
    book = sight.book
    last = book.reconciled
    return {
        "account": sight.account,
        "venue": venue_of(sight.account),
        "state": "reconciled" if last is not None and not book.doubted else "doubted",
        "doubt": book.doubted or None,
        "cause": None if last is None else last.cause,
        "age_s": None if last is None else _age_s(last.asked_ns),
        "compared": None
        if last is None
        else {"orders": last.orders, "fills": last.fills, "balances": last.balances},
        "halting": book.differences.halting,
        "orders": [_order_object(book, order) for order in sight.open_orders()],
        "foreign_orders": [_foreign_object(book, key) for key in book.foreign],
        "fills": _fills_object(book),
        "balances": _balance_objects(book),
        "positions": _position_objects(sight),
        "differences": [difference_object(one) for one in book.differences.open.values()],
    }


def difference_object(one: DifferenceFound) -> dict[str, object]:
    """Write a difference as `--json` prints it."""
    return {
        "difference": one.difference,
        "account": one.account,
        "kind": one.kind.value,
        "rule": one.rule.value,
        "subject": one.subject,
        "symbol": one.symbol or None,
        "ours": one.ours,
        "theirs": one.theirs,
        "amount": decimal_text(one.amount),
        "at_ns": one.at_ns,
        "age_s": _age_s(one.at_ns),
    }


async def unknown_rows(desk: Desk, sight: Sight) -> list[UnknownRow]:
    """List the orders without an outcome, oldest first."""
    resolved = sight.log.control.resolved
    rows = [
        _unknown_row(one.book, order, is_resolved=order.client_order_id in resolved)
        for one in await read_accounts(desk.bus)
        for order in one.book.unknown()
    ]
    return sorted(rows, key=lambda row: -row.age_s)


async def draft_accept(desk: Desk, difference: str, *, reason: str) -> Draft:
    """
    Compose that an open difference counts as explained.

    Raises:
        RefusedError: there is none, or more than one that begins so.

    """
    reason = words.checked_reason(reason)
    fitting = [
        one
        for sight in await read_accounts(desk.bus)
        for one in sight.book.differences.open.values()
        if one.difference.startswith(difference)
    ]
    if len(fitting) != 1 or not difference:
        raise RefusedError(f"{len(fitting)} open differences begin with {difference!r}")
    found = fitting[0]
    proposal = words.accept_difference(
        desk.operator, found.account, found.difference, reason=reason
    )
    return await _draft(desk, proposal)


async def draft_resolve(desk: Desk, order: str, *, reason: str) -> Draft:
    """
    Compose that an order without an outcome counts as never placed.

    Raises:
        RefusedError: it has an outcome, or there is no such order.

    """
    reason = words.checked_reason(reason)
    for sight in await read_accounts(desk.bus):
        if any(one.client_order_id == order for one in sight.book.unknown()):
            key = ClientOrderId(order)
            proposal = words.resolve_unknown(desk.operator, sight.account, key, reason=reason)
            return await _draft(desk, proposal)
    raise RefusedError(f"no order {order} is without an outcome")


async def _draft(desk: Desk, proposal: AcceptDifference | ResolveUnknown) -> Draft:
    sight = await desk.look()
    problem = problem_of(sight.log.control, proposal)
    if problem:
        raise RefusedError(problem)
    needed = needed_persons(sight.log.control, proposal, sight.start_mode)
    return Draft(sight=sight, proposal=proposal, needed=needed)


def _unknown_row(book: Book, order: Order, *, is_resolved: bool) -> UnknownRow:
    found = _difference(book, DifferenceKind.ORDER_ABSENT, order.client_order_id)
    return UnknownRow(
        account=order.account,
        client_order_id=order.client_order_id,
        intent_id=order.intent_id,
        symbol=order.symbol,
        side="" if order.side is None else order.side.value,
        quantity=decimal_text(order.quantity),
        age_s=_age_s(order.changed_ns),
        searched="" if found is None else found.theirs,
        is_resolved=is_resolved,
    )


def _order_object(book: Book, order: Order) -> dict[str, object]:
    found = _difference(book, DifferenceKind.ORDER_ABSENT, order.client_order_id)
    found = found or _difference(book, DifferenceKind.ORDER_STATE, order.client_order_id)
    ours = f"{order.state}, {decimal_text(order.filled)} of {decimal_text(order.quantity)}"
    return {
        "client_order_id": order.client_order_id,
        "exchange_order_id": order.exchange_order_id or None,
        "symbol": order.symbol,
        "ours": ours,
        "theirs": ours if found is None else found.theirs,
        "difference": None if found is None else found.difference,
    }


def _foreign_object(book: Book, key: str) -> dict[str, object]:
    other = book.foreign[key]
    found = _difference(book, DifferenceKind.FOREIGN_ORDER, key)
    price = "market" if other.price is None else decimal_text(other.price)
    return {
        "exchange_order_id": key,
        "client_order_id": other.client_order_id or None,
        "symbol": other.symbol,
        "ours": None,
        "theirs": f"{other.side} {decimal_text(other.quantity)} at {price}, {other.state}, "
        f"{decimal_text(other.filled)} filled",
        "difference": None if found is None else found.difference,
    }


def _fills_object(book: Book) -> dict[str, object]:
    told = sum(len(trades) for trades in book.told.values())
    unproven = book.differences.of_kind(DifferenceKind.FILL_UNPROVEN)
    return {
        "ours": told,
        "theirs": told - len(unproven),
        "unproven": [one.difference for one in unproven],
    }


def _balance_objects(book: Book) -> list[dict[str, object]]:
    seen = {} if book.balances is None else {one.asset: one for one in book.balances.balances}
    wrong = {one.subject: one for one in book.differences.of_kind(DifferenceKind.BALANCE)}
    rows: list[dict[str, object]] = []
    for asset in sorted({*seen, *wrong}):
        one, found = seen.get(asset), wrong.get(asset)
        total = _ZERO if one is None else one.free + one.locked
        rows.append(
            {
                "asset": asset,
                "ours": decimal_text(total) if found is None else found.ours,
                "theirs": decimal_text(total),
                "locked": decimal_text(_ZERO if one is None else one.locked),
                "difference": None if found is None else found.difference,
            }
        )
    return rows


def _position_objects(sight: AccountSight) -> list[dict[str, object]]:
    """Sum what strategies hold by symbol, beside what the exchange holds of the asset."""
    held: dict[str, Decimal] = {}
    for position in sight.positions.by_key.values():
        if position.book is Ledger.LIVE and position.account == sight.account:
            held[position.symbol] = held.get(position.symbol, _ZERO) + position.quantity
    balances = {str(row["asset"]): row for row in _balance_objects(sight.book)}
    rows: list[dict[str, object]] = []
    for symbol, quantity in sorted(held.items()):
        pair = next((one for name, one in sight.pairs.items() if name == symbol), None)
        row = balances.get(pair.base) if pair is not None else None
        rows.append(
            {
                "symbol": symbol,
                "ours": decimal_text(quantity),
                "asset": None if pair is None else pair.base,
                "theirs": None if row is None else row["theirs"],
                "difference": None if row is None else row["difference"],
            }
        )
    return rows


def _difference(book: Book, kind: DifferenceKind, subject: str) -> DifferenceFound | None:
    return next((one for one in book.differences.of_kind(kind) if one.subject == subject), None)


def _age_s(since_ns: int) -> int:
    return max(0, time_ns() - since_ns) // _NS_PER_S
