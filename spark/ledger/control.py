"""
What people and protections have said, folded (design §5, S6, S11).

The state is control_state.py. Two topics, each with its own part, so that the order
between them cannot matter: `control.halt` only ever adds a halt, `control` only ever
clears halts that it names. Whether a proposal goes back towards risk is computed here,
by its reader; then it takes a second person, in trickle and live. What does not count
is kept with the reason; on `control.halt` what cannot be read is a halt (control_words.py).
"""

from hashlib import sha256
from typing import Final, get_args

from spark.codec import decode, shape_of, type_name
from spark.errors import MalformedError
from spark.events import (
    AcceptDifference,
    Event,
    Proposal,
    ProposalSigned,
    ResolveUnknown,
    ResumeTrading,
    SetBreaker,
    SetLimits,
    SetMode,
    TradingDemoted,
    TradingHalted,
)
from spark.ledger.control_sense import VoidError, check, is_risky
from spark.ledger.control_state import (
    ALL_ACCOUNTS,
    OUTSIDE,
    BreakerWord,
    Control,
    Halt,
    LimitsWord,
    ModeWord,
    Voices,
    halt_name,
    limits_key,
)
from spark.ledger.control_words import read_word, unreadable_halt
from spark.ledger.limit_sense import absurd, loosened
from spark.names import TradingMode
from spark.people import People
from spark.topics import ACCOUNT_PARTITION, CONTROL, CONTROL_HALT

__all__ = [
    "Control",
    "Halt",
    "absurd",
    "fold_body",
    "fold_control",
    "halt_name",
    "loosened",
    "needed_persons",
    "problem_of",
    "proposal_id",
]

#: A proposal counts for so long after its first signature at most (S11).
PROPOSAL_LIFE_NS_MAX: Final = 900_000_000_000
#: Of one person, open at a time; without it one could push out another's proposal.
PROPOSALS_OPEN_MAX: Final = 50
_IGNORED_MAX: Final = 50
#: Above it those that have expired are forgotten, oldest first.
_PROPOSALS_MAX: Final = 200
_NAME_CHARS_MAX: Final = 40
#: What counts as readable: a state kept by a version that read otherwise is folded anew.
_SHAPE: Final = shape_of((TradingHalted, TradingDemoted, ProposalSigned, *get_args(Proposal)))


def proposal_id(body: bytes) -> str:
    """
    Name a proposal by its bytes, whole: of a shorter name two bodies could be found.

    `spark approve` takes any beginning of it that fits one proposal alone.
    """
    return sha256(body).hexdigest()


def fold_body(
    control: Control,
    body: bytes | None,
    *,
    topic: str,
    offset: int,
    appended_ns: int,
    people: People,
    start_mode: TradingMode,
) -> None:
    """
    Fold a record's bytes.

    A tombstone or rubbish halts on `control.halt`; elsewhere it is ignored, with the reason.
    """
    try:
        event = read_word(body, topic=topic, offset=offset, appended_ns=appended_ns)
    except MalformedError as error:
        _judge_by(control, people, start_mode)
        if _is_new(control, topic, offset):
            why = "a tombstone says nothing" if body is None else f"not an event: {error}"
            _ignore(control, topic, offset, why=why)
        return
    fold_control(
        control,
        event,
        topic=topic,
        offset=offset,
        appended_ns=appended_ns,
        people=people,
        start_mode=start_mode,
    )


def fold_control(
    control: Control,
    event: Event,
    *,
    topic: str,
    offset: int,
    appended_ns: int,
    people: People,
    start_mode: TradingMode,
) -> None:
    """
    Fold one record of `control` or `control.halt`; those of other topics are passed over.

    Args:
        topic: where it stands; a signed word copied to `control.halt` says nothing there.
        start_mode: the environment's mode; whether a second person is needed depends on it.

    """
    if topic not in {CONTROL, CONTROL_HALT}:
        return
    _judge_by(control, people, start_mode)
    if not _is_new(control, topic, offset):
        return
    match topic, event:
        case "control.halt", TradingHalted():
            _add(control, _kill(event, offset, appended_ns))
        case "control.halt", TradingDemoted():
            _add(control, _demotion(event, offset, appended_ns))
        case "control", ProposalSigned():
            control.latest_ns = max(control.latest_ns, appended_ns)
            try:
                _hear(control, event, offset, people=people, start_mode=start_mode)
            except VoidError as void:
                _ignore(control, topic, offset, why=str(void))
        case _:
            _ignore(control, topic, offset, why=f"{type_name(type(event))} is not said here")


def needed_persons(control: Control, proposal: Proposal, start_mode: TradingMode) -> int:
    """Say how many persons must sign: two where it goes back towards risk in trickle or live."""
    return 2 if is_risky(control, proposal, start_mode) else 1


def problem_of(control: Control, proposal: Proposal) -> str:
    """Say why a proposal could not come into force now, whoever signs it; empty if it could."""
    try:
        check(control, proposal)
    except VoidError as void:
        return str(void)
    return ""


def _judge_by(control: Control, people: People, start_mode: TradingMode) -> None:
    """
    Start over where a state was kept under other persons, start mode or readable words.

    Both topics are read from their beginning at each start, so all of it comes again, and
    a kept state is only a cache here, too.
    """
    judge = f"{people.digest} {start_mode} {_SHAPE}"
    if control.judge == judge:
        return
    if control.judge:
        fresh = Control()
        for name in Control.__dataclass_fields__:
            setattr(control, name, getattr(fresh, name))
    control.judge = judge


def _is_new(control: Control, topic: str, offset: int) -> bool:
    if offset < control.next_offsets.get(topic, 0):
        return False
    control.next_offsets[topic] = offset + 1
    return True


