"""
Verifies an audit trail: chain, signatures, and what was kept of it outside the log. Pure.

An edit, a removal, an insertion or a swap is found at the first record that it touches.
A cut tail, and a whole history written anew with the real key, are found only against
anchors or a witness's receipts (audit_anchor.py); `Report.is_anchored` says whether a
receipt from outside was compared (S14).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NoReturn

from spark.audit_anchor import Outside
from spark.audit_chain import (
    GENESIS,
    LINES_PER_PAGE_MAX,
    Audited,
    BrokenLinkError,
    Chain,
    Sign,
    VerifyAt,
    check_page,
    check_signature,
    digest_of,
    line_of,
)
from spark.codec import decode
from spark.errors import IntegrityError, MalformedError
from spark.events import AuditCheckpointed, AuditPaged, Event, PartitionFenced

__all__ = [
    "GENESIS",
    "LINES_PER_PAGE_MAX",
    "Audited",
    "BadRecordError",
    "Chain",
    "Report",
    "Sign",
    "VerifyAt",
    "digest_of",
    "line_of",
    "verify",
]

#: A record out of its epoch may land beside one checkpoint unseen; the next one lists it.
_UNLISTED_CHECKPOINTS_MAX = 2


class BadRecordError(IntegrityError):
    """The first record of a trail that is not what it was, by its place on the topic."""

    def __init__(self, record: int, why: str) -> None:
        super().__init__(f"audit record {record}: {why}")
        self.record = record


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
    #: Links that agree with an anchor kept on this host.
    anchored_links: int = 0
    #: The last record under a receipt from outside, and the lines up to it; -1 without one.
    anchored_record: int = -1
    anchored_lines: int = 0
    #: Who gave that receipt, and when.
    witness: str = ""
    witnessed_ns: int = 0

    @property
    def is_anchored(self) -> bool:
        """Whether a receipt from outside was compared."""
        return bool(self.witness)


def verify(
    records: Iterable[bytes], verify_signature: VerifyAt, outside: Outside | None = None
) -> Report:
    """
    Verify an audit trail from its first record on.

    Args:
        records: the values of the `audit` topic's records, in order.
        verify_signature: with the auditor's public keys.
        outside: what is known of it beside the log.

    Raises:
        BadRecordError: names the first record that is not what it was.

    """
    walk = _Walk(verify_signature, outside or Outside())
    count = 0
    for count, body in enumerate(records, 1):
        walk.take(count - 1, body)
    return walk.end(count)


class _Walk:
    """One way through a trail."""

    def __init__(self, verify_signature: VerifyAt, outside: Outside) -> None:
        self._verify_signature = verify_signature
        self._outside = outside
        self._chain = Chain()
        self._report = Report()
        #: Epochs of which a record may still come.
        self._living: set[int] = set()
        #: Void records that no checkpoint has listed, and how many could have.
        self._unlisted: dict[str, int] = {}
        #: What was taken on trust since the last record that proves what stands before it.
        self._trusted: list[int] = []
        self._signed_lines = 0
        #: The first one out of its epoch that should be known outside, and is not.
        self._slipped_in: int | None = None
        self._void_known_below = outside.void_known_below

    def take(self, offset: int, body: bytes) -> None:
        """Take the next record."""
        try:
            event = decode(body)
            is_link = self._fold(offset, body, event)
            if is_link:
                self._compare(offset, body)
        except BadRecordError as error:
            self._blame(error.record, offset, str(error))
        except BrokenLinkError as error:
            # What nothing vouched for is the first that may be to blame.
            blamed = self._trusted[0] if self._trusted else offset
            self._blame(blamed, offset, str(error))
        except (IntegrityError, MalformedError) as error:
            self._blame(offset, offset, str(error))
        self._chain.heads.clear()
        self._chain.listed.clear()

    def _blame(self, record: int, offset: int, why: str) -> NoReturn:
        if self._slipped_in is not None and self._slipped_in < record:
            record = self._slipped_in
        if record != offset:
            why = f"does not belong there; at {offset}: {why}"
        raise BadRecordError(record, why) from None

    def end(self, count: int) -> Report:
        """Say what was found, after the last record."""
        chain, report, known = self._chain, self._report, self._outside.links
        if known > chain.tree.size:
            why = f"the trail ends with {chain.tree.size} links; {known} were anchored"
            self._blame(self._trusted[0] if self._trusted else count, count, why)
        if self._slipped_in is not None:
            raise BadRecordError(self._slipped_in, "out of its epoch, and not known outside")
        report.pages, report.lines, report.head = chain.pages, chain.lines, chain.head
        report.unsigned_lines = chain.lines - self._signed_lines
        report.next_offsets = chain.next_offsets
        return report

    def _fold(self, offset: int, body: bytes, event: Event) -> bool:
        chain, report = self._chain, self._report
        due = self._outside.void.get(str(offset))
        if due is not None and due != sha256(body).hexdigest():
            raise IntegrityError("another record was anchored here, out of its epoch")
        if isinstance(event, PartitionFenced):
            chain.fence(offset, body)
            self._living.add(offset)
            self._trusted.append(offset)
            report.fences += 1
            return True
        if not isinstance(event, AuditPaged | AuditCheckpointed):
            raise IntegrityError(f"{type(event).__name__} is not audit")
        if event.epoch != chain.epoch:
            self._pass_over(offset, body, event)
            return False
        if isinstance(event, AuditPaged):
            chain.accept(event)
        else:
            self._check(event)
            chain.seal(event, body)
            self._count_unlisted()
            report.checkpoints += 1
            self._signed_lines = chain.lines
        self._trusted.clear()
        return True

    def _pass_over(self, offset: int, body: bytes, event: AuditPaged | AuditCheckpointed) -> None:
        # What an auditor wrote that had been fenced off is whole in itself; a record that
        # is not was changed, perhaps only to be passed over as such a one.
        if isinstance(event, AuditCheckpointed):
            check_signature(event, self._verify_signature)
        else:
            check_page(event)
        # It finds out with its next write: it has one.
        if event.epoch not in self._living:
            raise BrokenLinkError(f"epoch {event.epoch} was over")
        self._living.remove(event.epoch)
        self._chain.see_void(offset, body)
        self._unlisted[str(offset)] = 0
        self._report.void += 1
        if str(offset) in self._outside.void:
            return
        self._trusted.append(offset)
        if offset < self._void_known_below and self._slipped_in is None:
            self._slipped_in = offset

    def _check(self, found: AuditCheckpointed) -> None:
        chain = self._chain
        check_signature(found, self._verify_signature)
        counted = (found.pages, found.lines, found.size)
        if counted != (chain.pages, chain.lines, chain.tree.size):
            raise BrokenLinkError("the checkpoint is of another chain")
        if (found.head, found.root) != (chain.head, chain.tree.root()):
            raise BrokenLinkError("the checkpoint is of another chain")
        if found.previous != chain.previous:
            raise BrokenLinkError("the checkpoint does not follow the one before it")
        if found.next_offsets != chain.next_offsets:
            raise BrokenLinkError("the checkpoint's offsets are not the chain's")
        for offset, digest in found.void.items():
            if chain.void.get(offset) != digest:
                raise BadRecordError(int(offset), "the checkpoint after it lists another one there")

    def _count_unlisted(self) -> None:
        for offset in [one for one in self._unlisted if one not in self._chain.void]:
            del self._unlisted[offset]
        for offset in self._unlisted:
            self._unlisted[offset] += 1
            if self._unlisted[offset] >= _UNLISTED_CHECKPOINTS_MAX:
                raise BadRecordError(int(offset), "out of its epoch, and no checkpoint lists it")

    def _compare(self, offset: int, body: bytes) -> None:
        chain, outside = self._chain, self._outside
        size, number = chain.tree.size, chain.tree.size - 1
        if number < len(outside.heads):
            if outside.heads[number] != chain.head:
                raise BrokenLinkError(f"link {number} is not the one that was anchored")
            self._report.anchored_links = size
            self._trusted.clear()
        if number in outside.checkpoints:
            place, checkpoint = outside.checkpoints[number]
            if checkpoint != body:
                raise BrokenLinkError("another checkpoint was anchored here")
            if place != offset:
                # What was put in between and is no link.
                strange = [int(one) for one in chain.void if one not in outside.void]
                raise BadRecordError(min(strange, default=offset), f"record {place} is here")
            self._report.anchored_links = size
        receipt = outside.receipts.get(size)
        if receipt is None:
            return
        if receipt.root != chain.tree.root():
            seen = self._report.anchored_record
            raise BrokenLinkError(f"the witness saw another trail; it is the same up to {seen}")
        self._report.anchored_record = offset
        self._report.anchored_lines = chain.lines
        self._report.witness, self._report.witnessed_ns = receipt.witness, receipt.at_ns
