"""
Whether balances follow from what was traded since they agreed last. Pure.

Expected is what the exchange held when log and exchange agreed last, the baseline, and every
trade since, ours and foreign, commissions included, and every deposit and withdrawal that it
told of. An exchange takes its picture of the balances somewhere between the question and the
answer, so what happened near it may be in it or not: balances agree if they fit one moment of
that span, for all assets at once. Only what does not fit twice, seconds apart and by the same
amount, is a difference: trades may be listed later than balances change (facts: §1.5, #395).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact
from itertools import groupby
from typing import Final

from spark.exchanges.port import BalanceSeen, FillSeen, FundsMoved
from spark.names import Side, Symbol

_EXACT: Final = Context(prec=200, traps=[Inexact])
_ZERO: Final = Decimal(0)
#: How far the exchange's clock as we know it and the times of its trades may be apart.
SLACK_NS: Final = 2_000_000_000
#: A mismatch is none before it has lasted for so long.
LASTED_NS: Final = 4_000_000_000
#: And one that is another at each look is one after so many of them.
LOOKS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """What a symbol trades."""

    base: str
    quote: str


@dataclass(frozen=True, slots=True)
class Span:
    """When a question left and when its answer was there."""

    asked_ns: int
    answered_ns: int


@dataclass(slots=True)
class Held:
    """A picture of the balances that nothing explains yet: trades in it may be listed late."""

    balances: tuple[BalanceSeen, ...]
    #: Exchange time of the question about it.
    span: Span
    #: By asset: what is unexplained, and since when it is just that.
    amounts: dict[str, Decimal]
    since_ns: int
    looks: int = 1


@dataclass(slots=True)
class Funds:
    """The baseline and what has moved since; plain values."""

    #: Exchange time up to which everything is in `base`; 0 before the first agreement.
    cut_ns: int = 0
    #: By asset: free and locked together.
    base: dict[str, Decimal] = field(default_factory=dict)
    moves: list[FundsMoved] = field(default_factory=list)
    #: By asset: what persons explained since the baseline.
    accepted: dict[str, Decimal] = field(default_factory=dict)
    held: Held | None = None
    #: Looks in a row that could not be a first baseline, because the account was trading.
    restless: int = 0


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An asset whose balance does not follow."""

    asset: str
    expected: Decimal
    found: Decimal


@dataclass(frozen=True, slots=True)
class Balanced:
    """What a look at the balances came to."""

    #: Every asset fits one moment; `cut_ns` is that moment.
    is_agreed: bool
    cut_ns: int = 0
    mismatches: tuple[Mismatch, ...] = ()
    #: Whether to look again soon, because nothing is certain yet.
    is_unsure: bool = False


def changes_of(fill: FillSeen, pair: Pair) -> dict[str, Decimal]:
    """Say what a trade does to balances; a commission without an asset is in the quote's."""
    sign = Decimal(1) if fill.side is Side.BUY else Decimal(-1)
    worth = _EXACT.multiply(fill.quantity, fill.price)
    found = {pair.base: _EXACT.multiply(sign, fill.quantity)}
    _add(found, pair.quote, _EXACT.multiply(-sign, worth))
    _add(found, fill.commission_asset or pair.quote, -fill.commission)
    return found


def compare_balances(
    funds: Funds,
    balances: Sequence[BalanceSeen],
    *,
    fills: Iterable[FillSeen],
    pairs: Mapping[Symbol, Pair],
    span: Span,
) -> Balanced:
    """
    Compare a complete answer about balances with what follows from the baseline.

    Args:
        fills: all trades since the baseline, ours and foreign; more do no harm.
        pairs: of the symbols that are followed; only their assets are compared.
        span: exchange time of the question about the balances.

    """
    totals = {one.asset: _EXACT.add(one.free, one.locked) for one in balances}
    timeline = _timeline(funds, fills, pairs)
    first_ns, last_ns = span.asked_ns - SLACK_NS, span.answered_ns + SLACK_NS
    if not funds.cut_ns:
        return _first(funds, timeline, span)
    assets = {asset for pair in pairs.values() for asset in (pair.base, pair.quote)}
    assets |= {asset for _, change in timeline for asset in change}
    expected = dict(funds.base)
    for asset, amount in funds.accepted.items():
        _add(expected, asset, amount)
    cut_ns = funds.cut_ns
    fitting: dict[str, bool] = dict.fromkeys(sorted(assets), False)
    # Before the span everything is in the picture; after that, one moment must fit.
    certain = [one for one in timeline if one[0] <= first_ns]
    unsure = [one for one in timeline if first_ns < one[0] <= last_ns]
    for at_ns, change in certain:
        cut_ns = at_ns
        for asset, amount in change.items():
            _add(expected, asset, amount)
    for at_ns, change in [(max(cut_ns, first_ns), {}), *unsure]:
        for asset, amount in change.items():
            _add(expected, asset, amount)
        fits = {a: expected.get(a, _ZERO) == totals.get(a, _ZERO) for a in fitting}
        if all(fits.values()):
            return Balanced(is_agreed=True, cut_ns=at_ns)
        for asset, is_fit in fits.items():
            fitting[asset] = fitting[asset] or is_fit
    mismatches = tuple(
        Mismatch(asset, expected.get(asset, _ZERO), totals.get(asset, _ZERO))
        for asset, has_fit in fitting.items()
        if not has_fit
    )
    return Balanced(is_agreed=False, mismatches=mismatches)


