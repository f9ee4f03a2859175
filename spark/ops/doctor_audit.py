"""
What doctor looks at of the audit trail: whether somebody outside this host has lately seen it.
"""

import time
from collections.abc import Callable
from typing import Final

from spark.audit_anchor import is_receipt_signed
from spark.audit_chain import Verify
from spark.bus.port import Bus, Partition, Record
from spark.codec import decode
from spark.errors import MalformedError
from spark.events import Receipt
from spark.ops.audit_reader import read_witness
from spark.ops.doctor import Check, Finding, failure, ok, warning
from spark.settings import AuditSettings
from spark.topics import AUDIT_PULSE
from spark.worker.resume import read_sides

_PULSES: Final = Partition(AUDIT_PULSE, 0)
_NS_PER_S: Final = 1_000_000_000


async def last_receipt(bus: Bus, witness: Verify | None) -> Receipt | None:
    """
    Find the youngest receipt that the auditor passed on; None where there is none lately.

    Args:
        witness: proves its signature; None takes any.

    Raises:
        BusUnavailable: Kafka does not answer.

    """
    found: list[Receipt] = []

    def take(record: Record) -> None:
        try:
            event = decode(record.value or b"")
        except MalformedError:
            return
        if isinstance(event, Receipt) and (witness is None or is_receipt_signed(event, witness)):
            found.append(event)

    await read_sides(bus, [_PULSES], take, known={})
    return max(found, key=lambda one: one.at_ns, default=None)


def anchor_finding(receipt: Receipt | None, *, now_ns: int, age_s_max: int) -> Finding:
    """Judge by the age of the youngest receipt (S14)."""
    if receipt is None:
        text = "the audit trail is self-consistent, NOT anchored outside this host"
        return warning(text, "no witness gave a receipt lately; see runbook/audit.md")
    age_s = (now_ns - receipt.at_ns) // _NS_PER_S
    text = f"a witness, {receipt.witness}, saw the audit trail {age_s} s ago, {receipt.size} links"
    if age_s > age_s_max:
        return failure(text, f"no order in mode live beyond {age_s_max} s: look at the witness")
    return ok(text)


def anchor_check(open_bus: Callable[[], Bus], settings: AuditSettings) -> Check:
    """Look for a receipt of the witness that the settings name; of any, where they name none."""

    async def anchor() -> list[Finding]:
        witness = read_witness(settings.witness_key_file)
        bus = open_bus()
        try:
            receipt = await last_receipt(bus, witness)
        finally:
            await bus.close()
        age_s_max = settings.receipt_age_s_max
        return [anchor_finding(receipt, now_ns=time.time_ns(), age_s_max=age_s_max)]

    return Check("audit anchor", anchor)
