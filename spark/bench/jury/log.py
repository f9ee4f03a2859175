"""
One account's topics, held against the protocol's own rules. Pure.

Validity is worked out here from the log alone (design §3), not by the readers of Spark:
a record counts by the last fence before it and its number. Every intent then has one
decision, each decision one signed record, each of those one claim or one end.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from spark.bus.port import Record
from spark.events import (
    CancelAccepted,
    CancelRejected,
    Decision,
    Event,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderClaimed,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OutcomeUnknown,
    PartitionFenced,
    RequestNotSent,
    Signed,
)
from spark.names import Action, ClientOrderId, Venue
from spark.signing import short_digest

#: A slow way in, and what a process's clock may be wrong by in a drill that steps it.
_ON_THE_WAY_NS: Final = 5_000_000_000
#: How each exchange is asked for an order, and for the end of one.
PLACE_ROUTES: Final = {
    Venue.BINANCE: ("POST", "/api/v3/order"),
    Venue.BTCTURK: ("POST", "/api/v1/order"),
}


@dataclass(slots=True)
class Stamped:
    """The valid records of a stamped partition, as they come."""

    name: str
    epoch: int = -1
    seq: int = -1
    #: Records that nobody counts: of an epoch that was over, or said again.
    void: int = 0
    losses: list[str] = field(default_factory=list)

    def admit(self, offset: int, event: Event) -> bool:
        """Tell whether a record counts; a number that is left out is a loss."""
        if isinstance(event, PartitionFenced):
            self.epoch = offset
            return False
        stamp = getattr(event, "stamp", None)
        if stamp is None:
            self.losses.append(f"{self.name}@{offset}: {type(event).__name__} has no stamp")
            return False
        if stamp.epoch != self.epoch or stamp.seq <= self.seq:
            self.void += 1
            return False
        if stamp.seq != self.seq + 1:
            self.losses.append(f"{self.name}@{offset}: after {self.seq} comes {stamp.seq}")
        self.seq = stamp.seq
        return True


@dataclass(slots=True)
class Topics:
    """What one account's topics say."""

    account: str
    intents: list[str] = field(default_factory=list)
    decided: Stamped = field(default_factory=lambda: Stamped("orders.decisions"))
    signed: Stamped = field(default_factory=lambda: Stamped("orders.signed"))
    approved: dict[str, OrderApproved] = field(default_factory=dict)
    #: Offset of each valid signed record, and what was said of it.
    said: dict[int, Counter[type[Event]]] = field(default_factory=dict)
    #: Offset of each valid signed record: the decision that it says it is about, and which one.
    signed_about: dict[int, tuple[int, tuple[int, int, str]]] = field(default_factory=dict)
    #: Offset of each valid decision: its number, epoch and digest.
    decisions: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    #: Claims by (action, client order id), and the intents of claims.
    claims: Counter[tuple[str, str]] = field(default_factory=Counter)
    claimed_intents: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    #: Offset of each valid decision: the intent that it says it is about, and its digest.
    about: dict[int, tuple[int, str]] = field(default_factory=dict)
    _epoch: int = -1

    def intent(self, record: Record) -> None:
        """Take in a record of `orders.intents`."""
        self.intents.append(short_digest(record.value or b""))

    def decision(self, offset: int, event: Event, digest: str) -> None:
        """Take in a record of `orders.decisions`, with the digest of its bytes."""
        if not self.decided.admit(offset, event):
            return
        assert isinstance(event, Decision)
        self.about[offset] = (event.stamp.src_offset, event.stamp.src_digest)
        self.decisions[offset] = (event.stamp.seq, event.stamp.epoch, digest)
        if isinstance(event, OrderApproved):
            self.approved[event.client_order_id] = event

    def signature(self, offset: int, event: Event) -> None:
        """Take in a record of `orders.signed`."""
        if self.signed.admit(offset, event):
            assert isinstance(event, Signed)
            stamp = event.stamp
            which = (stamp.seq, stamp.src_epoch, stamp.src_digest)
            self.signed_about[offset] = (stamp.src_offset, which)

    def event(self, offset: int, event: Event) -> None:
        """Take in a record of `orders.events`: opinions of the epoch in force, all evidence."""
        if isinstance(event, PartitionFenced):
            self._epoch = offset
        elif getattr(event, "epoch", self._epoch) == self._epoch:
            self._counts(event)

    def evidence(self, event: Event) -> None:
        """Take in what the account feed says."""
        self._answers(event)

    def _counts(self, event: Event) -> None:
        if isinstance(event, OrderClaimed | RequestNotSent):
            self.said.setdefault(event.origin.offset, Counter())[type(event)] += 1
        if isinstance(event, OrderClaimed):
            self.claims[event.action, event.client_order_id] += 1
            self.claimed_intents[event.intent_id] += 1
        self._answers(event)

    def _answers(self, event: Event) -> None:
        if isinstance(
            event,
            OrderAcked | OrderFilled | OrderRejected | OrderExpired | CancelAccepted
            | CancelRejected | OutcomeUnknown | RequestNotSent,
        ):  # fmt: skip
            self.answered.add(event.intent_id)
        elif isinstance(event, OrderCancelled):
            self.answered.add(event.cancel_intent_id)
            self.answered.add(event.intent_id)

    def losses(self) -> Iterator[str]:
        """Name what has no successor, or one too many; nothing where all is well."""
        for offset, (source, digest) in self.about.items():
            if source >= len(self.intents) or self.intents[source] != digest:
                yield f"decision {offset} is about another intent than {source}"
        for offset, (source, which) in self.signed_about.items():
            if self.decisions.get(source) != which:
                yield f"signed record {offset} is about another decision than {source}"
        yield from self.decided.losses
        yield from self.signed.losses
        last = len(self.intents) - 1
        if self.decided.seq != last:
            yield f"intents up to {last}, decisions up to {self.decided.seq}"
        if self.signed.seq != self.decided.seq:
            yield f"decisions up to {self.decided.seq}, signed up to {self.signed.seq}"
        yield from self._ends()
        for key, count in self.claimed_intents.items():
            if count > 1:
                yield f"{key}: {count} claims that count"

    def _ends(self) -> Iterator[str]:
        for offset in sorted(self.signed_about.keys() | self.said.keys()):
            found = self.said.get(offset, Counter())
            if offset not in self.signed_about:
                yield f"events about signed record {offset}, which does not count"
            elif not found:
                yield f"signed record {offset} was neither claimed nor ended"
            elif max(found.values()) > 1:
                yield f"signed record {offset}: {dict(found)}"

    def unanswered(self) -> list[str]:
        """List the claimed intents of which nothing is said, not even that it is unknown."""
        return sorted(self.claimed_intents.keys() - self.answered)

    def late(self, lines: Iterable[Mapping[str, Any]]) -> list[str]:
        """
        Find places that reached the exchange long after their approval's end (A11).

        Args:
            lines: of the ledger, kind `request`.

        """
        routes = set(PLACE_ROUTES.values())
        return [
            f"{order.client_order_id}: {late_ns // 1_000_000} ms after its approval's end"
            for line in lines
            if (line["method"], line["path"]) in routes
            if (order := self.approved.get(line["client_order_id"] or "")) is not None
            if (late_ns := line["at_ns"] - order.expires_ns) > _ON_THE_WAY_NS
        ]

    def requests_too_many(self, lines: Iterable[Mapping[str, Any]]) -> list[str]:
        """
        Compare the exchange's requests for orders with the claims.

        Args:
            lines: of the ledger, kind `request`.

        """
        routes = set(PLACE_ROUTES.values())
        asked = Counter(
            ClientOrderId(line["client_order_id"])
            for line in lines
            if (line["method"], line["path"]) in routes and line["client_order_id"]
        )
        return [
            f"{key}: {count} requests, {self.claims[Action.PLACE, key]} claims"
            for key, count in asked.items()
            if count > min(1, self.claims[Action.PLACE, key])
        ]
