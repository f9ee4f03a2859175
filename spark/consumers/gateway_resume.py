"""
What the gateway knows after a restart: its own log, folded (R1, R6, R8).
"""

from dataclasses import dataclass, field
from typing import Final

from spark.bus.port import Bus, Partition, Record
from spark.codec import decode
from spark.errors import MalformedError, PositionError
from spark.events import (
    BreakerChanged,
    Event,
    OrderClaimed,
    Origin,
    PartitionFenced,
)
from spark.ledger.fold import Orders, fold_event, forget
from spark.names import BreakerState
from spark.worker.cache import Kept
from spark.worker.fence import Lineage
from spark.worker.resume import check_topic_ids, place_of
from spark.worker.spans import read_between, read_through

#: Longer than any signature, approval and intent together live.
MEMORY_NS: Final = 600_000_000_000


@dataclass(slots=True)
class GatewayPast:
    """Orders, and where the signed records go on."""

    orders: Orders = field(default_factory=Orders)
    origin: Origin = field(
        default_factory=lambda: Origin(offset=-1, done_below=0, done_epoch=-1, done_seq=-1)
    )
    #: Signed records at or above `origin.done_below` that have an event.
    handled: set[int] = field(default_factory=set)
    topic_ids: dict[str, str] = field(default_factory=dict)
    #: Offset behind the last signed record that was claimed.
    claimed_below: int = 0
    #: As the log tells it: an open breaker stays open over a restart.
    breaker: BreakerState = BreakerState.CLOSED
    breaker_since_ns: int = 0

    def fold(self, record: Record) -> None:
        """Fold one record of `orders.events`."""
        try:
            event: Event = decode(record.value or b"")
        except MalformedError:
            return
        place = place_of(record)
        fold_event(self.orders, event, place.offset, place.appended_ns)
        # As while working: or a start over a long log would hold every order that ever was.
        forget(self.orders, place.appended_ns - MEMORY_NS)
        if isinstance(event, PartitionFenced):
            # The first word counts: a start that halted had fenced with today's ids (R18).
            self.topic_ids.update(event.topic_ids | self.topic_ids)
            return
        if getattr(event, "epoch", None) != self.orders.epoch:
            return
        if isinstance(event, BreakerChanged):
            self.breaker, self.breaker_since_ns = event.state, event.at_ns
        origin: Origin | None = getattr(event, "origin", None)
        if origin is None:
            return
        if isinstance(event, OrderClaimed):
            self.claimed_below = max(self.claimed_below, origin.offset + 1)
        self.handled.add(origin.offset)
        if origin.done_below > self.origin.done_below:
            self.origin = origin
            self.handled = {offset for offset in self.handled if offset >= origin.done_below}

    def lineage(self, source: Partition) -> Lineage:
        """Give the validity of the signed records as known at the resume point."""
        return Lineage(str(source), self.origin.done_epoch, self.origin.done_seq)


async def read_past(
    bus: Bus, lane: tuple[Partition, Partition], *, fence: int, kept: Kept[GatewayPast] | None
) -> GatewayPast:
    """
    Fold `orders.events` below the own fence, from where the kept state ends.

    Args:
        lane: the partition of signed records and the one of events.
        kept: what was kept on disk, checked against the log (worker/cache.py).

    Raises:
        PositionError: a topic was cut or created again; a person has to look.

    """
    source, output = lane
    starts = await bus.starts([source, output])
    if starts[output] > 0:
        raise PositionError(f"{output}: records below {starts[output]} are gone")
    past = GatewayPast() if kept is None else kept.state
    first = 0 if kept is None else kept.position(output)
    await read_through(bus, {output: (first, fence)}, past.fold)
    ends = await bus.ends([source])
    if not past.topic_ids and ends[source] > starts[source] == 0:
        past.topic_ids.update(await _named_upstream(bus, lane))
    await check_topic_ids(bus, past.topic_ids)
    if not starts[source] <= past.origin.done_below <= ends[source]:
        raise PositionError(f"{source}: offset {past.origin.done_below} is not on the log any more")
    return past


async def _named_upstream(bus: Bus, lane: tuple[Partition, Partition]) -> dict[str, str]:
    """
    Ask the signer's first fence which topics there were, when our own log names none.

    An `orders.events` that was created again is empty: nothing in it says that
    what was signed a moment ago has been sent already (R8, R18).
    """
    source, output = lane
    first = (await read_between(bus, source, start=0, end=1))[0]
    try:
        event = decode(first.value or b"")
    except MalformedError:
        return {}
    known = event.topic_ids if isinstance(event, PartitionFenced) else {}
    return {name: known[name] for name in (source.topic, output.topic) if name in known}
