"""
The tree, and the witness that only keeps its edge: what it takes and what it refuses.
"""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.audit_anchor import Anchor
from spark.audit_chain import Chain
from spark.audit_tree import Tree
from spark.audit_witness import Memory, Objection, Refused, cut_to
from spark.codec import decode_as, encode
from spark.events import AuditCheckpointed
from tests import keyed
from tests.made import NOW_NS
from tests.trails import is_signed

KEY = keyed.audit()


def root_by_rfc(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, as it stands there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = root_by_rfc(leaves[:split]), root_by_rfc(leaves[split:])
    return sha256(b"\x01" + left + right).digest()


@settings(max_examples=60)
@given(st.integers(0, 130))
def test_the_tree_is_that_of_the_rfc(size: int) -> None:
    """S14: any size has the root that RFC 6962 gives it, from its edge alone."""
    leaves = [sha256(b"%d" % number).digest() for number in range(size)]
    tree = Tree()
    tree.extend(leaf.hex() for leaf in leaves)
    assert tree.root() == root_by_rfc(leaves).hex()
    assert len(tree.peaks) == size.bit_count()


def grown(chain: Chain, links: int) -> Anchor:
    """Let a chain grow, and sign it."""
    for number in range(links):
        chain.fence(number, b"record %d" % chain.tree.size)
    made = chain.checkpoint({}, "audit:1", KEY.sign, at_ns=NOW_NS)
    heads = chain.take_heads(made.size)
    first = made.size - len(heads)
    body = encode(made).decode()
    return Anchor(offset=0, first=first, heads=heads, void={}, checkpoint=body)


def resigned(anchor: Anchor, **changes: object) -> Anchor:
    """Change what a checkpoint says, with the real key."""
    made = decode_as(AuditCheckpointed, anchor.checkpoint.encode())
    blank = replace(made, signature="", **changes)  # type: ignore[arg-type]
    signed = replace(blank, signature=KEY.sign(encode(blank)).hex())
    return replace(anchor, checkpoint=encode(signed).decode())


def taken(memory: Memory, anchor: Anchor) -> None:
    found = memory.judge(anchor, is_signed)
    assert isinstance(found, Tree), found
    memory.tree = found


def refused(memory: Memory, anchor: Anchor) -> Objection:
    found = memory.judge(anchor, is_signed)
    assert isinstance(found, Refused)
    assert (found.size, found.root) == (memory.tree.size, memory.tree.root())
    return found.why


@pytest.fixture
def memory() -> Memory:
    """A witness that was shown two checkpoints."""
    chain, made = Chain(), Memory()
    taken(made, grown(chain, 5))
    taken(made, grown(chain, 3))
    return made


def test_what_grows_out_of_what_was_seen_is_taken() -> None:
    """S14: also with heads that it knows already, and once more at the same size."""
    chain, memory = Chain(), Memory()
    first, second = grown(chain, 4), grown(chain, 7)
    taken(memory, first)
    taken(memory, first)
    whole = replace(second, first=0, heads=first.heads + second.heads)
    taken(memory, whole)
    taken(memory, cut_to(second, second.size))
    assert memory.tree.size == second.size


def longer(links: int) -> Callable[[], Anchor]:
    def make() -> Anchor:
        chain = Chain()
        chain.fence(0, b"another history")
        return grown(chain, links)

    return make


@pytest.mark.parametrize(
    ("anchor", "why"),
    [
        (longer(2), Objection.SMALLER),
        (longer(8), Objection.OTHER_ROOT),
        (longer(20), Objection.INCONSISTENT),
        (lambda: grown(Chain(), 5), Objection.SMALLER),
    ],
    ids=["rolled back", "rewritten", "rewritten and longer", "the old one again"],
)
def test_s14_another_history_is_refused(
    memory: Memory, anchor: Callable[[], Anchor], why: Objection
) -> None:
    """
    S14: with the real audit key: no receipt for a trail that contradicts what was seen.

    Fault A2.
    """
    before = memory.tree.copy()
    made = anchor()
    known = cut_to(made, 9) if made.size > memory.tree.size else made
    assert refused(memory, known) is why
    assert memory.tree == before


def test_s14_a_root_that_the_heads_do_not_give_is_refused() -> None:
    """S14: the witness believes its own sum, not the checkpoint's."""
    anchor = grown(Chain(), 6)
    assert refused(Memory(), resigned(anchor, root="0" * 64)) is Objection.INCONSISTENT
    assert refused(Memory(), replace(anchor, first=1)) is Objection.MALFORMED
    assert refused(Memory(), replace(anchor, heads=anchor.heads[1:])) is Objection.MALFORMED
    assert refused(Memory(), replace(anchor, heads=("x",) * 6)) is Objection.MALFORMED
    assert refused(Memory(), replace(anchor, checkpoint="{}")) is Objection.MALFORMED


def test_s14_only_the_auditor_is_believed() -> None:
    """S14: a checkpoint that the auditor did not sign gets nothing."""
    anchor = grown(Chain(), 6)
    forged = anchor.checkpoint.replace('"lines":0', '"lines":1')
    assert refused(Memory(), replace(anchor, checkpoint=forged)) is Objection.UNSIGNED


def test_heads_from_behind_what_is_known_are_asked_for_again() -> None:
    """A witness that was away, or is new, says from where it must be told."""
    chain = Chain()
    grown(chain, 3)
    assert refused(Memory(), grown(chain, 3)) is Objection.STARTS_ELSEWHERE
