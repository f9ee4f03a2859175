"""
What stops an approval at the gateway's door and before its first byte; the signer's own reading.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from spark import topics
from spark.bus.port import Partition
from spark.consumers.gateway_intake import Opened, Permit
from spark.consumers.gateway_lane import Lane, open_orders
from spark.consumers.gateway_resume import GatewayPast
from spark.events import (
    Event,
    OrderApproved,
    RequestSealed,
    SigningSkipped,
    TradingDemoted,
    TradingHalted,
)
from spark.ledger.dispatch import Dispatch
from spark.ledger.fold import fold_event
from spark.names import Reason, Role, TradingMode
from spark.worker.inbox import Inbox
from tests import keyed
from tests.hops import Chain, gateway_keys, intent_written, opened, permit
from tests.leased import leased
from tests.made import ACCOUNT, EPOCH, NOW_NS, SECOND_NS, Life, cancel, place
from tests.mannered import manners
from tests.persons import LOCAL, SECOND, Room, demoted, halted, resume, signed


def said(*halts: TradingHalted | TradingDemoted) -> Room:
    """A room in which these were said."""
    room = Room()
    for one in halts:
        room.stop(one)
    return room


def allowed(room: Room, outside: tuple[str, ...] = ()) -> Permit:
    """What the gateway may send by what it heard."""
    return replace(
        permit(),
        control=room.control,
        kills=lambda account: (*outside, *room.control.kills(account)),
    )


def resumed(room: Room) -> Room:
    """Let two persons resume after the first kill."""
    word = resume(("kill-1", 0))
    assert room.say(signed(word, LOCAL)) == ""
    assert room.say(signed(word, SECOND)) == ""
    return room


def approved(chain: Chain) -> OrderApproved:
    decision = chain.decide(intent_written(place()))
    assert isinstance(decision, OrderApproved), decision
    return decision


CASES: list[tuple[Callable[[], Permit], Reason | None]] = [
    (lambda: allowed(said()), None),
    (lambda: allowed(said(), ("latch:x@1",)), Reason.KILL_SWITCH_ACTIVE),
    (lambda: allowed(said(), ("environment",)), Reason.KILL_SWITCH_ACTIVE),
    (lambda: allowed(said(halted("kill-1"))), Reason.KILL_SWITCH_ACTIVE),
    (lambda: allowed(said(halted("kill-1", ACCOUNT))), Reason.KILL_SWITCH_ACTIVE),
    (lambda: allowed(said(halted("kill-1", "btcturk:main"))), None),
    # An account that nobody knows: in doubt, everything.
    (lambda: allowed(said(halted("kill-1", "nobody:main"))), Reason.KILL_SWITCH_ACTIVE),
    (lambda: allowed(said(demoted())), Reason.MODE_FORBIDS),
    (lambda: allowed(said(replace(demoted(), mode=None, concurrency_max=1))), None),
    (lambda: replace(allowed(said()), mode=TradingMode.PAPER), Reason.MODE_FORBIDS),
    (lambda: allowed(resumed(said(halted("kill-1")))), Reason.RESUME_MISMATCH),
]


@pytest.mark.parametrize(("make", "reason"), CASES)
def test_s9_an_approval_holds_only_under_what_is_in_force(
    make: Callable[[], Permit], reason: Reason | None
) -> None:
    """S9, R9, R10: kill, mode and resume, each at intake and as the last check asks it."""
    chain = Chain()
    decision = approved(chain)
    _, out = chain.sign(decision)
    found = opened(out, allowed=make())
    again = make().refusal_now(decision)
    if reason is None:
        assert isinstance(found, Opened)
        assert again is None
    else:
        assert isinstance(found, tuple)
        assert [one.code for one in found] == [reason]
        assert again is not None
        assert again.code is reason


def test_r11_a_cancel_passes_whatever_is_in_force() -> None:
    """R11, B2: kill, mode and resume never hold a cancel up."""
    chain = Chain()
    order = place()
    chain.sign(chain.decide(intent_written(order)))
    room = resumed(said(halted("kill-1"), halted("kill-2"), demoted()))
    _, out = chain.sign(chain.decide(intent_written(cancel(order)), offset=1))
    assert isinstance(opened(out, seq=1, allowed=allowed(room, ("environment",))), Opened)


@pytest.mark.parametrize(
    ("halt", "reason"),
    [
        (halted("kill-1"), Reason.KILL_SWITCH_ACTIVE),
        (halted("kill-1", ACCOUNT), Reason.KILL_SWITCH_ACTIVE),
        (demoted(), Reason.MODE_FORBIDS),
        (halted("kill-1", "btcturk:main"), None),
    ],
)
def test_s3_the_signer_obeys_what_it_reads_itself(halt: Event, reason: Reason | None) -> None:
    """S3, S6: a guardrail that approves all the same gets no signature."""
    chain = Chain()
    decision = approved(chain)
    chain.see(halt, topics.CONTROL_HALT, 0)
    sealed, _ = chain.sign(decision)
    if reason is None:
        assert isinstance(sealed, RequestSealed)
    else:
        assert isinstance(sealed, SigningSkipped)
        assert [one.code for one in sealed.reasons] == [reason]


def test_a_halt_on_another_topic_stops_nobody() -> None:
    """S6: what may be said follows from where it stands."""
    chain = Chain()
    decision = approved(chain)
    chain.see(halted("kill-1"), topics.VENUE_STATE, 9)
    assert isinstance(chain.sign(decision)[0], RequestSealed)


def _lane() -> Lane:
    past = GatewayPast()
    past.orders.epoch = EPOCH
    source = Partition(topics.SIGNED, 0)
    inbox = Inbox(
        source,
        position=0,
        lineage=past.lineage(source),
        checker=keyed.checker(Role.GATEWAY, {Role.SIGNER}),
        bytes_max=1,
    )
    return Lane(
        account=ACCOUNT,
        epoch=EPOCH,
        inbox=inbox,
        orders=past.orders,
        dispatch=Dispatch(4),
        manners=manners(EPOCH),
        keys=gateway_keys(),
        permit=permit(),
        lease=leased(),
    )


def test_r10_an_unknown_is_open_until_its_denial_is_final() -> None:
    """R10: drained means answered, settled, or past the exchange's bound."""
    at, life = _lane(), Life()
    fold_event(at.orders, life.claimed(), 0, NOW_NS)
    fold_event(at.orders, life.unknown(), 1, NOW_NS)
    bound_ns = NOW_NS + SECOND_NS
    assert open_orders(at, bound_ns) == {life.client_order_id}
    assert open_orders(at, bound_ns + 2 * SECOND_NS) == {life.client_order_id}
    assert open_orders(at, bound_ns + 2 * SECOND_NS + 1) == frozenset()
    fold_event(at.orders, life.acked(), 2, NOW_NS)
    assert open_orders(at, NOW_NS) == frozenset()
