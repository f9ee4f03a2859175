"""
Modes and limits that people said, and the folded state as a whole.
"""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from spark.events import LimitValues, ProposalSigned
from spark.ledger.control import (
    Control,
    needed_persons,
    problem_of,
)
from spark.ledger.control_state import OUTSIDE, strictest
from spark.names import AccountId, StrategyId, TradingMode
from spark.people import People
from spark.topics import CONTROL, CONTROL_HALT
from tests.keyed import LOG_EPOCH
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, events_of
from tests.persons import (
    LOCAL,
    MINUTE_NS,
    SECOND,
    Room,
    demoted,
    halted,
    resume,
    set_limits,
    set_mode,
    signed,
)

OTHER = AccountId("btcturk:main")
PAPER, SHADOW, TRICKLE, LIVE = TradingMode
CAP = LimitValues(exposure_usd_max=Decimal(100))
LOOSER = LimitValues(exposure_usd_max=Decimal(200))


def killed(start: TradingMode = LIVE) -> Room:
    """A room in which `kill-1` is in force."""
    room = Room(start)
    room.stop(halted())
    assert room.control.kills(ACCOUNT) == ("kill-1",)
    return room


@pytest.mark.parametrize("start", list(TradingMode))
@pytest.mark.parametrize("said", list(TradingMode))
@pytest.mark.parametrize("protection", list(TradingMode))
def test_the_strictest_mode_wins(
    start: TradingMode, said: TradingMode, protection: TradingMode
) -> None:
    """B1: of environment, people and protections; a resume leads back to the first two."""
    room = Room(start)
    for person in (LOCAL, SECOND):
        room.say(signed(set_mode(said), person))
    room.stop(demoted(mode=protection))
    assert room.control.mode(ACCOUNT, start) is strictest([start, said, protection])
    assert room.control.said_mode(ACCOUNT, start) is strictest([start, said])
    assert room.control.mode(OTHER, start) is strictest([start, protection])


@pytest.mark.parametrize(
    ("before", "after", "persons"),
    [
        ((PAPER, 1), (SHADOW, 100), 1),
        ((SHADOW, 1), (PAPER, 100), 1),
        ((PAPER, 1), (TRICKLE, 1), 2),
        ((TRICKLE, 1), (LIVE, 1), 2),
        ((LIVE, 5), (LIVE, 20), 2),
        ((LIVE, 20), (LIVE, 5), 1),
        ((LIVE, 5), (TRICKLE, 5), 1),
        ((LIVE, 5), (TRICKLE, 20), 2),
        ((LIVE, 5), (PAPER, 100), 1),
    ],
)
def test_s11_towards_risk_is_two_persons_way(
    before: tuple[TradingMode, int], after: tuple[TradingMode, int], persons: int
) -> None:
    """S11: into trickle and live, and upwards within them; down is one person's word."""
    room = Room(LIVE)
    for person in (LOCAL, SECOND):
        room.say(signed(set_mode(*before), person))
    assert room.control.modes[ACCOUNT].mode is before[0]
    assert needed_persons(room.control, set_mode(*after), LIVE) == persons


def test_the_stricter_ramp_wins() -> None:
    """B1: of the environment's percentage and people's."""
    room = Room(LIVE)
    assert room.control.volume_ramp_pct(ACCOUNT, 20) == 20
    room.say(signed(set_mode(LIVE, 5)))
    assert room.control.volume_ramp_pct(ACCOUNT, 20) == 5
    assert room.control.volume_ramp_pct(ACCOUNT, 1) == 1


def test_protections_slow_until_a_resume_names_them() -> None:
    """B10: the lowest rate and concurrency of those in force; only people go back."""
    room = Room(PAPER)
    room.stop(demoted("rate", mode=None, orders_per_minute_max=1))
    room.stop(demoted("burst", str(ACCOUNT), mode=None, concurrency_max=1))
    control = room.control
    assert (control.orders_per_minute_max(OTHER), control.concurrency_max(OTHER)) == (1, None)
    assert control.concurrency_max(ACCOUNT) == 1
    assert control.mode(ACCOUNT, LIVE) is LIVE
    room.say(signed(resume(("rate", 0), ("burst", 1))))
    assert control.orders_per_minute_max(ACCOUNT) is None
    assert control.demotions(ACCOUNT) == []


def test_versions_of_limits_follow_each_other() -> None:
    """
    Each version names the one before; what was made beside it is void, also when approved.

    Fault O5.
    """
    room = Room(LIVE)
    assert room.say(signed(set_limits(CAP))) == ""
    wider, lower = set_limits(LOOSER, 2), set_limits(LimitValues(exposure_usd_max=Decimal(1)), 2)
    assert room.say(signed(wider)) == ""
    assert room.say(signed(lower)) == ""
    assert room.say(signed(wider, SECOND)) == "version 2 does not follow 2"
    assert room.control.limits_version(ACCOUNT) == 2
    assert room.control.limit_values(ACCOUNT).exposure_usd_max == 1
    assert problem_of(room.control, wider) == "version 2 does not follow 2"
    assert problem_of(room.control, set_limits(CAP, 3)) == ""


