"""
The gateway's lane: one claim for each id, nothing late, and a resume point that is never wrong.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from spark import topics
from spark.bus.port import Outgoing, Partition, Record
from spark.consumers.gateway_intake import Now, Opened
from spark.consumers.gateway_lane import Lane
from spark.consumers.gateway_resume import GatewayPast
from spark.events import (
    Intent,
    OrderAcked,
    OrderClaimed,
    OrderEvent,
    OutcomeUnknown,
    PartitionFenced,
    Refusal,
    RequestNotSent,
)
from spark.exchanges.port import Answer, Outcome
from spark.ledger.dispatch import Dispatch, Ready
from spark.ledger.fold import Orders
from spark.names import Endpoint, Reason, Role, TradingMode
from spark.worker.fence import Lineage
from spark.worker.inbox import Inbox
from tests import keyed
from tests.hops import Chain, gateway_keys, intent_written, permit, stood, written
from tests.leased import leased
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, cancel, place
from tests.mannered import manners

SIGNED, EVENTS = Partition(topics.SIGNED, 0), Partition(topics.EVENTS, 0)
NOW = Now(NOW_NS, 0)
TAGGER = keyed.tagger(Role.SIGNER, Role.GATEWAY)


def _fence(role: str, topic: str) -> Outgoing:
    event = PartitionFenced(
        role=role,
        instance="i",
        topic_ids={},
        settings={},
        fenced_ns=NOW_NS,
    )
    return written(event, topic, TAGGER)


def _signed() -> list[Record]:
    """Places of two symbols, cancels of some, a refusal, a forgery; behind the signer's fence."""
    chain = Chain()
    one, two, three, four = (place(f"o{n}") for n in range(4))
    eth = place("eth", symbol="ETHUSDT", price=place().price)
    refused = place("bad", ttl_ns=0)
    asked: list[Intent] = [one, two, eth, cancel(one, "c1"), refused]
    asked += [three, cancel(three, "c3"), cancel(two, "c2"), four, cancel(one, "c4")]
    out = [stood(_fence("signer", topics.SIGNED), 0)]
    for number, intent in enumerate(asked):
        _, record = chain.sign(chain.decide(intent_written(intent), offset=number))
        if intent is four:
            record = record._replace(headers=())
        out.append(stood(record, number + 1))
    return out


RECORDS = _signed()


def lane(epoch: int, past: GatewayPast, concurrency: int = 4) -> Lane:
    past.orders.epoch = epoch
    return Lane(
        account=ACCOUNT,
        epoch=epoch,
        inbox=Inbox(
            SIGNED,
            position=past.origin.done_below,
            lineage=past.lineage(SIGNED),
            checker=keyed.checker(Role.GATEWAY, {Role.SIGNER}),
            bytes_max=topics.BY_NAME[topics.SIGNED].message_bytes_max,
        ),
        orders=past.orders,
        dispatch=Dispatch(concurrency),
        manners=manners(epoch),
        keys=gateway_keys(),
        permit=permit(),
        lease=leased(),
        handled=past.handled,
    )


def taken(at: Lane, records: Sequence[Record], now: Now = NOW) -> list[OrderEvent]:
    said: list[OrderEvent] = []
    for record in records:
        accepted = at.inbox.accept(record)
        if accepted is not None:
            said += at.take(accepted, now)
    return said


def acked(ready: Ready) -> Outcome:
    approval = ready.approval
    proof = OrderAcked(
        account=approval.account,
        strategy=approval.strategy,
        intent_id=ready.about().intent_id,
        client_order_id=approval.client_order_id,
        symbol=approval.symbol,
        exchange_order_id="1",
        exchange_ns=0,
        sent_ns=0,
        answered_ns=0,
    )
    return Outcome(answer=Answer.DEFINITE, evidence=(proof,))


def test_a11_patience_ends_a_request_although_the_wall_clock_stepped_back() -> None:
    """A11, faults K13 and C1: a bad time server cannot bring an old signature back to life."""
    at = lane(7, GatewayPast())
    taken(at, RECORDS[:2])
    late = Now(NOW_NS - 3600 * SECOND_NS, 2 * SECOND_NS)
    said, claimed = at.claim(late)
    assert claimed == []
    (ended,) = said
    assert isinstance(ended, RequestNotSent)
    assert [one.code for one in ended.reasons] == [Reason.SIGNATURE_EXPIRED]


def test_a11_the_wall_clock_ends_a_request_although_little_time_passed() -> None:
    """A11, fault C1: and a clock that jumps ahead sends nothing that it calls late."""
    at = lane(7, GatewayPast())
    taken(at, RECORDS[:2])
    _, claimed = at.claim(Now(NOW_NS + SECOND_NS, 1))
    assert claimed == []


