"""
What the signer signs, what it skips and why, and what its seal is worth.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qs

import pytest

from spark import topics
from spark.codec import encode
from spark.consumers.gateway_intake import Opened
from spark.events import (
    CancelApproved,
    IntentRefused,
    OrderApproved,
    RequestSealed,
    SigningSkipped,
)
from spark.ids import client_order_id
from spark.ledger.ceilings import Ceilings
from spark.names import (
    AccountId,
    Action,
    Endpoint,
    OrderType,
    Reason,
    Role,
    Side,
    StrategyId,
    Symbol,
    TradingMode,
)
from tests import keyed
from tests.hops import (
    CEILINGS,
    GATEWAY_EPOCH,
    Chain,
    intent_written,
    opened,
    signer,
    tick,
)
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, STRATEGY, Life, cancel, named, place


def approved(chain: Chain, text: str = "one", offset: int = 0, **changes: object) -> OrderApproved:
    decision = chain.decide(intent_written(place(text, **changes)), offset=offset)
    assert isinstance(decision, OrderApproved), decision
    return decision


def codes(signed: object) -> list[Reason]:
    assert isinstance(signed, SigningSkipped), signed
    return [refusal.code for refusal in signed.reasons]


def test_an_approved_order_becomes_a_request_that_only_says_what_was_approved() -> None:
    """A3: the sealed request opens for the gateway and is the order, short-lived."""
    chain = Chain()
    decision = approved(chain)
    signed, out = chain.sign(decision)
    assert isinstance(signed, RequestSealed)
    assert signed.not_after_ns == NOW_NS + SECOND_NS
    found = opened(out)
    assert isinstance(found, Opened)
    assert found.approval == decision
    asked = {name: values[0] for name, values in parse_qs(found.request.query).items()}
    assert asked.pop("signature")
    assert asked == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": "60000",
        "newClientOrderId": decision.client_order_id,
        "newOrderRespType": "FULL",
        "recvWindow": str(keyed.RECV_WINDOW_MS),
        "timestamp": str(NOW_NS // 1_000_000),
    }


def test_a_refused_intent_is_skipped_with_its_reasons() -> None:
    """R6: the gateway must be able to close the intent, so a refusal has its output, too."""
    chain = Chain()
    decision = chain.decide(intent_written(place(ttl_ns=0)))
    assert isinstance(decision, IntentRefused)
    signed, out = chain.sign(decision)
    assert codes(signed) == [Reason.UPSTREAM_REFUSED, Reason.INTENT_EXPIRED]
    found = opened(out)
    assert isinstance(found, tuple)
    assert [one.code for one in found] == [Reason.UPSTREAM_REFUSED, Reason.INTENT_EXPIRED]


#: Each lie that a guardrail gone wrong could tell, and what the signer says to it.
LIES: list[tuple[dict[str, object], Reason]] = [
    ({"quantity": Decimal("0.02")}, Reason.APPROVAL_MISMATCH),
    ({"price": Decimal(60_001)}, Reason.APPROVAL_MISMATCH),
    ({"side": Side.SELL}, Reason.APPROVAL_MISMATCH),
    ({"symbol": Symbol("ETHUSDT")}, Reason.APPROVAL_MISMATCH),
    ({"order_type": OrderType.MARKET}, Reason.APPROVAL_MISMATCH),
    ({"time_in_force": None}, Reason.APPROVAL_MISMATCH),
    ({"account": AccountId("btcturk:main")}, Reason.WRONG_PARTITION),
    ({"account": AccountId("binance:other")}, Reason.WRONG_PARTITION),
    ({"strategy": StrategyId("op-local")}, Reason.APPROVAL_MISMATCH),
    ({"intent_id": named("another")}, Reason.APPROVAL_MISMATCH),
    ({"client_order_id": client_order_id(ACCOUNT, STRATEGY, named("x"))}, Reason.APPROVAL_MISMATCH),
    ({"endpoint": Endpoint.REAL}, Reason.APPROVAL_MISMATCH),
    ({"mode": TradingMode.PAPER}, Reason.MODE_FORBIDS),
    ({"expires_ns": NOW_NS}, Reason.APPROVAL_EXPIRED),
]


@pytest.mark.parametrize(("lie", "reason"), LIES, ids=str)
def test_s3_a_guardrail_that_lies_gets_no_signature(lie: dict[str, object], reason: Reason) -> None:
    """S3: the strategy's own words decide, whoever holds the guardrail's key."""
    chain = Chain()
    decision = replace(approved(chain), **lie)  # type: ignore[arg-type]
    signed, _ = chain.sign(decision)
    assert codes(signed) == [reason]


def test_s3_rounding_down_is_no_lie() -> None:
    """S3: only less than was asked may be approved."""
    chain = Chain()
    signed, _ = chain.sign(replace(approved(chain), quantity=Decimal("0.005")))
    assert isinstance(signed, RequestSealed)


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: replace(proof, body=proof.body.replace("60000", "60001")),
        lambda proof: replace(proof, tag="00" * 32),
        lambda proof: replace(proof, tag="zz"),
        lambda proof: replace(proof, tag="ß"),
        lambda proof: replace(proof, kid="op-local:1"),
        lambda proof: replace(proof, kid="nobody"),
        lambda proof: replace(proof, body="not an event"),
        lambda proof: replace(proof, body=""),
    ],
)
def test_s3_an_intent_that_its_strategy_did_not_tag_is_not_signed(
    change: Callable[[object], object],
) -> None:
    """S3, S2: no proof, a changed proof or another's proof: nothing is signed, nobody crashes."""
    chain = Chain()
    decision = approved(chain)
    signed, _ = chain.sign(replace(decision, proof=change(decision.proof)))  # type: ignore[arg-type]
    assert codes(signed) == [Reason.TAG_INVALID]


