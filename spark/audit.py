"""
The audit trail: lines chained into pages, pages under signed checkpoints. Pure.

A line is the digest of one record, with its place and what it was. A page's head
is SHA-256 over the previous head and everything in the page; fences and
checkpoints are links of the chain too. A checkpoint signs the head with the
auditor's Ed25519 key. So an edit, a removal, an insertion or a swap is found at
the first record that it touches or right after it; a cut tail is found only
against a checkpoint kept elsewhere, and `Report.is_anchored` says so.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

import orjson

from spark.codec import decode, encode
from spark.errors import IntegrityError, MalformedError
from spark.events import AuditCheckpointed, AuditLine, AuditPaged, PartitionFenced
from spark.signing import Headers, lp

GENESIS: Final = "0" * 64
LINES_PER_PAGE_MAX: Final = 500
#: Characters of a record's own fields that a line repeats.
_FIELD_CHARS_MAX: Final = 80

#: Says whether a signature stands under these bytes.
Verify = Callable[[bytes, bytes], bool]
Sign = Callable[[bytes], bytes]


def digest_of(key: bytes | None, value: bytes | None, headers: Headers) -> str:
    """Digest a record: key, headers and value, each with its length."""
    parts = [lp(key or b""), lp(value or b"")]
    parts.extend(lp(name.encode()) + lp(content) for name, content in headers)
    return sha256(b"".join(parts)).hexdigest()


@dataclass(frozen=True, slots=True)
class Audited:
    """One record to be chained, as the log gives it."""

    topic: str
    partition: int
    offset: int
    appended_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def line_of(record: Audited) -> AuditLine:
    """Make a record's line; what cannot be read has empty fields, and its digest all the same."""
    try:
        fields = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        fields = {}
    if not isinstance(fields, dict):
        fields = {}
    return AuditLine(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        appended_ms=record.appended_ms,
        kind=_text(fields, "type"),
        intent_id=_text(fields, "intent_id"),
        account=_text(fields, "account"),
        sha256=digest_of(record.key, record.value, record.headers),
    )


@dataclass(slots=True)
class Chain:
    """How far the chain is."""

    epoch: int = -1
    pages: int = 0
    lines: int = 0
    head: str = GENESIS
    #: `topic/partition` -> next offset to audit.
    next_offsets: dict[str, int] = field(default_factory=dict)

    def fence(self, offset: int, body: bytes) -> None:
        """Fold a fence: from here on another instance writes."""
        self.epoch = offset
        self.link(body)

    def link(self, body: bytes) -> None:
        """Fold a record that is no page, as its bytes stand."""
        self.head = sha256(lp(self.head.encode()) + lp(body)).hexdigest()

    def page(self, lines: Iterable[AuditLine], at_ns: int) -> AuditPaged:
        """Chain the next page; the state moves on."""
        blank = AuditPaged(
            epoch=self.epoch,
            page=self.pages,
            first_line=self.lines,
            lines=tuple(lines),
            previous=self.head,
            head="",
            at_ns=at_ns,
        )
        page = replace(blank, head=_head_of(blank))
        self._advance(page)
        return page

    def checkpoint(
        self, topic_ids: dict[str, str], kid: str, sign: Sign, *, at_ns: int
    ) -> AuditCheckpointed:
        """Sign the chain as it is; the signature becomes a part of it."""
        blank = AuditCheckpointed(
            epoch=self.epoch,
            pages=self.pages,
            lines=self.lines,
            head=self.head,
            next_offsets=dict(self.next_offsets),
            topic_ids=topic_ids,
            kid=kid,
            signature="",
            at_ns=at_ns,
        )
        made = replace(blank, signature=sign(encode(blank)).hex())
        self.link(encode(made))
        return made

    def accept(self, page: AuditPaged) -> None:
        """
        Check a page against the chain and move on.

        Raises:
            IntegrityError: it does not follow, or does not hold what its head says.

        """
        if page.page != self.pages or page.first_line != self.lines:
            raise IntegrityError(f"page {page.page} comes where page {self.pages} is due")
        if page.previous != self.head:
            raise IntegrityError(f"page {page.page} does not follow the page before it")
        for number, line in enumerate(page.lines, page.first_line):
            due = self.next_offsets.get(_place(line), 0)
            if line.offset != due:
                raise IntegrityError(
                    f"line {number}: {_place(line)} offset {line.offset}, {due} is due"
                )
            self.next_offsets[_place(line)] = due + 1
        if _head_of(page) != page.head:
            raise IntegrityError(f"page {page.page} was changed: its head does not match")
        self.pages, self.lines, self.head = (
            self.pages + 1,
            self.lines + len(page.lines),
            page.head,
        )

    def resume(self, page: AuditPaged) -> None:
        """Move on over a page of one's own log without checking it again."""
        self._advance(page)

    def _advance(self, page: AuditPaged) -> None:
        for line in page.lines:
            self.next_offsets[_place(line)] = line.offset + 1
        self.pages += 1
        self.lines += len(page.lines)
        self.head = page.head


