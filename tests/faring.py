"""How orders fare, told as the records of their topics: for tests of who watches that."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from spark import topics
from spark.events import (
    Basis,
    ClockMeasured,
    Event,
    OrderApproved,
    PartitionFenced,
    Proof,
    Stamp,
)
from spark.ledger.control_state import Control
from spark.ledger.health import Health, fold_approval, fold_outcome
from spark.ledger.protection import judge
from spark.ledger.protection_case import Finding, Thresholds
from spark.names import Endpoint, OrderType, Side, TimeInForce, TradingMode, Venue
from tests.made import ACCOUNT, EPOCH, NOW_NS, SECOND_NS, STRATEGY, SYMBOL, Life

MS: Final = 1_000_000


def approved(life: Life, appended_ns: int, mode: TradingMode = TradingMode.LIVE) -> OrderApproved:
    """Approve the place of an order whose intent was appended then."""
    return OrderApproved(
        stamp=Stamp(epoch=0, seq=0, src_offset=0, src_epoch=-1, src_digest=""),
        account=ACCOUNT,
        strategy=STRATEGY,
        intent_id=life.intent_id,
        client_order_id=life.client_order_id,
        endpoint=Endpoint.SIM,
        mode=mode,
        symbol=SYMBOL,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=life.quantity,
        price=Decimal(10),
        worth_usd=Decimal(10),
        worth_try=Decimal(400),
        proof=Proof(body="", kid="", tag=""),
        basis=Basis(
            decided_ns=appended_ns,
            appended_ns=appended_ns,
            seen={},
            halts=(),
            mode=mode,
            prices={},
            limits_version=0,
            policy="",
        ),
        gateway_epoch=EPOCH,
        resume_offset=-1,
        expires_ns=appended_ns + SECOND_NS,
    )


def fence() -> PartitionFenced:
    """Fence the gateway's partition."""
    return PartitionFenced(
        role="gateway", instance="test", topic_ids={}, settings={}, fenced_ns=NOW_NS
    )


@dataclass(slots=True)
class Told:
    """Records in the order in which they were appended: topic, event, append time."""

    records: list[tuple[str, Event, int]] = field(default_factory=list)
    #: The epoch of the gateway's claims.
    epoch: int = 0
    mode: TradingMode = TradingMode.LIVE
    _count: int = 0

    def life(self) -> Life:
        """Begin another order."""
        self._count += 1
        return Life(f"t{self._count}")

    def claimed(self, at_ns: int) -> Life:
        """Approve and claim an order."""
        life = self.life()
        self.tell(topics.DECISIONS, approved(life, at_ns, self.mode), at_ns)
        self.tell(topics.EVENTS, replace(life.claimed(self.epoch), mode=self.mode), at_ns)
        return life

    def tell(self, topic: str, event: Event, at_ns: int) -> None:
        """Append a record."""
        self.records.append((topic, event, at_ns))

    def ends(self, life: Life, event: Event, at_ns: int) -> Life:
        """Append what became of an order."""
        self.tell(topics.EVENTS, event, at_ns)
        return life

    def acked(self, at_ns: int, took_ms: int = 20) -> Life:
        """Let an order be acknowledged so late after its intent."""
        life = self.claimed(at_ns - took_ms * MS)
        return self.ends(life, life.acked(), at_ns)

    def refused(self, at_ns: int, code: str, status: int = 400) -> Life:
        """Let the exchange refuse an order with a code."""
        life = self.claimed(at_ns)
        return self.ends(life, replace(life.rejected(), code=code, http_status=status), at_ns)

    def unanswered(self, at_ns: int, **changes: Any) -> Life:  # noqa: ANN401
        """Let an order go without an answer."""
        life = self.claimed(at_ns)
        return self.ends(life, replace(life.unknown(self.epoch), **changes), at_ns)

    def many(self, count: int, at_ns: int, took_ms: int = 20) -> None:
        """Let so many orders be acknowledged."""
        for _ in range(count):
            self.acked(at_ns, took_ms)


_LIMITS: Final = Thresholds(nonce_part_max=Decimal("0.01"), limited_per_s_max=Decimal("0.05"))
_CLOCK: Final = ClockMeasured(
    venue=Venue.BINANCE,
    offset_ns=3_000 * MS,
    uncertainty_ns=4 * MS,
    measured_ns=NOW_NS,
)
#: On a minute, so that tests may speak of whole ones.
FARED_NS: Final = NOW_NS - NOW_NS % (60 * SECOND_NS)


def health_of(told: Told, records: Iterable[tuple[str, object, int]] | None = None) -> Health:
    """Fold what was told, as the gateway of one epoch wrote it."""
    health = Health()
    fold_outcome(health, fence(), offset=told.epoch, appended_ns=0)
    for offset, (topic, event, at_ns) in enumerate(records or told.records, told.epoch + 1):
        if topic == topics.DECISIONS:
            fold_approval(health, event)  # type: ignore[arg-type]
        else:
            fold_outcome(health, event, offset=offset, appended_ns=at_ns)  # type: ignore[arg-type]
    return health


def judged(told: Told, now_ns: int = FARED_NS, control: Control | None = None) -> list[Finding]:
    """Judge what was told, with the thresholds that an operator begins with."""
    return judge(
        health_of(told),
        control or Control(),
        account=ACCOUNT,
        thresholds=_LIMITS,
        clock=_CLOCK,
        now_ns=now_ns,
    )


def overfilled() -> Told:
    """Let an exchange fill one of one, and then a half more."""
    told = Told()
    life = told.acked(FARED_NS - 60 * SECOND_NS)
    told.ends(life, life.filled("1", "1", "t1"), FARED_NS - 2 * SECOND_NS)
    told.ends(life, life.filled("0.5", "1.5", "t2"), FARED_NS - SECOND_NS)
    return told


def key_refused(code: str = "REJECTED_MBX_KEY", status: int = 401) -> Told:
    """Let an exchange take an order, and then refuse the key of the next."""
    told = Told()
    told.acked(FARED_NS - 60 * SECOND_NS)
    told.refused(FARED_NS - SECOND_NS, code, status)
    return told
