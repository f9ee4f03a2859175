"""
What the account feed says of the gateway's orders: evidence on another way (A8, R4).

It is folded like our own, and where nobody could know it from our own log alone, it is
repeated there.
"""

from dataclasses import dataclass, field, replace

from spark.bus.port import Bus, Partition, Record
from spark.codec import decode
from spark.consumers.gateway_resume import GatewayPast
from spark.errors import MalformedError, PositionError
from spark.events import Event, Evidence, OrderCancelled, Refusal
from spark.exchanges.port import Answer, Outcome
from spark.ledger.dispatch import Ready
from spark.ledger.fold import Orders, fold_event
from spark.names import ClientOrderId, OrderState
from spark.signing import short_digest
from spark.worker.cache import Kept, Mark
from spark.worker.resume import place_of
from spark.worker.spans import read_through


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
    #: What was said of orders about which an answer is awaited.
    _awaited: dict[ClientOrderId, list[Evidence]] = field(default_factory=dict)

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
        if heard.is_awaited and not heard.is_settling:
            self._awaited.setdefault(key, []).append(event)
        place = place_of(record)
        fold_event(orders, event, place.offset, place.appended_ns)
        return heard

    def better(
        self, ready: Ready, outcome: Outcome | Refusal
    ) -> tuple[Outcome | Refusal, list[Evidence]]:
        """
        Take what was said meanwhile in the place of an answer that did not come.

        Returns: what became of the request, and what else there is to say.

        """
        told = self._awaited.pop(ready.sealed.client_order_id, [])
        if isinstance(outcome, Refusal) or outcome.answer is not Answer.UNKNOWN or not told:
            return outcome, []
        if ready.is_place:
            return Outcome(answer=Answer.DEFINITE, evidence=tuple(told)), []
        ours = ready.sealed.intent_id
        told = [
            replace(one, cancel_intent_id=ours) if isinstance(one, OrderCancelled) else one
            for one in told
        ]
        if any(isinstance(one, OrderCancelled) for one in told):
            return Outcome(answer=Answer.DEFINITE, evidence=tuple(told)), []
        # What ended the order, or did not, was no answer to the cancel.
        return outcome, told

    def forget_awaited(self) -> None:
        """Forget what was awaited before the start: it is said at once."""
        self._awaited.clear()

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
    news.forget_awaited()
    return news
