"""
What the gateway knows after a restart: its own log, folded (R1, R6, R8).

And what the account feed learnt of the same orders beside it: evidence on `account.events`
settles what the gateway could not.
"""

from dataclasses import dataclass, field
from typing import Final

from spark.bus.port import Bus, Partition, Record
from spark.codec import decode
from spark.errors import MalformedError, PositionError
from spark.events import (
    BreakerChanged,
    Event,
    Evidence,
    OrderClaimed,
    Origin,
    PartitionFenced,
)
from spark.ledger.fold import Orders, fold_event, forget
from spark.names import BreakerState, OrderState
from spark.signing import short_digest
from spark.worker.cache import Kept, Mark
from spark.worker.fence import Lineage
from spark.worker.resume import check_topic_ids, place_of, read_through
from spark.worker.tenure import read_between

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
            self.topic_ids.update(event.topic_ids)
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


@dataclass(frozen=True, slots=True)
class Heard:
    """Evidence of the account feed about one of our orders."""

    event: Evidence
    #: Whether nobody who reads our own log alone could know how the order stands.
    is_settling: bool
    #: Whether an answer about it was still awaited, to its place or to a cancel.
    is_awaited: bool


@dataclass(slots=True)
class News:
    """What the account feed says of one account's orders, as far as it was taken."""

    partition: Partition
    next_offset: int = 0
    _digest: str = ""
    #: What was said while no gateway listened, of orders that it left without an answer.
    missed: list[Evidence] = field(default_factory=list)

    def take(self, record: Record, orders: Orders) -> "Heard | None":
        """
        Fold one record, if it is evidence about an order that is known.

        Returns: None if it is not. What closed so long ago that it is forgotten stays forgotten.

        """
        self.next_offset = record.offset + 1
        self._digest = short_digest(record.value or b"")
        try:
            event: Event = decode(record.value or b"")
        except MalformedError:
            return None
        if not isinstance(event, Evidence):
            return None
        order = orders.by_id.get(event.client_order_id)
        if order is None:
            return None
        key = order.client_order_id
        is_cancelling = any(claim.client_order_id == key for claim in orders.cancels.values())
        heard = Heard(
            event,
            is_settling=key in orders.unknown | orders.doubtful,
            is_awaited=is_cancelling or order.state is OrderState.CLAIMED,
        )
        place = place_of(record)
        fold_event(orders, event, place.offset, place.appended_ns)
        return heard

    @property
    def mark(self) -> Mark:
        """Say how far it was taken."""
        return Mark(*self.partition, self.next_offset, self._digest)


async def read_news(
    bus: Bus, partition: Partition, orders: Orders, *, kept: Kept[GatewayPast] | None
) -> News:
    """
    Fold the account feed's evidence to its end of now, after the gateway's own log.

    Raises:
        PositionError: records that were not taken are gone; a person has to look.

    """
    starts, ends = await bus.starts([partition]), await bus.ends([partition])
    marks = () if kept is None else kept.marks
    mark = next((one for one in marks if (one.topic, one.partition) == partition), None)
    first = 0 if mark is None else mark.next_offset
    if starts[partition] > first:
        raise PositionError(f"{partition}: records below {starts[partition]} are gone")
    news = News(partition, first, "" if mark is None else mark.digest)

    def take(record: Record) -> None:
        heard = news.take(record, orders)
        if heard is not None and (heard.is_settling or heard.is_awaited):
            news.missed.append(heard.event)

    await read_through(bus, {partition: (first, ends[partition])}, take)
    return news


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
