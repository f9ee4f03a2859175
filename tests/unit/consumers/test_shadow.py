"""
Paper and shadow: signed with a key that opens nothing, and in shadow not sent (B1, S5).
"""

from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.consumers.gateway_intake import Now, Opened
from spark.consumers.gateway_lane import Lane
from spark.consumers.gateway_resume import GatewayPast
from spark.consumers.signer import Signer, SignerKeys, SignerRules
from spark.events import (
    CancelApproved,
    OrderApproved,
    OrderEvent,
    PartitionFenced,
    RequestNotSent,
    RequestSealed,
    SigningSkipped,
)
from spark.exchanges.binance.auth import API_KEY_HEADER
from spark.exchanges.binance.signer import DUMMY_API_KEY
from spark.exchanges.port import Asked, OrderSigner, SignedRequest
from spark.ledger.dispatch import Dispatch
from spark.names import (
    Endpoint,
    OrderState,
    Reason,
    Role,
    TradingMode,
    Venue,
)
from spark.worker.inbox import Inbox
from tests import keyed
from tests.hops import (
    CEILINGS,
    GATEWAY_EPOCH,
    Chain,
    gateway_keys,
    intent_written,
    opened,
    permit,
    stood,
    written,
)
from tests.leased import leased
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, Life, cancel, place
from tests.mannered import manners
from tests.simulated_venue import FULL

NOT_SENT = (TradingMode.PAPER, TradingMode.SHADOW)
TAGGER = keyed.tagger(Role.SIGNER, Role.GATEWAY)
NOW = Now(NOW_NS, 0)


class Untouchable:
    """A key that nobody may ask for anything."""

    stamps_increase = False

    def place(self, order: OrderApproved, exchange_ns: int) -> SignedRequest:
        raise AssertionError(f"signed {order.client_order_id} at {exchange_ns}")

    def cancel(
        self, cancel: CancelApproved, exchange_ns: int, *, exchange_order_id: str
    ) -> SignedRequest:
        raise AssertionError(f"{cancel.client_order_id} {exchange_order_id} {exchange_ns}")

    def ask(self, asked: Asked, exchange_ns: int) -> SignedRequest:
        raise AssertionError(f"asked {asked} at {exchange_ns}")


def signer(mode: TradingMode, *, trade: OrderSigner, dummy: OrderSigner) -> Signer:
    keys = SignerKeys(
        venues={Venue.BINANCE: trade},
        dummies={Venue.BINANCE: dummy},
        seal=keyed.seal(),
        strategies=keyed.strategies(Role.SIGNER),
        log_epoch=keyed.LOG_EPOCH,
        entropy=lambda count: bytes(range(count)),
    )
    rules = SignerRules(
        mode=mode,
        endpoint=Endpoint.SIM,
        signature_life_ns=SECOND_NS,
        ceilings=CEILINGS,
        people=keyed.people(),
    )
    return Signer(keys, rules)


def chain_in(mode: TradingMode) -> Chain:
    """A chain whose signer has no key but the dummy."""
    return Chain(signer=signer(mode, trade=Untouchable(), dummy=keyed.dummy_signer()))


def approved(chain: Chain, mode: TradingMode) -> OrderApproved:
    decision = chain.decide(intent_written(place()))
    assert isinstance(decision, OrderApproved), decision
    return replace(decision, mode=mode)


def cancelled(chain: Chain, mode: TradingMode, offset: int = 1) -> CancelApproved:
    decision = chain.decide(intent_written(cancel(place(), f"c{offset}")), offset=offset)
    assert isinstance(decision, CancelApproved), decision
    return replace(decision, mode=mode)


def key_of(out: Outgoing, mode: TradingMode, seq: int = 0) -> str:
    found = opened(out, seq=seq, allowed=permit(mode=mode))
    assert isinstance(found, Opened), found
    return found.request.headers[API_KEY_HEADER]


