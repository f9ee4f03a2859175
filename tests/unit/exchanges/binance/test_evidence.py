"""
From a classified reply to what it proves: evidence, a definite no, or nothing.
"""

from decimal import Decimal
from typing import Any

import pytest

from spark.events import (
    CancelRejected,
    Evidence,
    OrderAcked,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
)
from spark.exchanges.answers import Accepted, Doubt, RateLimited, Unknown
from spark.exchanges.binance.evidence import of_cancel, of_place, of_query
from spark.exchanges.binance.wire_answers import (
    ClockRefused,
    Rejected,
)
from spark.exchanges.binance.wire_orders import Execution, OrderReply, Progress, VenueStatus
from spark.exchanges.port import About, Answer, Outcome
from spark.exchanges.proof import Times
from spark.names import OrderType, Side, TimeInForce, TradingMode
from tests.made import ACCOUNT, STRATEGY, SYMBOL, Life, named

LIFE = Life(quantity=Decimal(1))
TIMES = Times(10, 20)


def about(**changes: object) -> About:
    made: dict[str, Any] = {
        "account": ACCOUNT,
        "strategy": STRATEGY,
        "intent_id": LIFE.intent_id,
        "client_order_id": LIFE.client_order_id,
        "symbol": SYMBOL,
        "side": Side.BUY,
        "quantity": Decimal(1),
        "mode": TradingMode.LIVE,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price": Decimal(10),
        **changes,
    }
    return About(**made)


CANCELLING = about(cancel_intent_id=named("cancel"), side=None, quantity=None)


def progress(
    status: VenueStatus = VenueStatus.NEW,
    executed: str = "0",
    quote: str = "0",
    **changes: object,
) -> Progress:
    made: dict[str, Any] = {
        "status": status,
        "side": Side.BUY,
        "price": Decimal("10.00000000"),
        "quantity": Decimal("1.00000000"),
        "executed": Decimal(executed),
        "quote_executed": Decimal(quote),
        "order_type": "LIMIT",
        "time_in_force": "GTC",
        **changes,
    }
    return Progress(**made)


def trade(trade_id: int, quantity: str, price: str = "10") -> Execution:
    return Execution(trade_id, Decimal(price), Decimal(quantity), Decimal("0.001"), "BNB")


def reply(of: Progress | None, *executions: Execution, **changes: object) -> Accepted[OrderReply]:
    made: dict[str, Any] = {
        "symbol": SYMBOL,
        "order_id": 77,
        "client_order_id": LIFE.client_order_id,
        "at_ms": 5,
        "progress": of,
        "executions": executions,
        **changes,
    }
    return Accepted(OrderReply(**made))


def kinds(evidence: tuple[Evidence, ...]) -> list[type[Evidence]]:
    return [type(one) for one in evidence]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(None), [OrderAcked]),
        (reply(progress()), [OrderAcked]),
        (
            reply(progress(VenueStatus.PARTIALLY_FILLED, "0.3", "3"), trade(1, "0.3")),
            [OrderAcked, OrderFilled],
        ),
        (
            reply(progress(VenueStatus.FILLED, "1", "10"), trade(1, "0.4"), trade(2, "0.6")),
            [OrderAcked, OrderFilled, OrderFilled],
        ),
        (reply(progress(VenueStatus.EXPIRED)), [OrderAcked, OrderExpired]),
        (
            reply(progress(VenueStatus.EXPIRED_IN_MATCH, "0.3", "3"), trade(1, "0.3")),
            [OrderAcked, OrderFilled, OrderExpired],
        ),
        (reply(progress(VenueStatus.REJECTED)), [OrderAcked, OrderExpired]),
        (reply(progress(VenueStatus.CANCELED)), [OrderAcked, OrderCancelled]),
    ],
)
def test_an_accepted_place_proves_its_life_in_order(
    answer: Accepted[OrderReply], expected: list[type[Evidence]]
) -> None:
    """A6: the ack first, then what traded, then the end, if there is one."""
    outcome = of_place(answer, about(), TIMES)
    assert outcome.answer is Answer.DEFINITE
    assert kinds(outcome.evidence) == expected
    acked = outcome.evidence[0]
    assert isinstance(acked, OrderAcked)
    assert (acked.exchange_order_id, acked.exchange_ns) == ("77", 5_000_000)
    assert (acked.sent_ns, acked.answered_ns) == (10, 20)


def fills_of(answer: Accepted[OrderReply]) -> list[OrderFilled]:
    outcome = of_place(answer, about(), TIMES)
    return [one for one in outcome.evidence if isinstance(one, OrderFilled)]


