"""
An order's life in words: every record of the vocabulary, every reason with its figures.
"""

from dataclasses import replace

import pytest

from spark.codec import encode
from spark.events import (
    Event,
    IntentRefused,
    KeyUsed,
    OrderApproved,
    OrderResolved,
    ProposalSigned,
    Refusal,
    ResolveUnknown,
    SigningSkipped,
    TradingHalted,
)
from spark.names import AccountId, ClientOrderId, HaltSource, Reason, Symbol
from spark.ops.audit_words import reason_text, words_of
from tests.hops import Chain, intent_written
from tests.made import NOW_NS, Life, cancel, place

ORDER = place()
LIFE = Life()


def told(event: Event) -> str:
    """Give all the words."""
    line, under = words_of(event)
    return "\n".join([line, *under])


@pytest.fixture(scope="module")
def approved() -> OrderApproved:
    """An approval as the guardrail makes it."""
    decision = Chain().decide(intent_written(ORDER))
    assert isinstance(decision, OrderApproved)
    return decision


def test_an_intent_says_who_wants_what() -> None:
    """A5: who asked, for what, and for how long it holds."""
    words = told(ORDER)
    assert f"{ORDER.strategy} asks to {ORDER.side}" in words
    assert str(ORDER.symbol) in words
    assert "may live" in words
    assert ORDER.intent_id in told(cancel(ORDER))


def test_a_decision_says_what_it_had_seen(approved: OrderApproved) -> None:
    """A5, R15: the offsets it had seen, its prices, its limits and its policy."""
    words = told(approved)
    assert "approved: every guard passed" in words
    assert approved.basis.policy in words
    for place_, offset in approved.basis.seen.items():
        assert (f"{place_} up to {offset - 1}" in words) == bool(offset)


def test_a_refusal_says_every_reason_with_its_figures(approved: OrderApproved) -> None:
    """A5, B4: each guard's reason, what it found and what the limit is."""
    refused = IntentRefused(
        stamp=approved.stamp,
        account=approved.account,
        strategy=approved.strategy,
        intent_id=approved.intent_id,
        reasons=(
            Refusal(code=Reason.AUDIT_LAG_EXCEEDED, found="no auditor", limit="2000 ms"),
            Refusal(code=Reason.KILL_SWITCH_ACTIVE),
        ),
        basis=approved.basis,
    )
    words = told(refused)
    assert "refused by the guardrail, 2 reasons" in words
    assert "because audit_lag_exceeded: found no auditor, limit 2000 ms" in words
    skipped = SigningSkipped(
        stamp=approved.stamp,
        account=approved.account,
        strategy=approved.strategy,
        intent_id=approved.intent_id,
        reasons=refused.reasons[1:],
        skipped_ns=NOW_NS,
    )
    assert told(skipped).startswith("not signed, 1 reason\nbecause ")


def test_what_the_exchange_did_is_told() -> None:
    """A5: claim, answer, fill and end, with times and amounts."""
    assert "claimed by the gateway" in told(LIFE.claimed())
    acked = LIFE.acked()
    assert f"has it as {acked.exchange_order_id}" in told(acked)
    assert "its private stream or a list" in told(replace(acked, sent_ns=0))


def test_a_resolution_says_on_whose_word() -> None:
    """A8: by the exchange's denial, and since when it is final; or by persons."""
    resolved = OrderResolved(
        epoch=1,
        account=ORDER.account,
        strategy=ORDER.strategy,
        intent_id=ORDER.intent_id,
        client_order_id=ClientOrderId("c"),
        symbol=ORDER.symbol,
        outcome="not_found",
        asked_ns=NOW_NS,
        final_after_ns=NOW_NS,
        at_ns=NOW_NS,
    )
    assert "the exchange denies it" in told(resolved)
    assert "by persons" in told(replace(resolved, outcome="by_person"))


def test_what_persons_and_protections_did_is_told() -> None:
    """A5: operator acts, in their own words, with who said them."""
    asked = ResolveUnknown(
        account=AccountId("binance:main"),
        client_order_id=ClientOrderId("c-1"),
        reason="phoned them",
        proposed_by="op-local",
        created_ns=NOW_NS,
        expires_ns=NOW_NS,
        log_epoch="e",
    )
    signed = ProposalSigned(
        proposal=encode(asked).decode(), person="op-second", signature="", at_ns=NOW_NS
    )
    assert told(signed).startswith("op-second signed resolve_unknown\n")
    assert "phoned them" in told(signed)
    assert "nobody can read" in told(replace(signed, proposal="{"))
    halted = TradingHalted(
        halt="h", account="", source=HaltSource.CLI, by="op-local", reason="look", evidence={},
        at_ns=NOW_NS,
    )  # fmt: skip
    assert told(halted) == "every account killed by op-local (cli): look"
    used = KeyUsed(
        account=AccountId("binance:main"),
        purpose="query_order",
        client_order_id=ClientOrderId("c-1"),
        symbol=Symbol("BTCUSDT"),
        stamped_ns=NOW_NS,
        peer_uid=7,
        used_ns=NOW_NS,
    )
    assert "query_order, for uid 7" in told(used)


def test_a_reason_without_figures_is_its_name() -> None:
    """What was not found is not made up."""
    assert reason_text(Refusal(code=Reason.KILL_SWITCH_ACTIVE)) == "kill_switch_active"
