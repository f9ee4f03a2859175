"""
What is done to a stack, round by round: repeatable by its seed, and nothing else.

A round has two lanes that run side by side, one along the order path and one beside it,
then what is done to everything at once, then what is done when the load has stopped.
Each kind of hurt is drawn from a deck, so that every place has its turn before any has a
second one.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from spark.bench.crash.orders import How
from spark.crash_points import REACHED_BY, Point
from spark.embedded.processes import KAFKA, POSTGRES, SIMULATORS
from spark.names import Role, Venue

#: Everything that `spark up` starts of Spark's own; the load is the drill's.
ALL: Final = "all processes"
SUPERVISOR: Final = "supervisor"
#: Along the order path, and beside it.
ON_THE_WAY: Final = (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.ACCOUNT_FEED)
BESIDE: Final = (
    Role.AUDITOR, Role.PROJECTOR, Role.FEED_WRITER, Role.SENTINEL, Role.VENUE_WATCH,
    Role.BINANCE_FEED, Role.BTCTURK_FEED, Role.WEBHOOK,
)  # fmt: skip
#: Come when nothing else does: state is kept when its owner is idle.
_AT_REST: Final = frozenset({Point.SNAPSHOT_WRITTEN})
#: Need somebody to pull the latch.
_BY_LATCH: Final = frozenset({Point.LATCH_WRITTEN})
#: Arrivals that a drill may wait for, where they come less often than with each batch.
_ARRIVALS: Final = {
    Point.SNAPSHOT_WRITTEN: 1,
    Point.LATCH_WRITTEN: 1,
    Point.PROTECTION_DECIDED: 1,
    Point.KEY_USE_WRITTEN: 2,
    Point.PAGES_WRITTEN: 10,
    Point.CHECKPOINT_WRITTEN: 1,
    Point.ANCHOR_WRITTEN: 1,
}
_ARRIVALS_USUAL: Final = 40
#: States are kept after some quiet work, which takes its time: in so many rounds once.
_REST_EVERY: Final = 4


class Fault(StrEnum):
    """What is done."""

    KILL = "kill"
    KILL_AT = "kill at a point"
    HALF = "kill in the middle of a write"
    PAIR = "kill two"
    STOP = "stop and continue"
    STOP_AT = "stop at a point and continue"
    CONNECTIONS = "cut the exchange's connections"
    NETWORK = "cut the network"
    DISK = "fill the disk"
    CLOCK = "step the clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hurt:
    """One thing that is done."""

    fault: Fault
    places: tuple[str, ...]
    point: Point | None = None
    #: At which arrival at the point.
    after: int = 1
    #: Before it, so that it falls at any moment of the work.
    wait_s: float = 0.0
    #: How long it lasts.
    seconds: float = 0.0
    #: By how much a clock steps.
    by_ms: int = 0

    @property
    def how(self) -> How:
        """What the process does at its point."""
        return {Fault.HALF: How.HALF, Fault.STOP_AT: How.STOP}.get(self.fault, How.KILL)

    @property
    def place(self) -> str:
        """Name the place as the matrix does."""
        where = " + ".join(self.places)
        return where if self.point is None else f"{where} at {self.point}"

    def concerns(self, only: frozenset[str]) -> bool:
        """Say whether somebody who asked for these targets means it; nothing means all."""
        point = "" if self.point is None else self.point.value
        return not only or bool(only & {*self.places, self.fault.value, point})

    def told(self) -> str:
        """Say it in a line that repeats it."""
        numbers = {"after": self.after if self.point else 0, "wait_s": self.wait_s,
                   "seconds": self.seconds, "by_ms": self.by_ms}  # fmt: skip
        said = " ".join(f"{name}={value:g}" for name, value in numbers.items() if value)
        return f"{self.fault} {self.place} {said}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round's hurts, in their order."""

    number: int
    on_the_way: tuple[Hurt, ...] = ()
    beside: tuple[Hurt, ...] = ()
    to_all: tuple[Hurt, ...] = ()
    at_rest: tuple[Hurt, ...] = ()

    @property
    def hurts(self) -> tuple[Hurt, ...]:
        """All of them."""
        return (*self.on_the_way, *self.beside, *self.to_all, *self.at_rest)


@dataclass(slots=True)
class _Deck:
    """Draws each card once before any a second time."""

    cards: Sequence[Hurt]
    chance: random.Random
    _left: list[Hurt] = field(default_factory=list)

    def draw(self, count: int) -> Iterator[Hurt]:
        for _ in range(count if self.cards else 0):
            if not self._left:
                self._left = list(self.cards)
                self.chance.shuffle(self._left)
            yield _moved(self._left.pop(), self.chance)

    def all(self) -> Iterator[Hurt]:
        """Give each card once, those that are drawn more often as well."""
        yield from (_moved(card, self.chance) for card in dict.fromkeys(self.cards))