@dataclass(slots=True, kw_only=True)
class Report:
    """What a verification found."""

    pages: int = 0
    lines: int = 0
    checkpoints: int = 0
    fences: int = 0
    #: Records of epochs that were over; they prove nothing and change nothing.
    void: int = 0
    #: Lines after the last signature.
    unsigned_lines: int = 0
    head: str = GENESIS
    next_offsets: dict[str, int] = field(default_factory=dict)
    #: Whether a receipt from outside was compared.
    is_anchored: bool = False


def verify(records: Iterable[bytes], verify_signature: Verify) -> Report:
    """
    Verify an audit trail from its first record on.

    Args:
        records: the values of the `audit` topic's records, in order.
        verify_signature: with the auditor's public key.

    Raises:
        IntegrityError: names the first record that does not fit.

    """
    chain, report, signed_lines = Chain(), Report(), 0
    #: Epochs of which a record may still come.
    living: set[int] = set()
    for offset, body in enumerate(records):
        try:
            event = decode(body)
        except MalformedError as error:
            raise IntegrityError(f"audit record {offset}: {error}") from None
        if isinstance(event, PartitionFenced):
            chain.fence(offset, body)
            living.add(offset)
            report.fences += 1
        elif isinstance(event, AuditPaged | AuditCheckpointed) and event.epoch != chain.epoch:
            # An auditor that was fenced off finds out with its next write: it has one.
            if event.epoch not in living:
                raise IntegrityError(f"audit record {offset}: epoch {event.epoch} was over")
            living.remove(event.epoch)
            _named(offset, lambda e: _check_void(e, verify_signature), event)
            report.void += 1
        elif isinstance(event, AuditPaged):
            _named(offset, chain.accept, event)
        elif isinstance(event, AuditCheckpointed):
            _named(offset, lambda c: _check(c, chain, verify_signature), event)
            chain.link(body)
            report.checkpoints += 1
            signed_lines = chain.lines
        else:
            raise IntegrityError(f"audit record {offset}: {type(event).__name__} is not audit")
    report.pages, report.lines, report.head = chain.pages, chain.lines, chain.head
    report.unsigned_lines = chain.lines - signed_lines
    report.next_offsets = chain.next_offsets
    return report


def _check(found: AuditCheckpointed, chain: Chain, verify_signature: Verify) -> None:
    if (found.pages, found.lines, found.head) != (chain.pages, chain.lines, chain.head):
        raise IntegrityError("the checkpoint is of another chain")
    if found.next_offsets != chain.next_offsets:
        raise IntegrityError("the checkpoint's offsets are not the chain's")
    _check_signature(found, verify_signature)


def _check_void(found: AuditPaged | AuditCheckpointed, verify_signature: Verify) -> None:
    # What an auditor wrote that had been fenced off is whole in itself; a record that
    # is not was changed, perhaps only to be passed over as such a one.
    if isinstance(found, AuditCheckpointed):
        _check_signature(found, verify_signature)
    elif _head_of(found) != found.head:
        raise IntegrityError(f"page {found.page} was changed: its head does not match")


def _check_signature(found: AuditCheckpointed, verify_signature: Verify) -> None:
    try:
        signature = bytes.fromhex(found.signature)
    except ValueError:
        raise IntegrityError("the checkpoint's signature is not hex") from None
    # One spelling: else a letter's case could change and nothing would be found.
    if signature.hex() != found.signature:
        raise IntegrityError("the checkpoint's signature is not hex as it is written")
    if not verify_signature(encode(replace(found, signature="")), signature):
        raise IntegrityError("the checkpoint's signature does not verify")


def _named(offset: int, step: Callable[..., None], event: object) -> None:
    try:
        step(event)
    except IntegrityError as error:
        raise IntegrityError(f"audit record {offset}: {error}") from None


def _head_of(page: AuditPaged) -> str:
    bound = (
        page.previous.encode(),
        f"{page.epoch}/{page.page}/{page.first_line}/{page.at_ns}".encode(),
        encode(page.lines),
    )
    return sha256(b"".join(lp(part) for part in bound)).hexdigest()


def _place(line: AuditLine) -> str:
    return f"{line.topic}/{line.partition}"


def _text(fields: dict[str, object], name: str) -> str:
    value = fields.get(name, "")
    return value[:_FIELD_CHARS_MAX] if isinstance(value, str) else ""