@dataclass(frozen=True, slots=True)
class Settled:
    """What is certain after a look."""

    #: The balances that agreed, and the moment up to which trades are in them; else the newest.
    balances: tuple[BalanceSeen, ...]
    cut_ns: int = 0
    mismatches: tuple[Mismatch, ...] = ()
    #: Another look is needed before anything can be said.
    is_unsure: bool = False


def settle_balances(
    funds: Funds,
    balances: tuple[BalanceSeen, ...],
    *,
    fills: Sequence[FillSeen],
    pairs: Mapping[Symbol, Pair],
    span: Span,
    at_ns: int,
) -> Settled:
    """
    Move the baseline on where balances agree, and grow suspicious where they do not.

    A picture that did not fit is looked at again with the trades that were listed since: it
    stands still while the account goes on trading.
    """

    def compared(picture: tuple[BalanceSeen, ...], when: Span) -> Balanced:
        return compare_balances(funds, picture, fills=fills, pairs=pairs, span=when)

    held, agreed = funds.held, None
    if held is not None and (old := compared(held.balances, held.span)).is_agreed:
        rebase(funds, _totals(held.balances), old.cut_ns)
        agreed = Settled(held.balances, old.cut_ns)
        held = None
    new = compared(balances, span)
    if new.is_agreed:
        rebase(funds, _totals(balances), new.cut_ns)
        return Settled(balances, new.cut_ns)
    if not new.mismatches:
        return agreed or Settled(balances, is_unsure=new.is_unsure)
    if held is None:
        amounts = {one.asset: one.found - one.expected for one in new.mismatches}
        funds.held = Held(balances, span, amounts, at_ns)
        # An account that never rests is compared by its older pictures.
        return agreed or Settled(balances, is_unsure=True)
    old = compared(held.balances, held.span)
    amounts = {one.asset: one.found - one.expected for one in old.mismatches}
    held.looks += 1
    if amounts != held.amounts:
        held.amounts, held.since_ns = amounts, at_ns
    if at_ns - held.since_ns < LASTED_NS and held.looks < LOOKS_MAX:
        return Settled(balances, is_unsure=True)
    if {one.asset: one.found - one.expected for one in new.mismatches} == amounts:
        # The newer picture says the same, and will agree with what persons say of it.
        funds.held = Held(balances, span, amounts, held.since_ns, held.looks)
    return Settled(balances, mismatches=old.mismatches)


def rebase(funds: Funds, totals: Mapping[str, Decimal], cut_ns: int) -> None:
    """Take balances for the new baseline."""
    funds.base = {asset: total for asset, total in totals.items() if total}
    funds.cut_ns = cut_ns
    funds.moves = [move for move in funds.moves if move.exchange_ns > cut_ns]
    funds.accepted.clear()
    funds.held = None
    funds.restless = 0


def _totals(balances: Sequence[BalanceSeen]) -> dict[str, Decimal]:
    return {one.asset: one.free + one.locked for one in balances}


def _first(
    funds: Funds, timeline: Sequence[tuple[int, Mapping[str, Decimal]]], span: Span
) -> Balanced:
    """Begin: with nothing to compare, but at a moment when nothing trades."""
    near = [at_ns for at_ns, _ in timeline if at_ns > span.asked_ns - SLACK_NS]
    if near and funds.restless < LOOKS_MAX:
        funds.restless += 1
        return Balanced(is_agreed=False, is_unsure=True)
    return Balanced(is_agreed=True, cut_ns=max(span.asked_ns - SLACK_NS, 1))


def _timeline(
    funds: Funds, fills: Iterable[FillSeen], pairs: Mapping[Symbol, Pair]
) -> list[tuple[int, dict[str, Decimal]]]:
    """List what moved balances since the baseline: what has one time happened at once."""
    told: list[tuple[int, dict[str, Decimal]]] = [
        (fill.exchange_ns, changes_of(fill, pairs[fill.symbol]))
        for fill in fills
        if fill.trade_id and fill.symbol in pairs and fill.exchange_ns > funds.cut_ns
    ]
    told += [
        (move.exchange_ns, {move.asset: move.amount})
        for move in funds.moves
        if move.exchange_ns > funds.cut_ns
    ]
    told.sort(key=lambda one: one[0])
    joined = []
    for at_ns, group in groupby(told, key=lambda one: one[0]):
        sums: dict[str, Decimal] = {}
        for _, change in group:
            for asset, amount in change.items():
                _add(sums, asset, amount)
        joined.append((at_ns, sums))
    return joined


def _add(sums: dict[str, Decimal], asset: str, amount: Decimal) -> None:
    sums[asset] = _EXACT.add(sums.get(asset, _ZERO), amount)
