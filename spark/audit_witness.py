"""
What a witness of the audit trail remembers, and what it refuses to believe. Pure.

It is shown a signed checkpoint with the heads of the links since the size it knows,
and works the root out for itself: a trail that forgot, changed or grew out of anything
else than what was shown before is refused, whoever signed it (S14).
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from spark.audit_anchor import Anchor, is_head, read_checkpoint
from spark.audit_chain import VerifyAt, check_signature
from spark.audit_tree import Tree
from spark.errors import IntegrityError, MalformedError
from spark.events.parts import event


class Objection(StrEnum):
    """Why a checkpoint got no receipt."""

    #: Not readable, or its heads do not lead from where they begin to its size.
    MALFORMED = "malformed"
    #: The auditor did not sign it.
    UNSIGNED = "unsigned"
    #: The heads begin behind what is known here: send from there. No fault of anybody's.
    STARTS_ELSEWHERE = "starts_elsewhere"
    #: A smaller tree than the one that was seen.
    SMALLER = "smaller"
    #: The same size, and another root.
    OTHER_ROOT = "other_root"
    #: Larger, and not out of the one that was seen.
    INCONSISTENT = "inconsistent"


#: These say that the trail is not what it was.
ALARMING = frozenset(
    {Objection.UNSIGNED, Objection.SMALLER, Objection.OTHER_ROOT, Objection.INCONSISTENT}
)


@event
class Refused:
    """The answer without a receipt; `size` and `root` are what the witness knows."""

    type: Literal["refused"] = "refused"
    v: Literal[1] = 1
    why: Objection
    size: int
    root: str


@dataclass(slots=True)
class Memory:
    """All that a witness has to remember."""

    tree: Tree = field(default_factory=Tree)

    def judge(self, anchor: Anchor, verify_signature: VerifyAt) -> Tree | Refused:
        """
        Judge a checkpoint; remembers nothing yet.

        Returns: the tree as it is with the new links, to be remembered once that is safe.
        """
        known = self.tree.size
        why = _fault_of(anchor, verify_signature)
        if why is None and anchor.size < known:
            why = Objection.SMALLER
        if why is None and anchor.first > known:
            why = Objection.STARTS_ELSEWHERE
        if why is not None:
            return self._refuse(why)
        grown = self.tree.copy()
        grown.extend(anchor.heads[known - anchor.first :])
        if grown.root() != read_checkpoint(anchor).root:
            is_same = anchor.size == known
            return self._refuse(Objection.OTHER_ROOT if is_same else Objection.INCONSISTENT)
        return grown

    def _refuse(self, why: Objection) -> Refused:
        return Refused(why=why, size=self.tree.size, root=self.tree.root())


def cut_to(anchor: Anchor, size: int) -> Anchor:
    """Leave out the heads that a reader who knows `size` links has."""
    known = max(0, min(len(anchor.heads), size - anchor.first))
    return replace(anchor, first=anchor.first + known, heads=anchor.heads[known:])


def _fault_of(anchor: Anchor, verify_signature: VerifyAt) -> Objection | None:
    """Say what is wrong with it by itself."""
    try:
        checkpoint = read_checkpoint(anchor)
        check_signature(checkpoint, verify_signature)
    except MalformedError:
        return Objection.MALFORMED
    except IntegrityError:
        return Objection.UNSIGNED
    is_whole = anchor.first >= 0 and anchor.size == checkpoint.size
    is_whole = is_whole and all(is_head(head) for head in anchor.heads)
    return None if is_whole else Objection.MALFORMED
