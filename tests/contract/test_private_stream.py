"""
What every exchange's private stream promises: a login, then nothing is missed until it ends.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from spark.errors import VenueUnavailable
from spark.events import OrderAcked
from spark.exchanges.port import (
    BalancesChanged,
    FillSeen,
    News,
    OrderSeen,
    PrivateStream,
    SignedRequest,
)
from spark.names import Side, Venue, VenueOrderState
from tests.contract.venue_scenes import (
    PATIENCE_S,
    QUANTITY,
    SYMBOL,
    TAKES,
    Scene,
    playing,
    signer_of,
)

_N = TypeVar("_N", bound=News)


@pytest.fixture(params=[Venue.BINANCE, Venue.BTCTURK])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def stream(scene: Scene) -> PrivateStream:
    return scene.stream


class Listener:
    """One connection's news, taken one after another."""

    def __init__(self, news: AsyncIterator[tuple[News, ...]]) -> None:
        self._news = news
        self.heard: list[News] = []

    async def logged_in(self) -> None:
        """Wait for the login."""
        async with asyncio.timeout(PATIENCE_S):
            assert await anext(self._news) == ()

    async def until(self, kind: type[_N], is_it: Callable[[_N], bool]) -> _N:
        """Listen until that is heard."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for one in await anext(self._news):
                    self.heard.append(one)
                    if isinstance(one, kind) and is_it(one):
                        return one

    async def ends(self) -> VenueUnavailable:
        """Listen until it ends, and give what it ends with."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                async for some in self._news:
                    self.heard.extend(some)
            except VenueUnavailable as ended:
                return ended
        pytest.fail("it ended without a word")


@pytest.fixture
async def listener(scene: Scene, stream: PrivateStream) -> AsyncIterator[Listener]:
    async with aclosing(stream.news(scene.log_in)) as news:  # type: ignore[type-var]
        listening = Listener(news)
        await listening.logged_in()
        yield listening


async def acked(scene: Scene, text: str = "one", **changes: object) -> OrderAcked:
    outcome = await scene.place(scene.order(text, **changes))
    found = outcome.evidence[0]
    assert isinstance(found, OrderAcked)
    return found


async def test_the_first_news_is_none_and_says_that_the_login_was_taken(
    scene: Scene, listener: Listener
) -> None:
    """Trap 24, trap 25: one login, signed afresh, and from then on nothing is missed."""
    assert len(scene.logins) == 1
    placed = await acked(scene)
    seen = await listener.until(
        OrderSeen, lambda one: one.exchange_order_id == placed.exchange_order_id
    )
    assert (seen.symbol, seen.state) == (SYMBOL, VenueOrderState.OPEN)
    assert (seen.client_order_id, seen.quantity) == (placed.client_order_id, QUANTITY)
    assert (seen.side, seen.filled) == (Side.BUY, Decimal(0))


async def test_each_fill_is_told(scene: Scene, listener: Listener) -> None:
    """Trap 23: fills add up to the order, by trade id where there are any."""
    placed = await acked(scene, price=TAKES)
    async with asyncio.timeout(PATIENCE_S):
        await listener.until(FillSeen, lambda one: bool(one.trade_id))
        while _filled(listener.heard, with_id=True) < QUANTITY:
            await listener.until(FillSeen, lambda one: bool(one.trade_id))
    fills = [one for one in listener.heard if isinstance(one, FillSeen)]
    assert {one.exchange_order_id for one in fills} == {placed.exchange_order_id}
    assert {one.side for one in fills} == {Side.BUY}
    assert _filled(listener.heard, with_id=True) == QUANTITY
    assert _filled(listener.heard, with_id=False) in {Decimal(0), QUANTITY}


def _filled(heard: list[News], *, with_id: bool) -> Decimal:
    fills = [one for one in heard if isinstance(one, FillSeen) and bool(one.trade_id) is with_id]
    return sum((one.quantity for one in fills), Decimal(0))


async def test_a_filled_order_is_told_as_filled(scene: Scene, listener: Listener) -> None:
    """However the venue words the end of an order."""
    placed = await acked(scene, price=TAKES)
    seen = await listener.until(OrderSeen, lambda one: one.state is VenueOrderState.FILLED)
    assert (seen.exchange_order_id, seen.filled) == (placed.exchange_order_id, QUANTITY)


async def test_a_cancelled_order_is_told_as_cancelled(scene: Scene, listener: Listener) -> None:
    """Trap 21: this is what a cancel waits for."""
    placed = await acked(scene)
    await scene.cancel(scene.order(), placed.exchange_order_id)
    seen = await listener.until(OrderSeen, lambda one: one.state is VenueOrderState.CANCELLED)
    assert (seen.exchange_order_id, seen.filled) == (placed.exchange_order_id, Decimal(0))


async def test_balances_that_change_are_told(scene: Scene, listener: Listener) -> None:
    """With amounts, or with the advice to ask."""
    await acked(scene)
    changed = await listener.until(BalancesChanged, lambda _: True)
    assert all(one.free >= 0 and one.locked >= 0 for one in changed.balances)


async def test_a_lost_connection_ends_it_and_the_next_has_a_login_of_its_own(
    scene: Scene, stream: PrivateStream, listener: Listener
) -> None:
    """Whoever listens reconciles and begins again, with a fresh signature."""
    await scene.arm("disconnect", route="private")
    await listener.ends()
    async with aclosing(stream.news(scene.log_in)) as news:  # type: ignore[type-var]
        await Listener(news).logged_in()
    first, second = scene.logins
    assert first.stamp_ns < second.stamp_ns
    assert first.body != second.body or first.query != second.query


async def test_a_login_that_is_refused_ends_it(scene: Scene, stream: PrivateStream) -> None:
    """Trap 24: a refusal is no silence, and says nothing of the key."""
    scene.signer = signer_of(scene.venue, read_secret="bm90IHRoaXM=")
    async with aclosing(stream.news(scene.log_in)) as news:  # type: ignore[type-var]
        ended = await Listener(news).ends()
    assert not [secret for secret in scene.secrets if secret in str(ended)]
    assert "bm90IHRoaXM=" not in str(ended)
    assert ended.is_key_refused, "whoever logs in must not go on (V7)"


async def test_a_signer_that_does_not_answer_is_heard_of(
    scene: Scene, stream: PrivateStream
) -> None:
    """What the login's giver raises is not swallowed, and leaves no connection behind."""

    async def refuse() -> SignedRequest:
        raise VenueUnavailable("no signature")

    refusing: Callable[[], Awaitable[SignedRequest]] = refuse
    async with aclosing(stream.news(refusing)) as news:  # type: ignore[type-var]
        assert str(await Listener(news).ends()) == "no signature"
    assert scene.logins == []


async def test_a_repeated_message_is_told_as_often_as_it_comes(
    scene: Scene, listener: Listener
) -> None:
    """R5: news may repeat itself; whoever folds it knows the trade's id."""
    await scene.arm("duplicate_message", route="private", count=8)
    await acked(scene, price=TAKES)
    for _ in range(2):
        await listener.until(OrderSeen, lambda one: one.state is VenueOrderState.FILLED)
    fills = [one.trade_id for one in listener.heard if isinstance(one, FillSeen)]
    assert len(fills) > len(set(fills))


async def test_a_mute_stream_ends(scene: Scene, listener: Listener) -> None:
    """Trap 18, fault N2: open and silent is not alive."""
    await scene.arm("mute_socket", route="private")
    assert "mute" in str(await listener.ends())
