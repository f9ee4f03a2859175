"""
Words of people and protections, folded: what counts, what clears, what is ignored and why.
"""

from decimal import Decimal

import pytest
from pydantic import TypeAdapter

from spark.codec import encode
from spark.events import LimitValues, ProposalSigned
from spark.ledger.control import (
    PROPOSALS_OPEN_MAX,
    Control,
    needed_persons,
    proposal_id,
)
from spark.ledger.control_state import OUTSIDE
from spark.names import AccountId, TradingMode
from spark.people import People
from spark.topics import CONTROL, CONTROL_HALT
from tests.keyed import LOG_EPOCH
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, Life
from tests.persons import (
    LOCAL,
    MINUTE_NS,
    SECOND,
    Room,
    halted,
    resume,
    set_limits,
    set_mode,
    signed,
)

OTHER = AccountId("btcturk:main")
PAPER, SHADOW, TRICKLE, LIVE = TradingMode
CAP = LimitValues(exposure_usd_max=Decimal(100))


def killed(start: TradingMode = LIVE) -> Room:
    """A room in which `kill-1` is in force."""
    room = Room(start)
    room.stop(halted())
    assert room.control.kills(ACCOUNT) == ("kill-1",)
    return room


@pytest.mark.parametrize("start", [PAPER, SHADOW])
def test_one_person_resumes_where_nothing_can_be_lost(start: TradingMode) -> None:
    """S11: in paper and shadow one signature is enough."""
    room = killed(start)
    assert room.say(signed(resume(("kill-1", 0)))) == ""
    assert room.control.kills(ACCOUNT) == ()
    assert room.control.resume_offset == 0


@pytest.mark.parametrize("start", [TRICKLE, LIVE])
def test_s11_in_trickle_and_live_it_takes_another_person(start: TradingMode) -> None:
    """S11: the same person twice is one person; the second person's is the one that counts."""
    room = killed(start)
    asked = resume(("kill-1", 0))
    assert room.say(signed(asked)) == ""
    assert room.say(signed(asked)) == "op-local has signed it before"
    assert room.control.kills(ACCOUNT) == ("kill-1",)
    assert room.say(signed(asked, SECOND)) == ""
    assert room.control.kills(ACCOUNT) == ()
    assert room.control.resume_offset == 2
    assert room.control.proposals[proposal_id(encode(asked))].applied_at == 2


def test_one_account_that_trades_is_enough_to_need_two() -> None:
    """S11: a resume is for every account, so the riskiest one decides."""
    room = killed(LIVE)
    assert room.say(signed(set_mode(PAPER))) == ""
    assert needed_persons(room.control, resume(("kill-1", 0)), LIVE) == 2
    assert needed_persons(room.control, resume(("kill-1", 0)), PAPER) == 1


def test_s6_a_resume_clears_the_halts_that_it_names_and_no_other() -> None:
    """S6, R9: a kill said while the resume waits stays, and so does the same id said again."""
    room = killed()
    asked = resume(("kill-1", 0))
    room.say(signed(asked))
    room.stop(halted("kill-2"))
    room.stop(halted("kill-1"))
    assert room.say(signed(asked, SECOND)) == ""
    assert room.control.kills(ACCOUNT) == ("kill-2", "kill-1")


def test_a_decision_looks_at_halts_in_force_alone() -> None:
    """Fault O3: halts that were cleared stay known and cost nothing, however many there were."""
    room = Room(PAPER)
    for offset in range(100):
        room.stop(halted(f"kill-{offset}"))
    room.say(signed(resume(*[(f"kill-{offset}", offset) for offset in range(99)])))
    assert room.control.standing == ["kill-99@99"]
    assert len(room.control.halts) == 100
    assert room.control.kills(ACCOUNT) == ("kill-99",)


def test_s11_a_replay_after_a_newer_halt_changes_nothing() -> None:
    """S11, R9: both signatures copied again after a new kill are void, and name the old one."""
    room = killed()
    asked = resume(("kill-1", 0))
    for person in (LOCAL, SECOND):
        assert room.say(signed(asked, person)) == ""
    room.stop(halted("kill-2"))
    for person in (LOCAL, SECOND):
        assert room.say(signed(asked, person)) == "in force since 1"
    assert room.control.kills(ACCOUNT) == ("kill-2",)
    assert room.control.resume_offset == 1


