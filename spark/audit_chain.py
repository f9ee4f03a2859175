"""
The audit trail's chain: lines in pages, every record of the trail a link. Pure.

A line is the digest of one record, with its place and what it was. A page's head is
SHA-256 over the head before and everything in the page; fences and checkpoints are
links too. A checkpoint signs the head, the Merkle root over all heads (audit_tree.py)
and the digest of the checkpoint before it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

import orjson

from spark.audit_tree import Tree
from spark.codec import encode
from spark.errors import IntegrityError
from spark.events import AuditCheckpointed, AuditLine, AuditPaged
from spark.signing import Headers, lp

GENESIS: Final = "0" * 64
LINES_PER_PAGE_MAX: Final = 500
#: Characters of a record's own fields that a line repeats.
_FIELD_CHARS_MAX: Final = 80

#: Says whether a signature stands under these bytes.
Verify = Callable[[bytes, bytes], bool]
Sign = Callable[[bytes], bytes]
#: The same of the auditor, whose keys have their times (audit_keys.py): wall ns, bytes, signature.
VerifyAt = Callable[[int, bytes, bytes], bool]


class BrokenLinkError(IntegrityError):
    """A record that is whole in itself does not follow what stands before it."""


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
    #: Over the head of every link.
    tree: Tree = field(default_factory=Tree)
    #: Digest of the last checkpoint.
    previous: str = GENESIS
    #: Records out of their epoch that no checkpoint has listed: offset -> digest.
    void: dict[str, str] = field(default_factory=dict)
    #: Heads of the latest links, and what was listed as void meanwhile, for whoever keeps them
    #: elsewhere; taken with `take_heads` and `take_listed`.
    heads: list[str] = field(default_factory=list)
    listed: dict[str, str] = field(default_factory=dict)

    def fence(self, offset: int, body: bytes) -> None:
        """Fold a fence: from here on another instance writes."""
        self.epoch = offset
        self._link(_linked(self.head, body))

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
        self.resume(page)
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
            size=self.tree.size,
            root=self.tree.root(),
            previous=self.previous,
            void=dict(self.void),
            next_offsets=dict(self.next_offsets),
            topic_ids=topic_ids,
            kid=kid,
            signature="",
            at_ns=at_ns,
        )
        made = replace(blank, signature=sign(encode(blank)).hex())
        self.seal(made, encode(made))
        return made

    def accept(self, page: AuditPaged) -> None:
        """
        Check a page against the chain and move on.

        Raises:
            IntegrityError: it does not hold what its head says.
            BrokenLinkError: it holds that, and does not follow.

        """
        check_page(page)
        if page.page != self.pages or page.first_line != self.lines:
            raise BrokenLinkError(f"page {page.page} comes where page {self.pages} is due")
        if page.previous != self.head:
            raise BrokenLinkError(f"page {page.page} does not follow the page before it")
        for number, line in enumerate(page.lines, page.first_line):
            place = _place(line)
            due = self.next_offsets.get(place, 0)
            if line.offset != due:
                raise BrokenLinkError(f"line {number}: {place} offset {line.offset}, {due} is due")
            self.next_offsets[place] = due + 1
        self.pages += 1
        self.lines += len(page.lines)
        self._link(page.head)

    def resume(self, page: AuditPaged) -> None:
        """Move on over a page of one's own log without checking it again."""
        for line in page.lines:
            self.next_offsets[_place(line)] = line.offset + 1
        self.pages += 1
        self.lines += len(page.lines)
        self._link(page.head)

    def seal(self, checkpoint: AuditCheckpointed, body: bytes) -> None:
        """Move on over a checkpoint."""
        self.previous = sha256(body).hexdigest()
        for offset in checkpoint.void:
            self.void.pop(offset, None)
        self.listed |= checkpoint.void
        self._link(_linked(self.head, body))

    def see_void(self, offset: int, body: bytes) -> None:
        """Note a record out of its epoch; the next checkpoint lists it."""
        self.void[str(offset)] = sha256(body).hexdigest()

    def take_heads(self, size: int) -> tuple[str, ...]:
        """Hand over the heads of the links below `size` that were not taken yet."""
        count = len(self.heads) - (self.tree.size - size)
        taken, self.heads = self.heads[:count], self.heads[count:]
        return tuple(taken)

    def take_listed(self) -> dict[str, str]:
        """Hand over what checkpoints listed as void and was not taken yet."""
        taken, self.listed = self.listed, {}
        return taken

    def _link(self, head: str) -> None:
        self.head = head
        self.tree.append(head)
        self.heads.append(head)


def check_page(page: AuditPaged) -> None:
    """
    Compare a page with its own head.

    Raises:
        IntegrityError: it was changed.

    """
    if _head_of(page) != page.head:
        raise IntegrityError(f"page {page.page} was changed: its head does not match")


def check_signature(found: AuditCheckpointed, verify_signature: VerifyAt) -> None:
    """
    Verify the signature under a checkpoint.

    Raises:
        IntegrityError: it is not of the auditor's key of its time, or not as the auditor writes it.

    """
    try:
        signature = bytes.fromhex(found.signature)
    except ValueError:
        raise IntegrityError("the checkpoint's signature is not hex") from None
    # One spelling: else a letter's case could change and nothing would be found.
    if signature.hex() != found.signature:
        raise IntegrityError("the checkpoint's signature is not hex as it is written")
    if not verify_signature(found.at_ns, encode(replace(found, signature="")), signature):
        raise IntegrityError("the checkpoint's signature does not verify")


def _linked(head: str, body: bytes) -> str:
    return sha256(lp(head.encode()) + lp(body)).hexdigest()


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
