"""
Auditor: chains every order and control record into the audit trail.

Reads   every topic in topics.AUDITED; its own audit topic at start
Writes  audit: pages of lines, and a signed checkpoint every second of work;
        audit.pulse: how far it has come, and a witness's receipts;
        beside the log the anchors (auditor_anchors.py)
Owns    the audit keys
Fails   by falling behind, visibly; it depends on nobody, and nothing of others
        waits for it but new approvals
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark import topics
from spark.audit_anchor import Anchor
from spark.audit_chain import LINES_PER_PAGE_MAX, Audited, Chain, line_of
from spark.audit_keys import AuditSigner
from spark.bus.port import Bus, Outgoing, Pace, Partition, Record, Writer
from spark.clock import Clock
from spark.codec import encode
from spark.consumers.auditor_anchors import Anchors
from spark.consumers.auditor_past import refold
from spark.crash_points import Point, reach
from spark.errors import GapError, PositionError
from spark.events import AuditLine, Receipt
from spark.log import logger
from spark.metrics import Metrics
from spark.names import Role
from spark.signing import short_digest
from spark.worker.cache import Kept, Mark, StateCache
from spark.worker.crew import Crew
from spark.worker.pulse import Pulse
from spark.worker.resume import check_partition_counts
from spark.worker.tenure import Holder, Tenure, take

_READ_WAIT_MS: Final = 1_000
_CHECKPOINT_S: Final = 1.0
_PULSE_S: Final = 0.25
#: Lines since the chain's state was kept.
_UNKEPT_LINES_MAX: Final = 5_000
_ROLE: Final = Role.AUDITOR.value
#: What is signed and anchored at once: kills, resumes, modes, limits, keys.
_URGENT: Final = frozenset({topics.CONTROL, topics.CONTROL_HALT})
_MS_PER_S: Final = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditorWiring:
    """What the auditor is given by the command line."""

    bus: Bus
    clock: Clock
    metrics: Metrics
    signer: AuditSigner
    instance: str
    #: Set once the own chain is folded and records are being chained.
    ready: asyncio.Event
    #: Where the chain's state is kept between runs; None keeps none.
    state_dir: Path | None = None
    #: Where the trail is anchored beside the log; None only where nothing is at stake.
    anchors: Anchors | None = None
    anchor_s: float = 10.0


class Auditor:
    """One process; many topics in, one chain out."""

    def __init__(self, wiring: AuditorWiring) -> None:
        self._wiring = wiring
        self._chain = Chain()
        self._topic_ids: dict[str, str] = {}
        self._due: dict[Partition, int] = {}
        #: `topic/partition` -> next offset to audit, of what the broker has acknowledged.
        self._audited: dict[str, int] = {}
        #: Names the key that signed last; empty before the first checkpoint.
        self._kid = ""
        #: Whether the chain has moved on since it was signed.
        self._is_unsigned = False
        self._signed_at_s = 0.0
        #: Whether what was chained last has to be anchored at once.
        self._is_urgent = False
        self._anchored_at_s = 0.0
        #: The latest checkpoint, until it is handed on: its offset, its size, its bytes.
        self._unanchored: tuple[int, int, bytes] | None = None
        #: What was last passed on of what the witness says.
        self._told: Receipt | None = None
        self._kept_lines = 0
        self._cache: StateCache[Chain] | None = None
        if wiring.state_dir is not None:
            self._cache = StateCache(wiring.state_dir / f"{_ROLE}.state", Chain)

    @property
    def lines(self) -> int:
        """How many records were chained, over all the trail."""
        return self._chain.lines

    async def run(self, stop: asyncio.Event) -> None:
        """
        Work until told to stop.

        Raises:
            ExitError: fenced, or a write failed.
            SettingError: the key that has to sign now is not here.
            HaltError: an audited topic is not what it was, or lost a record.

        """
        wiring = self._wiring
        names = [topics.AUDIT, topics.AUDIT_PULSE, topics.CONTROL_PULSE]
        writer = await wiring.bus.writer(names)
        who = (_ROLE, wiring.instance, writer)
        pulse = Pulse(*who, clock=wiring.clock)
        # The guardrail counts the audit's lag from these, where no one else may write.
        progress = Pulse(*who, clock=wiring.clock, period_s=_PULSE_S, topic=topics.AUDIT_PULSE)
        try:
            tenure = await self._take(writer)
            # The own fence is a link of the chain, too.
            self._is_unsigned = True
            await self._sign(tenure, is_due=True)
            self._anchor(is_due=True)
            self._audited = dict(self._chain.next_offsets)
            self._due = {p: self._chain.next_offsets.get(str(p), 0) for p in _audited()}
            await self._check_starts(self._due)
            reader = await wiring.bus.reader(self._due, Pace.BULK)
            try:
                async with Crew() as group:
                    beating = [
                        group.create_task(one.beat(lambda: [tenure], lambda: self._audited))
                        for one in (pulse, progress)
                    ]
                    if wiring.anchors is not None:
                        group.create_task(wiring.anchors.run())
                    while not stop.is_set():
                        await self._chain_up(tenure, await reader.read(_READ_WAIT_MS))
                        await self._tell(tenure, writer)
                    await self._sign(tenure, is_due=True)
                    self._anchor(is_due=True)
                    if wiring.anchors is not None:
                        wiring.anchors.finish()
                    for task in beating:
                        task.cancel()
            finally:
                await reader.close()
        finally:
            await writer.close()

    async def _take(self, writer: Writer) -> Tenure:
        """Take the trail over, and find out where it stands."""
        wiring, names = self._wiring, [*topics.AUDITED, topics.AUDIT]
        self._topic_ids = await check_partition_counts(
            wiring.bus, {name: topics.BY_NAME[name].partitions for name in names}
        )
        holder = Holder(role=_ROLE, instance=wiring.instance, topic_ids=self._topic_ids)
        partition = Partition(topics.AUDIT, 0)
        tenure = await take(wiring.bus, writer, partition, holder=holder, clock=wiring.clock)
        self._chain = await refold(
            wiring.bus, tenure, self._cache, topic_ids=self._topic_ids, anchors=wiring.anchors
        )
        wiring.ready.set()
        logger().info("ready", epoch=tenure.epoch, lines=self._chain.lines)
        return tenure

    async def _check_starts(self, positions: dict[Partition, int]) -> None:
        starts = await self._wiring.bus.starts(list(positions))
        for partition, position in positions.items():
            if starts[partition] > position:
                raise PositionError(
                    f"{partition} starts at {starts[partition]}, {position} was to be audited next"
                )

    async def _chain_up(self, tenure: Tenure, records: Sequence[Record]) -> None:
        for start in range(0, len(records), LINES_PER_PAGE_MAX):
            run = records[start : start + LINES_PER_PAGE_MAX]
            page = self._chain.page(map(self._line, run), self._wiring.clock.wall_ns())
            await tenure.write([Outgoing(tenure.partition, None, encode(page))])
            self._audited = dict(self._chain.next_offsets)
            self._is_unsigned = True
            self._is_urgent |= any(record.partition.topic in _URGENT for record in run)
        if records:
            reach(Point.PAGES_WRITTEN)
            oldest_ms = min(record.timestamp_ms for record in records)
            age_s = time.time() - oldest_ms / _MS_PER_S
            self._wiring.metrics.audit_lag_seconds.set(max(0.0, age_s))
        else:
            self._wiring.metrics.audit_lag_seconds.set(0)
        now_s = time.monotonic()
        await self._sign(
            tenure, is_due=self._is_urgent or now_s - self._signed_at_s >= _CHECKPOINT_S
        )
        self._anchor(is_due=self._is_urgent or now_s - self._anchored_at_s >= self._wiring.anchor_s)

    def _line(self, record: Record) -> AuditLine:
        due = self._due.get(record.partition, 0)
        if record.offset != due:
            raise GapError(f"{record.partition}: {record.offset} comes, {due} is due")
        self._due[record.partition] = due + 1
        self._wiring.metrics.audit_lines.labels(record.partition.topic).inc()
        return line_of(_audited_record(record))

    async def _sign(self, tenure: Tenure, *, is_due: bool) -> None:
        if not is_due or not self._is_unsigned:
            return
        for record in tenure.take_foreign():
            self._chain.see_void(record.offset, record.value or b"")
        at_ns = self._wiring.clock.wall_ns()
        kid, sign = self._wiring.signer.at(at_ns)
        if kid != self._kid:
            logger().info("audit_key", kid=kid, before=self._kid or None)
            self._kid = kid
        checkpoint = self._chain.checkpoint(self._topic_ids, kid, sign, at_ns=at_ns)
        body = encode(checkpoint)
        offset = (await tenure.write([Outgoing(tenure.partition, None, body)]))[0]
        reach(Point.CHECKPOINT_WRITTEN)
        self._is_unsigned, self._signed_at_s = False, time.monotonic()
        self._unanchored = (offset, checkpoint.size, body)
        self._keep(tenure, body)

    def _anchor(self, *, is_due: bool) -> None:
        """Hand the latest checkpoint on, with the heads since the one that was handed on before."""
        if not is_due or self._unanchored is None:
            return
        (offset, size, body), self._unanchored = self._unanchored, None
        heads, void = self._chain.take_heads(size), self._chain.take_listed()
        self._is_urgent, self._anchored_at_s = False, time.monotonic()
        if self._wiring.anchors is not None:
            anchor = Anchor(
                offset=offset,
                first=size - len(heads),
                heads=heads,
                void=void,
                checkpoint=body.decode(),
            )
            self._wiring.anchors.offer(anchor)

    async def _tell(self, tenure: Tenure, writer: Writer) -> None:
        """Pass the witness's latest receipt on to the guardrail, which proves it."""
        anchors = self._wiring.anchors
        if anchors is None or anchors.receipt is None or anchors.receipt is self._told:
            return
        receipt = anchors.receipt
        await tenure.check()
        partition = Partition(topics.AUDIT_PULSE, 0)
        await writer.write([Outgoing(partition, _ROLE.encode(), encode(receipt))])
        self._told = receipt

    def _keep(self, tenure: Tenure, body: bytes) -> None:
        if self._cache is None or self._chain.lines - self._kept_lines < _UNKEPT_LINES_MAX:
            return
        anchors, chain = self._wiring.anchors, self._chain
        if anchors is not None and anchors.size < chain.tree.size - len(chain.heads):
            # A state that tells nothing of links which the file lacks could not heal it.
            return
        self._kept_lines = self._chain.lines
        mark = Mark(*tenure.partition, next_offset=tenure.expected, digest=short_digest(body))
        self._cache.save(
            Kept(
                state=self._chain,
                marks=(mark,),
                topic_ids=self._topic_ids,
                epoch=tenure.epoch,
                seq=-1,
                last=None,
            )
        )


def _audited() -> list[Partition]:
    return [
        Partition(name, number)
        for name in topics.AUDITED
        for number in range(topics.BY_NAME[name].partitions)
    ]


def _audited_record(record: Record) -> Audited:
    return Audited(
        record.partition.topic,
        record.partition.number,
        record.offset,
        record.timestamp_ms,
        record.key,
        record.value,
        record.headers,
    )
