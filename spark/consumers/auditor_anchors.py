"""
Anchors the audit trail beside the log: a file, a table, a witness outside this host.

Each place is filled on its own and at its own pace; one that fails is an alarm and is
filled later from what the file holds, and stops neither the auditor nor trading (S14).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic
from typing import Final

from spark.audit_anchor import Anchor
from spark.audit_witness import ALARMING, Objection, Refused, cut_to
from spark.consumers.auditor_file import AnchorFile
from spark.consumers.auditor_table import AnchorTable
from spark.consumers.auditor_witness import Witness
from spark.errors import SparkError, WitnessUnavailable
from spark.events import Receipt
from spark.log import logger
from spark.metrics import Metrics, at_scrape

#: Kept at hand for a place that was away for a moment; older ones are read from the file.
_RECENT_MAX: Final = 256
#: Of one pass at one place.
_BATCH_MAX: Final = 200
#: Where nothing is new the witness is shown the same again, so that its receipt stays young.
_RENEW_S: Final = 60.0
#: Not in the file yet; with more, a restart folds the trail anew and anchors it.
_PENDING_MAX: Final = 50_000
_RETRY_S: Final = 10.0
_FINISH_S_MAX: Final = 8.0
_FILE: Final = "file"
_TABLE: Final = "table"
_WITNESS: Final = "witness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where anchors go; None where there is no such place."""

    file: AnchorFile
    table: AnchorTable | None = None
    witness: Witness | None = None


@dataclass(slots=True)
class _Progress:
    """How far one place is."""

    #: Links that it knows of; None before it was asked.
    size: int | None = None
    done_s: float = field(default=float("-inf"))