def test_r1_an_id_is_claimed_once_whatever_was_said_of_it() -> None:
    """R1: claimed, ended or unknown: the second record of an id is a duplicate."""
    at = lane(7, GatewayPast())
    taken(at, RECORDS[:2])
    _, (ready,) = at.claim(NOW)
    assert isinstance(at.answer(ready, acked(ready), NOW)[0], OrderAcked)
    found = Opened(sealed=ready.sealed, approval=ready.approval, request=ready.request)
    again = Ready(
        sealed=found.sealed,
        approval=found.approval,
        request=found.request,
        offset=9,
        appended_ns=NOW_NS,
        too_old_ns=ready.too_old_ns,
    )
    at.dispatch.add(again)
    said, claimed = at.claim(NOW)
    assert claimed == []
    assert isinstance(said[0], RequestNotSent)
    assert [one.code for one in said[0].reasons] == [Reason.DUPLICATE_CLAIM]


@dataclass
class World:
    """A log of events, an exchange that counts, and the gateways one after the other."""

    concurrency: int
    log: list[OrderEvent | PartitionFenced] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    flying: list[Ready] = field(default_factory=list)
    read: int = 0
    epoch: int = -1
    at: Lane = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Fence, fold, say what the restart means: what a new process does."""
        past = GatewayPast()
        for offset, event in enumerate(self.log):
            past.fold(stood(written(event, topics.EVENTS, TAGGER), offset))
        self.epoch = len(self.log)
        self.log.append(
            PartitionFenced(
                role="gateway", instance="i", topic_ids={}, settings={}, fenced_ns=NOW_NS
            )
        )
        self.at = lane(self.epoch, past, self.concurrency)
        self.read = self.at.inbox.position
        self.flying = []
        self.log += self.at.begin(TradingMode.LIVE, Endpoint.SIM, NOW)

    def take(self, count: int) -> list[OrderEvent]:
        records = RECORDS[self.read : self.read + count]
        self.read += len(records)
        return taken(self.at, records)

    def turn(self, count: int, *, is_lost: bool) -> None:
        """Take records and claim; write it down and send, or crash before it stands."""
        said = self.take(count)
        more, claimed = self.at.claim(NOW)
        if is_lost:
            self.start()
            return
        self.log += [*said, *more]
        self.flying += claimed
        for ready in claimed:
            self.sent[ready.sealed.intent_id] += 1

    def answer(self, which: int, kind: str) -> None:
        """Let one request be answered, doubted or refused at the last moment."""
        if not self.flying:
            return
        ready = self.flying.pop(which % len(self.flying))
        outcomes: dict[str, Outcome | Refusal] = {
            "ack": acked(ready),
            "doubt": Outcome(answer=Answer.UNKNOWN, cause="timeout"),
            "halt": Refusal(code=Reason.KILL_SWITCH_ACTIVE),
        }
        self.log += self.at.answer(ready, outcomes[kind], NOW)


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("turn"), st.integers(0, 4)),
        st.tuples(st.just("lost"), st.integers(0, 4)),
        st.tuples(st.just("crash"), st.just(0)),
        st.tuples(st.sampled_from(["ack", "doubt", "halt"]), st.integers(0, 3)),
    ),
    max_size=25,
)


@settings(max_examples=200)
@given(ACTS, st.integers(1, 6))
def test_wherever_it_crashes_each_signed_record_has_its_event_and_is_sent_at_most_once(
    acts: list[tuple[str, int]], concurrency: int
) -> None:
    """R1, R2, R6, fault P4: resumed from its own log alone: nothing lost, nothing sent twice."""
    world = World(concurrency)
    for act, number in acts:
        if act == "turn":
            world.turn(number, is_lost=False)
        elif act == "lost":
            world.turn(number, is_lost=True)
        elif act == "crash":
            world.start()
        else:
            world.answer(number, act)
    for _ in range(40):
        world.turn(len(RECORDS), is_lost=False)
        world.answer(0, "ack")
    valid = set(range(1, len(RECORDS)))
    epoch, ended, claimed = -1, set(), Counter[int]()
    for offset, event in enumerate(world.log):
        if isinstance(event, PartitionFenced):
            epoch = offset
        elif isinstance(event, OrderClaimed | RequestNotSent):
            assert event.epoch == epoch
            ended.add(event.origin.offset)
            claimed[event.origin.offset] += isinstance(event, OrderClaimed)
    assert ended == valid, "a signed record has no event"
    assert set(claimed.values()) <= {0, 1}, "a request was claimed twice"
    assert set(world.sent.values()) <= {1}, "a request was sent twice"
    orders = Orders()
    past = GatewayPast(orders=orders)
    for offset, event in enumerate(world.log):
        past.fold(stood(written(event, topics.EVENTS, TAGGER), offset))
    below = past.origin.done_below
    assert set(range(below, len(RECORDS))) <= past.handled, "the log does not say that all is done"
    assert past.lineage(SIGNED) == Lineage(str(SIGNED), 0, below - 2)


def test_a8_a_claim_without_an_answer_is_unknown_after_a_restart() -> None:
    """A8: each is said to be unknown, once; then the gateway is ready."""
    world = World(4)
    world.turn(3, is_lost=False)
    world.start()
    said = world.log[world.epoch + 1 :]
    assert [type(one).__name__ for one in said] == ["OutcomeUnknown"] * 2 + ["GatewayReady"]
    assert {one.cause for one in said if isinstance(one, OutcomeUnknown)} == {"restart"}
