"""
Record batches that aiokafka cannot read: header names that are not UTF-8.

The broker takes any bytes for a header's name; aiokafka raises on them, and again
on every repetition, so one record of one strategy would end each of its readers for
good (R20). Only such a batch takes the slow way, with the bad bytes replaced.
"""

from collections.abc import Iterator
from typing import Any, Final, SupportsIndex

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

#: Base offset and length stand before what the length counts.
_OVERHEAD_BYTES: Final = 12
_LENGTH: Final = slice(8, 12)


class LenientRecords:
    """Stands in for aiokafka's MemoryRecords: the batches of one fetch."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._inner = MemoryRecords(data)
        self._position = 0

    def size_in_bytes(self) -> int:
        """Give the size of the whole fetch."""
        size: int = self._inner.size_in_bytes()
        return size

    def has_next(self) -> bool:
        """Tell whether a whole batch is left."""
        has: bool = self._inner.has_next()
        return has

    def next_batch(self) -> "LenientBatch":
        """Take the next batch."""
        start = self._position
        view = memoryview(self._data)[start:]
        length = int.from_bytes(view[_LENGTH], "big")
        self._position = start + _OVERHEAD_BYTES + length
        return LenientBatch(self._inner.next_batch(), view[: _OVERHEAD_BYTES + length])


class LenientBatch:
    """One batch, read the quick way where that works."""

    def __init__(self, batch: Any, raw: memoryview) -> None:  # noqa: ANN401  (aiokafka has no types)
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the batch itself has)
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            records = list(self._batch)
        except UnicodeDecodeError:
            slow = _DefaultRecordBatchPy(self._raw)
            slow._maybe_uncompress()  # noqa: SLF001  (else it would replace the buffer below)
            slow._buffer = _Lenient(slow._buffer)  # noqa: SLF001
            records = list(slow)
        return iter(records)


class _Lenient(bytearray):
    """Bytes whose parts decode to something, whatever they are."""

    def __getitem__(self, at: SupportsIndex | slice) -> Any:  # noqa: ANN401
        found = super().__getitem__(at)
        return found if isinstance(found, int) else _Lenient(found)

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        """Decode, replacing what cannot be."""
        del errors
        return super().decode(encoding, "replace")


def install() -> None:
    """Let every consumer of this process read so; idempotent."""
    fetcher.MemoryRecords = LenientRecords
