"""
A symbol's rules: its filters, their checks, and how exchangeInfo lists them. Pure.

Source: binance-spot-api-docs filters.md and rest-api.md (2026-07).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spark.exchanges.simulator.binance.refusals import filter_failure
from spark.exchanges.simulator.clearing import Pair
from spark.exchanges.simulator.market import Character
from spark.exchanges.simulator.orders import ZERO, Kind, Terms
from spark.names import Side

#: Decimal places of every amount on the wire.
ASSET_PRECISION: Final = 8
MAX_NUM_ORDERS: Final = 200


@dataclass(frozen=True, slots=True)
class Rules:
    """One symbol: its assets, filters, and where its market starts."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    market_max_quantity: Decimal
    min_notional: Decimal
    #: Mid price at seed start.
    start_price: Decimal
    #: Base quantity of an ordinary level of the self-made market.
    level_quantity: Decimal
    max_notional: Decimal = Decimal(9_000_000)
    max_price: Decimal = Decimal(100_000_000)
    bid_up: Decimal = Decimal("1.2")
    bid_down: Decimal = Decimal("0.2")
    ask_up: Decimal = Decimal(5)
    ask_down: Decimal = Decimal("0.8")
    orders_max: int = MAX_NUM_ORDERS

    @property
    def pair(self) -> Pair:
        """What the venue needs to know of it."""
        return Pair(self.symbol, self.base, self.quote, self.step)

    @property
    def character(self) -> Character:
        """What the self-made market needs to know of it."""
        return Character(self.symbol, self.tick, self.step, self.start_price, self.level_quantity)

    def check(self, terms: Terms, *, reference: Decimal, open_orders: int) -> None:
        """
        Apply the filters in the order in which exchangeInfo lists them.

        Args:
            terms: the order.
            reference: last price, for the percent and notional filters.
            open_orders: this account's resting orders on the symbol.

        Raises:
            Refusal: -1013 with the filter's name.
        """
        if terms.price is not None:
            if terms.price > self.max_price or terms.price < self.tick or terms.price % self.tick:
                raise filter_failure("PRICE_FILTER")
            if not self._near(terms.price, terms.side, reference):
                raise filter_failure("PERCENT_PRICE_BY_SIDE")
        if terms.quantity is not None:
            self._check_quantity(terms)
        notional = terms.quote_quantity
        if notional is None:
            assert terms.quantity is not None, "an order names a quantity"
            notional = terms.quantity * (reference if terms.price is None else terms.price)
        is_above_max = notional > self.max_notional and terms.kind is not Kind.MARKET
        if notional < self.min_notional or is_above_max:
            raise filter_failure("NOTIONAL")
        if open_orders >= self.orders_max:
            raise filter_failure("MAX_NUM_ORDERS")

    def _near(self, price: Decimal, side: Side, reference: Decimal) -> bool:
        if side is Side.BUY:
            return reference * self.bid_down <= price <= reference * self.bid_up
        return reference * self.ask_down <= price <= reference * self.ask_up

    def _check_quantity(self, terms: Terms) -> None:
        quantity = terms.quantity
        assert quantity is not None, "called for a quantity"
        if not self.min_quantity <= quantity <= self.max_quantity or quantity % self.step:
            raise filter_failure("LOT_SIZE")
        if terms.kind is Kind.MARKET and quantity > self.market_max_quantity:
            raise filter_failure("MARKET_LOT_SIZE")

    def as_json(self) -> dict[str, object]:
        """Return the symbol as exchangeInfo lists it."""
        return {
            "symbol": self.symbol,
            "status": "TRADING",
            "baseAsset": self.base,
            "baseAssetPrecision": ASSET_PRECISION,
            "quoteAsset": self.quote,
            "quotePrecision": ASSET_PRECISION,
            "quoteAssetPrecision": ASSET_PRECISION,
            "baseCommissionPrecision": ASSET_PRECISION,
            "quoteCommissionPrecision": ASSET_PRECISION,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "icebergAllowed": False,
            "ocoAllowed": False,
            "otoAllowed": False,
            "opoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": False,
            "amendAllowed": False,
            "pegInstructionsAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": self._filters(),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "NONE",
            "allowedSelfTradePreventionModes": ["NONE"],
        }

    def _filters(self) -> list[dict[str, object]]:
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": amount(self.tick),
                "maxPrice": amount(self.max_price),
                "tickSize": amount(self.tick),
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": str(self.bid_up),
                "bidMultiplierDown": str(self.bid_down),
                "askMultiplierUp": str(self.ask_up),
                "askMultiplierDown": str(self.ask_down),
                "avgPriceMins": 0,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": amount(self.min_quantity),
                "maxQty": amount(self.max_quantity),
                "stepSize": amount(self.step),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": amount(ZERO),
                "maxQty": amount(self.market_max_quantity),
                "stepSize": amount(ZERO),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": amount(self.min_notional),
                "applyMinToMarket": True,
                "maxNotional": amount(self.max_notional),
                "applyMaxToMarket": False,
                "avgPriceMins": 0,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": self.orders_max},
        ]


def amount(value: Decimal) -> str:
    """Write an amount with the venue's eight decimals."""
    return f"{value:.8f}"


def exchange_info(
    rules: list[Rules], rate_limits: list[dict[str, object]], *, now_ms: int
) -> dict[str, object]:
    """Return the exchangeInfo reply for `rules`."""
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": rate_limits,
        "exchangeFilters": [],
        "symbols": [one.as_json() for one in rules],
    }