def _add(control: Control, halt: Halt) -> None:
    if halt.account not in ACCOUNT_PARTITION:
        # Somebody wanted something stopped: in doubt, everything.
        halt.account = ALL_ACCOUNTS
    name = halt_name(halt.halt, halt.offset)
    control.halts[name] = halt
    if not control.is_cleared(name):
        control.standing.append(name)


def _kill(event: TradingHalted, offset: int, appended_ns: int) -> Halt:
    return Halt(
        halt=event.halt,
        offset=offset,
        account=event.account,
        is_kill=True,
        source=event.source,
        by=event.by,
        reason=event.reason,
        appended_ns=appended_ns,
    )


def _demotion(event: TradingDemoted, offset: int, appended_ns: int) -> Halt:
    return Halt(
        halt=event.halt,
        offset=offset,
        account=event.account,
        is_kill=False,
        mode=event.mode,
        orders_per_minute_max=event.orders_per_minute_max,
        concurrency_max=event.concurrency_max,
        source=event.source,
        by=event.by,
        reason=event.reason,
        appended_ns=appended_ns,
    )


def _hear(
    control: Control,
    said: ProposalSigned,
    offset: int,
    *,
    people: People,
    start_mode: TradingMode,
) -> None:
    """Count one signature and do what it completes; raises VoidError where it does not count."""
    proposal = _signed_proposal(said, people, offset)
    body = said.proposal.encode()
    voices = control.proposals.get(proposal_id(body))
    if voices is None:
        voices = _first_voice(control, proposal, said)
    elif voices.applied_at is not None:
        raise VoidError(f"in force since {voices.applied_at}")
    elif control.latest_ns >= voices.expires_ns:
        raise VoidError("expired before it was approved")
    elif said.person in voices.persons:
        raise VoidError(f"{said.person} has signed it before")
    check(control, proposal)
    voices.persons.append(said.person)
    control.proposals[proposal_id(body)] = voices
    _forget_expired(control)
    if len(voices.persons) >= needed_persons(control, proposal, start_mode):
        _apply(control, proposal, offset, since_ns=voices.since_ns)
        voices.applied_at = offset


def _signed_proposal(said: ProposalSigned, people: People, offset: int) -> Proposal:
    body = said.proposal.encode()
    who = repr(said.person[:_NAME_CHARS_MAX])
    if not people.knows(said.person):
        raise VoidError(f"nobody here is called {who}")
    if not people.has_signed(said.person, body, said.signature, offset=offset):
        raise VoidError(f"no valid signature of {who}")
    try:
        proposal = decode(body)
    except MalformedError as error:
        raise VoidError(f"not a proposal: {error}") from None
    if not isinstance(proposal, Proposal):
        raise VoidError(f"not a proposal, but {type_name(type(proposal))}")
    if proposal.log_epoch != people.log_epoch:
        raise VoidError("for another log")
    return proposal


def _first_voice(control: Control, proposal: Proposal, said: ProposalSigned) -> Voices:
    now_ns = control.latest_ns
    if proposal.proposed_by != said.person:
        raise VoidError(f"not signed first by {proposal.proposed_by[:_NAME_CHARS_MAX]!r}")
    if now_ns >= proposal.expires_ns:
        raise VoidError("expired before it was proposed")
    if proposal.expires_ns - now_ns > PROPOSAL_LIFE_NS_MAX:
        raise VoidError("lives too long: 15 minutes at most")
    own = [one for one in control.proposals.values() if one.persons[0] == said.person]
    if sum(1 for one in own if one.expires_ns > now_ns) >= PROPOSALS_OPEN_MAX:
        raise VoidError(f"{said.person} has {PROPOSALS_OPEN_MAX} proposals open")
    return Voices(said.proposal, now_ns, proposal.expires_ns)


def _forget_expired(control: Control) -> None:
    """
    Forget what nobody can sign any more, so that the state stays small; never one that lives.
    """
    surplus = len(control.proposals) - _PROPOSALS_MAX
    if surplus <= 0:
        return
    dead = [name for name, one in control.proposals.items() if one.expires_ns <= control.latest_ns]
    for name in dead[:surplus]:
        del control.proposals[name]


def _apply(control: Control, proposal: Proposal, offset: int, *, since_ns: int) -> None:
    match proposal:
        case ResumeTrading():
            control.resumed_ns[offset] = since_ns
            control.resume_offset = offset
            for one in proposal.halts:
                _clear(control, halt_name(one.halt, one.offset), offset)
                if one.offset != OUTSIDE:
                    # Unreadable here, perhaps, and not for those who resume it by its own name.
                    _clear(control, halt_name(unreadable_halt(one.offset), one.offset), offset)
            control.standing = [name for name in control.standing if not control.is_cleared(name)]
        case SetMode():
            word = ModeWord(proposal.mode, proposal.volume_ramp_pct, offset)
            control.modes[proposal.account] = word
        case SetLimits():
            key = limits_key(proposal.account, proposal.strategy)
            control.limits[key] = LimitsWord(proposal.version, proposal.limits, offset)
        case SetBreaker():
            control.breakers[proposal.account] = BreakerWord(proposal.state, offset)
        case ResolveUnknown():
            control.resolved[proposal.client_order_id] = offset
        case AcceptDifference():
            control.accepted[proposal.difference] = offset


def _clear(control: Control, name: str, offset: int) -> None:
    earlier = control.cleared.get(name)
    # A later resume may mean a halt that an earlier one could not have known.
    if earlier is None or control.resumed_ns[earlier] < control.resumed_ns[offset]:
        control.cleared[name] = offset


def _ignore(control: Control, topic: str, offset: int, *, why: str) -> None:
    reasons = control.ignored.setdefault(topic, {})
    reasons[offset] = why
    while len(reasons) > _IGNORED_MAX:
        del reasons[next(iter(reasons))]
