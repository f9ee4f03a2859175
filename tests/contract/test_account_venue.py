"""
What every exchange's client of private questions promises the account feed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from spark.errors import VenueUnavailable
from spark.events import OrderAcked
from spark.exchanges.port import AccountVenue, FillSeen, OrderSeen, Question, VenueCannotError
from spark.names import Side, Venue, VenueOrderState
from tests.contract.venue_scenes import (
    PATIENCE_S,
    QUANTITY,
    RESTS,
    SYMBOL,
    TAKES,
    Scene,
    playing,
    signer_of,
)


@pytest.fixture(params=[Venue.BINANCE, Venue.BTCTURK])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def account(scene: Scene) -> AccountVenue:
    return scene.account_venue


async def placed(scene: Scene, text: str = "one", **changes: object) -> str:
    """Place an order; give the exchange's id of it."""
    outcome = await scene.place(scene.order(text, **changes))
    acked = outcome.evidence[0]
    assert isinstance(acked, OrderAcked)
    return acked.exchange_order_id


async def soon(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it holds: an exchange may lag behind itself (trap 23)."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110  (the exchange tells nobody when)
            await asyncio.sleep(0.02)


async def none_open(scene: Scene, account: AccountVenue) -> bool:
    """Tell whether the exchange lists no open order."""
    return not await account.orders(scene.ask(Question.OPEN_ORDERS, symbol=SYMBOL))


async def told(scene: Scene, account: AccountVenue, *, count: int) -> tuple[FillSeen, ...]:
    """Ask for fills until so many are told."""

    async def are_told() -> bool:
        return len(await account.fills(scene.ask(Question.FILLS, symbol=SYMBOL))) >= count

    await soon(are_told)
    return await account.fills(scene.ask(Question.FILLS, symbol=SYMBOL))


async def test_an_order_is_told_in_every_list(scene: Scene, account: AccountVenue) -> None:
    """One order in the open ones, in those since a time, and by its id: the same words."""
    order = scene.order()
    before_ns = scene.stamp()
    exchange_id = await placed(scene)
    questions = (
        scene.ask(Question.OPEN_ORDERS, symbol=SYMBOL),
        scene.ask(Question.ORDERS, symbol=SYMBOL, since_ns=before_ns),
        scene.ask(
            Question.ORDER,
            symbol=SYMBOL,
            client_order_id=order.client_order_id,
            exchange_order_id=exchange_id,
        ),
    )
    for question in questions:
        (seen,) = await account.orders(question)
        assert isinstance(seen, OrderSeen)
        assert (seen.exchange_order_id, seen.client_order_id) == (
            exchange_id,
            order.client_order_id,
        )
        assert (seen.symbol, seen.side, seen.state) == (SYMBOL, Side.BUY, VenueOrderState.OPEN)
        assert (seen.quantity, seen.filled, seen.price) == (QUANTITY, Decimal(0), RESTS)
        assert seen.exchange_ns > 0


async def test_open_orders_of_every_symbol_are_asked_at_once(
    scene: Scene, account: AccountVenue
) -> None:
    """An order of a symbol that nobody thought of is seen too."""
    await placed(scene)
    assert len(await account.orders(scene.ask(Question.OPEN_ORDERS))) == 1


async def test_an_order_that_is_not_there_is_left_out(scene: Scene, account: AccountVenue) -> None:
    """Absence is an empty answer, no error: who asked knows what it is worth (R14)."""
    absent = scene.ask(
        Question.ORDER,
        symbol=SYMBOL,
        client_order_id=scene.order().client_order_id,
        exchange_order_id="999999999",
    )
    assert await account.orders(absent) == ()
    assert await account.orders(scene.ask(Question.OPEN_ORDERS, symbol=SYMBOL)) == ()


async def test_fills_are_told_oldest_first_with_their_cost(
    scene: Scene, account: AccountVenue
) -> None:
    """Quantity is positive on both sides, and the commission is what was paid."""
    since_ns = scene.stamp()
    bought = await placed(scene, "buy", price=TAKES)
    sold = await placed(scene, "sell", side=Side.SELL, price=RESTS)
    fills = await told(scene, account, count=2)
    assert {one.exchange_order_id for one in fills} == {bought, sold}
    assert [one.exchange_ns for one in fills] == sorted(one.exchange_ns for one in fills)
    for side, exchange_id in ((Side.BUY, bought), (Side.SELL, sold)):
        mine = [one for one in fills if one.exchange_order_id == exchange_id]
        assert {one.side for one in mine} == {side}
        assert sum((one.quantity for one in mine), Decimal(0)) == QUANTITY
        assert min(one.commission for one in mine) > 0
        assert all(one.trade_id and one.commission_asset for one in mine)
    assert len({one.trade_id for one in fills}) == len(fills)
    again = await account.fills(scene.ask(Question.FILLS, symbol=SYMBOL, since_ns=since_ns))
    assert again == fills


async def test_a_filled_and_a_cancelled_order_have_their_states(
    scene: Scene, account: AccountVenue
) -> None:
    """Trap 21: what became of an order its status says, not the reply to a cancel."""
    filled = await placed(scene, "filled", price=TAKES)
    dropped = await placed(scene, "dropped")
    await scene.cancel(scene.order("dropped"), dropped)
    await soon(lambda: none_open(scene, account))
    seen = await account.orders(scene.ask(Question.ORDERS, symbol=SYMBOL))
    states = {one.exchange_order_id: (one.state, one.filled) for one in seen}
    assert states == {
        filled: (VenueOrderState.FILLED, QUANTITY),
        dropped: (VenueOrderState.CANCELLED, 0),
    }


async def test_balances_show_what_an_order_locks(scene: Scene, account: AccountVenue) -> None:
    """Free and locked, of each asset once."""
    before = {one.asset: one for one in await account.balances(scene.ask(Question.BALANCES))}
    await placed(scene)
    after = {one.asset: one for one in await account.balances(scene.ask(Question.BALANCES))}
    locked = after["USDT"].locked - before["USDT"].locked
    assert locked >= QUANTITY * RESTS
    assert after["USDT"].free == before["USDT"].free - locked
    assert after["BTC"] == before["BTC"]


async def test_fees_are_told_or_the_question_is_not_signed(
    scene: Scene, account: AccountVenue
) -> None:
    """Maker's and taker's part of what is traded, or a venue that has no such question."""
    if scene.venue is Venue.BTCTURK:
        with pytest.raises(VenueCannotError):
            scene.ask(Question.FEES, symbol=SYMBOL)
        return
    maker, taker = await account.fees(scene.ask(Question.FEES, symbol=SYMBOL))
    assert 0 <= maker <= taker < Decimal("0.1")


async def test_a_key_that_the_exchange_refuses_is_no_answer(
    scene: Scene, account: AccountVenue
) -> None:
    """Trap 2, V7: a refusal is never an empty account, whatever its envelope says."""
    scene.signer = signer_of(scene.venue, read_secret="bm90IHRoaXM=")
    for question in (Question.OPEN_ORDERS, Question.ORDERS):
        with pytest.raises(VenueUnavailable) as refused:
            await account.orders(scene.ask(question, symbol=SYMBOL))
        assert refused.value.is_key_refused
    with pytest.raises(VenueUnavailable):
        await account.balances(scene.ask(Question.BALANCES))
    with pytest.raises(VenueUnavailable):
        await account.fills(scene.ask(Question.FILLS, symbol=SYMBOL))


@pytest.mark.parametrize(
    "fault", ["error_5xx_after", "garble", "truncate", "drop_reply", "maintenance", "invalid_nonce"]
)
async def test_no_usable_answer_is_one_kind_of_error(
    scene: Scene, account: AccountVenue, fault: str
) -> None:
    """Whoever asked may ask again with a new signature; no other exception gets out."""
    question = scene.ask(Question.BALANCES)
    await scene.arm(fault, route=f"GET {question.path}")
    with pytest.raises(VenueUnavailable) as caught:
        await account.balances(question)
    assert not [secret for secret in scene.secrets if secret in str(caught.value)]
    assert not [
        part for part in question.headers.values() if len(part) > 30 and part in str(caught.value)
    ]
    assert await account.balances(scene.ask(Question.BALANCES))


async def test_a_rate_limit_says_how_long(scene: Scene, account: AccountVenue) -> None:
    """Trap 14: the wait and whom it counts come with the error."""
    question = scene.ask(Question.BALANCES)
    await scene.arm("reject_429", route=f"GET {question.path}", ms=9_000)
    with pytest.raises(VenueUnavailable) as caught:
        await account.balances(question)
    assert (caught.value.retry_after_s, caught.value.is_address_limited) == (9, True)


async def test_closing_twice_is_closing_once(account: AccountVenue) -> None:
    """Idempotent."""
    await account.close()
    await account.close()
