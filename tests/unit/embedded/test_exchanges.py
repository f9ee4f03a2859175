"""What a stack's processes are told of its exchanges."""

import pytest
from pydantic_settings import BaseSettings

from spark.embedded.exchanges import SPOKEN, TIME_PATH, exchange_environment
from spark.embedded.processes import BY_NAME, SIMULATORS
from spark.embedded.state import SimulatorAddress
from spark.names import Venue
from spark.settings import BinanceSettings, BtcturkSettings

_PLACE = SimulatorAddress(
    url="http://127.0.0.1:1", stream_url="ws://127.0.0.1:1", admin_url="http://127.0.0.1:2"
)
_SECTIONS: dict[Venue, type[BaseSettings]] = {
    Venue.BINANCE: BinanceSettings,
    Venue.BTCTURK: BtcturkSettings,
}


@pytest.mark.parametrize("venue", SIMULATORS)
def test_every_address_of_an_exchange_is_the_simulators(venue: Venue) -> None:
    """
    One address left at its default would be the real exchange (S7).
    """
    told = exchange_environment(venue, _PLACE)
    addresses = {
        str(field.validation_alias)
        for name, field in _SECTIONS[venue].model_fields.items()
        if name.endswith("_url")
    }
    assert told.keys() == addresses
    assert set(told.values()) == {_PLACE.url, _PLACE.stream_url}


def test_every_simulator_can_be_started_and_waited_for() -> None:
    """
    Each has a name of its own that no process has, a path to ask and a word for people.
    """
    assert SIMULATORS.keys() == TIME_PATH.keys() == SPOKEN.keys()
    assert len(set(SIMULATORS.values())) == len(SIMULATORS)
    assert not set(SIMULATORS.values()) & BY_NAME.keys()
