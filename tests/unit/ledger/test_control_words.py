"""
A record of `control.halt` that a reader cannot read: a halt of everything, until people resume.
"""

from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from spark.codec import encode, shape_of
from spark.errors import MalformedError
from spark.events import TradingDemoted, TradingHalted
from spark.ledger.control import Control
from spark.ledger.control_state import ALL_ACCOUNTS
from spark.ledger.control_words import read_word, unreadable_halt
from spark.names import AccountId, HaltSource, TradingMode
from spark.topics import BY_NAME, CONTROL, CONTROL_HALT
from tests.made import ACCOUNT, NOW_NS
from tests.persons import LOCAL, SECOND, Room, demoted, halted, resume, set_mode, signed

OTHER = AccountId("btcturk:main")
LIVE = TradingMode.LIVE
_KILL = encode(halted(account=str(ACCOUNT)))
UNREADABLE = {
    "another version": _KILL.replace(b'"v":1', b'"v":2'),
    "an unknown field": _KILL.replace(b'"v":1', b'"urgent":true,"v":1'),
    "an unknown source": _KILL.replace(b'"cli"', b'"console2"'),
    "an unknown type": _KILL.replace(b"trading_halted", b"trading_frozen"),
    "a field missing": _KILL.replace(b'"reason":"tried",', b""),
    "not canonical": _KILL.replace(b",", b", ", 1),
    "a demotion of tomorrow": encode(demoted()).replace(b'"v":1', b'"v":2'),
    "rubbish": b"\xff",
    "nothing": b"",
    "a tombstone": None,
}


@pytest.fixture(params=list(UNREADABLE.values()), ids=list(UNREADABLE))
def unreadable(request: pytest.FixtureRequest) -> bytes | None:
    """Give a record that this version cannot read."""
    body: bytes | None = request.param
    assert body != _KILL
    return body


def test_k9_what_cannot_be_read_halts_every_account(unreadable: bytes | None) -> None:
    """Fault K9, S10: it may be the kill of a newer writer; its name is made of its place."""
    room = Room(LIVE)
    room.stop(halted())
    assert room.say(unreadable, CONTROL_HALT) == ""
    assert room.control.kills(ACCOUNT) == ("kill-1", unreadable_halt(1))
    assert room.control.kills(OTHER) == ("kill-1", unreadable_halt(1))
    halt = room.control.halts_in_force()[1]
    assert (halt.account, halt.source, halt.is_kill) == (ALL_ACCOUNTS, "unreadable", True)
    assert halt.reason == "a record that this version cannot read"
    assert halt.appended_ns == NOW_NS


def test_k9_elsewhere_it_says_nothing(unreadable: bytes | None) -> None:
    """Fault K9: what people say goes towards risk, too, and they see that it did not count."""
    for topic in BY_NAME.keys() - {CONTROL_HALT}:
        with pytest.raises(MalformedError):
            read_word(unreadable, topic=topic, offset=1, appended_ns=NOW_NS)


def test_k9_people_resume_it_like_any_other(unreadable: bytes | None) -> None:
    """Fault K9, R9: two persons who name it; said again it is another one."""
    room = Room(LIVE)
    room.say(unreadable, CONTROL_HALT)
    asked = resume((unreadable_halt(0), 0))
    assert room.say(signed(asked, LOCAL)) == ""
    assert room.control.kills(ACCOUNT) == (unreadable_halt(0),)
    assert room.say(signed(asked, SECOND)) == ""
    assert room.control.kills(ACCOUNT) == ()
    room.say(unreadable, CONTROL_HALT)
    assert room.control.kills(ACCOUNT) == (unreadable_halt(1),)


def test_k9_who_can_read_it_resumes_it_for_those_who_cannot() -> None:
    """Fault K9: a newer command names it by its own name; the place is one and the same."""
    room = Room(LIVE)
    room.say(UNREADABLE["another version"], CONTROL_HALT)
    room.say(UNREADABLE["rubbish"], CONTROL_HALT)
    asked = resume(("kill-of-tomorrow", 0))
    for person in (LOCAL, SECOND):
        assert room.say(signed(asked, person)) == ""
    assert room.control.kills(ACCOUNT) == (unreadable_halt(1),)


def test_k9_who_could_not_read_it_has_not_resumed_it_for_those_who_can() -> None:
    """Fault K9, S6: a resume by the place's name clears no halt that has one of its own."""
    room = Room(LIVE)
    room.stop(halted())
    asked = resume((unreadable_halt(0), 0))
    for person in (LOCAL, SECOND):
        assert room.say(signed(asked, person)) == ""
    assert room.control.kills(ACCOUNT) == ("kill-1",)


def test_k9_a_state_kept_by_a_version_that_read_otherwise_is_folded_anew() -> None:
    """Fault K9, R15: whether it passed the record over or halted by it, a kept state is a cache."""
    room = Room(LIVE)
    # First on its topic, and on the other one nobody can read what is first.
    room.say(b"rubbish")
    room.say(signed(set_mode(TradingMode.SHADOW)))
    room.stop(halted())
    room.say(UNREADABLE["another version"], CONTROL_HALT)
    adapter = TypeAdapter(Control)
    kept = adapter.validate_json(adapter.dump_json(room.control))
    assert room.fold(kept, room.log) == room.control
    older = replace(kept, halts={}, standing=[], judge=f"{room.people.digest} {room.start}")
    assert room.fold(older, room.log[1:]).halts == room.control.halts
    assert older.kills(ACCOUNT) == room.control.kills(ACCOUNT)


def test_k9_readable_is_what_the_schemas_say() -> None:
    """Fault K9: a version that reads other fields or values of a halt has another shape."""
    both = shape_of((TradingHalted, TradingDemoted))
    assert both == shape_of((TradingHalted, TradingDemoted))
    assert both != shape_of((TradingHalted,))


def test_k9_what_is_read_is_what_stands_there() -> None:
    """A record that can be read is itself, on whatever topic; nobody writes the made-up source."""
    said = halted()
    for topic in (CONTROL, CONTROL_HALT):
        assert read_word(encode(said), topic=topic, offset=3, appended_ns=NOW_NS) == said
    made = read_word(None, topic=CONTROL_HALT, offset=3, appended_ns=NOW_NS)
    assert isinstance(made, TradingHalted)
    assert (made.source, made.at_ns) == (HaltSource.UNREADABLE, NOW_NS)
