"""
Every stage killed under load, the broker too, a zombie, and an exchange that does not answer.

One stack is hurt in turn and left to settle; then its topics and the exchange's own
ledger are judged, and nothing else. `SPARK_CRASH_ROUNDS` makes a longer run of it.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Final

import aiohttp
import pytest
import pytest_asyncio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from spark import topics
from spark.audit import digest_of, verify
from spark.bench.caps import WIDE_CAPS
from spark.bench.order import PROCESSES
from spark.bus.kafka import KafkaBus
from spark.bus.port import Partition
from spark.codec import decode
from spark.embedded.plan import SimulatorOptions
from spark.embedded.processes import KAFKA, SIMULATOR
from spark.embedded.throwaway import ThrowawayOptions, throwaway
from spark.errors import FencedError
from spark.events import (
    AuditLine,
    AuditPaged,
    CancelApproved,
    CancelRejected,
    IntentRefused,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderClaimed,
    OrderRejected,
    OutcomeUnknown,
    PartitionFenced,
    RequestNotSent,
    RequestSealed,
    SigningSkipped,
)
from spark.names import Action, OrderState, Reason, Role
from tests.crash.aftermath import (
    CANCEL_ROUTE,
    PLACE_ROUTE,
    Aftermath,
    Zombie,
    books,
    digest,
    open_questions,
)
from tests.crash.gathering import settled
from tests.crash.ordeal import Ordeal
from tests.servers import jar_cache

_ROUNDS: Final = int(os.environ.get("SPARK_CRASH_ROUNDS", "2"))
_RATE: Final = 50.0
_TRAIL: Final = Partition(topics.AUDIT, 0)
_STAGES: Final = (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.AUDITOR, Role.VENUE_WATCH)
#: How long the exchange keeps its replies when the gateway is killed.
_HELD_MS: Final = 400
#: Far longer than an approval lives here.
_PAUSE_S: Final = 30.0
#: What lies between the last check and the exchange's clock on a machine that stalls.
_ON_THE_WIRE_NS: Final = 500_000_000
_REPLY_FAULTS: Final = ("drop_reply", "error_5xx_after", "garble")
#: The exchange's word for an order that rests, and ours.
_ALIVE: Final = {"open": OrderState.SUBMITTED}
#: How orders end that the exchange never had.
_NEVER_THERE: Final = frozenset(
    {OrderState.REJECTED, OrderState.EXPIRED, OrderState.CANCELLED, OrderState.NOT_FOUND}
)
#: Start and end of the stack, and what a round may take on a slow machine.
pytestmark = pytest.mark.timeout(300 + 90 * _ROUNDS)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def aftermath() -> AsyncIterator[Aftermath]:
    """What a stack leaves behind after everything that can be done to it."""
    options = ThrowawayOptions(
        jar_directory=jar_cache(),
        processes=tuple(role.value for role in PROCESSES),
        simulator=SimulatorOptions(is_limited=False, market_rate=1.0),
        # What a zombie holds is still good when it wakes up: only the fence may stop it.
        environment=(
            *WIDE_CAPS,
            # Replies are swallowed on purpose: the sentinel would end it, as it should.
            ("SPARK_ERROR_RATE_MAX", "1"),
            ("SPARK_APPROVAL_LIFE_S", "5"),
            ("SPARK_SIGNATURE_LIFE_S", "5"),
            ("SPARK_BINANCE_RECV_WINDOW_MS", "5000"),
        ),
    )
    async with throwaway(options) as stack, aiohttp.ClientSession() as session:
        bus = KafkaBus(stack.login("op-local"))
        try:
            ordeal = Ordeal(stack, bus, session)
            zombie = await _hurt(ordeal)
            found = await settled(ordeal, zombie)
        finally:
            await bus.close()
    yield found


async def _hurt(ordeal: Ordeal) -> Zombie:
    # A load of its own for each part: one that went on would cancel, for a long while,
    # what had been refused while its symbol was blocked.
    for stage in _STAGES:
        async with ordeal.loaded(_RATE):
            for _ in range(_ROUNDS):
                if stage is Role.GATEWAY:
                    await ordeal.hold_replies(_HELD_MS)
                await ordeal.kill(stage)
    async with ordeal.loaded(_RATE):
        await ordeal.kill(Role.GUARDRAIL, Role.SIGNER, also_at_start=True)
        await ordeal.kill(Role.SIGNER, Role.GATEWAY, Role.AUDITOR, also_at_start=True)
    for server in (KAFKA, SIMULATOR):
        async with ordeal.loaded(_RATE):
            await ordeal.kill(server)
    for kind in _REPLY_FAULTS:
        async with ordeal.loaded(_RATE):
            await ordeal.swallow(kind, places=_ROUNDS, cancels=_ROUNDS)
    async with ordeal.loaded(_RATE):
        await ordeal.pause(Role.SIGNER, _PAUSE_S)
    async with ordeal.loaded(_RATE):
        return await ordeal.raise_zombie()


def test_every_stage_was_ended_and_none_gave_up(aftermath: Aftermath) -> None:
    """
    Start and recovery are one path: after any end a stage works again by itself.
    """
    assert aftermath.halted == []
    for stage in _STAGES:
        assert aftermath.restarts[stage] >= _ROUNDS
    assert aftermath.restarts[KAFKA] == aftermath.restarts[SIMULATOR] == 1


def test_one_intent_is_sent_once_at_most(aftermath: Aftermath) -> None:
    """
    No crash, no zombie and no lost reply makes a second request or a second order (R1, R2).
    """
    asked = Counter(line["client_order_id"] for line in aftermath.requests(PLACE_ROUTE))
    assert [key for key, count in asked.items() if count > 1] == []
    placed = Counter(states[0]["client_order_id"] for states in aftermath.orders().values())
    assert [key for key, count in placed.items() if count > 1] == []
    assert len(placed) > 100, "the load reached the exchange"


def test_no_order_without_an_approval(aftermath: Aftermath) -> None:
    """
    What the exchange holds was approved by a decision that counts, to the last digit (R3).
    """
    approved = {
        event.client_order_id: event
        for _, event in aftermath.decisions()
        if isinstance(event, OrderApproved)
    }
    for states in aftermath.orders().values():
        held = states[0]
        terms = approved[held["client_order_id"]]
        assert held["symbol"] == terms.symbol
        assert held["side"].lower() == terms.side
        assert Decimal(held["quantity"]) == terms.quantity
        assert Decimal(held["price"]) == terms.price


def test_nothing_old_is_sent(aftermath: Aftermath) -> None:
    """
    Whatever was killed or stopped: no place reaches the exchange after its approval's end (A11).
    """
    skipped = [event for _, event in aftermath.signed() if isinstance(event, SigningSkipped)]
    codes = Counter(reason.code for event in skipped for reason in event.reasons)
    assert codes[Reason.APPROVAL_EXPIRED] > 100, "the signer slept for longer than approvals live"
    ends = {
        event.client_order_id: event.expires_ns
        for _, event in aftermath.decisions()
        if isinstance(event, OrderApproved)
    }
    late = [
        line["at_ns"] - ends[line["client_order_id"]]
        for line in aftermath.requests(PLACE_ROUTE)
        if line["at_ns"] > ends[line["client_order_id"]] + _ON_THE_WIRE_NS
    ]
    assert late == []


def test_no_request_without_a_claim_that_counts(aftermath: Aftermath) -> None:
    """
    Claim, read back, send once: each request of ours has a claim of its own (R2).
    """
    claims = [event for _, event in aftermath.events() if isinstance(event, OrderClaimed)]
    claimed = Counter((event.action, event.client_order_id) for event in claims)
    for action, route in ((Action.PLACE, PLACE_ROUTE), (Action.CANCEL, CANCEL_ROUTE)):
        asked = Counter(line["client_order_id"] for line in aftermath.requests(route))
        assert [key for key, count in asked.items() if count > claimed[action, key]] == []
    intents = Counter(event.intent_id for event in claims)
    assert [key for key, count in intents.items() if count > 1] == []


def test_every_intent_has_one_decision(aftermath: Aftermath) -> None:
    """
    Exactly one valid output for each input: none lost, none twice (R3, R6).
    """
    intents, decisions = aftermath.intents(), aftermath.decisions()
    assert [event.stamp.seq for _, event in decisions] == [r.offset for r, _ in intents]
    for (record, intent), (_, event) in zip(intents, decisions, strict=True):
        assert event.stamp.src_offset == record.offset
        assert event.stamp.src_digest == digest(record.value)
        assert event.intent_id == intent.intent_id
        if not isinstance(event, IntentRefused):
            assert event.proof.body.encode() == record.value


def test_every_decision_is_signed_or_skipped_once(aftermath: Aftermath) -> None:
    """
    Exactly one signed record for each decision, skips included (R1, R6).
    """
    decisions, signed = aftermath.decisions(), aftermath.signed()
    assert [e.stamp.seq for _, e in signed] == [e.stamp.seq for _, e in decisions]
    for (record, decision), (_, event) in zip(decisions, signed, strict=True):
        assert event.stamp.src_offset == record.offset
        assert event.stamp.src_epoch == decision.stamp.epoch
        assert event.stamp.src_digest == digest(record.value)
        assert event.intent_id == decision.intent_id
        if isinstance(event, RequestSealed):
            assert isinstance(decision, OrderApproved | CancelApproved)
            assert event.decision.encode() == record.value


def test_every_signed_record_is_claimed_or_ended_once(aftermath: Aftermath) -> None:
    """
    Each signed record has one claim or one end, and a claim at most one end without a byte (R6).
    """
    said: dict[int, list[type[object]]] = {}
    for _, event in aftermath.events():
        if isinstance(event, OrderClaimed | RequestNotSent):
            said.setdefault(event.origin.offset, []).append(type(event))
    allowed = ([OrderClaimed], [RequestNotSent], [OrderClaimed, RequestNotSent])
    for record, _ in aftermath.signed():
        assert said.pop(record.offset, []) in allowed, f"signed record {record.offset}"
    assert said == {}, "about records that do not count"


def test_every_claim_ends_or_is_an_open_unknown(aftermath: Aftermath) -> None:
    """
    After a claim comes evidence, an end without a byte, or an unknown that says so (R4, R6).
    """
    answered: set[str] = set()
    for _, event in aftermath.events():
        if isinstance(event, OrderAcked | OrderRejected | CancelRejected | OutcomeUnknown):
            answered.add(event.intent_id)
        elif isinstance(event, OrderCancelled):
            answered.add(event.cancel_intent_id)
        elif isinstance(event, RequestNotSent):
            answered.add(event.intent_id)
    for _, event in aftermath.events():
        if isinstance(event, OrderClaimed):
            assert event.intent_id in answered


def test_the_books_are_the_exchange_s(aftermath: Aftermath) -> None:
    """
    What the log says of each order is what the exchange holds, and no question is open (R4, R5).
    """
    events = aftermath.of(topics.EVENTS)
    causes = Counter(e.cause for _, e in aftermath.events() if isinstance(e, OutcomeUnknown))
    assert causes.keys() >= {"restart", "connection_lost", "server_error", "unreadable"}
    assert open_questions(events) == set()
    held = {
        states[0]["client_order_id"]: states[-1]["status"] for states in aftermath.orders().values()
    }
    orders = books(events).by_id
    assert {key: orders[key].state for key in held} == {
        key: _ALIVE.get(status, status) for key, status in held.items()
    }
    ended = {order.state for key, order in orders.items() if key not in held}
    assert ended <= _NEVER_THERE


def test_the_audit_trail_verifies_and_covers_everything(aftermath: Aftermath) -> None:
    """
    Every record of every audited topic has one line, in order, over all restarts (R17).
    """
    public = Ed25519PublicKey.from_public_bytes(aftermath.public_key)

    def verifies(body: bytes, signature: bytes) -> bool:
        try:
            public.verify(signature, body)
        except InvalidSignature:
            return False
        return True

    trail = aftermath.records[_TRAIL]
    report = verify([record.value or b"" for record in trail], verifies)
    assert report.checkpoints > 0
    assert report.fences >= _ROUNDS + 1
    epoch = -1
    lines: dict[Partition, list[AuditLine]] = {}
    for record in trail:
        event = decode(record.value or b"")
        if isinstance(event, PartitionFenced):
            epoch = record.offset
        elif isinstance(event, AuditPaged) and event.epoch == epoch:
            for line in event.lines:
                lines.setdefault(Partition(line.topic, line.partition), []).append(line)
    for partition, records in aftermath.records.items():
        if partition == _TRAIL:
            continue
        mine = lines.get(partition, [])[: len(records)]
        assert [line.offset for line in mine] == list(range(len(records))), str(partition)
        assert [line.sha256 for line in mine] == [
            digest_of(record.key, record.value, record.headers) for record in records
        ]


def test_a_zombie_ends_fenced_and_changes_nothing(aftermath: Aftermath) -> None:
    """
    A gateway that wakes up after another took its account ends before it sends (R2, R10, F4).

    That there is no second order is for the ledger to say, above.
    """
    assert "FencedError" in aftermath.zombie.first_said
    assert "FencedError" in aftermath.zombie.second_said
    assert aftermath.zombie.second_exit_code == FencedError.exit_code
