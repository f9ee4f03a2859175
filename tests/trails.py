"""
Audit trails as an auditor leaves them, kept record by record as an export has them.
"""

from spark.audit_anchor import Anchor
from spark.audit_chain import Audited, Chain, line_of
from spark.audit_keys import AuditKeys
from spark.codec import encode
from spark.events import PartitionFenced
from tests import keyed
from tests.made import NOW_NS, place

KEY = keyed.audit()
KID = "audit:1"
#: Verifies with the auditor's public key.
is_signed = AuditKeys(KEY.public_key()).is_signed


def audited(offset: int, partition: int = 0, value: bytes = encode(place())) -> Audited:
    """Give a record that an auditor read."""
    return Audited("orders.intents", partition, offset, 5, b"k", value, (("tag.a", b"t"),))


class Trail:
    """An auditor at work."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.anchors: list[Anchor] = []
        self.chain = Chain()
        self._next: dict[int, int] = {}

    def fence(self, instance: str = "one") -> "Trail":
        """Let an auditor begin."""
        fenced = PartitionFenced(
            role="auditor", instance=instance, topic_ids={}, settings={}, fenced_ns=NOW_NS
        )
        self.chain.fence(len(self.records), encode(fenced))
        self.records.append(encode(fenced))
        return self

    def page(self, *partitions: int) -> "Trail":
        """Let it chain one record of each of these partitions."""
        lines = []
        for partition in partitions:
            offset = self._next.get(partition, 0)
            self._next[partition] = offset + 1
            lines.append(line_of(audited(offset, partition)))
        self.records.append(encode(self.chain.page(lines, NOW_NS)))
        return self

    def sign(self) -> "Trail":
        """Let it sign, and anchor what it signed."""
        made = self.chain.checkpoint({"orders.intents": "id"}, KID, KEY.sign, at_ns=NOW_NS)
        heads = self.chain.take_heads(made.size)
        first = made.size - len(heads)
        body = encode(made)
        self.anchors.append(
            Anchor(
                offset=len(self.records),
                first=first,
                heads=heads,
                void=self.chain.take_listed(),
                checkpoint=body.decode(),
            )
        )
        self.records.append(body)
        return self

    def zombie(self) -> "Trail":
        """Let an auditor that was fenced off write once more, as it may."""
        old = Chain(epoch=0)
        body = encode(old.checkpoint({}, KID, KEY.sign, at_ns=NOW_NS))
        self.chain.see_void(len(self.records), body)
        self.records.append(body)
        return self
