"""
BTCTurk's order book of one symbol, kept from what stands on its topic. Pure.

The rule: a full book begins a chain; each difference's change set is the last one plus
one, and anything else means that something is missing: until the next full book there is
none. Nothing waits for it, because a full book begins a numbering of its own. What is
removed twice is removed, and a book whose best bid meets its best ask is wrong (trap 17).

Rows are those of Binance's books: a full one has the first id 0, a difference has its
change set for both ids. Prices stay text until somebody asks for them; a new or a removed
level alone costs a conversion.

Source: docs.btcturk.com websocket-feed; facts: exchanges.md §1.9.
"""

from bisect import bisect_left
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from spark.events.market import BookRow
from spark.fills import ZERO, Offer
from spark.names import Side

#: Why a book is not whole, in the words of `feed_gapped`.
NOT_BEGUN: Final = "start"
SEQUENCE: Final = "sequence"
CROSSED: Final = "crossed"
_NOTHING: Final = frozenset("0.")


class LocalBook:
    """One symbol's levels."""

    def __init__(self) -> None:
        #: Wall time of the last read that it holds, by the feed's clock.
        self.heard_ns = 0
        #: Why there is none; empty while it is whole.
        self.fault = NOT_BEGUN
        self._change_set = -1
        self._bids = _Levels()
        self._asks = _Levels()

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is missing."""
        return not self.fault

    @property
    def change_set(self) -> int:
        """Give the last one that it holds; -1 before the first."""
        return self._change_set

    def apply(self, row: BookRow) -> None:
        """Take one row of the topic."""
        received_ns, _, first_id, last_id, bids, asks = row
        if not first_id:
            self._bids, self._asks = _Levels(), _Levels()
            self.fault = ""
        elif self.fault:
            return
        elif last_id != self._change_set + 1:
            self.fault = SEQUENCE
            return
        if bids:
            self._bids.put(bids)
        if asks:
            self._asks.put(asks)
        self._change_set, self.heard_ns = last_id, received_ns
        highest, lowest = self._bids.prices, self._asks.prices
        if highest and lowest and highest[-1] >= lowest[0]:
            self.fault = CROSSED

    def offers(self, side: Side) -> Iterator[Offer[None]]:
        """Yield the levels of a side, best first."""
        levels = self._side(side)
        # A copy: what is taken on the way changes the levels.
        pairs = list(zip(levels.prices, levels.names, strict=True))
        for price, name in reversed(pairs) if side is Side.BUY else pairs:
            yield Offer(price, Decimal(levels.quantities[name]), None)

    def quantity_at(self, side: Side, price: Decimal) -> Decimal:
        """Give what stands at a price."""
        found = self._side(side).quantities.get(_name(f"{price:f}"))
        return ZERO if found is None else Decimal(found)

    def take(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Remember that this was used up, until the exchange says something new of the level."""
        left = self.quantity_at(side, price) - quantity
        self._side(side).put(((f"{price:f}", f"{max(left, ZERO):f}"),))

    def _side(self, side: Side) -> "_Levels":
        return self._bids if side is Side.BUY else self._asks


class _Levels:
    """One side."""

    __slots__ = ("names", "prices", "quantities")

    def __init__(self) -> None:
        #: Ascending.
        self.prices: list[Decimal] = []
        #: The same as text, place for place.
        self.names: list[str] = []
        self.quantities: dict[str, str] = {}

    def put(self, levels: tuple[tuple[str, str], ...]) -> None:
        quantities = self.quantities
        for written, quantity in levels:
            name = _name(written)
            # A deletion is exactly "0"; other spellings of nothing are looked at closely.
            if quantity[0] == "0" and _NOTHING.issuperset(quantity):
                if quantities.pop(name, None) is not None:
                    self._drop(name)
            else:
                if name not in quantities:
                    self._add(name)
                quantities[name] = quantity

    def _add(self, name: str) -> None:
        price = Decimal(name)
        place = bisect_left(self.prices, price)
        self.prices.insert(place, price)
        self.names.insert(place, name)

    def _drop(self, name: str) -> None:
        place = bisect_left(self.prices, Decimal(name))
        del self.prices[place]
        del self.names[place]


def _name(written: str) -> str:
    """Write a price in one way: without zeros that say nothing."""
    if written[-1] == "0" and "." in written:
        return written.rstrip("0").rstrip(".")
    return written
