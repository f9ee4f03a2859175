"""
What is left when everything has been hurt: the topics and the exchange's own ledger.

The judges read nothing else. Validity is worked out here by the rule of the log
alone, so that Spark's opinion of itself proves nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from spark import topics
from spark.bus.port import Partition, Record
from spark.codec import decode
from spark.errors import MalformedError
from spark.events import (
    CancelApproved,
    CancelOrder,
    Decision,
    Event,
    IntentRefused,
    OrderApproved,
    PartitionFenced,
    PlaceOrder,
    RequestSealed,
    Signed,
    SigningSkipped,
)
from spark.ledger.fold import Orders, fold_event
from spark.names import OrderState

#: The one account of these tests.
NUMBER: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """Everything that can be read afterwards."""

    records: Mapping[Partition, list[Record]]
    #: The exchange's ledger, line by line.
    ledger: list[dict[str, Any]]
    #: Children that a person has to look after.
    halted: list[str]

    def of(self, topic: str) -> list[Record]:
        """Give the account's records of a topic."""
        return self.records[Partition(topic, NUMBER)]

    def intents(self) -> list[tuple[Record, PlaceOrder | CancelOrder]]:
        """Give the intents; each is one that a strategy of ours wrote."""
        found = []
        for record in self.of(topics.INTENTS):
            intent = decode(record.value or b"")
            assert isinstance(intent, PlaceOrder | CancelOrder)
            found.append((record, intent))
        return found

    def decisions(self) -> list[tuple[Record, Decision]]:
        """Give the valid decisions."""
        return [
            (record, event)
            for record, event in stamped(self.of(topics.DECISIONS))
            if isinstance(event, OrderApproved | CancelApproved | IntentRefused)
        ]

    def signed(self) -> list[tuple[Record, Signed]]:
        """Give the valid signed records."""
        return [
            (record, event)
            for record, event in stamped(self.of(topics.SIGNED))
            if isinstance(event, RequestSealed | SigningSkipped)
        ]

    def events(self) -> list[tuple[Record, Event]]:
        """Give what counts of the gateway's log: opinions of the epoch in force, all evidence."""
        epoch = -1
        found: list[tuple[Record, Event]] = []
        for record in self.of(topics.EVENTS):
            event = decode(record.value or b"")
            if isinstance(event, PartitionFenced):
                epoch = record.offset
            elif getattr(event, "epoch", epoch) == epoch:
                found.append((record, event))
        return found

    def orders(self) -> dict[str, list[dict[str, Any]]]:
        """Give the exchange's orders, each with its states in turn, by its own order id."""
        found: dict[str, list[dict[str, Any]]] = {}
        for line in self.ledger:
            # The self-made market trades there, too, under accounts of its own.
            if line["kind"] == "order" and line["account"] == "main":
                found.setdefault(str(line["order_id"]), []).append(line)
        return found


def event_of(record: Record) -> Event | None:
    """Decode a record; None where that cannot be done."""
    try:
        return decode(record.value or b"")
    except MalformedError:
        return None


def stamped(records: list[Record]) -> Iterator[tuple[Record, Event]]:
    """
    Pick the valid records of a stamped partition (design §3).

    A record counts if its epoch is that of the last fence before it, and its `seq`
    is the valid one before it plus 1; a higher one is a loss and fails.
    """
    epoch, seq = -1, -1
    for record in records:
        event = decode(record.value or b"")
        if isinstance(event, PartitionFenced):
            epoch = record.offset
            continue
        stamp = getattr(event, "stamp", None)
        assert stamp is not None, f"offset {record.offset} carries no stamp"
        if stamp.epoch != epoch or stamp.seq <= seq:
            continue
        assert stamp.seq == seq + 1, f"{record.partition}: after {seq} comes {stamp.seq}"
        seq = stamp.seq
        yield record, event


def books(records: list[Record]) -> Orders:
    """Fold the gateway's log as everybody does."""
    orders = Orders()
    for record in records:
        fold_event(orders, decode(record.value or b""), record.offset, record.timestamp_ms)
    return orders


def open_questions(records: list[Record]) -> set[str]:
    """List the orders of which nobody can say yet what became of them or of their cancel."""
    orders = books(records)
    claimed = {key for key, one in orders.by_id.items() if one.state is OrderState.CLAIMED}
    cancelling = {claim.client_order_id for claim in orders.cancels.values()}
    return claimed | cancelling | orders.unknown | orders.doubtful


def parse_ledger(entries: bytes) -> tuple[list[dict[str, Any]], int]:
    """Read a page of the exchange's ledger, and where the next one starts."""
    page = orjson.loads(entries)
    return page["entries"], page["next"]
