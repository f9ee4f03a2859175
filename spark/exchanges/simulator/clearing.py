"""
Clearing: what an order must lock, and what a trade moves between balances.

Reads   trades
Writes  balances and locks of the accounts that trade, commissions earned
Owns    the house's account, the counterparty of every client
Fails   never on what was checked before: an assert is a bug
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

from spark import fills
from spark.exchanges.simulator.accounts import Account
from spark.exchanges.simulator.orders import ZERO, Fill, Order, Terms
from spark.fills import Offer
from spark.names import Side

COMMISSION_RATE: Final = Decimal("0.001")
#: The counterparty of every client: the rest of the market.
HOUSE: Final = "house"


class Pair(NamedTuple):
    """What trades against what, in which steps."""

    symbol: str
    base: str
    quote: str
    quantity_step: Decimal


class Tariff(Protocol):
    """What a venue takes for a trade, and what it has a buyer hold back for that."""

    def charge(
        self, pair: Pair, side: Side, part: Offer[Order], *, is_maker: bool
    ) -> tuple[Decimal, str]:
        """Work out the commission of one half of a trade, and the asset that it is taken from."""

    def held(self, quote: Decimal) -> Decimal:
        """Tell what a buyer locks in order to spend `quote`; linear, so that parts add up."""


class OfWhatIsReceived:
    """One rate for everybody, taken from what a trade brings: the quote is all that is held."""

    def __init__(self, rate: Decimal = COMMISSION_RATE) -> None:
        self._rate = rate

    def charge(
        self, pair: Pair, side: Side, part: Offer[Order], *, is_maker: bool
    ) -> tuple[Decimal, str]:
        """Take the rate of the base from a buyer, of the quote from a seller."""
        del is_maker
        asset = pair.base if side is Side.BUY else pair.quote
        return fills.fee(side, part.price, part.quantity, rate=self._rate), asset

    def held(self, quote: Decimal) -> Decimal:
        """Hold what is to be spent."""
        return quote


class Clearing:
    """Moves money and goods; every amount that leaves one balance enters another."""

    def __init__(self, pairs: list[Pair], tariff: Tariff) -> None:
        self.pairs: Final = {pair.symbol: pair for pair in pairs}
        self._tariff = tariff
        self.house: Final = Account(HOUSE, may_owe=True)
        #: Commissions taken, by asset.
        self.earned: dict[str, Decimal] = {}

    def needs(
        self, terms: Terms, quantity: Decimal, parts: Sequence[Offer[Order]]
    ) -> tuple[str, Decimal]:
        """Tell which asset an order pays in, and the most it can come to."""
        pair = self.pairs[terms.symbol]
        if terms.side is Side.SELL:
            return pair.base, quantity
        if terms.price is not None:
            return self.spending(terms.symbol, terms.price * quantity)
        spent = sum((part.price * part.quantity for part in parts), ZERO)
        return self.spending(terms.symbol, spent)

    def spending(self, symbol: str, quote: Decimal) -> tuple[str, Decimal]:
        """Tell what a buyer locks, and in which asset, in order to spend `quote`."""
        return self.pairs[symbol].quote, self._tariff.held(quote)

    def half(
        self, order: Order, part: Offer[Order], *, is_maker: bool, trade_id: int, at_ns: int
    ) -> Fill:
        """Work out one order's half of a trade; nothing moves."""
        pair = self.pairs[order.terms.symbol]
        is_buyer = order.terms.side is Side.BUY
        quote = part.price * part.quantity
        commission, asset = self._tariff.charge(pair, order.terms.side, part, is_maker=is_maker)
        if order.account is self.house:
            commission = ZERO
        return Fill(
            trade_id=trade_id,
            order_id=order.order_id,
            symbol=pair.symbol,
            is_buyer=is_buyer,
            is_maker=is_maker,
            price=part.price,
            quantity=part.quantity,
            quote=quote,
            commission=commission,
            commission_asset=asset,
            at_ns=at_ns,
        )

    def settle(self, order: Order, fill: Fill) -> None:
        """Carry out one half: unlock, pay, receive."""
        pair = self.pairs[fill.symbol]
        if fill.is_buyer:
            # A buyer's lock is at its own limit; what a better price saves is freed.
            limit = order.terms.price
            unlocked = self._tariff.held(fill.quote if limit is None else limit * fill.quantity)
            order.account.release(pair.quote, unlocked)
        else:
            unlocked = fill.quantity
            order.account.release(pair.base, unlocked)
        order.locked -= unlocked
        self.move(order.account, fill)
        order.executed += fill.quantity
        order.executed_quote += fill.quote

    def move(self, account: Account, fill: Fill) -> None:
        """Exchange base against quote, and take the commission."""
        pair = self.pairs[fill.symbol]
        direction = 1 if fill.is_buyer else -1
        account.balance(pair.base).free += direction * fill.quantity
        account.balance(pair.quote).free -= direction * fill.quote
        if fill.commission:
            account.balance(fill.commission_asset).free -= fill.commission
            earned = self.earned.get(fill.commission_asset, ZERO)
            self.earned[fill.commission_asset] = earned + fill.commission

    def free(self, order: Order) -> None:
        """Release what a closed order still has locked."""
        pair = self.pairs[order.terms.symbol]
        asset = pair.quote if order.terms.side is Side.BUY else pair.base
        order.account.release(asset, order.locked)
        order.locked = ZERO
