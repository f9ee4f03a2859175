"""
Faults of an exchange at random, repeatable by their seed. Pure.
"""

import random
from dataclasses import dataclass
from typing import Final

#: Kind, most hits, shortest and longest ms, and where, as the judges' port takes them; None
#: is the venue's own choice, which is the place.
_REQUESTS: Final = (
    ("delay_before", 3, 100, 1_500),
    ("delay_after", 3, 100, 1_500),
    ("drop_request", 2, 0, 0),
    ("drop_reply", 2, 0, 0),
    ("error_5xx_before", 2, 0, 0),
    ("error_5xx_after", 2, 0, 0),
    ("garble", 2, 0, 0),
    ("truncate", 2, 0, 0),
    ("slow_loris", 1, 1, 4),
    ("reject_429", 2, 1_000, 2_000),
    ("invalid_nonce", 1, 0, 0),
)
_VENUE: Final = (("storm_429", 100, 500, 2_000), ("maintenance", 1, 300, 1_500))
_STREAMS: Final = (
    ("mute_socket", 1, 2_000, 8_000),
    ("disconnect", 1, 0, 0),
    ("duplicate_message", 5, 0, 0),
    ("reorder_messages", 5, 0, 0),
    ("drop_message", 3, 0, 0),
)
_CHANNELS: Final = ("market", "private")
_CANCEL: Final = {"binance": "DELETE /api/v3/order", "btcturk": "DELETE /api/v1/order"}
_OF_REQUESTS: Final = 0.6
_OF_STREAMS: Final = 0.9
_OF_CANCELS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault, when and where."""

    after_s: float
    venue: str
    fault: dict[str, object]


class Bad:
    """A bad day: one blow after the other."""

    def __init__(self, seed: int, venues: tuple[str, ...], *, every_s: float) -> None:
        self._chance = random.Random(seed)  # noqa: S311  (repeatable on purpose)
        self._venues = venues
        self._every_s = every_s

    def next(self) -> Blow:
        """Think of the next one."""
        chance = self._chance
        venue = chance.choice(self._venues)
        after_s = chance.uniform(0.5, 1.5) * self._every_s
        kind = chance.random()
        if kind < _OF_REQUESTS:
            fault = self._fault(_REQUESTS)
            if chance.random() < _OF_CANCELS:
                fault["route"] = _CANCEL[venue]
        elif kind < _OF_STREAMS:
            fault = self._fault(_STREAMS)
            fault["route"] = chance.choice(_CHANNELS)
        else:
            fault = self._fault(_VENUE)
        return Blow(after_s, venue, fault)

    def _fault(self, among: tuple[tuple[str, int, int, int], ...]) -> dict[str, object]:
        name, most, low_ms, high_ms = self._chance.choice(among)
        count = self._chance.randint(1, most)
        return {"kind": name, "count": count, "ms": self._chance.randint(low_ms, high_ms)}
