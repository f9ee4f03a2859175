"""
A venue on paper with a market told by hand, and the log that its orders stand on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from spark.clock import ManualClock
from spark.events import (
    BooksChanged,
    Evidence,
    OrderEvent,
    OrderFilled,
    PartitionFenced,
    TradesReceived,
)
from spark.events.market import BookRow
from spark.exchanges.paper.market import PaperMarket
from spark.exchanges.paper.venue import PaperVenue
from spark.exchanges.port import About, Outcome, SignedRequest, unsigned
from spark.ids import client_order_id
from spark.ledger.fold import Order, Orders, fold_event
from spark.names import OrderType, Side, TimeInForce, TradingMode, Venue
from tests.made import ACCOUNT, EPOCH, NOW_NS, SECOND_NS, STRATEGY, SYMBOL, Life, instrument, named

RATE: Final = Decimal("0.001")
BOOK_AGE_NS_MAX: Final = 5 * SECOND_NS
Levels = dict[str, str]


def book_row(ids: tuple[int, int], bids: Levels, asks: Levels, *, at_ns: int = NOW_NS) -> BookRow:
    """Tell of a book: a full one where the first id is 0."""
    return (at_ns, at_ns, *ids, tuple(bids.items()), tuple(asks.items()))


def books(*rows: BookRow) -> BooksChanged:
    """Write rows of a book."""
    return BooksChanged(venue=Venue.BINANCE, symbol=SYMBOL, rows=rows)


@dataclass
class PaperDesk:
    """One account: its venue, its market, its log."""

    orders: Orders = field(default_factory=Orders)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_NS))
    log: list[OrderEvent | PartitionFenced] = field(default_factory=list)
    market: PaperMarket = field(
        default_factory=lambda: PaperMarket(book_age_ns_max=BOOK_AGE_NS_MAX)
    )
    venue: PaperVenue = field(init=False)
    _update_id: int = 10

    def __post_init__(self) -> None:
        fence = PartitionFenced(
            role="gateway", instance="g", topic_ids={}, settings={}, fenced_ns=NOW_NS
        )
        for event in self.log or [fence]:
            fold_event(self.orders, event, EPOCH, NOW_NS)
        self.log = self.log or [fence]
        self.market.take(instrument())
        self.venue = PaperVenue(self.market, self.orders, say=self.say, rate=RATE, clock=self.clock)

    def restarted(self) -> "PaperDesk":
        """Begin again with nothing but the log."""
        return PaperDesk(log=list(self.log), clock=self.clock)

    def say(self, events: Sequence[Evidence]) -> None:
        """Write down, and fold at once."""
        for event in events:
            self.log.append(event)
            fold_event(self.orders, event, -1, self.clock.wall_ns())

    def full(self, bids: Levels, asks: Levels) -> None:
        """Let the market show a full book."""
        self._update_id += 1
        at_ns = self._tick()
        self.market.take(books(book_row((0, self._update_id), bids, asks, at_ns=at_ns)))

    def moves(self, bids: Levels, asks: Levels) -> None:
        """Let levels change."""
        self._update_id += 1
        at_ns = self._tick()
        row = book_row((self._update_id, self._update_id), bids, asks, at_ns=at_ns)
        self.market.take(books(row))

    def trades(self, price: str, quantity: str, *, is_bid_hit: bool, at_ns: int = 0) -> None:
        """Let the public trade."""
        at_ns = at_ns or self._tick()
        row = (at_ns, at_ns, 1, price, quantity, int(is_bid_hit))
        self.market.take(TradesReceived(venue=Venue.BINANCE, symbol=SYMBOL, rows=(row,)))

    async def place(self, text: str = "one", **changes: Any) -> Outcome:  # noqa: ANN401
        """Claim an order, let the venue carry it out, and write down what it says."""
        about = about_of(text, **changes)
        life = Life(text, quantity=about.quantity or Decimal(0))
        self.log.append(claimed := _claimed(life, about))
        fold_event(self.orders, claimed, 0, self.clock.wall_ns())
        outcome = await self.venue.place(request(), about, lambda: True)
        self.say(outcome.evidence)
        return outcome

    async def cancel(self, text: str = "one") -> Outcome:
        """Cancel an order."""
        about = about_of(text, cancel_intent_id=named("drop"))
        outcome = await self.venue.cancel(request(), about, lambda: True)
        self.say(outcome.evidence)
        return outcome

    def order(self, text: str = "one") -> Order:
        """Give an order as the log tells it."""
        return self.orders.by_id[Life(text).client_order_id]

    def fills(self, text: str = "one") -> list[tuple[Decimal, Decimal]]:
        """List price and quantity of an order's fills."""
        key = Life(text).client_order_id
        filled = [one for one in self.log if isinstance(one, OrderFilled)]
        return [(one.price, one.quantity) for one in filled if one.client_order_id == key]

    def _tick(self) -> int:
        self.clock.advance(1)
        return self.clock.wall_ns()


def about_of(text: str = "one", **changes: Any) -> About:  # noqa: ANN401  (fields)
    """Say which order: a limit order to buy 4 at 100, unless it is another."""
    price = changes.pop("price", "100")
    fields: dict[str, Any] = {
        "account": ACCOUNT,
        "strategy": STRATEGY,
        "intent_id": named(text),
        "client_order_id": client_order_id(ACCOUNT, STRATEGY, named(text)),
        "symbol": SYMBOL,
        "side": Side.BUY,
        "quantity": Decimal(changes.pop("quantity", "4")),
        "mode": TradingMode.PAPER,
        "order_type": OrderType.MARKET if price is None else OrderType.LIMIT,
        "time_in_force": None if price is None else TimeInForce.GTC,
        "price": None if price is None else Decimal(price),
        **changes,
    }
    return About(**fields)


def request() -> SignedRequest:
    """Give what the gateway opened; the venue reads none of it."""
    return unsigned(NOW_NS)


def _claimed(life: Life, about: About) -> OrderEvent:
    return replace(
        life.claimed(), mode=about.mode, side=about.side, price=about.price, quantity=about.quantity
    )
