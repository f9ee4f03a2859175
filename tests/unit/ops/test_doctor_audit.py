"""
Doctor on the audit trail: whether a witness saw it, and how long ago.
"""

from spark import topics
from spark.audit_anchor import make_receipt
from spark.audit_tree import Tree
from spark.bus.memory import MemoryBus
from spark.bus.port import Outgoing, Partition
from spark.codec import encode
from spark.events import Receipt
from spark.ops.doctor import Level
from spark.ops.doctor_audit import anchor_finding, last_receipt
from spark.signing import signature_check
from tests import keyed
from tests.made import NOW_NS, SECOND_NS
from tests.order_path import memory_log
from tests.surroundings import auditor_pulsed


def receipt(at_ns: int) -> Receipt:
    return make_receipt(Tree(), "the-witness", keyed.witness().sign, at_ns=at_ns)


async def test_the_youngest_of_the_witness_named_counts() -> None:
    """S14: pulses, nonsense and receipts of another key are passed over."""
    bus = MemoryBus(memory_log())
    check = signature_check(keyed.witness().public_key())
    assert await last_receipt(bus, check) is None
    writer = await bus.writer([topics.AUDIT_PULSE])
    other = make_receipt(Tree(), "other", keyed.audit().sign, at_ns=NOW_NS + 9)
    bodies = [encode(receipt(NOW_NS)), encode(receipt(NOW_NS - 5)), encode(other)]
    bodies += [b"{", encode(auditor_pulsed(NOW_NS))]
    place = Partition(topics.AUDIT_PULSE, 0)
    await writer.write([Outgoing(place, None, body) for body in bodies])
    assert await last_receipt(bus, check) == receipt(NOW_NS)
    assert await last_receipt(bus, None) == other


def test_a_receipt_is_judged_by_its_age() -> None:
    """S14: none is a warning, where nobody asked for one; an old one stops mode live."""
    levels = [
        anchor_finding(one, now_ns=NOW_NS, age_s_max=600).level
        for one in (None, receipt(NOW_NS - 600 * SECOND_NS), receipt(NOW_NS - 601 * SECOND_NS))
    ]
    assert levels == [Level.WARNING, Level.OK, Level.FAILURE]