class Anchors:
    """Hands anchors on; `offer` never waits, `run` does the work."""

    def __init__(self, places: Places, metrics: Metrics) -> None:
        self._places = places
        self._metrics = metrics
        self._file, self._table, self._witness = _Progress(), _Progress(), _Progress()
        self._is_sure = False
        self._pending: list[Anchor] = []
        self._recent: deque[Anchor] = deque(maxlen=_RECENT_MAX)
        self._latest: Anchor | None = None
        self._receipts: list[Receipt] = []
        #: The last receipt of the witness.
        self.receipt: Receipt | None = None
        self._wake = asyncio.Event()
        self._over = asyncio.Event()
        shown = {_FILE: self._file}
        shown |= {_TABLE: self._table} if places.table else {}
        shown |= {_WITNESS: self._witness} if places.witness else {}
        for place, progress in shown.items():
            metrics.audit_anchor_failures.labels(place)
            at_scrape(metrics.audit_anchor_age, _age_of(progress), place)

    @property
    def size(self) -> int:
        """How many links are surely in the file."""
        return self._file.size or 0 if self._is_sure else 0

    async def open(self) -> Anchor | None:
        """
        Open the file.

        Returns: its last anchor; None also where it cannot be used, which is an alarm.
        """
        try:
            last = await asyncio.to_thread(self._places.file.open)
        except (OSError, SparkError) as error:
            self._fail(_FILE, error)
            return None
        self._file.size, self._is_sure = _size_of(last), True
        self._latest = last
        return last

    def offer(self, anchor: Anchor) -> None:
        """Take the next anchor, which goes on where the last one ended."""
        if len(self._pending) >= _PENDING_MAX:
            return
        self._pending.append(anchor)
        self._recent.append(anchor)
        self._latest = anchor
        self._wake.set()

    async def run(self) -> None:
        """Work until told to finish; what is there is handed on then, as far as that is quick."""
        try:
            while not self._over.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_RETRY_S):
                        await self._wake.wait()
                self._wake.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_FINISH_S_MAX if self._over.is_set() else None):
                        await self._pass()
        finally:
            self._places.file.close()
            for place in (self._places.table, self._places.witness):
                if place is not None:
                    await place.close()

    def finish(self) -> None:
        """Let `run` come to its end."""
        self._over.set()
        self._wake.set()

    async def _pass(self) -> None:
        await self._fill_file()
        await asyncio.gather(
            self._tried(_TABLE, self._fill_table), self._tried(_WITNESS, self._show_witness)
        )

    async def _fill_file(self) -> None:
        """Append what is pending; after a failure, look first what of it stands."""
        if not self._is_sure and not await self._reopen():
            return
        anchors = list(self._pending)
        try:
            if anchors:
                await asyncio.to_thread(self._places.file.append, anchors)
        except (OSError, SparkError) as error:
            self._is_sure = False
            self._fail(_FILE, error)
            return
        del self._pending[: len(anchors)]
        if anchors:
            self._file.size = anchors[-1].size
            self._file.done_s = monotonic()

    async def _reopen(self) -> bool:
        last = await self.open()
        self._pending = [one for one in self._pending if one.size > _size_of(last)]
        return self._is_sure

    async def _fill_table(self) -> None:
        table, progress = self._places.table, self._table
        if table is None or self._latest is None:
            return
        if progress.size is None:
            progress.size = await table.size()
        while progress.size < self._latest.size:
            anchors = await self._after(progress.size)
            if not anchors:
                return
            await table.add(anchors, [])
            progress.size, progress.done_s = anchors[-1].size, monotonic()

    async def _show_witness(self) -> None:
        witness, progress = self._places.witness, self._witness
        if witness is None or self._latest is None:
            return
        if progress.size is None or monotonic() - progress.done_s >= _RENEW_S:
            # Whatever it says to the latest, it says what it knows.
            await self._show(witness, cut_to(self._latest, self._latest.size))
        while progress.size is not None and progress.size < self._latest.size:
            before = progress.size
            for anchor in await self._after(before):
                if not await self._show(witness, cut_to(anchor, progress.size)):
                    break
            if progress.size == before:
                break
        await self._keep_receipts()

    async def _show(self, witness: Witness, anchor: Anchor) -> bool:
        answer = await witness.show(anchor)
        if isinstance(answer, Refused):
            return self._hear_refusal(answer)
        self._witness.size, self._witness.done_s = answer.size, monotonic()
        self._receipts.append(answer)
        self.receipt = answer
        return True

    def _hear_refusal(self, refused: Refused) -> bool:
        if refused.why in ALARMING:
            self._metrics.audit_witness_refused.inc()
            logger().error("audit_witness_refused", why=refused.why.value, size=refused.size)
            self._witness.size = None
            return False
        if refused.why is not Objection.STARTS_ELSEWHERE:
            raise WitnessUnavailable(f"witness: {refused.why}")
        self._witness.size = refused.size
        return False

    async def _keep_receipts(self) -> None:
        receipts, self._receipts = self._receipts, []
        if not receipts:
            return
        try:
            await asyncio.to_thread(self._places.file.append, receipts)
        except (OSError, SparkError) as error:
            self._is_sure = False
            self._fail(_FILE, error)
        if self._places.table is not None:
            await self._places.table.add([], receipts)

    async def _after(self, size: int) -> list[Anchor]:
        if self._recent and self._recent[0].first <= size:
            return [one for one in self._recent if one.size > size][:_BATCH_MAX]
        found = self._places.file.after(size)
        try:
            return await asyncio.to_thread(lambda: list(islice(found, _BATCH_MAX)))
        except OSError as error:
            self._fail(_FILE, error)
            return []

    async def _tried(self, place: str, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except SparkError as error:
            self._fail(place, error)

    def _fail(self, place: str, error: Exception) -> None:
        self._metrics.audit_anchor_failures.labels(place).inc()
        why = error.strerror if isinstance(error, OSError) else str(error)
        logger().error("audit_not_anchored", place=place, why=why)


def _size_of(anchor: Anchor | None) -> int:
    return 0 if anchor is None else anchor.size


def _age_of(progress: _Progress) -> Callable[[], float]:
    return lambda: monotonic() - progress.done_s
