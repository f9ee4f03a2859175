"""
The pairs that the simulator can offer.

BTCTRY and BTCUSDT have the venue's own rules as recorded; ETHTRY has decimals in its scale
and none in its prices, which is the trap of issue 339.
"""

from decimal import Decimal
from typing import Final

from spark.exchanges.simulator.btcturk.symbols import Rules
from spark.exchanges.simulator.options import offered

_MIN_TOTAL: Final = {"TRY": Decimal("99.91"), "USDT": Decimal("9.91")}


def _rules(
    number: int,
    symbol: str,
    quote: str,
    *,
    scales: tuple[int, int],
    has_fraction: bool,
    tick: str,
    start: str,
    level: str,
) -> Rules:
    return Rules(
        number=number,
        symbol=symbol,
        base=symbol.removesuffix(quote),
        quote=quote,
        numerator_scale=scales[0],
        denominator_scale=scales[1],
        has_fraction=has_fraction,
        tick=Decimal(tick),
        min_total=_MIN_TOTAL[quote],
        start_price=Decimal(start),
        level_quantity=Decimal(level),
    )


#: Every pair the simulator can offer.
CATALOGUE: Final = {
    rules.symbol: rules
    for rules in (
        _rules(1, "BTCTRY", "TRY", scales=(8, 0), has_fraction=False, tick="10",
               start="2070000", level="0.05"),
        _rules(2, "ETHTRY", "TRY", scales=(8, 2), has_fraction=False, tick="1",
               start="88800", level="1"),
        _rules(14, "USDTTRY", "TRY", scales=(4, 3), has_fraction=True, tick="0.001",
               start="33.500", level="20000"),
        _rules(19, "BTCUSDT", "USDT", scales=(8, 0), has_fraction=False, tick="1",
               start="61800", level="0.5"),
        _rules(20, "ETHUSDT", "USDT", scales=(8, 2), has_fraction=True, tick="0.01",
               start="2650", level="6"),
    )
}  # fmt: skip
DEFAULT_SYMBOLS: Final = ("BTCTRY", "BTCUSDT", "ETHUSDT", "USDTTRY", "ETHTRY")


def choose(symbols: tuple[str, ...]) -> dict[str, Rules]:
    """
    Return the rules of the pairs on offer.

    Raises:
        SettingError: a pair is not in the catalogue.
    """
    return offered(CATALOGUE, symbols)
