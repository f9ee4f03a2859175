"""
What is known of the audit trail outside the log: anchors, and a witness's receipts. Pure.

An anchor is a signed checkpoint with the heads of the links since the anchor before,
so a file of anchors names the first link that is not what it was. A receipt is a
witness's signature under a tree's size and root; what no receipt covers is known to
this host alone. Both stand as lines of one file, the auditor's and the witness's alike.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from spark.audit_chain import Sign, Verify, VerifyAt, check_signature
from spark.audit_tree import Tree
from spark.codec import decode_as, encode
from spark.errors import IntegrityError, MalformedError
from spark.events import AuditCheckpointed, Receipt
from spark.events.parts import event

#: Of one line of the file; an anchor holds the links of some seconds.
LINE_BYTES_MAX: Final = 16 * 1024 * 1024


@event
class Anchor:
    """A checkpoint and what came before it, since the anchor before."""

    type: Literal["anchor"] = "anchor"
    v: Literal[1] = 1
    #: Where the checkpoint stands on the `audit` topic.
    offset: int
    #: Number of the first link that `heads` tells of.
    first: int
    heads: tuple[str, ...]
    #: What checkpoints since the anchor before list as out of its epoch: offset -> digest.
    void: dict[str, str]
    #: The checkpoint's exact bytes, as text.
    checkpoint: str

    @property
    def size(self) -> int:
        """How many links come before the checkpoint."""
        return self.first + len(self.heads)


Note: TypeAlias = Anchor | Receipt
_ADAPTER: Final[TypeAdapter[Note]] = TypeAdapter(Annotated[Note, Field(discriminator="type")])


def read_note(body: bytes) -> Note:
    """
    Read a line of the file.

    Raises:
        MalformedError: it is none, or not canonical.

    """
    try:
        found = _ADAPTER.validate_json(body)
    except ValidationError:
        raise MalformedError("neither an anchor nor a receipt") from None
    try:
        canonical = encode(found)
    except (TypeError, ValueError):
        raise MalformedError("a number is out of range") from None
    if canonical != body:
        raise MalformedError("an anchor or a receipt that is not canonical")
    return found


def read_checkpoint(anchor: Anchor) -> AuditCheckpointed:
    """
    Read the checkpoint inside an anchor.

    Raises:
        MalformedError: there is none.

    """
    return decode_as(AuditCheckpointed, anchor.checkpoint.encode())


def make_receipt(tree: Tree, witness: str, sign: Sign, *, at_ns: int) -> Receipt:
    """Sign what was seen."""
    blank = Receipt(size=tree.size, root=tree.root(), at_ns=at_ns, witness=witness, signature="")
    return replace(blank, signature=sign(encode(blank)).hex())


def is_receipt_signed(receipt: Receipt, verify_signature: Verify) -> bool:
    """Tell whether the witness signed it."""
    try:
        signature = bytes.fromhex(receipt.signature)
    except ValueError:
        return False
    return verify_signature(encode(replace(receipt, signature="")), signature)


@dataclass(slots=True)
class Outside:
    """Everything that a file of anchors and receipts says, checked against itself."""

    heads: list[str] = field(default_factory=list)
    #: By the size under which each checkpoint stands: its place on the topic, and its bytes.
    checkpoints: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    #: Records that are no links: offset -> digest.
    void: dict[str, str] = field(default_factory=dict)
    #: Receipts whose signature verifies, by size.
    receipts: dict[int, Receipt] = field(default_factory=dict)
    #: Receipts that nobody could check, for want of the witness's key.
    unchecked: int = 0

    @property
    def links(self) -> int:
        """How many links of the chain are known of, at the least."""
        checkpoints = max(self.checkpoints, default=-1) + 1
        return max(len(self.heads), checkpoints, max(self.receipts, default=0))

    @property
    def void_known_below(self) -> int:
        """
        Below which offset every record out of its epoch is known.

        One may have landed before a checkpoint unseen, and is listed by the next.
        """
        places = sorted(place for place, _ in self.checkpoints.values())
        return places[-2] if self.heads and len(places) > 1 else 0


def read_outside(lines: Iterable[bytes], audit: VerifyAt, witness: Verify | None = None) -> Outside:
    """
    Read a file of anchors and receipts.

    Args:
        lines: in their order; several files may follow each other.
        audit: with the auditor's public keys.
        witness: with the witness's; without it no receipt counts.

    Raises:
        IntegrityError: the file contradicts itself; the text names the line.

    """
    found, tree = Outside(), Tree()
    roots: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        try:
            note = read_note(line)
            if isinstance(note, Anchor):
                _take_anchor(found, tree, note, audit=audit)
                roots[tree.size] = tree.root()
            elif witness is None:
                found.unchecked += 1
            else:
                _take_receipt(found, note, roots, witness=witness)
        except (IntegrityError, MalformedError) as error:
            raise IntegrityError(f"anchors, line {number}: {error}") from None
    return found


def _take_anchor(found: Outside, tree: Tree, anchor: Anchor, *, audit: VerifyAt) -> None:
    checkpoint = read_checkpoint(anchor)
    check_signature(checkpoint, audit)
    last = anchor.first + len(anchor.heads)
    if last != checkpoint.size or anchor.first > tree.size:
        raise IntegrityError(f"links {tree.size} to {anchor.first} are missing")
    known = max(0, min(tree.size, last) - anchor.first)
    if found.heads[anchor.first : anchor.first + known] != list(anchor.heads[:known]):
        raise IntegrityError("two anchors tell of different chains")
    new = anchor.heads[known:]
    if any(not is_head(head) for head in new):
        raise IntegrityError("a head is no digest")
    found.heads.extend(new)
    found.void |= anchor.void
    tree.extend(new)
    if tree.size == checkpoint.size and tree.root() != checkpoint.root:
        raise IntegrityError("the heads are not those that the checkpoint signs")
    found.checkpoints[checkpoint.size] = (anchor.offset, anchor.checkpoint.encode())


def _take_receipt(
    found: Outside, receipt: Receipt, roots: Mapping[int, str], *, witness: Verify
) -> None:
    if not is_receipt_signed(receipt, witness):
        raise IntegrityError("the witness did not sign this receipt")
    if roots.get(receipt.size, receipt.root) != receipt.root:
        raise IntegrityError("the anchors are not those that the witness saw")
    found.receipts[receipt.size] = receipt


def is_head(text: str) -> bool:
    """Tell whether this is a digest as the chain writes it."""
    return len(text) == 64 and all(sign in "0123456789abcdef" for sign in text)  # noqa: PLR2004