def test_s2_the_gateways_keys_cannot_make_an_approval() -> None:
    """S2: with everything that the gateway holds, no record is a decision to the signer."""
    chain = Chain()
    decision = approved(chain)
    forged = keyed.tagger(Role.GUARDRAIL, Role.GATEWAY)
    key = keyed.pair(Role.GUARDRAIL, Role.GATEWAY)
    tag = key.tag(topics.DECISIONS, "order_approved", encode(decision))
    name = f"tag.{Role.SIGNER}"
    headers = forged.headers(topics.DECISIONS, "order_approved", encode(decision))
    signed, _ = chain.sign(decision, headers=(*headers, (name, b"guardrail:1\0" + tag)))
    assert codes(signed) == [Reason.TAG_INVALID]
    signed, _ = chain.sign(decision, headers=headers)
    assert codes(signed) == [Reason.TAG_MISSING]


def test_a_strategy_cannot_speak_for_another() -> None:
    """S2: an intent in another's name is refused; a guardrail that lets it pass is not believed."""
    chain = Chain()
    out = intent_written(place(strategy=StrategyId("op-local")))
    decision = chain.decide(out)
    assert isinstance(decision, IntentRefused)
    assert [one.code for one in decision.reasons] == [Reason.STRATEGY_MISMATCH]
    honest = approved(chain, "two", offset=1)
    forged = replace(
        honest, proof=replace(honest.proof, body=honest.proof.body.replace(STRATEGY, "op-local"))
    )
    signed, _ = chain.sign(forged)
    assert codes(signed) == [Reason.TAG_INVALID]


def test_r1_an_id_is_signed_once() -> None:
    """R1, S3, fault K11: the second approval of an id finds it in the signer's own output."""
    chain = Chain()
    decision = approved(chain)
    first, _ = chain.sign(decision)
    assert isinstance(first, RequestSealed)
    again = replace(decision, stamp=replace(decision.stamp, seq=1))
    signed, _ = chain.sign(again)
    assert codes(signed) == [Reason.ALREADY_SIGNED]


@pytest.mark.parametrize(
    ("ceilings", "reason"),
    [
        (replace(CEILINGS, quantity_max={"BTCUSDT": Decimal("0.01")}), None),
        (replace(CEILINGS, quantity_max={"BTCUSDT": Decimal("0.009")}), Reason.SIGNER_CEILING),
        (replace(CEILINGS, quantity_max={"ETHUSDT": Decimal(1)}), Reason.SIGNER_CEILING),
    ],
)
def test_s3_the_signers_own_ceilings_hold(ceilings: Ceilings, reason: Reason | None) -> None:
    """S3: quantity by symbol, and no symbol without one, whatever was approved."""
    chain = Chain(signer=signer(ceilings=ceilings))
    signed, _ = chain.sign(approved(chain))
    if reason is None:
        assert isinstance(signed, RequestSealed)
    else:
        assert codes(signed) == [reason]


def test_s3_the_signers_own_rate_holds() -> None:
    """S3: so many places a second and no more; cancels are not counted."""
    chain = Chain(signer=signer(ceilings=replace(CEILINGS, orders_per_second_max=3)))
    results = [chain.sign(approved(chain, f"{n}", offset=n))[0] for n in range(4)]
    assert [type(one) for one in results[:3]] == [RequestSealed] * 3
    assert codes(results[3]) == [Reason.SIGNER_CEILING]
    order = place("0")
    dropped = chain.decide(intent_written(cancel(order)), offset=4)
    assert isinstance(chain.sign(dropped)[0], RequestSealed)
    late = tick(NOW_NS + SECOND_NS)
    decision = chain.decide(intent_written(place("late")), offset=5, at=late)
    assert isinstance(chain.sign(decision, at=late)[0], RequestSealed)


