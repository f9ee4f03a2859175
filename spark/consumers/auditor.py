"""
Auditor: chains every order and control record into the audit trail.

Reads   every topic in topics.AUDITED; its own audit topic at start
Writes  audit: pages of lines, and a signed checkpoint every second of work
Owns    the audit key
Fails   by falling behind, visibly; it depends on nobody, and nothing of others
        waits for it but new approvals
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import topics
from spark.audit import LINES_PER_PAGE_MAX, Audited, Chain, line_of
from spark.bus.port import Bus, Outgoing, Pace, Partition, Record
from spark.clock import Clock
from spark.codec import decode, encode
from spark.errors import GapError, MalformedError, PositionError
from spark.events import AuditCheckpointed, AuditPaged, PartitionFenced
from spark.log import logger
from spark.metrics import Metrics
from spark.names import Role
from spark.signing import short_digest
from spark.worker.cache import Kept, Mark, StateCache
from spark.worker.pulse import Pulse
from spark.worker.resume import check_partition_counts, check_topic_ids, read_through
from spark.worker.tenure import Holder, Tenure, take

_READ_WAIT_MS: Final = 1_000
_CHECKPOINT_S: Final = 1.0
_PULSE_S: Final = 0.25
#: Lines since the chain's state was kept.
_UNKEPT_LINES_MAX: Final = 5_000
_KID: Final = "audit:1"
_ROLE: Final = Role.AUDITOR.value
_MS_PER_S: Final = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditorWiring:
    """What the auditor is given by the command line."""

    bus: Bus
    clock: Clock
    metrics: Metrics
    key: Ed25519PrivateKey
    instance: str
    #: Set once the own chain is folded and records are being chained.
    ready: asyncio.Event
    #: Where the chain's state is kept between runs; None keeps none.
    state_dir: Path | None = None


class Auditor:
    """One process; many topics in, one chain out."""

    def __init__(self, wiring: AuditorWiring) -> None:
        self._wiring = wiring
        self._chain = Chain()
        self._topic_ids: dict[str, str] = {}
        self._due: dict[Partition, int] = {}
        #: `topic/partition` -> next offset to audit, of what the broker has acknowledged.
        self._audited: dict[str, int] = {}
        #: Whether the chain has moved on since it was signed.
        self._is_unsigned = False
        self._signed_at_s = 0.0
        self._kept_lines = 0
        self._cache: StateCache[Chain] | None = None
        if wiring.state_dir is not None:
            self._cache = StateCache(wiring.state_dir / f"{_ROLE}.state", Chain)

    async def run(self, stop: asyncio.Event) -> None:
        """
        Work until told to stop.

        Raises:
            ExitError: fenced, or a write failed.
            HaltError: an audited topic is not what it was, or lost a record.

        """
        wiring = self._wiring
        writer = await wiring.bus.writer([topics.AUDIT, topics.CONTROL_PULSE])
        # The guardrail counts the audit's lag from these.
        pulse = Pulse(_ROLE, wiring.instance, writer, clock=wiring.clock, period_s=_PULSE_S)
        try:
            names = [*topics.AUDITED, topics.AUDIT]
            self._topic_ids = await check_partition_counts(
                wiring.bus, {name: topics.BY_NAME[name].partitions for name in names}
            )
            holder = Holder(role=_ROLE, instance=wiring.instance, topic_ids=self._topic_ids)
            tenure = await take(
                wiring.bus, writer, Partition(topics.AUDIT, 0), holder=holder, clock=wiring.clock
            )
            await self._fold_past(tenure)
            # The own fence is a link of the chain, too.
            self._is_unsigned = True
            await self._sign(tenure, is_due=True)
            self._audited = dict(self._chain.next_offsets)
            self._due = {p: self._chain.next_offsets.get(str(p), 0) for p in _audited()}
            await self._check_starts(self._due)
            reader = await wiring.bus.reader(self._due, Pace.BULK)
            try:
                async with asyncio.TaskGroup() as group:
                    beating = group.create_task(pulse.beat(lambda: [tenure], lambda: self._audited))
                    while not stop.is_set():
                        await self._chain_up(tenure, await reader.read(_READ_WAIT_MS))
                    await self._sign(tenure, is_due=True)
                    beating.cancel()
            finally:
                await reader.close()
        finally:
            await writer.close()

    async def _fold_past(self, tenure: Tenure) -> None:
        known_ids: dict[str, str] = {}
        kept = (
            None
            if self._cache is None
            else await self._cache.load(self._wiring.bus, self._topic_ids)
        )
        if kept is not None:
            self._chain = kept.state
        first = 0 if kept is None else kept.position(tenure.partition)

        def each(record: Record) -> None:
            body = record.value or b""
            try:
                event = decode(body)
            except MalformedError:
                return
            if isinstance(event, PartitionFenced):
                self._chain.fence(record.offset, body)
                known_ids.update(event.topic_ids)
            elif isinstance(event, AuditPaged) and event.epoch == self._chain.epoch:
                self._chain.resume(event)
            elif isinstance(event, AuditCheckpointed) and event.epoch == self._chain.epoch:
                self._chain.link(body)

        await read_through(self._wiring.bus, {tenure.partition: (first, tenure.epoch + 1)}, each)
        await check_topic_ids(self._wiring.bus, known_ids)
        self._wiring.ready.set()
        logger().info("ready", epoch=tenure.epoch, lines=self._chain.lines)

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
            lines = []
            for record in run:
                due = self._due.get(record.partition, 0)
                if record.offset != due:
                    raise GapError(f"{record.partition}: {record.offset} comes, {due} is due")
                self._due[record.partition] = due + 1
                lines.append(line_of(_audited_record(record)))
                self._wiring.metrics.audit_lines.labels(record.partition.topic).inc()
            page = self._chain.page(lines, self._wiring.clock.wall_ns())
            await tenure.write([Outgoing(tenure.partition, None, encode(page))])
            self._audited = dict(self._chain.next_offsets)
            self._is_unsigned = True
        if records:
            oldest_ms = min(record.timestamp_ms for record in records)
            age_s = time.time() - oldest_ms / _MS_PER_S
            self._wiring.metrics.audit_lag_seconds.set(max(0.0, age_s))
        else:
            self._wiring.metrics.audit_lag_seconds.set(0)
        await self._sign(tenure, is_due=time.monotonic() - self._signed_at_s >= _CHECKPOINT_S)

    async def _sign(self, tenure: Tenure, *, is_due: bool) -> None:
        if not is_due or not self._is_unsigned:
            return
        checkpoint: AuditCheckpointed = self._chain.checkpoint(
            self._topic_ids, _KID, self._wiring.key.sign, at_ns=self._wiring.clock.wall_ns()
        )
        await tenure.write([Outgoing(tenure.partition, None, encode(checkpoint))])
        self._is_unsigned, self._signed_at_s = False, time.monotonic()
        self._keep(tenure, encode(checkpoint))

    def _keep(self, tenure: Tenure, body: bytes) -> None:
        if self._cache is None or self._chain.lines - self._kept_lines < _UNKEPT_LINES_MAX:
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
