"""
The Merkle tree over the heads of the chain, as RFC 6962 hashes it. Pure.

A leaf is H(0x00 || head), a node H(0x01 || left || right), so that no leaf can be taken
for a node. What is kept of a tree is its compact range: the roots of its full subtrees,
at most one for each bit of its size. That is enough to append and to say the root, and
so enough for a witness that was never shown a record.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


@dataclass(slots=True)
class Tree:
    """A tree that grows at its end; equal sizes with equal peaks are the same tree."""

    size: int = 0
    #: Roots of the full subtrees, the largest first, hex.
    peaks: list[str] = field(default_factory=list)

    def append(self, head: str) -> None:
        """Add a leaf."""
        node, bits = sha256(_LEAF + bytes.fromhex(head)).digest(), self.size
        while bits & 1:
            node = _joined(bytes.fromhex(self.peaks.pop()), node)
            bits >>= 1
        self.peaks.append(node.hex())
        self.size += 1

    def extend(self, heads: Iterable[str]) -> None:
        """Add leaves."""
        for head in heads:
            self.append(head)

    def root(self) -> str:
        """Give the root; of an empty tree the digest of nothing, as the RFC says."""
        if not self.peaks:
            return sha256(b"").hexdigest()
        node = bytes.fromhex(self.peaks[-1])
        for peak in reversed(self.peaks[:-1]):
            node = _joined(bytes.fromhex(peak), node)
        return node.hex()

    def copy(self) -> "Tree":
        """Copy it, so that an extension can be tried."""
        return Tree(self.size, list(self.peaks))


def _joined(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()
