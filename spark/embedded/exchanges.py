"""
What differs between the exchanges that a stack simulates: how each is asked, and called.
"""

from collections.abc import Mapping
from typing import Final

from spark.embedded.state import SimulatorAddress
from spark.names import Venue

#: What each answers without a key.
TIME_PATH: Final[Mapping[Venue, str]] = {
    Venue.BINANCE: "/api/v3/time",
    Venue.BTCTURK: "/api/v2/server/time",
}
SPOKEN: Final[Mapping[Venue, str]] = {Venue.BINANCE: "Binance spot", Venue.BTCTURK: "BTCTurk"}


def exchange_environment(venue: Venue, place: SimulatorAddress) -> dict[str, str]:
    """Tell a process where an exchange is, by the settings that it reads."""
    if venue is Venue.BTCTURK:
        return {
            "SPARK_BTCTURK_REST_URL": place.url,
            "SPARK_BTCTURK_GRAPH_URL": place.url,
            "SPARK_BTCTURK_STREAM_URL": place.stream_url,
        }
    return {
        "SPARK_BINANCE_REST_URL": place.url,
        "SPARK_BINANCE_STREAM_URL": place.stream_url,
        "SPARK_BINANCE_WS_API_URL": place.stream_url,
    }
