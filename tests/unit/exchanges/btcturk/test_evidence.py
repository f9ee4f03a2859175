"""
From a classified reply to what it proves: evidence, a definite no, or nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from spark.events import CancelAccepted, CancelRejected, OrderAcked, OrderRejected
from spark.exchanges.answers import Accepted, Doubt, RateLimited, Unknown
from spark.exchanges.btcturk.evidence import of_cancel, of_place
from spark.exchanges.btcturk.wire_answers import (
    TOKENS,
    Refusal,
    Rejected,
    Worth,
)
from spark.exchanges.btcturk.wire_orders import Submitted
from spark.exchanges.port import About, Answer, Outcome
from spark.exchanges.proof import Times
from spark.names import OrderType, Side, TimeInForce, TradingMode
from tests.made import ACCOUNT, STRATEGY, SYMBOL, Life, named

LIFE = Life()
TIMES = Times(10, 20)
ABOUT = About(
    account=ACCOUNT,
    strategy=STRATEGY,
    intent_id=LIFE.intent_id,
    client_order_id=LIFE.client_order_id,
    symbol=SYMBOL,
    side=Side.BUY,
    quantity=Decimal(1),
    mode=TradingMode.LIVE,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    price=Decimal(20_000),
    cancel_intent_id=named("cancel"),
)


def submitted(**changes: object) -> Accepted[Submitted]:
    made: dict[str, Any] = {
        "order_id": "77",
        "client_order_id": LIFE.client_order_id,
        "symbol": SYMBOL,
        "side": Side.BUY,
        "at_ms": 5,
        "method": "limit",
        "quantity": Decimal("1.0000"),
        "price": Decimal("20000.00"),
        **changes,
    }
    return Accepted(Submitted(**made))


def refused(token: str, status: int = 400) -> Rejected:
    return Rejected(token, TOKENS[token], token, status)


def test_an_accepted_place_is_an_order_of_the_exchange() -> None:
    """The exchange's own id comes with it: a cancel needs that."""
    (acked,) = of_place(submitted(), ABOUT, TIMES).evidence
    assert acked == OrderAcked(
        account=ACCOUNT,
        strategy=STRATEGY,
        intent_id=LIFE.intent_id,
        client_order_id=LIFE.client_order_id,
        symbol=SYMBOL,
        exchange_order_id="77",
        exchange_ns=5_000_000,
        sent_ns=10,
        answered_ns=20,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"client_order_id": "other"},
        {"symbol": "ETHTRY"},
        {"side": Side.SELL},
        {"quantity": Decimal(2)},
        {"quantity": Decimal(0)},
        {"price": Decimal("19999.99")},
        {"method": "market"},
        {"method": "stoplimit"},
    ],
)
def test_an_echo_of_another_order_proves_nothing(changes: dict[str, object]) -> None:
    """Fault V5, trap 3: other terms are another order, and an id that the venue made up is none."""
    assert of_place(submitted(**changes), ABOUT, TIMES) == Outcome(
        answer=Answer.UNKNOWN, cause="garbled"
    )


@pytest.mark.parametrize("changes", [{"method": ""}, {"quantity": None}, {"price": None}])
def test_an_echo_counts_as_far_as_it_goes(changes: dict[str, object]) -> None:
    """Fault V5: what the venue leaves out is not compared."""
    assert of_place(submitted(**changes), ABOUT, TIMES).answer is Answer.DEFINITE


def test_of_a_market_sale_no_price_is_compared() -> None:
    """Fault V5, exchanges.md §1.6: the venue ignores its price, and echoes what it likes."""
    sale = replace(ABOUT, side=Side.SELL, order_type=OrderType.MARKET, price=None)
    echo = submitted(side=Side.SELL, method="market", price=Decimal(0))
    assert of_place(echo, sale, TIMES).answer is Answer.DEFINITE


@pytest.mark.parametrize(
    "token", sorted(token for token, worth in TOKENS.items() if worth is not Worth.UNKNOWN)
)
def test_a_documented_refusal_is_one(token: str) -> None:
    """Trap 8: the venue's token is the code; a denial that only a known order can get is none."""
    outcome = of_place(refused(token), ABOUT, TIMES)
    if TOKENS[token] is Worth.ABSENT:
        assert outcome == Outcome(answer=Answer.UNKNOWN, cause="garbled")
        return
    (rejected,) = outcome.evidence
    assert isinstance(rejected, OrderRejected)
    assert (outcome.answer, rejected.code) == (Answer.REJECTED, token)
    assert (rejected.http_status, rejected.sent_ns, rejected.answered_ns) == (400, 10, 20)


def test_a_stamp_that_is_refused_has_its_own_code() -> None:
    """Trap 1: `INVALID_NONCE` to the letter, which the sentinel counts."""
    (rejected,) = of_place(refused("INVALID_NONCE", 401), ABOUT, TIMES).evidence
    assert isinstance(rejected, OrderRejected)
    assert (rejected.code, rejected.http_status) == ("INVALID_NONCE", 401)


Reading = Callable[[Refusal, About, Times], Outcome]


@pytest.mark.parametrize("read", [of_place, of_cancel])
def test_a_rate_limit_carries_its_wait_and_whom_it_counts(read: Reading) -> None:
    """A4: not done, and nobody goes on before the wait is over."""
    outcome = read(RateLimited(429, 60, is_address_limited=True), ABOUT, TIMES)
    (refusal,) = outcome.evidence
    assert isinstance(refusal, OrderRejected | CancelRejected)
    assert (outcome.answer, refusal.code) == (Answer.REJECTED, "RATE_LIMIT")
    assert refusal.http_status == 429
    assert (outcome.retry_after_s, outcome.is_address_limited) == (60, True)


@pytest.mark.parametrize("doubt", list(Doubt))
@pytest.mark.parametrize("read", [of_place, of_cancel])
def test_a_doubt_proves_nothing(read: Reading, doubt: Doubt) -> None:
    """A8: an unknown has its class and no evidence."""
    assert read(Unknown(doubt, 500), ABOUT, TIMES) == Outcome(
        answer=Answer.UNKNOWN, cause=doubt.value
    )


def test_an_accepted_cancel_ends_nothing() -> None:
    """Trap 21: 200 says that the venue took it; 452 or the order's status says what came of it."""
    outcome = of_cancel(Accepted(None), ABOUT, TIMES)
    assert outcome.answer is Answer.DEFINITE
    assert outcome.evidence == (
        CancelAccepted(
            account=ACCOUNT,
            strategy=STRATEGY,
            intent_id=named("cancel"),
            client_order_id=LIFE.client_order_id,
            symbol=SYMBOL,
            sent_ns=10,
            answered_ns=20,
        ),
    )


@pytest.mark.parametrize(
    "token",
    ["NO_ORDER_MATCHES_YOUR_REQUEST", "ORDER_COULD_NOT_BE_CANCELED", "ORDER_CANCEL_BLOCKED"],
)
def test_a_refused_cancel_says_nothing_of_the_order(token: str) -> None:
    """Trap 21: an order that could not be cancelled was filled, or never was: it says so itself."""
    reply: Refusal = refused(token)
    (rejected,) = of_cancel(reply, ABOUT, TIMES).evidence
    assert isinstance(rejected, CancelRejected)
    assert (rejected.code, rejected.intent_id) == (token, named("cancel"))