def test_the_kill_switch_stops_places_and_not_cancels() -> None:
    """B2, R10: a killed signer signs no place; cancels pass."""
    chain = Chain()
    order = place()
    chain.sign(approved(chain))
    killed = tick(halts=("latch:now",))
    second = approved(chain, "two", offset=1)
    assert codes(chain.sign(second, at=killed)[0]) == [Reason.KILL_SWITCH_ACTIVE]
    decision = chain.decide(intent_written(cancel(order)), offset=2, at=killed)
    signed, out = chain.sign(decision, at=killed)
    assert isinstance(signed, RequestSealed)
    assert signed.action is Action.CANCEL
    found = opened(out, seq=2)
    assert isinstance(found, Opened)
    assert found.request.method == "DELETE"


def test_s4_a_cancel_is_signed_only_for_an_id_that_was_signed() -> None:
    """S4: the trade key cancels what it placed, ten times at most, and nothing else."""
    chain = Chain()
    order = place()
    early = chain.decide(intent_written(cancel(order, "early")), offset=0)
    assert codes(chain.sign(early)[0]) == [Reason.CANCEL_TARGET_UNKNOWN]
    chain.sign(approved(chain, offset=1))
    for number in range(10):
        again = chain.decide(intent_written(cancel(order, f"c{number}")), offset=2 + number)
        assert isinstance(chain.sign(again)[0], RequestSealed)
    eleventh = chain.decide(intent_written(cancel(order, "c10")), offset=12)
    assert codes(chain.sign(eleventh)[0]) == [Reason.CANCEL_LIMIT]


def test_a_cancel_may_not_be_made_of_a_place() -> None:
    """S3: the kind of the intent is part of what the strategy said."""
    chain = Chain()
    decision = approved(chain)
    chain.sign(decision)
    forged = CancelApproved(
        stamp=replace(decision.stamp, seq=1),
        account=decision.account,
        strategy=decision.strategy,
        intent_id=decision.intent_id,
        target_intent_id=decision.intent_id,
        target_strategy=decision.strategy,
        client_order_id=decision.client_order_id,
        endpoint=decision.endpoint,
        mode=decision.mode,
        symbol=decision.symbol,
        proof=decision.proof,
        basis=decision.basis,
        expires_ns=decision.expires_ns,
    )
    assert codes(chain.sign(forged)[0]) == [Reason.APPROVAL_MISMATCH]


@pytest.mark.parametrize("age_s", [60, 61])
def test_without_a_fresh_clock_of_the_exchange_nothing_is_signed(age_s: int) -> None:
    """B8, fault C1: a stamp that nobody can vouch for is no stamp."""
    chain = Chain()
    later = NOW_NS + age_s * SECOND_NS
    # The guardrail wants a younger clock; the signer does not rely on that.
    decision = replace(approved(chain), expires_ns=later + SECOND_NS)
    signed, _ = chain.sign(decision, at=tick(later))
    if age_s <= 60:
        assert isinstance(signed, RequestSealed)
    else:
        assert codes(signed) == [Reason.CLOCK_UNKNOWN]


def test_an_order_that_ended_is_forgotten_after_its_time() -> None:
    """The memory is bounded by what still lives; a live order's id stays."""
    chain = Chain()
    chain.sign(approved(chain, "ended"))
    chain.sign(approved(chain, "lives", offset=1))
    chain.see(Life("ended").cancelled(), topics.EVENTS, 9)
    chain.see(
        Life("lives").not_sent(Reason.DUPLICATE_CLAIM, epoch=GATEWAY_EPOCH), topics.EVENTS, 10
    )
    chain.see(Life("other").cancelled(), topics.EVENTS, 11, NOW_NS + 121 * SECOND_NS)
    assert set(chain.signer_state.cancels) == {Life("lives").client_order_id}


def test_nothing_shows_a_secret() -> None:
    """S18: no representation of the signer or of a request holds a key or a signature."""
    chain = Chain()
    _, out = chain.sign(approved(chain))
    found = opened(out)
    assert isinstance(found, Opened)
    signature = parse_qs(found.request.query)["signature"][0]
    shown = repr(found) + repr(chain.signer) + repr(keyed.venue_signer()) + repr(keyed.seal())
    assert signature not in shown
    assert "full-secret" not in shown
