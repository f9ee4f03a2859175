"""
What every exchange's order client promises the gateway: sent once, checked last, read strictly.
"""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from spark.events import (
    CancelAccepted,
    CancelRejected,
    OrderAcked,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
)
from spark.exchanges.port import Answer, NotSentError
from spark.names import Side, Venue
from tests.contract.venue_scenes import QUANTITY, TAKES, Scene, orders_of, playing
from tests.venues import about


@pytest.fixture(params=[Venue.BINANCE, Venue.BTCTURK])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(request.param, tmp_path) as made:
        yield made


async def acked(scene: Scene, text: str = "one") -> OrderAcked:
    """Place an order that rests, and give the exchange's word for it."""
    outcome = await scene.place(scene.order(text))
    (found,) = outcome.evidence
    assert isinstance(found, OrderAcked)
    return found


async def test_a_place_is_an_order_of_the_exchange(scene: Scene) -> None:
    """Trap 3: the id that we chose is echoed, and the exchange's own id is told."""
    order = scene.order()
    outcome = await scene.place(order)
    assert outcome.answer is Answer.DEFINITE
    (found,) = outcome.evidence
    assert isinstance(found, OrderAcked)
    assert (found.client_order_id, found.symbol) == (order.client_order_id, order.symbol)
    assert found.exchange_order_id
    assert 0 < found.sent_ns <= found.answered_ns
    assert await scene.placed() == [order.client_order_id]


async def test_a_place_that_trades_never_says_more_than_was_asked(scene: Scene) -> None:
    """R5: fills that a reply lists add up to no more than the order."""
    outcome = await scene.place(scene.order(price=TAKES))
    first, *others = outcome.evidence
    assert isinstance(first, OrderAcked)
    fills = [one for one in others if isinstance(one, OrderFilled)]
    assert len(fills) == len(others)
    assert sum((one.quantity for one in fills), Decimal(0)) <= QUANTITY


async def test_the_last_check_is_asked_once_with_the_connection_in_hand(scene: Scene) -> None:
    """R10: what the check refuses leaves not a byte, on a new connection and on a kept one."""
    asked: list[bool] = []

    def check(*, answer: bool) -> bool:
        asked.append(answer)
        return answer

    for text in ("one", "two"):
        with pytest.raises(NotSentError):
            await scene.place(scene.order(text), lambda: check(answer=False))
        await scene.place(scene.order(f"{text}goes"), lambda: check(answer=True))
    assert asked == [False, True, False, True]
    assert await scene.requests(scene.place_route) == 2


async def test_a_check_that_fails_is_heard_of_and_nothing_was_sent(scene: Scene) -> None:
    """R10: a fault in the check is a fault, and no leave to send."""

    def check() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await scene.place(scene.order(), check)
    assert await scene.requests(scene.place_route) == 0


async def test_an_exchange_that_is_not_there_was_sent_nothing(scene: Scene) -> None:
    """R2, fault N1: no connection, no byte, and the check is not even asked."""
    orders = orders_of(scene.venue, "http://127.0.0.1:1")
    order = scene.order()
    with pytest.raises(NotSentError):
        await orders.place(scene.signed(order), about(order), lambda: pytest.fail("asked"))
    await orders.close()


@pytest.mark.parametrize(
    ("fault", "ms", "cause", "orders"),
    [
        ("drop_reply", 0, "connection_lost", 1),
        ("delay_after", 5_000, "timeout", 1),
        ("delay_before", 5_000, "timeout", 0),
        ("slow_loris", 300, "timeout", 1),
        ("truncate", 0, "connection_lost", 1),
        ("garble", 0, "unreadable", 1),
        ("error_5xx_after", 0, "server_error", 1),
        ("error_5xx_before", 0, "server_error", 0),
        ("maintenance", 0, "server_error", 0),
        ("drop_request", 0, "connection_lost", 0),
    ],
)
async def test_a_place_without_an_answer_is_unknown_and_was_sent_once(
    scene: Scene, fault: str, ms: int, *, cause: str, orders: int
) -> None:
    """
    A8, trap 9: whether the exchange acted or not, the client asks no second time.

    Faults V1, V4, V8, N2 and N4.
    """
    await scene.arm(fault, route=scene.place_route, ms=ms)
    outcome = await scene.place(scene.order())
    assert (outcome.answer, outcome.cause, outcome.evidence) == (Answer.UNKNOWN, cause, ())
    assert len(await scene.placed()) == orders


