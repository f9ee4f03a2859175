"""
One account before the jury: what Spark told, what its exchange's ledger holds. Pure.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from spark import topics
from spark.bench.exchange_judge import Ledger, Told, Verdict, judge
from spark.bench.jury.limits import CapWatch
from spark.bench.jury.log import Topics
from spark.bus.port import Record
from spark.codec import decode
from spark.consumers.guardrail_state import (
    GuardState,
    fold_account_event,
    fold_decision,
    fold_order_event,
)
from spark.errors import MalformedError
from spark.events import Decision, Event, OrderApproved
from spark.ids import is_ours
from spark.names import AccountId, ClientOrderId
from spark.signing import short_digest
from spark.worker.contract import Place

_NS_PER_MS: Final = 1_000_000
#: Longer than any drill: nothing is forgotten while it is judged.
_MEMORY_NS: Final = 7 * 24 * 3_600 * 1_000_000_000
Balances = Mapping[str, tuple[Decimal, Decimal]]


@dataclass(slots=True)
class Case:
    """One account."""

    account: AccountId
    number: int
    caps: CapWatch
    said: Topics = field(init=False)
    told: Told = field(default_factory=Told)
    ledger: Ledger = field(default_factory=Ledger)
    #: What the guardrail holds of it, folded anew.
    guard: GuardState = field(init=False)
    records: int = 0
    #: What the guardrail folds, before it is known that nothing older is still to be read.
    _waiting: list[tuple[Place, Event]] = field(default_factory=list)
    #: Lines of our orders that the caps were not held against yet, and every request of ours.
    _lines: list[Mapping[str, Any]] = field(default_factory=list)
    _requests: list[Mapping[str, Any]] = field(default_factory=list)
    #: The first line of each order of ours, by client order id.
    _terms: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.said = Topics(self.account)
        self.guard = GuardState(self.number)

    def add_record(self, record: Record) -> None:
        """Take in a record of one of the account's topics."""
        self.records += 1
        if record.partition.topic == topics.INTENTS:
            self.said.intent(record)
        with suppress(MalformedError):
            self._add(record, decode(record.value or b""))

    def _add(self, record: Record, event: Event) -> None:
        topic, offset = record.partition.topic, record.offset
        appended_ns = record.timestamp_ms * _NS_PER_MS
        place = Place(topic, self.number, offset, appended_ns)
        said = self.said
        if topic == topics.DECISIONS:
            before = said.decided.seq
            said.decision(offset, event, short_digest(record.value or b""))
            if said.decided.seq == before:
                return
            self._waiting.append((place, event))
        elif topic == topics.SIGNED:
            said.signature(offset, event)
            return
        elif topic == topics.EVENTS:
            said.event(offset, event)
            self._waiting.append((place, event))
        elif topic == topics.ACCOUNT_EVENTS:
            said.evidence(event)
            self._waiting.append((place, event))
        self.told.add(topic, event, offset, appended_ns=appended_ns)

    def fold_until(self, appended_ns: int) -> None:
        """
        Fold what was appended before, as the guardrail does: a decision before what followed.

        Args:
            appended_ns: everything that was appended before it has been read.

        """
        due = [one for one in self._waiting if one[0].appended_ns < appended_ns]
        self._waiting = [one for one in self._waiting if one[0].appended_ns >= appended_ns]
        for place, event in sorted(due, key=lambda one: (one[0].appended_ns, one[0].topic)):
            if place.topic == topics.DECISIONS:
                assert isinstance(event, Decision)
                fold_decision(self.guard, event, _MEMORY_NS)
            elif place.topic == topics.EVENTS:
                fold_order_event(self.guard, place, event, memory_ns=_MEMORY_NS)
            else:
                fold_account_event(self.guard, place, event)

    def add_lines(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Take in lines of the exchange's ledger."""
        for line in lines:
            if not is_ours(line.get("client_order_id") or ""):
                continue
            self.ledger.add(line)
            if line["kind"] == "order":
                self._lines.append(line)
                self._terms.setdefault(line["client_order_id"], line)
            elif line["kind"] == "request":
                self._requests.append(line)

    def compare(self, balances: Balances) -> Verdict:
        """Compare both as far as they were read."""
        return judge(self.told, self.ledger, balances)

    def breaches(self) -> list[str]:
        """List every cap that the ledger shows exceeded, since the beginning."""
        lines, self._lines = self._lines, []
        self.caps.go_on(lines, self.said.approved)
        return self.caps.breaches

    def unapproved(self) -> list[str]:
        """List orders at the exchange that no approval asked for so, or not so late."""
        approved = self.said.approved
        found = [
            f"{key}: at the exchange without an approval"
            for key in sorted(self.ledger.orders.keys() - approved.keys())
        ]
        found += [
            f"{key}: at the exchange in other terms than approved"
            for key, line in self._terms.items()
            if key in approved and not _is_as_approved(line, approved[ClientOrderId(key)])
        ]
        return found + self.said.late(self._requests)

    def requests_too_many(self) -> list[str]:
        """List orders that were asked for more than once, or without a claim."""
        return self.said.requests_too_many(self._requests)

    def exposure_differences(self) -> list[str]:
        """
        Compare what the guardrail counts with what the exchange holds.

        Call after `breaches`, which goes through the ledger.
        """
        counted = {key for key, one in self.guard.exposure.entries.items() if one.is_open}
        held = self.caps.open_orders()
        found = [f"{key}: open at the exchange, not counted" for key in sorted(held - counted)]
        found += [f"{key}: counted, not open at the exchange" for key in sorted(counted - held)]
        theirs = self.caps.positions()
        ours = {
            key.split(" ")[2]: total.position
            for key, total in self.guard.exposure.totals.items()
            if key.split(" ")[1] == "" and total.position
        }
        found += [
            f"{symbol}: {theirs.get(symbol, 0)} held at the exchange, {ours.get(symbol, 0)} here"
            for symbol in sorted(theirs.keys() | ours.keys())
            if theirs.get(symbol, 0) != ours.get(symbol, 0)
        ]
        return found


def _is_as_approved(line: Mapping[str, Any], order: OrderApproved) -> bool:
    price = None if line["price"] is None else Decimal(line["price"])
    held = (line["symbol"], line["side"].lower(), Decimal(line["quantity"]), price)
    return held == (order.symbol, order.side.value, order.quantity, order.price)