def test_trades_are_cumulated_in_their_order() -> None:
    """R4: each fill says how much had traded with it."""
    found = fills_of(
        reply(progress(VenueStatus.FILLED, "1", "10"), trade(1, "0.4"), trade(2, "0.6"))
    )
    assert [(one.trade_id, one.quantity, one.cumulative) for one in found] == [
        ("1", Decimal("0.4"), Decimal("0.4")),
        ("2", Decimal("0.6"), Decimal(1)),
    ]


def test_what_no_trade_is_listed_for_is_one_fill_at_the_average() -> None:
    """A8: a question lists no trades; how much traded is known all the same."""
    (one,) = fills_of(reply(progress(VenueStatus.PARTIALLY_FILLED, "0.3", "3.1")))
    assert (one.trade_id, one.quantity, one.cumulative) == ("", Decimal("0.3"), Decimal("0.3"))
    assert one.price == Decimal("10.3333333333")


@pytest.mark.parametrize(
    "answer",
    [
        reply(progress(), client_order_id="another"),
        reply(progress(), symbol="ETHUSDT"),
        reply(progress(side=Side.SELL)),
        reply(progress(quantity=Decimal("1.00000001"))),
        reply(progress(quantity=Decimal(0))),
        reply(progress(price=Decimal("9.99"))),
        reply(progress(price=Decimal(0))),
        reply(progress(order_type="MARKET")),
        reply(progress(order_type="LIMIT_MAKER")),
        reply(progress(time_in_force="IOC")),
        reply(progress(VenueStatus.FILLED, "2", "20", quantity=Decimal(2)), trade(1, "2")),
    ],
)
def test_an_answer_about_another_order_proves_nothing(answer: Accepted[OrderReply]) -> None:
    """Fault V5, A8: a reply of another name, symbol or terms is garbled: ours may stand as well."""
    outcome = of_place(answer, about(), TIMES)
    assert (outcome.answer, outcome.cause, outcome.evidence) == (Answer.UNKNOWN, "garbled", ())


@pytest.mark.parametrize(
    "answer",
    [
        reply(progress(order_type="", time_in_force="")),
        reply(progress(quantity=Decimal("1.0"), price=Decimal("1E+1"))),
    ],
)
def test_an_echo_counts_as_far_as_it_goes(answer: Accepted[OrderReply]) -> None:
    """Fault V5: what is not repeated is not compared; how a number is written is its own."""
    assert of_place(answer, about(), TIMES).answer is Answer.DEFINITE


def test_a_market_order_is_echoed_with_a_price_and_a_time_that_nobody_asked_for() -> None:
    """Fault V5, exchanges.md §2.3: price 0 and GTC are its own; the quantity is ours."""
    asked = about(order_type=OrderType.MARKET, time_in_force=None, price=None)
    echo = progress(VenueStatus.FILLED, "1", "10", order_type="MARKET", price=Decimal(0))
    assert of_place(reply(echo, trade(1, "1")), asked, TIMES).answer is Answer.DEFINITE
    other = progress(order_type="MARKET", price=Decimal(0), quantity=Decimal(2))
    assert of_place(reply(other), asked, TIMES).answer is Answer.UNKNOWN


@pytest.mark.parametrize("doubt", Doubt)
def test_every_doubt_is_an_unknown(doubt: Doubt) -> None:
    """A8, fault V2: only what is documented and readable is definite."""
    for outcome in (
        of_place(Unknown(doubt, 500), about(), TIMES),
        of_cancel(Unknown(doubt, 500), CANCELLING, TIMES),
    ):
        assert (outcome.answer, outcome.cause) == (Answer.UNKNOWN, doubt.value)
        assert outcome.evidence == ()


@pytest.mark.parametrize(
    ("answer", "code", "status", "pause_s"),
    [
        (Rejected(-2010, "INSUFFICIENT_BALANCE", "text", 400), "INSUFFICIENT_BALANCE", 400, 0),
        (RateLimited(429, 7), "RATE_LIMIT", 429, 7),
        (RateLimited(418), "RATE_LIMIT", 418, 0),
        (ClockRefused("text"), "-1021", 400, 0),
    ],
)
def test_a_definite_refusal_rejects(
    answer: Rejected | RateLimited | ClockRefused, code: str, status: int, pause_s: float
) -> None:
    """A4: of a place it ends the order; of a cancel it is about the cancel alone."""
    placed = of_place(answer, about(), TIMES)
    (rejected,) = placed.evidence
    assert isinstance(rejected, OrderRejected)
    assert (placed.answer, placed.retry_after_s) == (Answer.REJECTED, pause_s)
    assert (rejected.code, rejected.http_status) == (code, status)
    assert rejected.intent_id == LIFE.intent_id
    cancelled = of_cancel(answer, CANCELLING, TIMES)
    (refused,) = cancelled.evidence
    assert isinstance(refused, CancelRejected)
    assert refused.intent_id == CANCELLING.cancel_intent_id
    assert refused.client_order_id == LIFE.client_order_id


