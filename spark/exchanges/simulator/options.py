"""
What a simulator is started with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from spark.errors import SettingError
from spark.names import Venue
from spark.quoting import shown

_R = TypeVar("_R")

#: Acts of the self-made market per symbol and second.
MARKET_STEPS_PER_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Options:
    """One simulator."""

    keys_file: Path
    venue: Venue = Venue.BINANCE
    host: str = "127.0.0.1"
    #: 0 picks a free port.
    port: int = 0
    admin_port: int = 0
    #: Whether rate limits and the open-order filter are the exchange's.
    is_limited: bool = False
    seed: int = 42
    #: On offer; empty means the venue's usual ones.
    symbols: tuple[str, ...] = ()
    #: 0 keeps the seeded book still.
    market_steps_per_s: float = MARKET_STEPS_PER_S
    #: Recorded frames served instead of the self-made market.
    replay: tuple[Path, ...] = ()
    #: Times the recorded pace; None is as fast as the client takes them.
    speed: float | None = 1.0
    ready_file: Path | None = None
    ledger_file: Path | None = None
    #: Bearer token of the judges' port; made beside the ready file when not given.
    admin_token_file: Path | None = None
    #: Switches of one venue's unconfirmed habits, by name.
    habits: tuple[tuple[str, str], ...] = ()


def offered(catalogue: Mapping[str, _R], symbols: tuple[str, ...]) -> dict[str, _R]:
    """
    Give the rules of the symbols on offer.

    Raises:
        SettingError: a symbol is not in the catalogue, or there is none.

    """
    unknown = [symbol for symbol in symbols if symbol not in catalogue]
    if unknown or not symbols:
        named = shown(unknown[0]) if unknown else "none"
        raise SettingError(f"symbols: {named} not among {', '.join(catalogue)}")
    return {symbol: catalogue[symbol] for symbol in symbols}
