"""
Reads the audit trail: its tail as lines, or the whole of it for a verification.

An exported trail is a file with one record a line: the record's exact bytes, which
hold no line break because they are canonical JSON.
"""

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from spark import keys, topics
from spark.audit import Report, VerifyAt, digest_of, verify
from spark.audit_anchor import Outside, read_outside
from spark.audit_chain import Verify
from spark.audit_keys import AuditKeys, read_audit_keys
from spark.bus.port import Bus, Pace, Partition, Record
from spark.codec import decode
from spark.consumers.auditor_file import lines_of as notes_of
from spark.errors import IntegrityError, MalformedError, SettingError
from spark.events import AuditLine, AuditPaged
from spark.signing import signature_check
from spark.worker.spans import read_through

_AUDIT: Final = Partition(topics.AUDIT, 0)
_READ_WAIT_MS: Final = 500
_RECORDS_WAITING_MAX: Final = 1000
_PUT_S: Final = 0.2
_LINE_BYTES_MAX: Final = 4 * 1024 * 1024

#: Told how many records were read, of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class NumberedLine:
    """A line of the trail and its number, counted from the beginning."""

    number: int
    line: AuditLine


def read_public_key(path: Path) -> Ed25519PublicKey:
    """
    Read the public key of a witness, 32 raw bytes.

    Raises:
        SettingError: there is none in this file.

    """
    try:
        return Ed25519PublicKey.from_public_bytes(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingError(f"{path}: no public key ({error})") from None


def read_witness(path: Path | None) -> Verify | None:
    """Tell how a witness's signature is proved; None where no key is named; raises as above."""
    return None if path is None else signature_check(read_public_key(path))


def read_keys(path: Path) -> AuditKeys:
    """
    Read an auditor's public keys: the first one alone, or the list with its successors.

    Raises:
        SettingError: there are none in this file.

    """
    try:
        return read_audit_keys(path.read_bytes())
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from None
    except (IntegrityError, MalformedError, ValueError) as error:
        raise SettingError(f"{path}: {error}") from None


def keys_in(directory: Path) -> AuditKeys:
    """Read them where a stack keeps what is public; raises as above."""
    path = directory / keys.AUDIT_KEYS
    return read_keys(path if path.exists() else directory / keys.AUDIT_PUBLIC)


def read_anchors(path: Path, audit: VerifyAt, witness: Verify | None) -> Outside:
    """
    Read a file of anchors and receipts, the auditor's or a witness's.

    Raises:
        IntegrityError: it contradicts itself.
        SettingError: the file cannot be read.

    """
    try:
        return read_outside(notes_of(path), audit, witness)
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from None


def verify_file(path: Path, verify_signature: VerifyAt, outside: Outside | None = None) -> Report:
    """
    Verify an exported trail.

    Raises:
        IntegrityError: names the first record that does not fit.
        SettingError: the file cannot be read.

    """
    try:
        with path.open("rb") as file:
            return verify(_lines_of(file), verify_signature, outside)
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from None


async def verify_log(
    bus: Bus, verify_signature: VerifyAt, progress: Progress, *, outside: Outside | None = None
) -> Report:
    """
    Verify the trail on the log, from its first record to its end now.

    Raises:
        IntegrityError: names the first record that does not fit.

    """
    waiting: queue.Queue[bytes | None] = queue.Queue(_RECORDS_WAITING_MAX)
    work = asyncio.create_task(
        asyncio.to_thread(lambda: verify(iter(waiting.get, None), verify_signature, outside))
    )
    try:
        async for body in _bodies(bus, progress):
            if work.done():
                break
            await _put(waiting, body, work)
    finally:
        await _put(waiting, None, work)
    return await work


async def compare_with_log(bus: Bus, progress: Progress) -> int:
    """
    Compare every line of the trail with the record it is about, as the log holds it now.

    Returns: how many records were compared.

    Raises:
        IntegrityError: a record is not the one that was audited, or is gone.

    """
    wanted: dict[Partition, dict[int, str]] = {}
    async for body in _bodies(bus, lambda *_: None):
        for numbered in lines_of(body):
            line = numbered.line
            place = wanted.setdefault(Partition(line.topic, line.partition), {})
            place[line.offset] = line.sha256
    total, compared = sum(len(lines) for lines in wanted.values()), 0

    def compare(record: Record) -> None:
        nonlocal compared
        digest = wanted[record.partition].get(record.offset)
        if digest is None:
            return
        if digest_of(record.key, record.value, record.headers) != digest:
            raise IntegrityError(
                f"{record.partition}@{record.offset} is not the record that was audited"
            )
        compared += 1
        progress(compared, total)

    starts, ends = await bus.starts(list(wanted)), await bus.ends(list(wanted))
    for partition, lines in wanted.items():
        if starts[partition] > min(lines):
            raise IntegrityError(
                f"{partition} starts at {starts[partition]}; {min(lines)} was audited and is gone"
            )
        if ends[partition] <= max(lines):
            raise IntegrityError(
                f"{partition} ends at {ends[partition]}; {max(lines)} was audited and is gone"
            )
    spans = {partition: (min(lines), max(lines) + 1) for partition, lines in wanted.items()}
    await read_through(bus, spans, compare)
    return compared


async def export_trail(bus: Bus, path: Path, progress: Progress) -> int:
    """
    Write the trail to a file.

    Returns: how many records it holds.

    Raises:
        SettingError: the file cannot be written, or exists.

    """
    try:
        with path.open("xb") as file:
            count = 0
            async for body in _bodies(bus, progress):
                file.write(body + b"\n")
                count += 1
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from None
    return count


async def tail(bus: Bus, pages: int) -> list[NumberedLine]:
    """Read the lines of the latest pages."""
    found: list[NumberedLine] = []
    end = (await bus.ends([_AUDIT]))[_AUDIT]
    start = max(0, end - pages)
    await read_through(
        bus, {_AUDIT: (start, end)}, lambda record: found.extend(lines_of(record.value or b""))
    )
    return found


async def follow(bus: Bus) -> AsyncIterator[NumberedLine]:
    """Read lines as they are written, from now on, until the caller has enough."""
    reader = await bus.reader(await bus.ends([_AUDIT]), Pace.BULK)
    try:
        while True:
            for record in await reader.read(_READ_WAIT_MS):
                for line in lines_of(record.value or b""):
                    yield line
    finally:
        await reader.close()


def lines_of(body: bytes) -> list[NumberedLine]:
    """Take the lines out of a record of the trail; none out of one that is no page."""
    try:
        event = decode(body)
    except MalformedError:
        return []
    if not isinstance(event, AuditPaged):
        return []
    return [NumberedLine(event.first_line + index, line) for index, line in enumerate(event.lines)]


async def _bodies(bus: Bus, progress: Progress) -> AsyncIterator[bytes]:
    end = (await bus.ends([_AUDIT]))[_AUDIT]
    at = 0
    reader = await bus.reader({_AUDIT: 0}, Pace.BULK)
    try:
        while at < end:
            for record in await reader.read(_READ_WAIT_MS):
                if record.offset < end:
                    yield record.value or b""
                at = record.offset + 1
            progress(min(at, end), end)
    finally:
        await reader.close()


async def _put(
    waiting: "queue.Queue[bytes | None]", body: bytes | None, work: "asyncio.Task[Report]"
) -> None:
    """
    Hand a record over; the verification may have ended early, with an error.
    """
    while not work.done():
        try:
            waiting.put_nowait(body)
        except queue.Full:
            await asyncio.wait({work}, timeout=_PUT_S)
        else:
            return


def _lines_of(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(_LINE_BYTES_MAX):
        yield line.removesuffix(b"\n")


def matching(
    lines: Iterable[NumberedLine], *, intent: str, kind: str, account: str, since_ms: int
) -> Iterator[NumberedLine]:
    """Keep the lines that fit every filter given; an empty one fits all."""
    for numbered in lines:
        line = numbered.line
        if (
            intent in {"", line.intent_id}
            and kind in {"", line.kind}
            and account in {"", line.account}
            and line.appended_ms >= since_ms
        ):
            yield numbered