@pytest.mark.parametrize("fault", ["drop_reply", "drop_request", "error_5xx_after"])
async def test_a_cancel_without_an_answer_is_unknown_and_was_sent_once(
    scene: Scene, fault: str
) -> None:
    """
    A8: an HTTP client's habit of repeating a DELETE on a lost connection is not ours.

    Fault N4.
    """
    placed = await acked(scene)
    await scene.arm(fault, route=scene.cancel_route)
    outcome = await scene.cancel(scene.order(), placed.exchange_order_id)
    assert (outcome.answer, outcome.evidence) == (Answer.UNKNOWN, ())
    assert await scene.requests(scene.cancel_route) == 1


async def test_a_rate_limit_is_a_refusal_with_its_wait(scene: Scene) -> None:
    """A4, trap 8: nothing was done, and the wait is what the exchange said."""
    await scene.arm("reject_429", route=scene.place_route, ms=7_000)
    outcome = await scene.place(scene.order())
    (refused,) = outcome.evidence
    assert isinstance(refused, OrderRejected)
    assert (outcome.answer, refused.code, refused.http_status) == (
        Answer.REJECTED,
        "RATE_LIMIT",
        429,
    )
    assert outcome.retry_after_s == 7
    assert await scene.placed() == []


async def test_a_stamp_that_is_too_old_is_a_refusal_of_its_own(scene: Scene) -> None:
    """Trap 1: the clock's refusal has a code that nothing else has."""
    await scene.set_clock(3_600_000)
    outcome = await scene.place(scene.order())
    (refused,) = outcome.evidence
    assert isinstance(refused, OrderRejected)
    assert outcome.answer is Answer.REJECTED
    assert refused.code == {Venue.BINANCE: "-1021", Venue.BTCTURK: "INVALID_NONCE"}[scene.venue]
    assert await scene.placed() == []


async def test_a_documented_refusal_is_evidence(scene: Scene) -> None:
    """R5: the exchange's own word for it, and no order."""
    outcome = await scene.place(scene.order(side=Side.SELL, quantity=Decimal(20), price=TAKES))
    (refused,) = outcome.evidence
    assert isinstance(refused, OrderRejected)
    assert (outcome.answer, refused.http_status) == (Answer.REJECTED, 400)
    assert refused.code in {"INSUFFICIENT_BALANCE", "BALANCE_NOT_ENOUGH"}
    assert await scene.placed() == []


async def test_a_cancel_is_done_or_taken(scene: Scene) -> None:
    """Trap 21: a cancel that is only taken is no cancelled order."""
    placed = await acked(scene)
    outcome = await scene.cancel(scene.order(), placed.exchange_order_id)
    assert outcome.answer is Answer.DEFINITE
    (found,) = outcome.evidence
    assert isinstance(found, OrderCancelled if scene.venue is Venue.BINANCE else CancelAccepted)
    assert found.client_order_id == placed.client_order_id


async def test_a_cancel_of_no_order_is_refused_and_says_nothing_of_one(scene: Scene) -> None:
    """R5: the refusal is about the cancel."""
    outcome = await scene.cancel(scene.order(), "999999999")
    (refused,) = outcome.evidence
    assert isinstance(refused, CancelRejected)
    assert outcome.answer is Answer.REJECTED


async def test_s18_nothing_that_is_said_holds_a_secret(scene: Scene) -> None:
    """S18: neither a request nor an outcome shows a key's secret or a signature."""
    order = scene.order()
    request = scene.signed(order)
    said = f"{request!r} {scene.signer!r}"
    await scene.arm("drop_reply", route=scene.place_route)
    said += repr(await scene.orders.place(request, about(order), lambda: True))
    assert not [secret for secret in scene.secrets if secret in said]
    signed = (*request.headers.values(), request.query)
    assert not [part for part in signed if len(part) > 30 and part in said]


async def test_closing_twice_is_closing_once(scene: Scene) -> None:
    """Idempotent."""
    await scene.orders.close()
    await scene.orders.close()
