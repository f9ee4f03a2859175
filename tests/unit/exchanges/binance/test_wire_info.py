"""
exchangeInfo and server time.
"""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.binance.wire_info import RateLimit, exchange_info, server_time


def symbol(**changes: object) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "0.01000000",
                "maxPrice": "1000000.00000000",
                "tickSize": "0.01000000",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": "0.00001000",
                "maxQty": "9000.00000000",
                "stepSize": "0.00001000",
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.00000000",
                "maxQty": "123.45000000",
                "stepSize": "0.00000000",
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": "5.00000000",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {"filterType": "A_FILTER_OF_TOMORROW", "x": 1},
        ],
        **changes,
    }


def info(*symbols: dict[str, Any]) -> bytes:
    return orjson.dumps(
        {
            "timezone": "UTC",
            "serverTime": 1565246363776,
            "rateLimits": [
                {
                    "rateLimitType": "REQUEST_WEIGHT",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": 6000,
                },
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
            ],
            "exchangeFilters": [],
            "symbols": symbols,
        }
    )


def test_an_instrument_has_its_filters_as_decimals() -> None:
    """B6: precision and minimum sizes come from the venue, exactly."""
    (one,) = exchange_info(info(symbol())).instruments
    assert one.is_trading
    assert (one.base_asset, one.quote_asset) == ("BTC", "USDT")
    assert (one.tick_size, one.price_min, one.price_max) == (
        Decimal("0.01"),
        Decimal("0.01"),
        Decimal(1_000_000),
    )
    assert (one.step_size, one.quantity_min, one.quantity_max) == (
        Decimal("0.00001"),
        Decimal("0.00001"),
        Decimal(9000),
    )
    assert one.market_quantity_max == Decimal("123.45")
    assert (one.notional_min, one.notional_max) == (Decimal(5), Decimal(9_000_000))
    assert one.open_orders_max == 200


def test_budgets_are_read_in_seconds() -> None:
    """The venue's own limits come from it, not from a page."""
    assert exchange_info(info()).rate_limits == (
        RateLimit("REQUEST_WEIGHT", 60, 6000),
        RateLimit("ORDERS", 10, 100),
    )


@pytest.mark.parametrize("status", ["HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY", "OF_TOMORROW"])
def test_any_other_status_is_not_trading(status: str) -> None:
    """Fault V8: only TRADING takes new orders, whatever words are added."""
    (one,) = exchange_info(info(symbol(status=status))).instruments
    assert not one.is_trading


def test_the_older_minimum_filter_is_read_too() -> None:
    """Some symbols still carry MIN_NOTIONAL."""
    filters = [row for row in symbol()["filters"] if row["filterType"] != "NOTIONAL"]
    filters.append({"filterType": "MIN_NOTIONAL", "minNotional": "7", "applyToMarket": True})
    (one,) = exchange_info(info(symbol(filters=filters))).instruments
    assert (one.notional_min, one.notional_max) == (Decimal(7), Decimal(0))


@pytest.mark.parametrize("missing", ["PRICE_FILTER", "LOT_SIZE"])
def test_a_symbol_without_a_needed_filter_is_a_wire_error(missing: str) -> None:
    """Without its steps no order on a symbol can be right."""
    filters = [row for row in symbol()["filters"] if row["filterType"] != missing]
    with pytest.raises(WireError, match=missing):
        exchange_info(info(symbol(filters=filters)))


def test_server_time_is_read() -> None:
    """One whole number of milliseconds."""
    assert server_time(b'{"serverTime":1499827319559}') == 1499827319559


@given(st.binary(max_size=200))
def test_any_bytes_are_a_wire_error(body: bytes) -> None:
    """A decoder raises WireError and nothing else."""
    with pytest.raises(WireError):
        exchange_info(body)
    with pytest.raises(WireError):
        server_time(body)