def test_r9_a_resume_said_before_a_halt_cannot_have_meant_it() -> None:
    """R9: whoever guesses the id and the offset of a kill to come clears nothing."""
    room = Room(PAPER)
    assert room.say(signed(resume(("kill-1", 0)))) == ""
    room.pass_ns(SECOND_NS)
    room.stop(halted())
    assert room.control.kills(ACCOUNT) == ("kill-1",)
    later = resume(("kill-1", 0), created_ns=NOW_NS + SECOND_NS)
    assert room.say(signed(later)) == ""
    assert room.control.kills(ACCOUNT) == ()


def test_a_kill_outside_the_log_is_cleared_by_its_name() -> None:
    """R9: latch files have names of their own and no offset."""
    room = Room(PAPER)
    name = "latch:drill@17"
    assert not room.control.is_cleared_outside(name)
    room.say(signed(resume((name, OUTSIDE))))
    assert room.control.is_cleared_outside(name)
    assert not room.control.is_cleared_outside("latch:drill@18")


def test_a_halt_is_of_its_account_and_of_everybody_in_doubt() -> None:
    """An account that nobody knows was meant to be stopped: then everything stops."""
    room = Room()
    room.stop(halted("here", str(ACCOUNT)))
    assert room.control.kills(ACCOUNT) == ("here",)
    assert room.control.kills(OTHER) == ()
    room.stop(halted("slip", "binance:mian"))
    assert room.control.kills(OTHER) == ("slip",)
    assert room.control.all_kills() == ("here", "slip")


def test_s11_a_proposal_is_approved_in_its_time_or_not_at_all() -> None:
    """S11: the last nanosecond counts, the next one does not."""
    asked = resume(("kill-1", 0))
    for late_ns, why in ((0, "expired before it was approved"), (1, "")):
        room = killed()
        room.say(signed(asked))
        room.pass_ns(10 * MINUTE_NS - late_ns)
        assert room.say(signed(asked, SECOND)) == why
        assert bool(room.control.kills(ACCOUNT)) is bool(why)


def test_a_clock_that_jumps_back_revives_no_proposal() -> None:
    """S11: the latest append time seen counts, so nothing expired lives again."""
    room = killed()
    asked = resume(("kill-1", 0))
    room.say(signed(asked))
    room.pass_ns(10 * MINUTE_NS)
    room.say(signed(asked))
    room.pass_ns(-9 * MINUTE_NS)
    assert room.say(signed(asked, SECOND)) == "expired before it was approved"


@pytest.mark.parametrize(
    ("expires_ns", "why"),
    [
        (NOW_NS, "expired before it was proposed"),
        (NOW_NS + 15 * MINUTE_NS, ""),
        (NOW_NS + 15 * MINUTE_NS + 1, "lives too long: 15 minutes at most"),
    ],
)
def test_s11_a_proposal_lives_15_minutes_at_most(expires_ns: int, why: str) -> None:
    """S11: a signature that never expired could be kept for a better moment."""
    assert killed().say(signed(resume(("kill-1", 0), expires_ns=expires_ns))) == why


def test_s11_an_edited_body_has_nobodys_signature() -> None:
    """S11: one changed byte, and the second person has signed something else."""
    room = killed()
    mine = signed(resume(("kill-1", 0)))
    edited = ProposalSigned(
        proposal=mine.proposal.replace("kill-1", "kill-2"),
        person=mine.person,
        signature=mine.signature,
        at_ns=mine.at_ns,
    )
    assert room.say(edited) == "no valid signature of 'op-local'"


def test_s11_two_bodies_are_two_proposals() -> None:
    """S11: signatures over different bytes never add up."""
    room = killed()
    room.say(signed(resume(("kill-1", 0))))
    other = resume(("kill-1", 0), reason="another", proposed_by=SECOND)
    assert room.say(signed(other, SECOND)) == ""
    assert room.control.kills(ACCOUNT) == ("kill-1",)
    assert len(room.control.proposals) == 2


def test_words_of_another_log_say_nothing_here() -> None:
    """Another incarnation's signature does not verify, nor does another log's name count."""
    room = killed(PAPER)
    asked = resume(("kill-1", 0))
    assert room.say(signed(asked, log_epoch="before")) == "no valid signature of 'op-local'"
    foreign = resume(("kill-1", 0), log_epoch="before")
    assert room.say(signed(foreign)) == "for another log"


def test_an_unknown_person_is_named() -> None:
    """A right to write `control` is no right to be heard; with nobody known, nobody is."""
    room = killed(PAPER)
    assert room.say(signed(resume(("kill-1", 0)), "op-third")) == (
        "nobody here is called 'op-third'"
    )
    empty = Room(PAPER, People({}, LOG_EPOCH))
    assert empty.say(signed(resume(("kill-1", 0)))) == "nobody here is called 'op-local'"


