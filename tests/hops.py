"""
The hops of an order, one record at a time: composed, tagged and read as by the processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from spark import topics
from spark.bus.port import Headers, Outgoing, Partition, Record
from spark.codec import encode, type_name
from spark.consumers.gateway_intake import GatewayKeys, Opened, Permit, open_request
from spark.consumers.guardrail import Guardrail
from spark.consumers.guardrail_state import GuardState
from spark.consumers.signer import Signer, SignerKeys, SignerRules
from spark.consumers.signer_state import SignerState
from spark.events import (
    ClockMeasured,
    Decision,
    Event,
    GatewayReady,
    Intent,
    PartitionFenced,
    Refusal,
    Signed,
    Stamp,
)
from spark.ledger.ceilings import Ceilings
from spark.names import Endpoint, Role, TradingMode, Venue
from spark.signing import Tagger, short_digest
from spark.worker.contract import Given, Place, Tick
from spark.worker.fence import Lineage
from spark.worker.inbox import Inbox
from tests import keyed
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, STRATEGY, instrument
from tests.marks import START_PRICES, prices_marked
from tests.start import start
from tests.surroundings import (
    account_fenced,
    account_reconciled,
    auditor_pulsed,
    equity_marked,
)

NS_PER_MS: Final = 1_000_000
CEILINGS: Final = Ceilings(
    quantity_max={"BTCUSDT": Decimal(1), "ETHUSDT": Decimal(20)}, orders_per_second_max=1_000
)
#: The gateway's epoch that the guardrail below believes ready.
GATEWAY_EPOCH: Final = 3


def guardrail(mode: TradingMode = TradingMode.LIVE) -> Guardrail:
    """Make the guardrail."""
    return Guardrail(start(mode=mode), keyed.people())


def signer(mode: TradingMode = TradingMode.LIVE, ceilings: Ceilings = CEILINGS) -> Signer:
    """Make the signer of the simulated exchange, with nonces that repeat between runs."""
    keys = SignerKeys(
        venues={Venue.BINANCE: keyed.venue_signer()},
        dummies={Venue.BINANCE: keyed.dummy_signer()},
        seal=keyed.seal(),
        strategies=keyed.strategies(Role.SIGNER),
        log_epoch=keyed.LOG_EPOCH,
        entropy=lambda count: bytes(range(count)),
    )
    rules = SignerRules(
        mode=mode,
        endpoint=Endpoint.SIM,
        signature_life_ns=SECOND_NS,
        ceilings=ceilings,
        people=keyed.people(),
    )
    return Signer(keys, rules)


def gateway_keys() -> GatewayKeys:
    """Give what the gateway verifies and opens with."""
    return GatewayKeys(
        seal=keyed.seal(),
        guardrail=keyed.checker(Role.GATEWAY, {Role.GUARDRAIL}),
        log_epoch=keyed.LOG_EPOCH,
    )


def permit(mode: TradingMode = TradingMode.LIVE, endpoint: Endpoint = Endpoint.SIM) -> Permit:
    """Let the gateway of GATEWAY_EPOCH send."""
    return Permit(mode=mode, endpoint=endpoint, epochs={0: GATEWAY_EPOCH})


def written(event: Event, topic: str, tagger: Tagger, partition: int = 0) -> Outgoing:
    """Encode and tag a record as its writer does."""
    body = encode(event)
    headers = tagger.headers(topic, type_name(type(event)), body)
    return Outgoing(Partition(topic, partition), ACCOUNT.encode(), body, headers)


def intent_written(intent: Intent, *, by: str = STRATEGY, partition: int = 0) -> Outgoing:
    """Write an intent as a strategy does."""
    tagger = keyed.tagger(by, Role.GUARDRAIL, Role.SIGNER)
    return written(intent, topics.INTENTS, tagger, partition)


def stood(out: Outgoing, offset: int = 0, at_ns: int = NOW_NS) -> Record:
    """Put a record on the log."""
    return Record(out.partition, offset, at_ns // NS_PER_MS, out.key, out.value, out.headers)


def given(
    record: Record, verifier: str, writers: Sequence[str], *, epoch: int | None = None
) -> Given:
    """Read a record as the stage behind its topic does, at the place where it stands."""
    lineage = None if epoch is None else Lineage(str(record.partition), epoch, record.offset - 1)
    inbox = Inbox(
        record.partition,
        position=record.offset,
        lineage=lineage,
        checker=keyed.checker(verifier, writers),
        bytes_max=topics.BY_NAME[record.partition.topic].message_bytes_max
        if lineage is not None
        else topics.INTENT_BYTES_MAX,
    )
    accepted = inbox.accept(record)
    assert accepted is not None
    return accepted.given


def tick(now_ns: int = NOW_NS, halts: tuple[str, ...] = ()) -> Tick:
    """Give what a wake-up knows."""
    return Tick(now_ns=now_ns, seen={}, halts=halts)


def stamp(of: Given, epoch: int = 0) -> Stamp:
    """Stamp an output; every hop's sequence is the intent's offset here."""
    return Stamp(
        epoch=epoch,
        seq=of.offset,
        src_offset=of.offset,
        src_epoch=-1
        if of.event is None
        else getattr(getattr(of.event, "stamp", None), "epoch", -1),
        src_digest=short_digest(of.body),
    )


@dataclass(slots=True)
class Chain:
    """Guardrail and signer with their states, fed by hand; nothing but pure steps."""

    guardrail: Guardrail = field(default_factory=guardrail)
    signer: Signer = field(default_factory=signer)
    guard_state: GuardState = field(init=False)
    signer_state: SignerState = field(init=False)

    def __post_init__(self) -> None:
        self.guard_state = self.guardrail.initial(0)
        self.signer_state = self.signer.initial(0)
        clock = ClockMeasured(
            venue=Venue.BINANCE, offset_ns=0, uncertainty_ns=NS_PER_MS, measured_ns=NOW_NS
        )
        fence = PartitionFenced(
            role="gateway", instance="g", topic_ids={}, settings={}, fenced_ns=NOW_NS
        )
        ready = GatewayReady(
            epoch=GATEWAY_EPOCH,
            account=ACCOUNT,
            endpoint=Endpoint.SIM,
            mode=TradingMode.LIVE,
            ready_ns=NOW_NS,
        )
        self.see(instrument(), topics.VENUE_STATE, 0)
        self.see(instrument(symbol="ETHUSDT", base_asset="ETH"), topics.VENUE_STATE, 1)
        self.see(clock, topics.VENUE_STATE, 2)
        for topic in (topics.VENUE_MARKS, topics.BINANCE_MARKS):
            self.see(prices_marked(START_PRICES, NOW_NS), topic, 0)
        for marked in equity_marked(NOW_NS):
            self.see(marked, topics.RISK_EQUITY, 0)
        self.see(auditor_pulsed(NOW_NS), topics.AUDIT_PULSE, 0)
        self.see(account_fenced(), topics.ACCOUNT_EVENTS, 0)
        self.see(account_reconciled(ACCOUNT, 0, NOW_NS), topics.ACCOUNT_EVENTS, 1)
        self.see(fence, topics.EVENTS, GATEWAY_EPOCH)
        self.see(ready, topics.EVENTS, GATEWAY_EPOCH + 1)

    def see(self, event: Event, topic: str, offset: int, at_ns: int = NOW_NS) -> None:
        """Let both stages fold a record of a side topic."""
        place = Place(topic, 0, offset, at_ns)
        self.guardrail.fold(self.guard_state, place, event)
        self.signer.fold(self.signer_state, place, event)

    def decide(
        self, out: Outgoing, *, offset: int = 0, at: Tick | None = None, at_ns: int = NOW_NS
    ) -> Decision:
        """Let the guardrail decide an intent and remember its decision."""
        read = given(
            stood(out, offset, at_ns),
            Role.GUARDRAIL,
            sorted(topics.BY_NAME[topics.INTENTS].writers),
        )
        decision = self.guardrail.step(self.guard_state, read, at or tick(), stamp(read))
        self.guardrail.fold(self.guard_state, Place(topics.DECISIONS, 0, offset, NOW_NS), decision)
        return decision

    def sign(
        self,
        decision: Decision,
        *,
        at: Tick | None = None,
        headers: Headers | None = None,
        partition: int = 0,
    ) -> tuple[Signed, Outgoing]:
        """Let the signer sign a decision; give its output as event and as record."""
        tagger = keyed.tagger(Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY)
        out = written(decision, topics.DECISIONS, tagger, partition)
        if headers is not None:
            out = out._replace(headers=headers)
        record = stood(out, decision.stamp.seq)
        read = given(record, Role.SIGNER, [Role.GUARDRAIL], epoch=decision.stamp.epoch)
        signed = self.signer.step(self.signer_state, read, at or tick(), stamp(read))
        self.signer.fold(
            self.signer_state, Place(topics.SIGNED, 0, decision.stamp.seq, NOW_NS), signed
        )
        out = written(signed, topics.SIGNED, keyed.tagger(Role.SIGNER, Role.GATEWAY))
        return signed, out


def opened(
    out: Outgoing, *, seq: int = 0, allowed: Permit | None = None, now_ns: int = NOW_NS
) -> Opened | tuple[Refusal, ...]:
    """Open a signed record as the gateway does."""
    read = given(stood(out, seq), Role.GATEWAY, [Role.SIGNER], epoch=0)
    return open_request(read, gateway_keys(), allowed or permit(), now_ns=now_ns)
