"""
What every exchange's client of public questions promises: idempotent, strict, and honest in error.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from spark.errors import VenueUnavailable
from spark.names import Symbol, Venue
from tests.contract.venue_scenes import SYMBOL, Scene, playing, public_of

NOT_THERE = Symbol("NOPENOPE")
_NS_PER_MS = 1_000_000


@pytest.fixture(params=[Venue.BINANCE, Venue.BTCTURK])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(request.param, tmp_path) as made:
        yield made


@pytest.mark.parametrize("offset_ms", [0, 1_500, -3_600_000])
async def test_clocks_are_compared(scene: Scene, offset_ms: int) -> None:
    """Trap 13: the true offset lies within the uncertainty that is told with it."""
    await scene.set_clock(offset_ms)
    reading = await scene.public.clock()
    assert abs(reading.offset_ns - offset_ms * _NS_PER_MS) <= reading.uncertainty_ns


async def test_rules_are_those_of_the_symbols_asked_for(scene: Scene) -> None:
    """A symbol that the exchange does not have is left out."""
    (rules,) = await scene.public.instruments((SYMBOL, NOT_THERE))
    assert (rules.venue, rules.symbol) == (scene.venue, SYMBOL)
    assert (rules.base_asset, rules.quote_asset) == ("BTC", "USDT")
    assert rules.is_trading
    assert min(rules.tick_size, rules.step_size, rules.notional_min) > 0
    assert await scene.public.instruments((NOT_THERE,)) == ()


async def test_best_prices_are_marks(scene: Scene) -> None:
    """They are as old as the question, and never crossed."""
    marks = await scene.public.marks((SYMBOL,))
    (mark,) = marks
    assert mark.symbol == SYMBOL
    assert 0 < mark.bid <= mark.ask
    assert mark.measured_ns > 0


@pytest.mark.parametrize(
    "fault",
    ["error_5xx_before", "error_5xx_after", "garble", "truncate", "drop_reply", "maintenance"],
)
async def test_no_usable_answer_is_one_kind_of_error(scene: Scene, fault: str) -> None:
    """Fault V8: whoever asked may ask again; no other exception gets out."""
    await scene.arm(fault, route=scene.time_route)
    with pytest.raises(VenueUnavailable):
        await scene.public.clock()
    await scene.public.clock()


async def test_a_rate_limit_says_how_long(scene: Scene) -> None:
    """Trap 14: the wait and whom it counts come with the error."""
    await scene.arm("reject_429", route=scene.time_route, ms=9_000)
    with pytest.raises(VenueUnavailable) as caught:
        await scene.public.clock()
    assert (caught.value.retry_after_s, caught.value.is_address_limited) == (9, True)


async def test_an_exchange_that_is_not_there_is_unavailable(scene: Scene) -> None:
    """The same error, and nothing to wait for."""
    public = public_of(scene.venue, "http://127.0.0.1:1")
    for asked in (public.clock(), public.instruments((SYMBOL,)), public.marks((SYMBOL,))):
        with pytest.raises(VenueUnavailable) as caught:
            await asked
        assert caught.value.retry_after_s == 0
    await public.close()
    await public.close()
