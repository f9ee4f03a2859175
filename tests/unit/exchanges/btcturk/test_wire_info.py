"""
The venue's rules and its clock.
"""

from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.btcturk.wire_info import Instrument, exchange_info, server_time
from spark.names import Symbol

BTCTRY: Final = Symbol("BTCTRY")
ROW: Final[dict[str, Any]] = {
    "id": 1,
    "name": "BTCTRY",
    "nameNormalized": "BTC_TRY",
    "status": "TRADING",
    "numerator": "BTC",
    "denominator": "TRY",
    "numeratorScale": 8,
    "denominatorScale": 2,
    "hasFraction": False,
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.0000000000001",
            "maxPrice": "10000000",
            "tickSize": "10",
            "minExchangeValue": "99.91",
            "minAmount": None,
            "maxAmount": None,
        }
    ],
    "orderMethods": ["MARKET", "LIMIT", "STOP_MARKET", "STOP_LIMIT"],
    "maximumLimitOrderPrice": 37541350,
    "minimumLimitOrderPrice": 375413.5,
    "maximumOrderAmount": None,
}


def read(**changes: object) -> tuple[Instrument, ...]:
    data = {"timeZone": "UTC", "serverTime": 1, "symbols": [{**ROW, **changes}], "currencies": []}
    body = orjson.dumps({"data": data, "success": True, "message": None, "code": 0})
    return exchange_info(body, (BTCTRY,))


def test_rules_come_from_scales_and_dynamic_limits() -> None:
    """`tickSize` is not enforced and `maxPrice` is stale: neither is a rule."""
    (found,) = read()
    assert found == Instrument(
        symbol="BTCTRY",
        base_asset="BTC",
        quote_asset="TRY",
        status="TRADING",
        order_methods=frozenset({"MARKET", "LIMIT", "STOP_MARKET", "STOP_LIMIT"}),
        tick_size=Decimal(1),
        price_min=Decimal("375413.5"),
        price_max=Decimal(37541350),
        step_size=Decimal("0.00000001"),
        quantity_min=Decimal(0),
        quantity_max=Decimal(0),
        notional_min=Decimal("99.91"),
    )
    assert found.is_trading


@pytest.mark.parametrize(
    ("scale", "has_fraction", "tick"),
    [(2, False, "1"), (2, True, "0.01"), (0, True, "1"), (0, False, "1"), (8, True, "0.00000001")],
)
def test_a_price_without_fractions_is_whole(scale: int, tick: str, *, has_fraction: bool) -> None:
    """Trap 5: without `hasFraction` a price is whole even where its scale is 2."""
    (found,) = read(denominatorScale=scale, hasFraction=has_fraction)
    assert found.tick_size == Decimal(tick)


@pytest.mark.parametrize(
    "changes", [{"status": "BREAK"}, {"orderMethods": ["MARKET"]}, {"orderMethods": []}]
)
def test_a_symbol_that_takes_no_limit_orders_is_not_trading(changes: dict[str, Any]) -> None:
    """Fault V8: another status than TRADING is not documented, so it is none to trade in."""
    assert not read(**changes)[0].is_trading


def test_the_tighter_cap_holds() -> None:
    """A quantity's cap may stand in the symbol or in its filter."""
    limits = [{**ROW["filters"][0], "maxAmount": "5", "minAmount": "0.1"}]
    (found,) = read(maximumOrderAmount=7, filters=limits)
    assert (found.quantity_min, found.quantity_max) == (Decimal("0.1"), Decimal(5))


@pytest.mark.parametrize(
    "changes",
    [{"filters": []}, {"numeratorScale": None}, {"hasFraction": None}, {"denominatorScale": 99}],
)
def test_a_rule_that_is_missing_is_an_error(changes: dict[str, Any]) -> None:
    """An order is measured against rules, never against a guess."""
    with pytest.raises(WireError):
        read(**changes)


def test_a_row_that_nobody_asked_for_blinds_nobody() -> None:
    """Another symbol's oddity does not take ours away, and one that is not there is left out."""
    assert read(name="ODDTRY", numeratorScale=None) == ()


def test_the_time_comes_without_an_envelope() -> None:
    """Milliseconds, and nothing around them."""
    body = b'{"serverTime":1763700000123,"serverTime2":"2025-11-21T04:40:00.1234567"}'
    assert server_time(body) == 1763700000123
    with pytest.raises(WireError):
        server_time(b'{"serverTime2":"2025"}')


@given(
    st.dictionaries(
        st.sampled_from(sorted(ROW)),
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    )
)
def test_any_fields_are_rules_or_a_typed_error(changes: dict[str, Any]) -> None:
    """Anything in any field: rules or a `WireError`."""
    with suppress(WireError):
        read(**{**changes, "name": "BTCTRY"})


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(sent: bytes) -> None:
    """Any bytes in: a value or a typed error."""
    with suppress(WireError):
        exchange_info(sent, (BTCTRY,))
    with suppress(WireError):
        server_time(sent)
