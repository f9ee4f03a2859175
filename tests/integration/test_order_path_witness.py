"""
In mode live nothing new is approved without a witness outside who saw the trail lately (S14).
"""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import topics
from spark.audit_anchor import make_receipt
from spark.audit_tree import Tree
from spark.bus.port import Outgoing, Partition
from spark.clock import SystemClock
from spark.codec import encode
from spark.events import IntentRefused
from spark.names import Reason, Role, TradingMode
from tests import keyed
from tests.made import SECOND_NS
from tests.order_path import OrderPath, in_memory
from tests.start import PATIENT

_AGE_NS_MAX = 600 * SECOND_NS
_LIMITS = replace(PATIENT, receipt_age_ns_max=_AGE_NS_MAX)
_WITNESS = keyed.witness().public_key()
_HERE = Partition(topics.AUDIT_PULSE, 0)


async def witnessed(path: OrderPath, key: Ed25519PrivateKey, age_ns: int = 0) -> int:
    """Pass a receipt on, as the auditor does; gives its offset."""
    at_ns = SystemClock().wall_ns() - age_ns
    receipt = make_receipt(Tree(), "the-witness", key.sign, at_ns=at_ns)
    (offset,) = await path.write(Outgoing(_HERE, Role.AUDITOR.encode(), encode(receipt)))
    return offset


async def refused_for(path: OrderPath, seen: int = -1) -> list[Reason]:
    """Ask until a decision has seen the record at this offset; gives why it was refused."""
    while True:
        order = path.order()
        await path.ask(order)
        decision = await path.decided(order)
        if decision.basis.seen.get(str(_HERE), 0) > seen:
            reasons = decision.reasons if isinstance(decision, IntentRefused) else ()
            return [one.code for one in reasons]


async def test_s14_live_waits_for_a_receipt() -> None:
    """S14: none, another's and one that is too old are all none; a young one opens."""
    async with in_memory(limits=_LIMITS, witness=_WITNESS) as path:
        await path.up()
        assert await refused_for(path) == [Reason.AUDIT_NOT_WITNESSED]
        await witnessed(path, keyed.audit())
        last = await witnessed(path, keyed.witness(), age_ns=_AGE_NS_MAX + SECOND_NS)
        assert await refused_for(path, last) == [Reason.AUDIT_NOT_WITNESSED]
        last = await witnessed(path, keyed.witness())
        assert await refused_for(path, last) == []


@pytest.mark.parametrize("is_crashed", [False, True])
async def test_r15_s14_a_start_knows_the_receipts_of_before(*, is_crashed: bool) -> None:
    """S14, R15: a guardrail that comes back asks for no other proof than the one before it."""
    async with in_memory(limits=_LIMITS, witness=_WITNESS) as path:
        await witnessed(path, keyed.witness(), age_ns=_AGE_NS_MAX // 2)
        await path.up()
        if is_crashed:
            await path.restart(Role.GUARDRAIL)
        assert await refused_for(path) == []


async def test_s14_below_live_nobody_asks() -> None:
    """S14: the rule is for live; trickle's caps are what protects there."""
    limits = replace(_LIMITS, trickle_order_try_max=PATIENT.notional_try_per_s_max)
    async with in_memory(limits=limits, witness=_WITNESS, mode=TradingMode.TRICKLE) as path:
        await path.up()
        assert await refused_for(path) == []
