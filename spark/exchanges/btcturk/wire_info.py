"""
exchangeinfo and server time. Pure.

The scales are what is enforced: `tickSize` is not, and `maxPrice` is stale beside the
dynamic limits (facts: exchanges.md §1.4). Without `hasFraction` a price is a whole number
whatever its scale says (trap 5).

Source: docs.btcturk.com exchange-info, server-time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spark.errors import WireError
from spark.exchanges.btcturk.wire import amount_or_zero, decode_exact, folded, milliseconds
from spark.exchanges.btcturk.wire_answers import data_of
from spark.exchanges.fields import (
    Object,
    as_list,
    flag,
    text,
    whole,
)
from spark.exchanges.rules import Rules
from spark.names import Symbol

TIME_PATH: Final = "/api/v2/server/time"
EXCHANGE_INFO_PATH: Final = "/api/v2/server/exchangeinfo"
_TRADING: Final = "TRADING"
_LIMIT: Final = "LIMIT"
_PRICE_FILTER: Final = "PRICE_FILTER"
#: No amount that the venue reads has more.
_SCALE_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument(Rules):
    """One symbol's rules at BTCTurk."""

    order_methods: frozenset[str]

    @property
    def is_trading(self) -> bool:
        """Whether the venue takes new limit orders."""
        return self.status == _TRADING and _LIMIT in self.order_methods


def server_time(body: bytes) -> int:
    """
    Read `GET /api/v2/server/time`, which comes without an envelope.

    Returns:
        The venue's clock, ms since 1970.

    Raises:
        WireError: not a server time.

    """
    return milliseconds(folded(decode_exact(body), "the server time"), "servertime")


def exchange_info(body: bytes, symbols: Iterable[Symbol]) -> tuple[Instrument, ...]:
    """
    Read the rules of some symbols; one that is not there is left out.

    Raises:
        WireError: not exchange information, or one of them without a rule it must have.

    """
    wanted = frozenset(symbols)
    fields = folded(data_of(body), "exchangeinfo")
    rows = [folded(row, "a symbol") for row in as_list(fields.get("symbols"), "symbols")]
    # A row that nobody asked for blinds nobody.
    return tuple(_instrument(row) for row in rows if _is_wanted(row, wanted))


def _is_wanted(row: Object, wanted: frozenset[Symbol]) -> bool:
    name = row.get("name")
    return isinstance(name, str) and name in wanted


def _instrument(fields: Object) -> Instrument:
    limits = _price_filter(fields)
    price_step = _step(fields, "denominatorscale")
    methods = as_list(fields.get("ordermethods"), "orderMethods")
    return Instrument(
        symbol=text(fields, "name"),
        base_asset=text(fields, "numerator"),
        quote_asset=text(fields, "denominator"),
        status=text(fields, "status"),
        order_methods=frozenset(
            word.upper() for word in methods if isinstance(word, str) and word.isascii()
        ),
        tick_size=price_step if flag(fields, "hasfraction") else Decimal(1),
        price_min=amount_or_zero(fields, "minimumlimitorderprice"),
        price_max=amount_or_zero(fields, "maximumlimitorderprice"),
        step_size=_step(fields, "numeratorscale"),
        quantity_min=amount_or_zero(limits, "minamount"),
        quantity_max=_lowest(
            amount_or_zero(fields, "maximumorderamount"), amount_or_zero(limits, "maxamount")
        ),
        notional_min=amount_or_zero(limits, "minexchangevalue"),
    )


def _price_filter(fields: Object) -> Object:
    for row in as_list(fields.get("filters"), "filters"):
        found = folded(row, "a filter")
        if found.get("filtertype") == _PRICE_FILTER:
            return found
    raise WireError(f"{text(fields, 'name')[:20]!r} has no {_PRICE_FILTER}")


def _step(fields: Object, name: str) -> Decimal:
    scale = whole(fields, name)
    if scale > _SCALE_MAX:
        raise WireError(f"{name} is {scale}, at most {_SCALE_MAX} is due")
    return Decimal(1).scaleb(-scale)


def _lowest(*caps: Decimal) -> Decimal:
    return min((cap for cap in caps if cap), default=Decimal(0))
