"""
Commission: a rate of the quote for maker and taker, and tax on it. Pure.

It is always taken from the quote, so a buyer locks more than the order is worth: what a
taker would pay; a maker gets the difference back.
Source: broker-api-docs FAQ (a buy of 50,000 TRY needs 50,090), issue 591 (fee and tax of
a fill); the rates are those that clients assume, the venue's own are tiered.
"""

from decimal import ROUND_DOWN, Decimal
from typing import Final

from spark.exchanges.simulator.clearing import Pair
from spark.exchanges.simulator.orders import Fill, Order
from spark.fills import FEE_STEP, Offer
from spark.names import Side

MAKER_RATE: Final = Decimal("0.0005")
TAKER_RATE: Final = Decimal("0.0009")
#: Of the fee.
TAX_RATE: Final = Decimal("0.2")
#: Of the quote: what a buyer locks beyond it.
HELD_RATE: Final = TAKER_RATE * (1 + TAX_RATE)


class OfTheQuote:
    """BTCTurk's tariff."""

    def charge(
        self, pair: Pair, side: Side, part: Offer[Order], *, is_maker: bool
    ) -> tuple[Decimal, str]:
        """Take fee and tax from the quote, whichever side it is."""
        del side
        fee, tax = fee_and_tax(part.price * part.quantity, is_maker=is_maker)
        return fee + tax, pair.quote

    def held(self, quote: Decimal) -> Decimal:
        """Hold the quote and what a taker pays."""
        return quote + quote * HELD_RATE


def fee_and_tax(quote: Decimal, *, is_maker: bool) -> tuple[Decimal, Decimal]:
    """Work out both parts of a commission, each rounded down."""
    fee = (quote * (MAKER_RATE if is_maker else TAKER_RATE)).quantize(FEE_STEP, ROUND_DOWN)
    return fee, (fee * TAX_RATE).quantize(FEE_STEP, ROUND_DOWN)


def shares(fill: Fill) -> tuple[Decimal, Decimal]:
    """Tell how a fill's commission divides into fee and tax."""
    return fee_and_tax(fill.quote, is_maker=fill.is_maker)
