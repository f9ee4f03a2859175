"""
Orders a minute and notional a second, sliding and exact (spec B3, R7).

An approval stays in each window from its decision until the window's length after its
answer: whatever the exchange's ledger shows in any window arrived before its answer, so
the cap holds there too. What never left, leaves at once. All times are the broker's.
Everything is keyed by client order id: saying a thing twice changes nothing.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

MINUTE_NS: Final = 60_000_000_000
SECOND_NS: Final = 1_000_000_000
_UTRY: Final = Decimal("0.000001")
#: Scope of a whole account; others are strategies.
ACCOUNT_SCOPE: Final = ""


@dataclass(slots=True)
class Stay:
    """An approval without an answer."""

    strategy: str
    #: Millionths of a lira, rounded up: whole numbers add up exactly.
    worth_utry: int


@dataclass(slots=True)
class Tally:
    """How many, and worth how much together, by scope."""

    counts: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)

    def add(self, strategy: str, worth_utry: int) -> None:
        """Count one, for its account and its strategy."""
        for scope in (ACCOUNT_SCOPE, strategy):
            self.counts[scope] = self.counts.get(scope, 0) + 1
            self.sums[scope] = self.sums.get(scope, 0) + worth_utry

    def remove(self, strategy: str, worth_utry: int) -> None:
        """Count one no longer; a scope without any is forgotten."""
        for scope in (ACCOUNT_SCOPE, strategy):
            self.counts[scope] -= 1
            self.sums[scope] -= worth_utry
            if not self.counts[scope]:
                del self.counts[scope], self.sums[scope]


@dataclass(slots=True)
class Window:
    """What was answered within one length, and the sums over it."""

    length_ns: int
    #: Append time of the answer, strategy, worth; in the order of the log.
    left: deque[tuple[int, str, int]] = field(default_factory=deque)
    tally: Tally = field(default_factory=Tally)

    def add(self, at_ns: int, strategy: str, worth_utry: int) -> None:
        """Keep one for the window's length from its answer on."""
        self.left.append((at_ns, strategy, worth_utry))
        self.tally.add(strategy, worth_utry)

    def forget(self, now_ns: int) -> None:
        """Drop what has been out for the window's length."""
        while self.left and self.left[0][0] + self.length_ns <= now_ns:
            _, strategy, worth_utry = self.left.popleft()
            self.tally.remove(strategy, worth_utry)

    def used(self, scope: str, now_ns: int) -> tuple[int, int]:
        """Count and sum what still occupies the window now, whether forgotten yet or not."""
        count, total = self.tally.counts.get(scope, 0), self.tally.sums.get(scope, 0)
        for at_ns, strategy, worth_utry in self.left:
            if at_ns + self.length_ns > now_ns:
                break
            if scope in {ACCOUNT_SCOPE, strategy}:
                count, total = count - 1, total - worth_utry
        return count, total


@dataclass(slots=True)
class Rates:
    """The windows of one account."""

    #: By client order id.
    unanswered: dict[str, Stay] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    minute: Window = field(default_factory=lambda: Window(MINUTE_NS))
    second: Window = field(default_factory=lambda: Window(SECOND_NS))

    def approve(self, order: str, strategy: str, worth_utry: int) -> None:
        """Occupy the windows from a decision on."""
        if order in self.unanswered:
            return
        self.unanswered[order] = Stay(strategy, worth_utry)
        self.tally.add(strategy, worth_utry)

    def answer(self, order: str, at_ns: int) -> None:
        """Start the end of a stay: the exchange has answered, or never will."""
        stay = self._release(order)
        if stay is not None:
            self.minute.add(at_ns, stay.strategy, stay.worth_utry)
            self.second.add(at_ns, stay.strategy, stay.worth_utry)

    def release(self, order: str) -> None:
        """End a stay at once: not a byte left."""
        self._release(order)

    def forget(self, now_ns: int) -> None:
        """Drop what cannot matter from now on; `now_ns` is a decision's own time, never later."""
        self.minute.forget(now_ns)
        self.second.forget(now_ns)

    def orders_in_minute(self, scope: str, now_ns: int) -> int:
        """Count the orders that occupy the minute before now."""
        return self.tally.counts.get(scope, 0) + self.minute.used(scope, now_ns)[0]

    def worth_in_second(self, scope: str, now_ns: int) -> int:
        """Sum what occupies the second before now, in millionths of a lira."""
        return self.tally.sums.get(scope, 0) + self.second.used(scope, now_ns)[1]

    def lira_in_second(self, scope: str, now_ns: int) -> Decimal:
        """Give the same in lira."""
        return self.worth_in_second(scope, now_ns) * _UTRY

    def _release(self, order: str) -> Stay | None:
        stay = self.unanswered.pop(order, None)
        if stay is not None:
            self.tally.remove(stay.strategy, stay.worth_utry)
        return stay