class Plan:
    """A drill's rounds, one after the other."""

    def __init__(self, seed: int, venues: Sequence[Venue], only: frozenset[str]) -> None:
        chance = random.Random(seed)  # noqa: S311  (repeatable on purpose)

        absent = {SIMULATORS[venue] for venue in SIMULATORS.keys() - {*venues}}
        absent |= {f"{venue.value}_feed" for venue in SIMULATORS.keys() - {*venues}}

        def deck(cards: Sequence[Hurt]) -> _Deck:
            here = (card for card in cards if not absent & {*card.places})
            return _Deck([card for card in here if card.concerns(only)], chance)

        points = list(_points())
        self._number = 0
        self._chance = chance
        on_the_way = [one for one in points if one.places[0] in ON_THE_WAY]
        self._points = deck([one for one in on_the_way if _is_anytime(one)])
        self._points_beside = deck(
            [one for one in points if one not in on_the_way and _is_anytime(one)]
        )
        self._resting = deck([one for one in points if one.point in _AT_REST])
        self._kills = deck([_kill(role) for role in ON_THE_WAY])
        self._kills_beside = deck([_kill(role) for role in BESIDE])
        self._pairs = deck(_pairs())
        self._others = deck(_others())
        self._to_all = deck([*_to_all(), *(p for p in points if p.point in _BY_LATCH)])

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing would ever be done."""
        decks = (self._points, self._points_beside, self._resting, self._kills,
                 self._kills_beside, self._pairs, self._others, self._to_all)  # fmt: skip
        return not any(deck.cards for deck in decks)

    def next(self) -> Round:
        """Think of the next round."""
        self._number += 1
        on_the_way = [*self._points.draw(5), *self._kills.draw(2), *self._pairs.draw(1),
                      *self._others.draw(1)]  # fmt: skip
        beside = [*self._points_beside.draw(2), *self._kills_beside.draw(5)]
        self._chance.shuffle(on_the_way)
        self._chance.shuffle(beside)
        return Round(
            number=self._number,
            on_the_way=tuple(on_the_way),
            beside=tuple(beside),
            to_all=tuple(self._to_all.draw(1)),
            at_rest=tuple(self._resting.all()) if self._number % _REST_EVERY == 0 else (),
        )

    def each_once(self) -> Round:
        """Give one round that comes by every place once."""
        self._number += 1
        return Round(
            number=self._number,
            on_the_way=(*self._points.all(), *self._kills.all(), *self._others.draw(2)),
            beside=(*self._points_beside.all(), *self._kills_beside.all()),
            to_all=tuple(self._to_all.all()),
            at_rest=tuple(self._resting.all()),
        )


def _points() -> Iterator[Hurt]:
    for point, roles in REACHED_BY.items():
        for role in roles:
            yield Hurt(fault=Fault.KILL_AT, places=(role.value,), point=point)
    gateway = (Role.GATEWAY.value,)
    yield Hurt(fault=Fault.HALF, places=gateway, point=Point.AT_THE_DOOR)
    for point in (Point.AT_THE_DOOR, Point.CLAIMS_WRITTEN, Point.REPLIED):
        yield Hurt(fault=Fault.STOP_AT, places=gateway, point=point)


def _is_anytime(hurt: Hurt) -> bool:
    return hurt.point not in _AT_REST | _BY_LATCH


def _kill(role: str) -> Hurt:
    return Hurt(fault=Fault.KILL, places=(str(role),))


def _pairs() -> list[Hurt]:
    roles = (*ON_THE_WAY, Role.AUDITOR, Role.VENUE_WATCH)
    return [
        Hurt(fault=Fault.PAIR, places=(one.value, other.value))
        for n, one in enumerate(roles)
        for other in roles[n + 1 :]
    ]


def _others() -> list[Hurt]:
    """List what neither kills nor needs the whole stack; the usual ones twice."""
    stops = [Hurt(fault=Fault.STOP, places=(role.value,)) for role in ON_THE_WAY]
    return [
        *stops,
        *stops,
        *(Hurt(fault=Fault.STOP, places=(role.value,)) for role in BESIDE),
        *(Hurt(fault=Fault.CLOCK, places=(role.value,)) for role in ON_THE_WAY),
        *(Hurt(fault=Fault.NETWORK, places=(role.value, KAFKA)) for role in ON_THE_WAY),
        *(Hurt(fault=Fault.NETWORK, places=(role.value, "exchange"))
          for role in (Role.GATEWAY, Role.ACCOUNT_FEED)),
        *(Hurt(fault=Fault.DISK, places=(role.value,)) for role in ON_THE_WAY),
    ]  # fmt: skip


def _to_all() -> list[Hurt]:
    exchanges = list(SIMULATORS.values())
    kills = [KAFKA, KAFKA, POSTGRES, *exchanges, ALL, ALL, ALL, SUPERVISOR]
    return [
        *map(_kill, kills),
        *(Hurt(fault=Fault.STOP, places=(name,)) for name in (KAFKA, POSTGRES)),
        *(Hurt(fault=Fault.CONNECTIONS, places=(name,)) for name in exchanges),
    ]


def _moved(hurt: Hurt, chance: random.Random) -> Hurt:
    """Give a card its numbers, all of them in any case, so that a filter moves no others."""
    wait_s, length, rare = chance.random(), chance.random(), chance.random()
    arrival, sign = chance.random(), chance.choice((-1, 1))
    seconds = {
        Fault.STOP: 2.0 + 6.0 * length if rare < 0.95 else 10.0 + 50.0 * length,  # noqa: PLR2004
        Fault.STOP_AT: 1.5 + 2.5 * length,
        Fault.NETWORK: 2.0 + 3.0 * length,
        Fault.DISK: 2.0 + 2.0 * length,
        Fault.CLOCK: 1.5 + 1.5 * length,
    }.get(hurt.fault, 0.0)
    most = 1 if hurt.point is None else _ARRIVALS.get(hurt.point, _ARRIVALS_USUAL)
    if hurt.point is Point.FENCED:
        # Who serves accounts comes by once for each, the others once.
        most = 2 if hurt.places[0] in ON_THE_WAY else 1
    return Hurt(
        fault=hurt.fault,
        places=hurt.places,
        point=hurt.point,
        after=1 + int(arrival * most),
        wait_s=round(0.4 * wait_s, 3),
        seconds=round(seconds, 1),
        by_ms=3_000 * sign if hurt.fault is Fault.CLOCK else 0,
    )