def test_s6_whether_it_loosens_is_computed_from_what_is_in_force() -> None:
    """S6, S11: up takes two in live, down and a first value take one, in paper all take one."""
    room = Room(LIVE)
    assert needed_persons(room.control, set_limits(CAP), LIVE) == 1
    room.say(signed(set_limits(CAP)))
    for looser in (LOOSER, LimitValues()):
        assert needed_persons(room.control, set_limits(looser, 2), LIVE) == 2
        assert needed_persons(room.control, set_limits(looser, 2), PAPER) == 1
    room.say(signed(set_limits(LOOSER, 2)))
    assert room.control.limit_values(ACCOUNT) == CAP
    room.say(signed(set_limits(LOOSER, 2), SECOND))
    assert room.control.limit_values(ACCOUNT) == LOOSER


def test_a_strategys_limits_are_its_own() -> None:
    """Account and strategy have a chain of versions each."""
    room = Room(PAPER)
    demo = StrategyId("strategy-demo")
    assert room.say(signed(set_limits(CAP, strategy=demo))) == ""
    assert room.say(signed(set_limits(LOOSER))) == ""
    assert room.control.limit_values(ACCOUNT, demo) == CAP
    assert room.control.limit_values(ACCOUNT) == LOOSER
    assert room.control.limit_values(OTHER) == LimitValues()
    assert room.control.limits_version(OTHER, demo) == 0


def busy_room() -> Room:
    """A room in which much has been said, in trickle."""
    room = Room(TRICKLE)
    room.stop(halted())
    wider = set_limits(LOOSER, 2)
    room.say(signed(set_limits(CAP)))
    for person in (LOCAL, SECOND):
        room.say(signed(wider, person))
        room.stop(demoted(f"by-{person}"))
        room.pass_ns(SECOND_NS)
    room.say(None)
    room.say(b"rubbish", CONTROL_HALT)
    room.say(signed(set_mode(SHADOW, 5)))
    asked = resume(("kill-1", 0), ("by-op-local", 1), ("latch:drill@17", OUTSIDE))
    room.say(signed(asked))
    room.stop(halted("late", str(ACCOUNT)))
    room.say(signed(asked, SECOND))
    room.say(signed(resume(("late", 4), expires_ns=NOW_NS + MINUTE_NS)))
    return room


@given(st.randoms(use_true_random=False))
def test_the_order_between_the_topics_does_not_matter(chance: random.Random) -> None:
    """Design §3.7: any interleaving of the two topics gives the same state in force."""
    room = busy_room()
    lanes = {name: [one for one in room.log if one[0] == name] for name in (CONTROL, CONTROL_HALT)}
    mixed = []
    while any(lanes.values()):
        lane = chance.choice([name for name in lanes if lanes[name]])
        mixed.append(lanes[lane].pop(0))
    assert room.fold(Control(), mixed) == room.control


@given(st.data())
def test_folding_a_duplicate_changes_nothing(data: st.DataObject) -> None:
    """A restart reads again what it knows: any record from any place, any number of times."""
    room = busy_room()
    again = data.draw(st.lists(st.sampled_from(room.log), max_size=20))
    before = TypeAdapter(Control).dump_json(room.control)
    room.fold(room.control, again)
    assert TypeAdapter(Control).dump_json(room.control) == before


def test_a_kept_state_is_the_state() -> None:
    """A stage keeps it as JSON: read back it is equal, and goes on as if never written."""
    room = busy_room()
    adapter = TypeAdapter(Control)
    kept = adapter.validate_json(adapter.dump_json(room.control))
    assert kept == room.control
    for at in range(len(room.log)):
        halfway = room.fold(Control(), room.log[:at])
        read = adapter.validate_json(adapter.dump_json(halfway))
        assert room.fold(read, room.log[at:]) == room.control


@given(st.lists(events_of(ProposalSigned) | st.binary(max_size=40) | st.none(), max_size=8))
def test_nothing_that_strangers_write_raises_or_counts(
    said: list[ProposalSigned | bytes | None],
) -> None:
    """Bad input: whatever stands on `control`, unsigned it changes nothing in force."""
    room = killed(PAPER)
    assert all(room.say(one) for one in said)
    assert room.control.kills(ACCOUNT) == ("kill-1",)
    assert room.control.proposals == {}


def test_r15_a_state_kept_under_other_settings_is_folded_anew() -> None:
    """R15: a restart with another start mode or list of persons judges as if it never kept one."""
    room = busy_room()
    adapter = TypeAdapter(Control)
    kept = adapter.dump_json(room.control)
    other_mode, other_people = Room(PAPER), Room(TRICKLE, People({}, LOG_EPOCH))
    for after, limits in ((other_mode, 1), (other_people, 0)):
        found = after.fold(adapter.validate_json(kept), room.log)
        assert found == after.fold(Control(), room.log)
        assert found != room.control
        assert len(found.limits) == limits
