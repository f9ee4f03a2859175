"""
Audit trails to work on: made from a seed, or as exported.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark.audit_anchor import Anchor, make_receipt
from spark.audit_chain import Audited, Chain, Verify, VerifyAt, line_of
from spark.audit_keys import AuditKeys
from spark.audit_tree import Tree
from spark.codec import decode, encode
from spark.errors import SettingError
from spark.events import AuditCheckpointed, AuditLine, AuditPaged, PartitionFenced, Receipt
from spark.signing import signature_check

_NOW_NS: Final = 1_790_000_000_000_000_000
_KID: Final = "audit:1"
_WITNESS: Final = "witness:drill"
_TOPICS: Final = ("orders.intents", "orders.decisions", "orders.signed", "orders.events", "control")
_LINE_BYTES_MAX: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Keys:
    """Who signs; of a real trail only what verifies is known."""

    audit: Ed25519PrivateKey
    witness: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Sample:
    """A trail with everything that is kept of it outside the log."""

    records: list[bytes]
    #: Anchors, each followed by its receipt.
    notes: list[bytes]
    keys: Keys


def keys_of(seed: int) -> Keys:
    """Make the keys that belong to a seed."""
    made = [sha256(b"%s %d" % (name, seed)).digest() for name in (b"audit", b"witness")]
    return Keys(*(Ed25519PrivateKey.from_private_bytes(one) for one in made))


def check_of(key: Ed25519PrivateKey) -> Verify:
    """Turn a key into a question."""
    return signature_check(key.public_key())


def audit_check_of(key: Ed25519PrivateKey) -> VerifyAt:
    """Turn a key that never had a successor into a question about an auditor."""
    return AuditKeys(key.public_key()).is_signed


class Maker:
    """An auditor at work, its records kept."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.records: list[bytes] = []
        self.notes: list[bytes] = []
        self.chain = Chain()
        #: Who signs, by the time from which on.
        self.signers = {0: (_KID, keys.audit)}
        self._tree = Tree()
        self._next: dict[str, int] = {}

    @property
    def at_ns(self) -> int:
        """How late it is: one nanosecond for each record."""
        return _NOW_NS + len(self.records)

    def fence(self, instance: str) -> None:
        """Let an auditor begin."""
        fenced = PartitionFenced(
            role="auditor", instance=instance, topic_ids={}, settings={}, fenced_ns=_NOW_NS
        )
        self.begin(encode(fenced))

    def begin(self, fence: bytes) -> None:
        """Append a fence as it stands."""
        self.chain.fence(len(self.records), fence)
        self.records.append(fence)

    def page(self, values: list[tuple[str, bytes]]) -> None:
        """Let it chain these records, each with its topic."""
        lines = []
        for topic, value in values:
            offset = self._next.get(topic, 0)
            self._next[topic] = offset + 1
            lines.append(line_of(Audited(topic, 0, offset, 5 + offset, b"k", value, ())))
        self.chain_up(lines)

    def chain_up(self, lines: Iterable[AuditLine]) -> None:
        """Append a page of these lines."""
        self.records.append(encode(self.chain.page(lines, self.at_ns)))

    def sign(self) -> None:
        """Let it sign, anchor what it signed, and get a receipt."""
        kid, key = self.signers[max(since for since in self.signers if since <= self.at_ns)]
        made = self.chain.checkpoint({"control": "id"}, kid, key.sign, at_ns=self.at_ns)
        heads = self.chain.take_heads(made.size)
        anchor = Anchor(
            offset=len(self.records),
            first=made.size - len(heads),
            heads=heads,
            void=self.chain.take_listed(),
            checkpoint=encode(made).decode(),
        )
        self._tree.extend(heads)
        self.records.append(encode(made))
        self.notes += [encode(anchor), encode(self._receipt())]

    def stray(self, epoch: int) -> None:
        """Let an auditor that was fenced off write once more, as it may."""
        old = Chain(epoch=epoch)
        body = encode(old.checkpoint({}, _KID, self.keys.audit.sign, at_ns=_NOW_NS))
        self.chain.see_void(len(self.records), body)
        self.records.append(body)

    def _receipt(self) -> Receipt:
        return make_receipt(self._tree, _WITNESS, self.keys.witness.sign, at_ns=_NOW_NS)


def synthetic(seed: int, *, pages: int = 60) -> Sample:
    """Make a trail of several auditors, one of which wrote after its time."""
    chance, maker = Random(seed), Maker(keys_of(seed))  # noqa: S311  (a sample, no secret)
    maker.fence("auditor:0")
    maker.sign()
    for number in range(pages):
        if number and number % (pages // 4) == 0:
            before = maker.chain.epoch
            maker.fence(f"auditor:{number}")
            if chance.random() < 0.5:  # noqa: PLR2004  (every second one)
                maker.stray(before)
            maker.sign()
        maker.page([_value(chance) for _ in range(chance.randint(1, 8))])
        if chance.random() < 0.4:  # noqa: PLR2004  (some pages between two checkpoints)
            maker.sign()
    maker.sign()
    return Sample(maker.records, maker.notes, maker.keys)


def adopted(records: Iterable[bytes], seed: int) -> Sample:
    """
    Make a trail of the same lines with keys of its own: a drill has no real key.

    Raises:
        MalformedError: a record is none of a trail.

    """
    maker = Maker(keys_of(seed))
    for body in records:
        event = decode(body)
        if isinstance(event, PartitionFenced):
            maker.begin(body)
        elif isinstance(event, AuditPaged | AuditCheckpointed) and event.epoch != maker.chain.epoch:
            maker.stray(event.epoch)
        elif isinstance(event, AuditPaged):
            maker.chain_up(event.lines)
        elif isinstance(event, AuditCheckpointed):
            maker.sign()
    if maker.chain.heads:
        maker.sign()
    return Sample(maker.records, maker.notes, maker.keys)


def read_trail(path: Path) -> list[bytes]:
    """
    Read an exported trail.

    Raises:
        SettingError: it cannot be read.

    """
    try:
        with path.open("rb") as file:
            return list(_lines(file.readline, path))
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from None


def _lines(read: Callable[[int], bytes], path: Path) -> Iterator[bytes]:
    while line := read(_LINE_BYTES_MAX):
        if not line.endswith(b"\n"):
            raise SettingError(f"{path}: the last line is not whole")
        yield line.removesuffix(b"\n")


def _value(chance: Random) -> tuple[str, bytes]:
    topic = chance.choice(_TOPICS)
    body = {"account": "binance:main", "intent_id": f"drill-{chance.random()}", "type": "sample"}
    return topic, encode(body)
