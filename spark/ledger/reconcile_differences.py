"""
Where log and exchange differ: what is open, and the words for it. Pure.

A difference keeps its id until it is closed. Its id holds when it was found and by how much
they differ, so that a person's acceptance of one never covers another (S9).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Final

from spark.events import DifferenceClosed, DifferenceFound
from spark.names import AccountId, DifferenceKind, DifferenceRule, Symbol

_ZERO: Final = Decimal(0)
_NO_SYMBOL: Final = Symbol("")
_ID_HEX: Final = 16
#: How `how` begins where persons took a difference over.
ACCEPTED: Final = "accepted"
#: Differences that persons took over and that are not to be found again.
_TAKEN_OVER_MAX: Final = 1_000
#: Open ones; what is more than that is one thing gone wrong, and halts anyway.
OPEN_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """What differs, before it has an id."""

    kind: DifferenceKind
    rule: DifferenceRule
    subject: str
    ours: str
    theirs: str
    symbol: Symbol = _NO_SYMBOL
    amount: Decimal = _ZERO


@dataclass(slots=True)
class Differences:
    """The open differences of one account; plain values."""

    account: AccountId
    #: By `key_of`.
    open: dict[str, DifferenceFound] = field(default_factory=dict)
    #: Keys of what persons took over, oldest first.
    taken_over: dict[str, None] = field(default_factory=dict)

    @property
    def halting(self) -> int:
        """Count those that halt new risk."""
        return sum(1 for one in self.open.values() if one.rule is DifferenceRule.HALTED)

    def of_kind(self, kind: DifferenceKind) -> list[DifferenceFound]:
        """List the open ones of a kind."""
        return [one for one in self.open.values() if one.kind is kind]


def key_of(kind: DifferenceKind, subject: str) -> str:
    """Key what a difference is about."""
    return f"{kind} {subject}"


def find(
    differences: Differences, found: Disagreement, *, epoch: int, at_ns: int
) -> list[DifferenceFound | DifferenceClosed]:
    """
    Note a difference; one that is open already, with the same amount, says nothing new.

    Returns: what is to be written.
    """
    key = key_of(found.kind, found.subject)
    known = differences.open.get(key)
    if found.kind is not DifferenceKind.BALANCE and key in differences.taken_over:
        return []
    if known is None and len(differences.open) >= OPEN_MAX:
        return []
    said: list[DifferenceFound | DifferenceClosed] = []
    is_same = known is not None and (known.amount, known.rule) == (found.amount, found.rule)
    if known is not None and is_same and (known.ours, known.theirs) == (found.ours, found.theirs):
        return []
    if known is not None and not is_same:
        said += close(
            differences, found.kind, found.subject, how="changed", epoch=epoch, at_ns=at_ns
        )
    event = DifferenceFound(
        epoch=epoch,
        account=differences.account,
        difference=known.difference
        if known is not None and is_same
        else _id(differences.account, found, at_ns),
        kind=found.kind,
        rule=found.rule,
        subject=found.subject,
        symbol=found.symbol,
        ours=found.ours,
        theirs=found.theirs,
        amount=found.amount,
        at_ns=at_ns,
    )
    differences.open[key] = event
    return [*said, event]


def close(
    differences: Differences,
    kind: DifferenceKind,
    subject: str,
    *,
    how: str,
    epoch: int,
    at_ns: int,
) -> list[DifferenceFound | DifferenceClosed]:
    """Close a difference, if it is open; returns what is to be written."""
    known = differences.open.pop(key_of(kind, subject), None)
    if known is None:
        return []
    return [
        DifferenceClosed(
            epoch=epoch,
            account=differences.account,
            difference=known.difference,
            how=how,
            at_ns=at_ns,
        )
    ]


def adopt(
    differences: Differences, found: Disagreement, *, epoch: int, at_ns: int
) -> list[DifferenceFound | DifferenceClosed]:
    """Write down a difference that ended with its finding: the exchange's word was taken over."""
    said = find(differences, found, epoch=epoch, at_ns=at_ns)
    closed = close(differences, found.kind, found.subject, how="adopted", epoch=epoch, at_ns=at_ns)
    return [*said, *closed]


def accepted(differences: Differences, words: Mapping[str, int]) -> list[DifferenceFound]:
    """List the open ones that persons took over, by their ids (`Control.accepted`)."""
    return [one for one in differences.open.values() if one.difference in words]


def fold_difference(
    differences: Differences, event: DifferenceFound | DifferenceClosed
) -> DifferenceFound | None:
    """
    Fold a valid record of `account.events`.

    Returns: the difference that persons took over with it; None for any other.
    """
    if isinstance(event, DifferenceFound):
        differences.open[key_of(event.kind, event.subject)] = event
        return None
    for key, known in list(differences.open.items()):
        if known.difference == event.difference:
            del differences.open[key]
            if event.how.startswith(ACCEPTED):
                take_over(differences, known)
                return known
    return None


def take_over(differences: Differences, known: DifferenceFound) -> None:
    """Remember that persons explained it; a balance may differ anew, by another amount."""
    if known.kind is DifferenceKind.BALANCE:
        return
    differences.taken_over[key_of(known.kind, known.subject)] = None
    while len(differences.taken_over) > _TAKEN_OVER_MAX:
        del differences.taken_over[next(iter(differences.taken_over))]


def _id(account: AccountId, found: Disagreement, at_ns: int) -> str:
    text = f"{account}\n{found.kind}\n{found.subject}\n{found.amount}\n{at_ns}"
    return sha256(text.encode()).hexdigest()[:_ID_HEX]
