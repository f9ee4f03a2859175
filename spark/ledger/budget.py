"""
What an exchange lets an address spend, spent before it is refused (spec A4). Pure.

Our count is never below the exchange's: each window slides, so that whatever minute the
exchange counts in holds no more than ours does, and what it says that the address has
spent, which others on it may have, raises ours (trap 14). Questions leave a reserve to
places, and places one to cancels: what polls too much must not keep anybody from getting
out of the market.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

#: Windows are counted in this many steps; a step is forgotten whole.
_STEPS: Final = 60
_MINUTE_NS: Final = 60_000_000_000


class Use(StrEnum):
    """What a request is for, from the one that waits first on."""

    QUESTION = "question"
    PLACE = "place"
    CANCEL = "cancel"


#: How much of a window each use may fill, per cent.
PART_PCT: Final = {Use.QUESTION: 50, Use.PLACE: 90, Use.CANCEL: 100}


@dataclass(slots=True)
class Window:
    """At most `cost_max` in any stretch of `period_ns`."""

    cost_max: int
    period_ns: int = _MINUTE_NS
    spent: int = 0
    #: When each step began, and what was spent in it; oldest first.
    _steps: deque[list[int]] = field(default_factory=deque)

    def wait_ns(self, cost: int, now_ns: int, *, part_pct: int = 100) -> int:
        """Say how long until `cost` fits into a part of the window; 0 for now."""
        self._forget(now_ns)
        # What is larger than its part goes alone, or it would wait for ever.
        room = max(self.cost_max * part_pct // 100, cost)
        surplus = self.spent + cost - room
        if surplus <= 0:
            return 0
        for began_ns, spent in self._steps:
            surplus -= spent
            if surplus <= 0:
                return self._gone_ns(began_ns) - now_ns
        raise AssertionError("the steps hold all that was spent")

    def spend(self, cost: int, now_ns: int) -> None:
        """Count a cost."""
        self._forget(now_ns)
        began_ns = now_ns - now_ns % self._step_ns
        self.spent += cost
        if self._steps and self._steps[-1][0] >= began_ns:
            self._steps[-1][1] += cost
        else:
            self._steps.append([began_ns, cost])

    def give_back(self, cost: int, now_ns: int) -> None:
        """Take back what a request did not cost, newest first; what is forgotten is gone."""
        self._forget(now_ns)
        for step in reversed(self._steps):
            taken = min(cost, step[1])
            step[1] -= taken
            self.spent -= taken
            cost -= taken

    @property
    def _step_ns(self) -> int:
        return self.period_ns // _STEPS

    def _gone_ns(self, began_ns: int) -> int:
        return began_ns + self._step_ns + self.period_ns

    def _forget(self, now_ns: int) -> None:
        while self._steps and self._gone_ns(self._steps[0][0]) <= now_ns:
            self.spent -= self._steps.popleft()[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one exchange counts, and what requests cost there."""

    weight_per_minute: int
    place_cost: int = 1
    cancel_cost: int = 1
    #: Of a question about one order.
    question_cost: int = 1
    #: Whether a place or a cancel that was accepted costs nothing after all.
    is_success_free: bool = False
    #: (requests, ns) that places may not exceed, nor, counted apart, cancels.
    order_windows: tuple[tuple[int, int], ...] = ()

    def cost(self, use: Use) -> int:
        """Give what a request of a use costs."""
        costs = {Use.PLACE: self.place_cost, Use.CANCEL: self.cancel_cost}
        return costs.get(use, self.question_cost)


class Budget:
    """
    One address at one exchange; one per process, told of the others by the exchange's count.

    All times are of one clock that never steps.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._weight = Window(rules.weight_per_minute)
        self._orders = {
            use: [Window(most, period_ns) for most, period_ns in rules.order_windows]
            for use in (Use.PLACE, Use.CANCEL)
        }

    @property
    def spent(self) -> int:
        """Give what the last minute cost, as far as it is known."""
        return self._weight.spent

    def take(self, cost: int, now_ns: int, *, use: Use = Use.QUESTION) -> int:
        """
        Spend, if there is room for this use.

        Returns: 0 where it is spent; else ns to wait before asking again, and nothing is.
        """
        windows = self._orders.get(use, ())
        waits = [window.wait_ns(1, now_ns) for window in windows]
        waits.append(self._weight.wait_ns(cost, now_ns, part_pct=PART_PCT[use]))
        wait_ns = max(waits)
        if wait_ns == 0:
            self._weight.spend(cost, now_ns)
            for window in windows:
                window.spend(1, now_ns)
        return wait_ns

    def give_back(self, cost: int, now_ns: int, *, use: Use, is_unsent: bool = False) -> None:
        """
        Take back what `take` spent.

        Args:
            is_unsent: not a byte left, so that the exchange counts no order either.

        """
        self._weight.give_back(cost, now_ns)
        if is_unsent:
            for window in self._orders.get(use, ()):
                window.give_back(1, now_ns)

    def correct(self, used: int, now_ns: int) -> None:
        """Raise the count to what the exchange says that the address has spent this minute."""
        if used > self._weight.spent:
            self._weight.spend(used - self._weight.spent, now_ns)
