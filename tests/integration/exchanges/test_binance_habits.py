"""
The simulated Binance's habits that its documents leave open.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from spark.errors import SettingError
from spark.exchanges.simulator.options import Options
from spark.exchanges.simulator.server import running
from tests.simulated_venue import READ, Client

Playing = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def playing(keys_file: Path, session: aiohttp.ClientSession) -> Playing:
    @asynccontextmanager
    async def play(*habits: tuple[str, str]) -> AsyncIterator[Client]:
        options = Options(keys_file=keys_file, market_steps_per_s=0, habits=habits)
        async with running(options) as simulator:
            yield Client(session, simulator)

    return play


@pytest.mark.parametrize(
    ("habits", "code"), [((), None), ((("is_id_free_after_cancel", "off"),), -2010)]
)
async def test_whether_a_cancelled_orders_id_is_free(
    playing: Playing, habits: tuple[tuple[str, str], ...], code: int | None
) -> None:
    """Usually it is, and a second order stands under it; the documents promise it for filled."""
    async with playing(*habits) as client:
        await client.place(newClientOrderId="a-1")
        await client.cancel("a-1")
        assert (await client.place(newClientOrderId="a-1")).code == code
        for _ in range(2):
            assert (await client.place(newClientOrderId="a-2", price="61900")).code is None


async def test_trap_11_a_fresh_order_may_not_be_found(playing: Playing) -> None:
    """Trap 11: the copy that is asked lags: -2013 for an order that rests."""
    async with playing(("query_lag_ms", "60000")) as client:
        await client.place(newClientOrderId="a-1")
        assert (await client.query("a-1")).code == -2013
        listed = await client.call("GET", "/api/v3/openOrders", symbol="BTCUSDT")
        assert [one["clientOrderId"] for one in listed.json] == ["a-1"]


@pytest.mark.parametrize(("habit", "status"), [("on", 401), ("off", 400)])
async def test_how_a_refused_key_is_answered(playing: Playing, habit: str, status: int) -> None:
    """HTTP calls it one or the other; the code is the same."""
    async with playing(("is_key_refusal_401", habit)) as client:
        refused = await client.with_key(READ).place()
        assert (refused.status, refused.code) == (status, -2015)


@pytest.mark.parametrize(
    "habit",
    [
        ("unheard_of", "on"),
        ("query_lag_ms", "on"),
        ("query_lag_ms", "60001"),
        ("is_key_refusal_401", "1"),
    ],
)
async def test_a_habit_that_is_none_is_refused(playing: Playing, habit: tuple[str, str]) -> None:
    """A switch that nothing hangs on is a mistake, and said at the start."""
    with pytest.raises(SettingError, match="habit"):
        async with playing(habit):
            pass
