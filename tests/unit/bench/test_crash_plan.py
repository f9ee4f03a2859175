"""
The crash drill's plan: repeatable by its seed, and by every place before any twice.
"""

from collections import Counter

import pytest

from spark.bench.crash.plan import ALL, BESIDE, ON_THE_WAY, SUPERVISOR, Fault, Hurt, Plan
from spark.crash_points import REACHED_BY, Point
from spark.embedded.processes import KAFKA, POSTGRES, SIMULATORS
from spark.names import Role, Venue

_VENUES = (Venue.BINANCE, Venue.BTCTURK)
_NOTHING: frozenset[str] = frozenset()


def _hurts(plan: Plan, rounds: int) -> list[Hurt]:
    return [hurt for _ in range(rounds) for hurt in plan.next().hurts]


def test_one_seed_makes_one_plan() -> None:
    """H2: a failure prints its seed, and the seed repeats what was done."""
    first, second = (Plan(7, _VENUES, _NOTHING) for _ in range(2))
    assert [first.next() for _ in range(20)] == [second.next() for _ in range(20)]
    assert _hurts(Plan(8, _VENUES, _NOTHING), 5) != _hurts(Plan(7, _VENUES, _NOTHING), 5)


def test_every_role_is_killed_at_each_of_its_points() -> None:
    """H2: each named place in turn, in whatever order chance gives them."""
    found = {
        (hurt.point, hurt.places[0])
        for hurt in _hurts(Plan(1, _VENUES, _NOTHING), 40)
        if hurt.fault is Fault.KILL_AT
    }
    assert found == {(point, role.value) for point, roles in REACHED_BY.items() for role in roles}


def test_one_round_comes_by_every_place_once() -> None:
    """H2: the short matrix leaves no (role, point) out, and none twice."""
    once = Plan(1, _VENUES, _NOTHING).each_once()
    count = Counter(
        (hurt.point, hurt.places[0]) for hurt in once.hurts if hurt.fault is Fault.KILL_AT
    )
    assert count == Counter(
        (point, role.value) for point, roles in REACHED_BY.items() for role in roles
    )


def test_everything_that_runs_is_killed() -> None:
    """H2: each process, pairs, the supervisor, the broker, PostgreSQL, both exchanges."""
    hurts = _hurts(Plan(3, _VENUES, _NOTHING), 40)
    killed = {hurt.places[0] for hurt in hurts if hurt.fault is Fault.KILL}
    assert killed == {
        *(role.value for role in (*ON_THE_WAY, *BESIDE)),
        *(KAFKA, POSTGRES, SUPERVISOR, ALL),
        *SIMULATORS.values(),
    }
    assert {role.value for role in Role} <= killed
    assert {hurt.fault for hurt in hurts} == set(Fault)


def test_a_stop_is_mostly_short() -> None:
    """H2: zombies of 2 to 60 s; a drill of all long ones would judge little else."""
    stops = [h.seconds for h in _hurts(Plan(5, _VENUES, _NOTHING), 200) if h.fault is Fault.STOP]
    assert all(2 <= seconds <= 60 for seconds in stops)
    assert sum(seconds <= 8 for seconds in stops) > len(stops) * 0.8


@pytest.mark.parametrize(
    "target", ["gateway", Point.IN_COPY.value, Fault.CLOCK.value, KAFKA, SUPERVISOR]
)
def test_only_what_was_asked_for(target: str) -> None:
    """H2: who looks for one failure meets nothing else."""
    plan = Plan(1, _VENUES, frozenset({target}))
    hurts = _hurts(plan, 10)
    assert hurts
    assert all(target in {*hurt.places, hurt.point, hurt.fault} for hurt in hurts)
    assert Plan(1, _VENUES, frozenset({"nobody"})).is_empty


def test_a_stack_of_one_exchange_has_no_feed_of_the_other() -> None:
    """H2: nobody waits for what does not run."""
    hurts = _hurts(Plan(1, (Venue.BINANCE,), _NOTHING), 40)
    places = {place for hurt in hurts for place in hurt.places}
    assert Role.BTCTURK_FEED.value not in places
    assert SIMULATORS[Venue.BTCTURK] not in places
