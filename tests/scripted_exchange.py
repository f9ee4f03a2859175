"""
An exchange with one account and a truth of its own, for tests of reconciliation.

It answers what an exchange is asked, tells its private stream what happens, and forgets
nothing; what reaches Spark of that is the test's choice.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from spark.exchanges.port import BalanceSeen, FillSeen, FundsMoved, News, OrderSeen
from spark.ledger.reconcile_funds import Pair
from spark.names import Side, Symbol, VenueOrderState
from tests.made import NOW_NS, SECOND_NS, SYMBOL, Life

PAIRS: Final = {SYMBOL: Pair("BTC", "USDT")}
_ALIVE: Final = {VenueOrderState.OPEN, VenueOrderState.PARTIALLY_FILLED}
_FEE: Final = Decimal("0.001")


@dataclass
class ScriptedExchange:
    """The truth."""

    now_ns: int = NOW_NS
    orders: dict[str, OrderSeen] = field(default_factory=dict)
    fills: list[FillSeen] = field(default_factory=list)
    totals: dict[str, Decimal] = field(
        default_factory=lambda: {"BTC": Decimal(10), "USDT": Decimal(100_000)}
    )
    #: What the private stream said, one read each.
    told: list[tuple[News, ...]] = field(default_factory=list)
    #: Whether trades carry their client order id, as BTCTurk's do and Binance's do not.
    names_trades: bool = False

    def place(
        self,
        client_order_id: str,
        quantity: str = "1",
        *,
        side: Side = Side.BUY,
        symbol: Symbol = SYMBOL,
    ) -> str:
        """Take an order; returns its id here."""
        name = str(77 + len(self.orders))
        self.orders[name] = OrderSeen(
            symbol=symbol,
            exchange_order_id=name,
            client_order_id=client_order_id,
            side=side,
            state=VenueOrderState.OPEN,
            quantity=Decimal(quantity),
            filled=Decimal(0),
            quote_filled=Decimal(0),
            price=Decimal(10),
            exchange_ns=self.tick(),
        )
        self._tell(self.orders[name])
        return name

    def trade(self, name: str, quantity: str, price: str = "10") -> FillSeen:
        """Trade a part of an order."""
        order, much, at = self.orders[name], Decimal(quantity), Decimal(price)
        filled = order.filled + much
        assert order.quote_filled is not None
        is_whole = filled == order.quantity
        changed = replace(
            order,
            filled=filled,
            quote_filled=order.quote_filled + much * at,
            state=VenueOrderState.FILLED if is_whole else VenueOrderState.PARTIALLY_FILLED,
            exchange_ns=self.tick(),
        )
        is_buy = order.side is Side.BUY
        fee = much * at * _FEE
        fill = FillSeen(
            symbol=order.symbol,
            trade_id=str(1000 + len(self.fills)),
            exchange_order_id=name,
            client_order_id=order.client_order_id if self.names_trades else "",
            side=order.side,
            quantity=much,
            price=at,
            commission=fee,
            commission_asset="USDT",
            exchange_ns=self.now_ns,
        )
        self.fills.append(fill)
        sign = 1 if is_buy else -1
        self.move("BTC", sign * much)
        self.move("USDT", -sign * much * at - fee)
        self.orders[name] = changed
        self._tell(changed, fill)
        return fill

    def cancel(self, name: str) -> None:
        """End an order."""
        self._end(name, VenueOrderState.CANCELLED)

    def expire(self, name: str) -> None:
        """End an order by the exchange's own rules."""
        self._end(name, VenueOrderState.EXPIRED)

    def deposit(self, asset: str, amount: str, *, is_told: bool = True) -> None:
        """Move funds without a trade."""
        self.tick()
        self.move(asset, Decimal(amount))
        if is_told:
            moved = FundsMoved(asset=asset, amount=Decimal(amount), exchange_ns=self.now_ns)
            self._tell(moved)

    def move(self, asset: str, amount: Decimal) -> None:
        """Change a balance."""
        self.totals[asset] = self.totals.get(asset, Decimal(0)) + amount

    def tick(self, seconds: int = 1) -> int:
        """Let time pass."""
        self.now_ns += seconds * SECOND_NS
        return self.now_ns

    def open_orders(self) -> tuple[OrderSeen, ...]:
        """Answer what is alive."""
        return tuple(one for one in self.orders.values() if one.state in _ALIVE)

    def balances(self) -> tuple[BalanceSeen, ...]:
        """Answer what the account holds."""
        return tuple(
            BalanceSeen(asset=asset, free=total, locked=Decimal(0))
            for asset, total in self.totals.items()
        )

    def fills_since(self, since_ns: int) -> tuple[FillSeen, ...]:
        """Answer the trades from a time on."""
        return tuple(one for one in self.fills if one.exchange_ns >= since_ns)

    def _end(self, name: str, state: VenueOrderState) -> None:
        self.orders[name] = replace(self.orders[name], state=state, exchange_ns=self.tick())
        self._tell(self.orders[name])

    def _tell(self, *news: News) -> None:
        self.told.append(news)


def order_of(life: Life, exchange: ScriptedExchange, *, side: Side = Side.BUY) -> str:
    """Place the order of a life."""
    return exchange.place(life.client_order_id, str(life.quantity), side=side, symbol=life.symbol)
