"""Loads: what they ask for is repeatable, and an exchange would take it."""

from decimal import Decimal
from typing import Final

import pytest

from spark.bench.exchange_faults import Bad
from spark.bench.order_mix import Mix, resting, trading
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.clock import ManualClock
from spark.events import CancelOrder, Intent, PlaceOrder
from spark.exchanges.simulator.faults import parse
from spark.names import Role, TimeInForce
from spark.producers.intents import IntentWriter
from spark.topics import INTENTS
from tests import keyed
from tests.made import NOW_NS, STRATEGY

_BOTH: Final = frozenset({"binance", "btcturk"})


async def asked(mix: Mix, count: int) -> list[Intent]:
    writer = await MemoryBus(MemoryBroker({INTENTS: 3})).writer([INTENTS])
    tagger = keyed.tagger(STRATEGY, Role.GUARDRAIL, Role.SIGNER)
    intents = IntentWriter(STRATEGY, writer, tagger, clock=ManualClock(NOW_NS))
    made = [mix(number, intents) for number in range(count)]
    await intents.send(made)
    return made


def content(intents: list[Intent]) -> list[object]:
    return [
        (one.symbol, one.side, one.price, one.quantity)
        if isinstance(one, PlaceOrder)
        else one.symbol
        for one in intents
    ]


async def test_the_same_seed_asks_for_the_same() -> None:
    """A drill that failed is run again by its seed."""
    first = content(await asked(trading(7, _BOTH), 300))
    assert content(await asked(trading(7, _BOTH), 300)) == first
    assert content(await asked(trading(8, _BOTH), 300)) != first


@pytest.mark.parametrize("venue", sorted(_BOTH))
async def test_a_load_trades_and_cancels_on_each_exchange(venue: str) -> None:
    """Both sides, on the tick, within the collar; no time in force that BTCTurk lacks."""
    made = await asked(trading(1, frozenset({venue})), 500)
    places = [one for one in made if isinstance(one, PlaceOrder)]
    assert {one.account for one in made} == {f"{venue}:main"}
    assert len({one.side for one in places}) == 2
    assert 50 < sum(isinstance(one, CancelOrder) for one in made) < 250
    prices = [one.price for one in places if one.price is not None]
    assert len(prices) == len(places)
    assert all(price > 0 and one.quantity > 0 for price, one in zip(prices, places, strict=True))
    if venue == "btcturk":
        assert all(price == price.to_integral_value() for price in prices)
        assert {one.time_in_force for one in places} == {TimeInForce.GTC}


async def test_a_load_that_rests_stays_below_the_market() -> None:
    """What is measured is the path, not the exchange's matching."""
    made = await asked(resting(), 400)
    prices = [one.price for one in made if isinstance(one, PlaceOrder) and one.price is not None]
    assert max(prices) <= Decimal(60_500)
    assert sum(isinstance(one, CancelOrder) for one in made) == 100


def test_every_fault_that_is_thought_of_is_one() -> None:
    """The judges' port takes each of them, and the same seed thinks of the same."""
    bad, again = (Bad(3, ("binance", "btcturk"), every_s=2.0) for _ in range(2))
    blows = [bad.next() for _ in range(2_000)]
    assert blows == [again.next() for _ in range(2_000)]
    kinds = {parse(blow.fault).kind for blow in blows}
    assert len(kinds) == 18
    assert {blow.venue for blow in blows} == {"binance", "btcturk"}
    assert all(1.0 <= blow.after_s <= 3.0 for blow in blows)
