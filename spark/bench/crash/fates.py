"""
What became of the orders that were on their way at a moment, by the log's own times. Pure.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from spark.events import (
    Event,
    IntentRefused,
    OrderAcked,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    OutcomeUnknown,
    PlaceOrder,
    RequestNotSent,
)


class Fate(StrEnum):
    """How a place that was on its way ended."""

    REFUSED = "refused"
    NOT_SENT = "not sent"
    ANSWERED = "answered"
    SETTLED = "unknown, settled"
    OPEN = "open"


@dataclass(slots=True)
class _Life:
    asked_ms: int
    end_ms: int = 0
    fate: Fate = Fate.OPEN
    was_unknown: bool = False


@dataclass(slots=True)
class Fates:
    """Places of some minutes, from the intent to the first word that ends the question."""

    _lives: dict[str, _Life] = field(default_factory=dict)

    def add(self, event: Event, appended_ms: int) -> None:
        """Take in one record."""
        match event:
            case PlaceOrder():
                self._life(event.intent_id).asked_ms = appended_ms
            case IntentRefused():
                self._end(event.intent_id, Fate.REFUSED, appended_ms)
            case RequestNotSent():
                self._end(event.intent_id, Fate.NOT_SENT, appended_ms)
            case OutcomeUnknown():
                self._life(event.intent_id).was_unknown = True
            case (
                OrderAcked() | OrderRejected() | OrderFilled() | OrderCancelled() | OrderExpired()
                | OrderResolved()
            ):  # fmt: skip
                self._end(event.intent_id, Fate.ANSWERED, appended_ms)
            case _:
                pass

    def at(self, moment_ms: float) -> Counter[Fate]:
        """Count what became of those that were on their way then."""
        return Counter(
            life.fate
            for life in self._lives.values()
            if 0 < life.asked_ms <= moment_ms and (not life.end_ms or moment_ms <= life.end_ms)
        )

    def forget(self) -> None:
        """Begin anew; what is open stays."""
        self._lives = {key: one for key, one in self._lives.items() if one.fate is Fate.OPEN}

    def _life(self, intent: str) -> _Life:
        # Of two partitions that are read side by side the end may come first.
        return self._lives.setdefault(intent, _Life(0))

    def _end(self, intent: str, fate: Fate, appended_ms: int) -> None:
        life = self._life(intent)
        if life.fate is Fate.OPEN:
            life.end_ms = appended_ms
            life.fate = Fate.SETTLED if life.was_unknown else fate