def test_who_proposes_signs_first() -> None:
    """The history says who proposed; nobody proposes in another's name."""
    why = killed(PAPER).say(signed(resume(("kill-1", 0), proposed_by=SECOND)))
    assert why == "not signed first by 'op-second'"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, "a tombstone says nothing"),
        (b"", "not an event"),
        (b"rubbish", "not an event"),
        (b'{"type":"resume_trading"}', "not an event"),
        (Life().acked(), "order_acked is not said here"),
        (halted(), "trading_halted is not said here"),
        (resume(("kill-1", 0)), "resume_trading is not said here"),
        (signed(b"rubbish"), "not a proposal"),
        (signed(encode(Life().acked())), "not a proposal, but order_acked"),
        (signed(resume()), "it names no halt"),
        (signed(resume(("kill-1", 0), reason=" ")), "a reason of 1 to 500 characters is needed"),
        (signed(resume(("kill-1", 0), reason="x" * 501)), "a reason of 1 to 500"),
        (signed(set_mode(PAPER, 0)), "volume_ramp_pct is 0, not 1 to 100"),
        (signed(set_mode(PAPER, 101)), "volume_ramp_pct is 101, not 1 to 100"),
        (signed(set_mode(PAPER, account=AccountId("x:y"))), "there is no account 'x:y'"),
        (signed(set_limits(CAP, 2)), "version 2 does not follow 0"),
        (signed(set_limits(CAP, 0)), "version 0 does not follow 0"),
        (signed(set_limits(LimitValues(open_orders_max=0))), "open_orders_max is 0"),
    ],
)
def test_s6_what_says_nothing_is_kept_with_its_reason(
    said: ProposalSigned | bytes | None, why: str
) -> None:
    """S6: tombstones, rubbish, foreign events and nonsense change nothing and are named."""
    room = killed(PAPER)
    before = TypeAdapter(Control).dump_python(room.control)
    assert room.say(said).startswith(why)
    after = TypeAdapter(Control).dump_python(room.control)
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"ignored", "next_offsets", "latest_ns"}


def test_s6_who_may_kill_may_not_resume() -> None:
    """S6: a signed resume that is copied to `control.halt` says nothing there."""
    room = killed(PAPER)
    assert room.say(signed(resume(("kill-1", 0))), CONTROL_HALT) != ""
    assert room.control.kills(ACCOUNT) == ("kill-1",)
    assert room.control.resume_offset == -1


def test_one_person_cannot_push_out_anothers_proposal() -> None:
    """A flood of proposals is refused; it makes nobody forget what was said and applied."""
    room = Room(LIVE)
    wanted = set_mode(TRICKLE, proposed_by=SECOND)
    assert room.say(signed(wanted, SECOND)) == ""
    flood = [resume(("none", n), created_ns=NOW_NS + n) for n in range(PROPOSALS_OPEN_MAX + 1)]
    reasons = [room.say(signed(one)) for one in flood]
    assert reasons == [""] * PROPOSALS_OPEN_MAX + ["op-local has 50 proposals open"]
    assert room.say(signed(wanted, SECOND)) == "in force since 0"


def test_what_has_expired_is_forgotten_before_the_state_grows() -> None:
    """The state is bounded, and a forgotten proposal is expired for good."""
    room = Room(LIVE)
    first = resume(("none", 0))
    room.say(signed(first))
    for turn in range(1, 6):
        room.pass_ns(11 * MINUTE_NS)
        for number in range(PROPOSALS_OPEN_MAX - 1):
            said = resume(
                ("none", number), created_ns=room.now_ns, expires_ns=room.now_ns + MINUTE_NS
            )
            room.say(signed(said))
        assert len(room.control.proposals) <= min(200, 1 + turn * (PROPOSALS_OPEN_MAX - 1))
    assert proposal_id(encode(first)) not in room.control.proposals
    assert room.say(signed(first)) == "expired before it was proposed"


def test_the_list_of_what_was_ignored_is_bounded() -> None:
    """The latest reasons are kept, each topic's for itself."""
    room = Room()
    for _ in range(60):
        room.say(None)
    room.say(signed(resume(("none", 0))), CONTROL_HALT)
    assert list(room.control.ignored[CONTROL]) == list(range(10, 60))
    assert list(room.control.ignored[CONTROL_HALT]) == [0]
