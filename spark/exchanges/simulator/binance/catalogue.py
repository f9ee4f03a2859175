"""
The symbols that the simulator can offer.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from spark.exchanges.simulator.binance.symbols import Rules
from spark.exchanges.simulator.options import offered

#: What MAX_NUM_ORDERS says when limits are off: no benchmark gets there.
MAX_NUM_ORDERS_OFF: Final = 10_000_000


def _rules(
    symbol: str,
    quote: str,
    *,
    tick: str,
    step: str,
    start: str,
    level: str,
    min_notional: str,
    max_quantity: str,
) -> Rules:
    return Rules(
        symbol=symbol,
        base=symbol.removesuffix(quote),
        quote=quote,
        tick=Decimal(tick),
        step=Decimal(step),
        min_quantity=Decimal(step),
        max_quantity=Decimal(max_quantity),
        market_max_quantity=Decimal(max_quantity) / 50,
        min_notional=Decimal(min_notional),
        start_price=Decimal(start),
        level_quantity=Decimal(level),
    )


#: Every symbol the simulator can offer.
CATALOGUE: Final = {
    rules.symbol: rules
    for rules in (
        _rules("BTCUSDT", "USDT", tick="0.01", step="0.00001", start="61800",
               level="0.5", min_notional="5", max_quantity="9000"),
        _rules("ETHUSDT", "USDT", tick="0.01", step="0.0001", start="2650",
               level="6", min_notional="5", max_quantity="9000"),
        _rules("BTCTRY", "TRY", tick="1", step="0.00001", start="2070000",
               level="0.05", min_notional="10", max_quantity="9000"),
        _rules("ETHTRY", "TRY", tick="1", step="0.0001", start="88800",
               level="1", min_notional="10", max_quantity="9000"),
        _rules("USDTTRY", "TRY", tick="0.01", step="1", start="33.50",
               level="20000", min_notional="10", max_quantity="5000000"),
        _rules("ETHBTC", "BTC", tick="0.00001", step="0.0001", start="0.04288",
               level="8", min_notional="0.0001", max_quantity="100000"),
        _rules("BNBUSDT", "USDT", tick="0.1", step="0.001", start="510",
               level="20", min_notional="5", max_quantity="900000"),
        _rules("SOLUSDT", "USDT", tick="0.01", step="0.001", start="155",
               level="60", min_notional="5", max_quantity="90000"),
    )
}  # fmt: skip
DEFAULT_SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "BTCTRY", "USDTTRY")


def choose(symbols: tuple[str, ...], *, is_limited: bool) -> dict[str, Rules]:
    """
    Return the rules of the symbols on offer.

    Raises:
        SettingError: a symbol is not in the catalogue.
    """
    found = offered(CATALOGUE, symbols)
    return found if is_limited else {symbol: _unlimited(rules) for symbol, rules in found.items()}


def _unlimited(rules: Rules) -> Rules:
    return replace(rules, orders_max=MAX_NUM_ORDERS_OFF)
