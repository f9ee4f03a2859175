"""
The hash chain, `audit`, and what a witness outside says of it, `audit.pulse`.
"""

from typing import Literal

from spark.events.parts import event


@event
class AuditLine:
    """One audited record: where it stands, when it was appended, what it was, its digest."""

    topic: str
    partition: int
    offset: int
    appended_ms: int
    #: Type name and the ids a reader searches by; empty where unreadable.
    kind: str
    intent_id: str
    account: str
    #: SHA-256 over key, headers and value (audit.py), hex.
    sha256: str


@event
class AuditPaged:
    """A run of lines chained to the page before: `head` = H(previous head, lines)."""

    type: Literal["audit_paged"] = "audit_paged"
    v: Literal[1] = 1
    epoch: int
    page: int
    #: Number of the first line; lines are counted over all pages.
    first_line: int
    lines: tuple[AuditLine, ...]
    previous: str
    head: str
    at_ns: int


@event
class AuditCheckpointed:
    """
    The auditor's signature under the chain so far, with the vector to resume from (R17).

    It stands at link `size` of the chain, which its own tree does not hold yet.
    """

    type: Literal["audit_checkpointed"] = "audit_checkpointed"
    v: Literal[1] = 1
    epoch: int
    pages: int
    lines: int
    head: str
    #: Links of the chain so far (fences, pages, checkpoints), and the Merkle root over their heads.
    size: int
    root: str
    #: SHA-256 of the checkpoint before, hex; 64 zeros before the first.
    previous: str
    #: Records that landed out of their epoch since the last one: offset -> SHA-256, hex.
    void: dict[str, str]
    #: `topic/partition` -> next offset to audit.
    next_offsets: dict[str, int]
    #: `topic` -> the broker's id of this incarnation (R18).
    topic_ids: dict[str, str]
    kid: str
    #: Ed25519 over the canonical bytes of this record with an empty signature, hex.
    signature: str
    at_ns: int


@event
class Receipt:
    """A witness has seen a tree of this size with this root, and none that contradicts it."""

    type: Literal["receipt"] = "receipt"
    v: Literal[1] = 1
    size: int
    root: str
    at_ns: int
    #: Names the witness's key.
    witness: str
    #: Ed25519 over the canonical bytes of this with an empty signature, hex.
    signature: str