@pytest.mark.parametrize("mode", NOT_SENT)
def test_s5_paper_and_shadow_never_ask_the_trade_key(mode: TradingMode) -> None:
    """S5: the place and its cancel are signed with the dummy key; the other is not touched."""
    chain = chain_in(mode)
    signed, out = chain.sign(approved(chain, mode))
    assert isinstance(signed, RequestSealed)
    assert signed.mode is mode
    assert key_of(out, mode) == DUMMY_API_KEY
    signed, out = chain.sign(cancelled(chain, mode))
    assert isinstance(signed, RequestSealed)
    assert signed.mode is mode
    assert key_of(out, mode, seq=1) == DUMMY_API_KEY


@pytest.mark.parametrize("mode", [TradingMode.TRICKLE, TradingMode.LIVE])
def test_what_is_sent_is_signed_with_the_trade_key(mode: TradingMode) -> None:
    """S5: and the dummy key signs nothing that leaves."""
    chain = Chain(signer=signer(mode, trade=keyed.venue_signer(), dummy=Untouchable()))
    _, out = chain.sign(approved(chain, mode))
    assert key_of(out, mode) == FULL[0]


@pytest.mark.parametrize(
    ("placed", "now"),
    [
        (TradingMode.LIVE, TradingMode.PAPER),
        (TradingMode.TRICKLE, TradingMode.SHADOW),
        (TradingMode.PAPER, TradingMode.LIVE),
        (TradingMode.SHADOW, TradingMode.TRICKLE),
    ],
)
def test_a_cancel_goes_the_way_of_its_order_whatever_the_mode_is_now(
    placed: TradingMode, now: TradingMode
) -> None:
    """
    B1: after a demotion the orders that rest at the exchange can still be cancelled there.

    Fault O4.
    """
    chain = Chain(signer=signer(placed, trade=keyed.venue_signer(), dummy=keyed.dummy_signer()))
    chain.sign(approved(chain, placed))
    signed, out = chain.sign(cancelled(chain, now))
    assert isinstance(signed, RequestSealed)
    assert signed.mode is placed
    expected = DUMMY_API_KEY if placed in NOT_SENT else FULL[0]
    assert key_of(out, now, seq=1) == expected


def test_a_cancel_is_not_signed_when_nobody_knows_how_its_order_went() -> None:
    """S4: a kept state of before there were modes gives the trade key to nothing."""
    chain = chain_in(TradingMode.PAPER)
    chain.sign(approved(chain, TradingMode.PAPER))
    chain.signer_state.modes.clear()
    signed, _ = chain.sign(cancelled(chain, TradingMode.PAPER))
    assert isinstance(signed, SigningSkipped)
    assert [one.code for one in signed.reasons] == [Reason.CANCEL_TARGET_UNKNOWN]


def test_the_signature_of_shadow_is_the_order_in_every_word() -> None:
    """B1: what is measured is what would have been sent, but for whose key signs it."""
    asked = []
    for mode in (TradingMode.SHADOW, TradingMode.LIVE):
        chain = Chain(signer=signer(mode, trade=keyed.venue_signer(), dummy=keyed.dummy_signer()))
        _, out = chain.sign(approved(chain, mode))
        found = opened(out, allowed=permit(mode=mode))
        assert isinstance(found, Opened)
        words = parse_qs(found.request.query)
        assert words.pop("signature")
        asked.append((found.request.method, found.request.path, words))
    assert asked[0] == asked[1]


def lane(mode: TradingMode) -> Lane:
    past = GatewayPast()
    past.orders.epoch = GATEWAY_EPOCH
    source = Partition(topics.SIGNED, 0)
    return Lane(
        account=ACCOUNT,
        epoch=GATEWAY_EPOCH,
        inbox=Inbox(
            source,
            position=0,
            lineage=past.lineage(source),
            checker=keyed.checker(Role.GATEWAY, {Role.SIGNER}),
            bytes_max=topics.BY_NAME[topics.SIGNED].message_bytes_max,
        ),
        orders=past.orders,
        dispatch=Dispatch(4),
        manners=manners(GATEWAY_EPOCH),
        keys=gateway_keys(),
        permit=permit(mode=mode),
        lease=leased(),
    )


