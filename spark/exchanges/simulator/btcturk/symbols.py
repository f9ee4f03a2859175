"""
A pair's rules: their checks, and how exchangeinfo lists them. Pure.

Source: broker-api-docs issues 177, 339, 383; docs.btcturk.com "errors".
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spark.exchanges.simulator.btcturk import refusals
from spark.exchanges.simulator.clearing import Pair
from spark.exchanges.simulator.market import Character
from spark.exchanges.simulator.orders import ZERO, Terms, spelled

#: A price may be so many times the market's, or this part of it.
PRICE_FACTOR_MAX: Final = Decimal(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One pair: its currencies, rules, and where its market starts."""

    number: int
    symbol: str
    base: str
    quote: str
    #: Decimals of a base quantity.
    numerator_scale: int
    #: Decimals of a price, as the venue says them.
    denominator_scale: int
    #: False where a price is whole, whatever its scale says.
    has_fraction: bool
    #: Advertised, and not enforced.
    tick: Decimal
    #: Least total of an order, in the quote.
    min_total: Decimal
    #: Mid price at seed start.
    start_price: Decimal
    #: Base quantity of an ordinary level of the self-made market.
    level_quantity: Decimal

    @property
    def normalized(self) -> str:
        """The pair's other spelling."""
        return f"{self.base}_{self.quote}"

    @property
    def price_scale(self) -> int:
        """Decimals that a price may really have."""
        return self.denominator_scale if self.has_fraction else 0

    @property
    def pair(self) -> Pair:
        """What the venue needs to know of it."""
        return Pair(self.symbol, self.base, self.quote, Decimal(1).scaleb(-self.numerator_scale))

    @property
    def character(self) -> Character:
        """What the self-made market needs to know of it."""
        return Character(
            self.symbol,
            Decimal(1).scaleb(-self.price_scale),
            self.pair.quantity_step,
            self.start_price,
            self.level_quantity,
        )

    def check(self, terms: Terms, *, reference: Decimal) -> None:
        """
        Apply the rules to an order.

        Args:
            terms: the order.
            reference: the last price.

        Raises:
            Refusal: 1123, 1126, 1127, 1226, 1227, or a zero.
        """
        if terms.price is not None:
            if terms.price <= ZERO:
                raise refusals.parameter()
            if decimals(terms.price) > self.price_scale:
                raise refusals.price_scale()
        self._check_quantity(terms)
        if terms.price is not None:
            if terms.price > reference * PRICE_FACTOR_MAX:
                raise refusals.price_too_high()
            if terms.price < reference / PRICE_FACTOR_MAX:
                raise refusals.price_too_low()
        if self._total(terms, reference) < self.min_total:
            raise refusals.too_small()

    def _check_quantity(self, terms: Terms) -> None:
        if terms.quantity is None:
            # A market buy names what to spend, so its scale is the quote's.
            amount, scale = terms.quote_quantity or ZERO, self.denominator_scale
        else:
            amount, scale = terms.quantity, self.numerator_scale
        if amount <= ZERO:
            raise refusals.parameter()
        if decimals(amount) > scale:
            raise refusals.quantity_scale()

    def _total(self, terms: Terms, reference: Decimal) -> Decimal:
        if terms.quantity is None:
            return terms.quote_quantity or ZERO
        return terms.quantity * (reference if terms.price is None else terms.price)

    def as_json(self, *, reference: Decimal) -> dict[str, object]:
        """Return the pair as exchangeinfo lists it; the dynamic bounds are JSON numbers."""
        return {
            "id": self.number,
            "name": self.symbol,
            "nameNormalized": self.normalized,
            "status": "TRADING",
            "numerator": self.base,
            "denominator": self.quote,
            "numeratorScale": self.numerator_scale,
            "denominatorScale": self.denominator_scale,
            "hasFraction": self.has_fraction,
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "0.0000000000001",
                    "maxPrice": "10000000",
                    "tickSize": spelled(self.tick),
                    "minExchangeValue": spelled(self.min_total),
                    "minAmount": None,
                    "maxAmount": None,
                }
            ],
            # Stop orders are not simulated, and so not offered.
            "orderMethods": ["MARKET", "LIMIT"],
            "displayFormat": "#,###",
            "commissionFromNumerator": False,
            "order": 1000 * self.number,
            "priceRounding": False,
            "isNew": False,
            "marketPriceWarningThresholdPercentage": 0.25,
            "maximumOrderAmount": None,
            "maximumLimitOrderPrice": float(reference * PRICE_FACTOR_MAX),
            "minimumLimitOrderPrice": float(reference / PRICE_FACTOR_MAX),
        }


def decimals(value: Decimal) -> int:
    """Count the decimals that say something."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
