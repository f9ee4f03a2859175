"""
Clearing: what an order must lock, and what a trade moves between balances.

Reads   trades
Writes  balances and locks of the accounts that trade, commissions earned
Owns    the house's account, the counterparty of every client
Fails   never on what was checked before: an assert is a bug
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

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


class Clearing:
    """Moves money and goods; every amount that leaves one balance enters another."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs: Final = {pair.symbol: pair for pair in pairs}
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
            return pair.quote, terms.price * quantity
        return pair.quote, sum((part.price * part.quantity for part in parts), ZERO)

    def half(
        self, order: Order, part: Offer[Order], *, is_maker: bool, trade_id: int, at_ns: int
    ) -> Fill:
        """Work out one order's half of a trade; nothing moves."""
        pair = self.pairs[order.terms.symbol]
        is_buyer = order.terms.side is Side.BUY
        quote = part.price * part.quantity
        commission = ZERO
        if order.account is not self.house:
            commission = fills.fee(
                order.terms.side, part.price, part.quantity, rate=COMMISSION_RATE
            )
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
            commission_asset=pair.base if is_buyer else pair.quote,
            at_ns=at_ns,
        )

    def settle(self, order: Order, fill: Fill) -> None:
        """Carry out one half: unlock, pay, receive."""
        pair = self.pairs[fill.symbol]
        if fill.is_buyer:
            # A buyer's lock is at its own limit; what a better price saves is freed.
            limit = order.terms.price
            unlocked = fill.quote if limit is None else limit * fill.quantity
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
