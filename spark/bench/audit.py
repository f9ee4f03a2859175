"""
`spark bench audit`: records a second that are chained and written, and that are verified.

Pure figures are one core without servers; the floor is SHA-256 over the same bytes and
orjson over the same lines, in the same run. With a broker, the auditor's own code reads
a topic that is full already and writes its pages to a real one.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from statistics import median
from typing import Final

import orjson

from spark import topics
from spark.audit import verify
from spark.audit_chain import LINES_PER_PAGE_MAX, Audited, Chain, line_of
from spark.audit_keys import AuditSigner
from spark.bench.audit_trail import audit_check_of, keys_of
from spark.bus.port import Bus, Outgoing, Partition
from spark.clock import SystemClock
from spark.codec import encode
from spark.consumers.auditor import Auditor, AuditorWiring
from spark.events import AuditLine, PartitionFenced
from spark.metrics import Metrics
from spark.names import Role

#: Bytes of an intent, its approval, its sealed request, its claim and its acknowledgement.
BODY_BYTES: Final = (280, 1_900, 4_200, 700, 420)
_TOPICS: Final = (topics.INTENTS, topics.DECISIONS, topics.SIGNED, topics.EVENTS, topics.EVENTS)
_TAG: Final = b"t" * 32
_PAGES_PER_CHECKPOINT: Final = 20
_NOW_NS: Final = 1_790_000_000_000_000_000
_FILL_BATCH: Final = 500
_WAIT_S: Final = 0.01
_S_MAX: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditBench:
    """What is measured."""

    records: int
    runs: int


@dataclass(frozen=True, slots=True)
class _Speed:
    """Records a second of the clock, and of the processor."""

    wall: float
    cpu: float


def bench_pure(bench: AuditBench, say: Callable[[str], None]) -> dict[str, object]:
    """Measure chaining and verifying on one core."""
    records = list(sample(bench.records))
    lines = [line_of(one) for one in records[:LINES_PER_PAGE_MAX]]
    figures: dict[str, list[_Speed]] = {"floor": [], "written": [], "verified": []}
    check = audit_check_of(keys_of(0).audit)
    for number in range(bench.runs):
        trail: list[bytes] = []
        steps: dict[str, Callable[[], object]] = {
            "floor": partial(_floor, records, lines),
            "written": partial(_write, records, trail),
            "verified": partial(verify, trail, check),
        }
        for name, step in steps.items():
            figures[name].append(_speed(bench.records, step))
        written, verified = figures["written"][-1], figures["verified"][-1]
        say(f"run {number + 1}: {written.wall:,.0f} written/s, {verified.wall:,.0f} verified/s")
    found: dict[str, object] = {
        "records": bench.records,
        "runs": bench.runs,
        "record_bytes": list(BODY_BYTES),
    }
    for name, speeds in figures.items():
        found[f"{name}_per_s"] = round(median(one.wall for one in speeds))
        found[f"{name}_per_s_each_run"] = [round(one.wall) for one in speeds]
        # On a machine that others use as well, this is what a core of one's own would do.
        found[f"{name}_per_cpu_s"] = round(median(one.cpu for one in speeds))
    return found


async def bench_broker(bus: Bus, filler: Bus, bench: AuditBench) -> dict[str, object]:
    """
    Measure the auditor itself against a broker, from its first read to its last page.

    Args:
        bus: as the auditor.
        filler: as somebody who may write intents.

    Raises:
        TimeoutError: it does not come to an end.

    """
    await _fill(filler, bench.records)
    ready, stop = asyncio.Event(), asyncio.Event()
    wiring = AuditorWiring(
        bus=bus,
        clock=SystemClock(),
        metrics=Metrics(Role.AUDITOR),
        signer=AuditSigner(lambda _: keys_of(0).audit, lambda: None),
        instance="bench",
        ready=ready,
    )
    auditor = Auditor(wiring)
    task = asyncio.create_task(auditor.run(stop))
    try:
        async with asyncio.timeout(_S_MAX):
            await ready.wait()
            before = auditor.lines
            began, cpu = time.perf_counter(), time.process_time()
            while auditor.lines < before + bench.records:  # noqa: ASYNC110  (looks, and lets work)
                await asyncio.sleep(_WAIT_S)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    finally:
        stop.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(task, _S_MAX)
    return {
        "broker_records": bench.records,
        "broker_written_per_s": round(bench.records / seconds),
        "broker_written_per_cpu_s": round(bench.records / cpu_seconds),
    }


def sample(count: int) -> Iterator[Audited]:
    """Make records as an order's way has them."""
    due: dict[str, int] = {}
    for number in range(count):
        topic = _TOPICS[number % len(_TOPICS)]
        offset = due.get(topic, 0)
        due[topic] = offset + 1
        body = _body(number, BODY_BYTES[number % len(BODY_BYTES)])
        headers = (("tag.signer", _TAG), ("tag.gateway", _TAG))
        yield Audited(topic, 0, offset, number, b"binance:main", body, headers)


def _body(number: int, size: int) -> bytes:
    fields = {
        "account": "binance:main",
        "intent_id": f"1a0c4506c00-{number:010d}",
        "type": "order_approved",
    }
    spare = size - len(orjson.dumps(fields))
    return orjson.dumps(fields | {"z": "x" * max(0, spare - len(',"z":""'))})


def _floor(records: list[Audited], lines: list[AuditLine]) -> None:
    for start in range(0, len(records), LINES_PER_PAGE_MAX):
        for one in records[start : start + LINES_PER_PAGE_MAX]:
            sha256(one.value or b"").hexdigest()
        orjson.dumps(lines, option=orjson.OPT_SORT_KEYS)


def _write(records: list[Audited], trail: list[bytes]) -> None:
    chain, key = Chain(), keys_of(0).audit
    fence = encode(
        PartitionFenced(
            role=Role.AUDITOR, instance="bench", topic_ids={}, settings={}, fenced_ns=_NOW_NS
        )
    )
    chain.fence(0, fence)
    trail.append(fence)
    for start in range(0, len(records), LINES_PER_PAGE_MAX):
        run = records[start : start + LINES_PER_PAGE_MAX]
        trail.append(encode(chain.page(map(line_of, run), _NOW_NS)))
        if chain.pages % _PAGES_PER_CHECKPOINT == 0:
            trail.append(encode(chain.checkpoint({}, "audit:1", key.sign, at_ns=_NOW_NS)))
            chain.heads.clear()


def _speed(count: int, work: Callable[[], object]) -> _Speed:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return _Speed(count / (time.perf_counter() - wall), count / (time.process_time() - cpu))


async def _fill(bus: Bus, count: int) -> None:
    writer = await bus.writer([topics.INTENTS])
    partition = Partition(topics.INTENTS, 0)
    try:
        for start in range(0, count, _FILL_BATCH):
            run = range(start, min(count, start + _FILL_BATCH))
            await writer.write(
                [
                    Outgoing(partition, b"binance:main", _body(number, BODY_BYTES[number % 2]))
                    for number in run
                ]
            )
    finally:
        await writer.close()
