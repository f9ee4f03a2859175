"""
What the gateway opens, and what it refuses to send.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from spark import topics
from spark.codec import encode
from spark.consumers.gateway_intake import Permit
from spark.events import OrderApproved, RequestSealed, SigningSkipped
from spark.names import Action, Endpoint, Reason, Role, Symbol, TradingMode
from tests import keyed
from tests.hops import GATEWAY_EPOCH, Chain, intent_written, opened, permit, written
from tests.made import NOW_NS, SECOND_NS, named, place


def approved(chain: Chain) -> OrderApproved:
    decision = chain.decide(intent_written(place()))
    assert isinstance(decision, OrderApproved)
    return decision


def sealed_order(chain: Chain) -> RequestSealed:
    signed, _ = chain.sign(approved(chain))
    assert isinstance(signed, RequestSealed)
    return signed


def resealed(signed: RequestSealed, **changes: object) -> tuple[Reason, ...]:
    """Change a sealed record, let the signer's key tag it again, and open it."""
    changed = replace(signed, **changes)  # type: ignore[arg-type]
    out = written(changed, topics.SIGNED, keyed.tagger(Role.SIGNER, Role.GATEWAY))
    found = opened(out)
    assert isinstance(found, tuple), found
    return tuple(refusal.code for refusal in found)


def swapped(decision: str, name: str, value: str) -> str:
    assert name in decision
    return decision.replace(name, value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: {"not_after_ns": s.not_after_ns + 1}, Reason.SEAL_INVALID),
        (lambda _: {"not_after_ns": -1}, Reason.SEAL_INVALID),
        (lambda _: {"not_after_ns": 2**63 - 1}, Reason.SEAL_INVALID),
        (lambda s: {"stamp": replace(s.stamp, src_offset=9)}, Reason.SEAL_INVALID),
        (lambda s: {"stamp": replace(s.stamp, src_offset=-9)}, Reason.SEAL_INVALID),
        (lambda _: {"seal_kid": "seal:2"}, Reason.SEAL_INVALID),
        (lambda _: {"nonce": "AAAAAAAAAAAAAAAA"}, Reason.SEAL_INVALID),
        (lambda _: {"nonce": ""}, Reason.SEAL_INVALID),
        (lambda _: {"nonce": "é"}, Reason.SEAL_INVALID),
        (lambda s: {"sealed": s.sealed[4:]}, Reason.SEAL_INVALID),
        (lambda _: {"sealed": "é"}, Reason.SEAL_INVALID),
        (lambda _: {"decision_tag": "00" * 32}, Reason.SEAL_INVALID),
        (lambda _: {"decision_tag": "é"}, Reason.SEAL_INVALID),
        (lambda _: {"decision_kid": "signer:1"}, Reason.SEAL_INVALID),
        (lambda s: {"decision": swapped(s.decision, "60000", "60001")}, Reason.SEAL_INVALID),
        (lambda _: {"decision": "{}"}, Reason.SEAL_INVALID),
        (lambda _: {"symbol": Symbol("ETHUSDT")}, Reason.APPROVAL_MISMATCH),
        (lambda _: {"intent_id": named("x")}, Reason.APPROVAL_MISMATCH),
        (lambda _: {"client_order_id": "x"}, Reason.APPROVAL_MISMATCH),
        (lambda _: {"action": Action.CANCEL}, Reason.APPROVAL_MISMATCH),
        (lambda _: {"decision": encode(place()).decode()}, Reason.APPROVAL_MISMATCH),
    ],
)
def test_a_sealed_record_opens_only_as_it_was_sealed(
    change: Callable[[RequestSealed], dict[str, object]], reason: Reason
) -> None:
    """
    A3, S2: with the signer's own tag key, nothing that the guardrail did not say is sent.

    Fault S1.
    """
    signed = sealed_order(Chain())
    assert resealed(signed, **change(signed)) == (reason,)


@pytest.mark.parametrize(
    ("allowed", "now_ns", "reason"),
    [
        (permit(mode=TradingMode.PAPER), NOW_NS, Reason.MODE_FORBIDS),
        (permit(endpoint=Endpoint.REAL), NOW_NS, Reason.APPROVAL_MISMATCH),
        (replace(permit(), epochs={0: GATEWAY_EPOCH + 1}), NOW_NS, Reason.GATEWAY_NOT_READY),
        (replace(permit(), epochs={}), NOW_NS, Reason.GATEWAY_NOT_READY),
        (permit(), NOW_NS + SECOND_NS, Reason.SIGNATURE_EXPIRED),
    ],
)
def test_the_gateway_sends_only_what_was_approved_for_it(
    allowed: Permit, now_ns: int, reason: Reason
) -> None:
    """
    R11, A11: another mode, endpoint or gateway epoch, or a deadline passed: refused.

    Fault S1.
    """
    chain = Chain()
    _, out = chain.sign(approved(chain))
    found = opened(out, allowed=allowed, now_ns=now_ns)
    assert isinstance(found, tuple)
    assert [one.code for one in found] == [reason]


def test_r16_the_gateway_refuses_another_accounts_order() -> None:
    """R16, S1: an order in the partition of another account is not sent."""
    chain = Chain()
    _, out = chain.sign(approved(chain))
    moved = out._replace(partition=out.partition._replace(number=1))
    allowed = replace(permit(), epochs={0: GATEWAY_EPOCH, 1: GATEWAY_EPOCH})
    found = opened(moved, allowed=allowed)
    assert isinstance(found, tuple)
    assert [one.code for one in found] == [Reason.WRONG_PARTITION]


def test_h5_a_decision_skipped_for_no_reason_ends_with_one() -> None:
    """H5: a signer gone wrong leaves no order behind of which nobody could say why it ended."""
    skipped = SigningSkipped(
        stamp=sealed_order(Chain()).stamp,
        account=place().account,
        strategy=place().strategy,
        intent_id=place().intent_id,
        reasons=(),
        skipped_ns=NOW_NS,
    )
    out = written(skipped, topics.SIGNED, keyed.tagger(Role.SIGNER, Role.GATEWAY))
    found = opened(out)
    assert isinstance(found, tuple)
    assert [one.code for one in found] == [Reason.UPSTREAM_REFUSED]