def taken(at: Lane, *records: Outgoing, now: Now = NOW) -> list[OrderEvent]:
    fence = PartitionFenced(
        role="signer", instance="i", topic_ids={}, settings={}, fenced_ns=NOW_NS
    )
    said: list[OrderEvent] = []
    for offset, out in enumerate((written(fence, topics.SIGNED, TAGGER), *records)):
        accepted = at.inbox.accept(stood(out, offset, NOW_NS + 7_000_000))
        if accepted is not None:
            said += at.take(accepted, now)
    return said


def test_b1_a_shadow_order_ends_where_the_send_would_be() -> None:
    """B1: opened, verified, measured; never queued or claimed; cancelled before it was sent."""
    at, chain = lane(TradingMode.SHADOW), chain_in(TradingMode.SHADOW)
    _, out = chain.sign(approved(chain, TradingMode.SHADOW))
    (ended,) = taken(at, out)
    assert isinstance(ended, RequestNotSent)
    assert [one.code for one in ended.reasons] == [Reason.SHADOW_MODE]
    assert at.claim(NOW) == ([], [])
    assert at.orders.by_id[Life("one").client_order_id].state is OrderState.CANCELLED
    assert at.opened == [(TradingMode.SHADOW, 7_000_000)]


def test_b1_a_shadow_order_that_would_have_been_late_says_so() -> None:
    """B1: what would have kept it from being sent is part of what is measured."""
    at, chain = lane(TradingMode.SHADOW), chain_in(TradingMode.SHADOW)
    _, out = chain.sign(approved(chain, TradingMode.SHADOW))
    at.orders.taken[Life("one").client_order_id] = NOW_NS
    (ended,) = taken(at, out)
    assert isinstance(ended, RequestNotSent)
    assert [one.code for one in ended.reasons] == [Reason.SHADOW_MODE, Reason.DUPLICATE_CLAIM]


def test_b1_the_cancel_of_a_shadow_order_is_not_sent_either() -> None:
    """B1: nothing of shadow leaves, whichever way it comes."""
    at, chain = lane(TradingMode.SHADOW), chain_in(TradingMode.SHADOW)
    _, placed = chain.sign(approved(chain, TradingMode.SHADOW))
    _, dropped = chain.sign(cancelled(chain, TradingMode.SHADOW))
    _, ended = taken(at, placed, dropped)
    assert isinstance(ended, RequestNotSent)
    assert [one.code for one in ended.reasons] == [Reason.SHADOW_MODE]
    assert at.claim(NOW) == ([], [])
    assert len(at.opened) == 1, "a cancel is no place"


def test_b1_the_signer_forgets_a_shadow_order_like_any_that_ended() -> None:
    """What was not sent is over; memory is bounded by what still lives."""
    chain = chain_in(TradingMode.SHADOW)
    chain.sign(approved(chain, TradingMode.SHADOW))
    chain.see(Life("one").not_sent(Reason.SHADOW_MODE, epoch=GATEWAY_EPOCH), topics.EVENTS, 9)
    chain.see(Life("other").cancelled(), topics.EVENTS, 10, NOW_NS + 121 * SECOND_NS)
    assert (chain.signer_state.cancels, chain.signer_state.modes) == ({}, {})


def test_the_signers_word_on_the_mode_must_be_the_guardrails() -> None:
    """A3: a place that is sealed for another mode than it was approved for does not open."""
    chain = chain_in(TradingMode.SHADOW)
    signed, _ = chain.sign(approved(chain, TradingMode.SHADOW))
    assert isinstance(signed, RequestSealed)
    lie = written(replace(signed, mode=TradingMode.LIVE), topics.SIGNED, TAGGER)
    found = opened(lie, allowed=permit(mode=TradingMode.SHADOW))
    assert isinstance(found, tuple)
    assert [one.code for one in found] == [Reason.APPROVAL_MISMATCH]
