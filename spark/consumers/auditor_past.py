"""
How the auditor finds out where its chain stands: from its own topic, and the kept state.
"""

from typing import Final

from spark.audit_anchor import Anchor
from spark.audit_chain import Chain
from spark.bus.port import Bus, Record
from spark.codec import decode
from spark.consumers.auditor_anchors import Anchors
from spark.errors import IntegrityError, MalformedError
from spark.events import AuditCheckpointed, AuditPaged, PartitionFenced
from spark.worker.cache import StateCache
from spark.worker.resume import check_topic_ids
from spark.worker.spans import read_through
from spark.worker.tenure import Tenure

#: Links that one anchor tells of at the most, while a past is folded.
_ANCHOR_LINKS_MAX: Final = 10_000


async def refold(
    bus: Bus,
    tenure: Tenure,
    cache: StateCache[Chain] | None,
    *,
    topic_ids: dict[str, str],
    anchors: Anchors | None,
) -> Chain:
    """
    Fold the trail up to one's own fence.

    What the file of anchors lacks is offered to it on the way: a crash between a
    checkpoint and its anchor heals here. A kept state that is ahead of the file is of no
    use, because it does not tell the heads that are missing there.

    Raises:
        PositionError: the trail, or an audited topic, is not what it was.
        IntegrityError: the trail is shorter than what was anchored, or another.

    """
    anchored = None if anchors is None else await anchors.open()
    size = 0 if anchored is None else anchored.size
    kept = None if cache is None else await cache.load(bus, topic_ids)
    if kept is not None and anchors is not None:
        is_usable = kept.state.tree.size - len(kept.state.heads) <= size
        kept = kept if is_usable else None
    fold = _Fold(kept.state if kept else Chain(), anchors, anchored)
    first = kept.position(tenure.partition) if kept else 0
    await read_through(bus, {tenure.partition: (first, tenure.epoch)}, fold.take)
    # The own fence names what there is now: it must not stand for what there was (R18).
    await check_topic_ids(bus, dict(fold.known_ids))
    own = {tenure.partition: (max(first, tenure.epoch), tenure.epoch + 1)}
    await read_through(bus, own, fold.take)
    fold.require_anchored()
    fold.forget_anchored()
    return fold.chain


class _Fold:
    def __init__(self, chain: Chain, anchors: Anchors | None, anchored: Anchor | None) -> None:
        self.chain = chain
        self.known_ids: dict[str, str] = {}
        self._anchors = anchors
        self._anchored = anchored
        #: Whether the anchored checkpoint was met; a state kept later has passed it.
        self._is_met = anchored is None or chain.tree.size > anchored.size

    def take(self, record: Record) -> None:
        """Fold one record of the trail; what nobody can read counts for nothing."""
        body, chain = record.value or b"", self.chain
        try:
            event = decode(body)
        except MalformedError:
            return
        if isinstance(event, PartitionFenced):
            chain.fence(record.offset, body)
            # The first word counts: a start that halted had fenced with today's ids (R18).
            self.known_ids.update(event.topic_ids | self.known_ids)
        elif not isinstance(event, AuditPaged | AuditCheckpointed):
            return
        elif event.epoch != chain.epoch:
            chain.see_void(record.offset, body)
        elif isinstance(event, AuditPaged):
            chain.resume(event)
        else:
            self._compare(body, event.size)
            chain.seal(event, body)
            if len(chain.heads) > _ANCHOR_LINKS_MAX:
                self._offer(record.offset, body, event)

    def forget_anchored(self) -> None:
        """Drop the heads that the file tells of."""
        if self._anchors is None:
            self.chain.heads.clear()
            self.chain.listed.clear()
        elif self._anchored is not None:
            self.chain.take_heads(max(self._anchored.size, self._first()))

    def require_anchored(self) -> None:
        """Refuse to go on from a trail that lacks what was anchored."""
        if not self._is_met and self._anchored is not None:
            raise IntegrityError(
                f"the audit trail lacks the checkpoint that was anchored at link "
                f"{self._anchored.size}: see runbook/audit.md"
            )

    def _first(self) -> int:
        return self.chain.tree.size - len(self.chain.heads)

    def _compare(self, body: bytes, size: int) -> None:
        anchored = self._anchored
        if anchored is not None and size == anchored.size:
            self._is_met = body == anchored.checkpoint.encode()
            self.require_anchored()

    def _offer(self, offset: int, body: bytes, event: AuditCheckpointed) -> None:
        self.forget_anchored()
        first = self._first()
        if self._anchors is not None and event.size > first:
            heads = self.chain.take_heads(event.size)
            self._anchors.offer(
                Anchor(
                    offset=offset,
                    first=first,
                    heads=heads,
                    void=self.chain.take_listed(),
                    checkpoint=body.decode(),
                )
            )