@pytest.mark.parametrize("code", [-2011, -2013, -2026])
def test_what_only_an_older_order_can_be_told_says_nothing_of_a_new_one(code: int) -> None:
    """A8: "no such order" in answer to a place is no documented refusal of it."""
    outcome = of_place(Rejected(code, "TOKEN", "text", 400), about(), TIMES)
    assert (outcome.answer, outcome.cause, outcome.evidence) == (Answer.UNKNOWN, "garbled", ())
    assert of_cancel(Rejected(code, "TOKEN", "text", 400), CANCELLING, TIMES).evidence


@pytest.mark.parametrize("is_address_limited", [True, False])
def test_a_limit_is_handed_on_with_whose_it_is(*, is_address_limited: bool) -> None:
    """Trap 14: an address's limit stops every account on it, an account's only that one."""
    limited = RateLimited(429, 3, is_address_limited=is_address_limited)
    for outcome in (
        of_place(limited, about(), TIMES),
        of_cancel(limited, CANCELLING, TIMES),
        of_query(limited, about()),
    ):
        assert (outcome.retry_after_s, outcome.is_address_limited) == (3, is_address_limited)


def test_an_accepted_cancel_ends_the_order_and_says_what_was_filled() -> None:
    """R5: the quantity in the cancel's own reply is evidence, too."""
    answer = reply(progress(VenueStatus.CANCELED, "0.3", "3"))
    (one,) = of_cancel(answer, CANCELLING, TIMES).evidence
    assert isinstance(one, OrderCancelled)
    assert (one.intent_id, one.cancel_intent_id) == (LIFE.intent_id, named("cancel"))
    assert one.filled == Decimal("0.3")


def test_a_cancel_of_another_order_proves_nothing() -> None:
    """A8, fault V5: a reply that names another order is garbled."""
    outcome = of_cancel(reply(progress(), client_order_id="another"), CANCELLING, TIMES)
    assert (outcome.answer, outcome.cause) == (Answer.UNKNOWN, "garbled")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(progress()), Answer.DEFINITE),
        (reply(progress(), client_order_id="another"), Answer.UNKNOWN),
        (reply(progress(quantity=Decimal(2))), Answer.UNKNOWN),
        (reply(progress(price=Decimal(11))), Answer.UNKNOWN),
        (Rejected(-2013, "NO_SUCH_ORDER", "", 400), Answer.ABSENT),
        (Rejected(-2015, "REJECTED_MBX_KEY", "", 401), Answer.UNKNOWN),
        (Rejected(-1121, "BAD_SYMBOL", "", 400), Answer.UNKNOWN),
        (RateLimited(429, 3), Answer.UNKNOWN),
        (ClockRefused(""), Answer.UNKNOWN),
        (Unknown(Doubt.SERVER_ERROR, 503), Answer.UNKNOWN),
    ],
)
def test_only_the_exchanges_own_denial_is_one(answer: Any, expected: Answer) -> None:  # noqa: ANN401
    """A8, faults V2 and V5: refused, limited, unanswered, of other terms: settles nothing."""
    outcome = of_query(answer, about())
    assert outcome.answer is expected
    if expected is not Answer.DEFINITE:
        assert outcome.evidence == ()


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Rejected(-2015, "REJECTED_MBX_KEY", "", 401), "key"),
        (Rejected(-1022, "INVALID_SIGNATURE", "", 400), "key"),
        (Rejected(-1121, "BAD_SYMBOL", "", 400), "no_answer"),
        (ClockRefused(""), "no_answer"),
    ],
)
def test_a_question_that_was_refused_for_its_key_says_so(answer: Any, cause: str) -> None:  # noqa: ANN401
    """Fault V7: whoever asked must not go on asking with that key."""
    assert of_query(answer, about()) == Outcome(answer=Answer.UNKNOWN, cause=cause)


def test_what_a_question_proves_was_not_sent_by_us_now() -> None:
    """No Place→ACK is measured from evidence that was asked for later."""
    (acked,) = of_query(reply(progress()), about()).evidence
    assert isinstance(acked, OrderAcked)
    assert (acked.sent_ns, acked.answered_ns) == (0, 0)
