"""
The guardrail's pulses, for gateways that run without a guardrail.
"""

from typing import Final

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.codec import encode, type_name
from spark.events import ProcessPulsed
from spark.ledger.lease import Lease
from spark.names import Role
from spark.signing import Tagger
from tests import keyed
from tests.made import NOW_NS, SECOND_NS

LEASE_NS: Final = 3 * SECOND_NS
LANE: Final = f"{topics.DECISIONS}/0"
#: Longer than any test.
_LONG_NS: Final = 10**18


def pulsed(number_ns: int, *, epoch: int = 0, role: str = Role.GUARDRAIL) -> ProcessPulsed:
    """Say that the guardrail lives, holding every account's decisions since `epoch`."""
    lanes = range(topics.ACCOUNT_PARTITIONS)
    return ProcessPulsed(
        role=role,
        instance="guardrail-0",
        state="ready",
        epochs={f"{topics.DECISIONS}/{number}": epoch for number in lanes},
        positions={},
        halts=(),
        at_ns=number_ns,
    )


def pulse_written(pulse: ProcessPulsed, tagger: Tagger | None = None) -> Outgoing:
    """Write a pulse as the guardrail does, unless somebody else's keys are given."""
    body = encode(pulse)
    keys = tagger or keyed.tagger(Role.GUARDRAIL, Role.GATEWAY)
    headers = keys.headers(topics.CONTROL_PULSE, type_name(ProcessPulsed), body)
    return Outgoing(Partition(topics.CONTROL_PULSE, 0), pulse.role.encode(), body, headers)


def leased() -> Lease:
    """Give a lease that outlasts the test."""
    lease = Lease(LANE, _LONG_NS)
    assert lease.hear(pulsed(NOW_NS), NOW_NS, wall_ns=NOW_NS, monotonic_ns=0)
    return lease
