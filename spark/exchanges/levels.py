"""
One side of an order book, changed level by level. Pure.

A venue's book changes some thousand times a second, and most changes are looked at by
nobody: so a level keeps the text that came, and becomes a Decimal only for who asks.
Prices are ordered by their digits as whole numbers, which are looked up once for each
spelling: `1.5` and `1.50` are one level.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from spark.fills import ZERO

#: Digits behind the point that tell prices apart; rows hold no more (consumers/feed_rows.py).
_DIGITS: Final = 30
#: Spellings of no quantity, which takes a level away.
_NOTHING: Final = frozenset({"0", *(f"0.{'0' * digits}" for digits in range(1, _DIGITS + 1))})
#: Spellings remembered; a book walks over prices, and old ones must not stay for ever.
_SPELLINGS_MAX: Final = 20_000


class Levels:
    """One side, whichever; prices ascend."""

    __slots__ = ("_found", "_keys", "_prices", "_spelled")

    def __init__(self) -> None:
        #: Ascending.
        self._keys: list[int] = []
        #: Key -> quantity, and price, as they came. Text alone: lists of two would be
        #: looked through by every garbage collection.
        self._found: dict[int, str] = {}
        self._prices: dict[int, str] = {}
        self._spelled: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, levels: Iterable[Sequence[str]]) -> None:
        """Take levels as they are now; quantity 0 takes one away, which need not be there."""
        keys, found, spelled = self._keys, self._found, self._spelled
        for price, quantity in levels:
            key = spelled.get(price)
            if key is None:
                key = self._key(price)
            if quantity not in _NOTHING:
                if key not in found:
                    insort(keys, key)
                    self._prices[key] = price
                found[key] = quantity
            elif key in found:
                del found[key], self._prices[key]
                del keys[bisect_left(keys, key)]

    def set(self, price: Decimal, quantity: Decimal) -> None:
        """Take one level, as numbers."""
        text = f"{quantity:f}" if quantity > ZERO else "0"
        self.put(((f"{price:f}", text),))

    def quantity_at(self, price: Decimal) -> Decimal:
        """Give what stands at a price; 0 where there is no level."""
        quantity = self._found.get(self._key(f"{price:f}"))
        return ZERO if quantity is None else Decimal(quantity)

    def lowest(self) -> tuple[str, str] | None:
        """Give price and quantity of the lowest price, as they came."""
        return self._at(self._keys[0]) if self._keys else None

    def highest(self) -> tuple[str, str] | None:
        """Give price and quantity of the highest price, as they came."""
        return self._at(self._keys[-1]) if self._keys else None

    def is_above(self, others: "Levels") -> bool:
        """Tell whether this side's highest price reaches the others' lowest: a crossed book."""
        lowest = others.lowest()
        if lowest is None or not self._keys:
            return False
        price = lowest[0]
        return self._keys[-1] >= (self._spelled.get(price) or self._key(price))

    def differ(self, others: "Levels", low: str, high: str) -> bool:
        """
        Compare with another's levels, bounds included.

        Args:
            low, high: prices between which both know every level; empty for no bound.

        """
        mine, theirs = self.between(low, high), others.between(low, high)
        return mine.keys() != theirs.keys() or any(
            mine[key] != theirs[key] and Decimal(mine[key]) != Decimal(theirs[key]) for key in mine
        )

    def unlike(self, others: "Levels") -> frozenset[tuple[int, str]]:
        """Give where another's levels are not these: which price, and the quantity here."""
        mine, theirs = self.between("", ""), others.between("", "")
        return frozenset(
            (key, mine.get(key, ""))
            for key in mine.keys() | theirs.keys()
            if mine.get(key) != theirs.get(key)
            and Decimal(mine.get(key, "0")) != Decimal(theirs.get(key, "0"))
        )

    def between(self, low: str, high: str) -> dict[int, str]:
        """Give the quantities between two prices."""
        starts = bisect_left(self._keys, self._key(low)) if low else 0
        ends = bisect_right(self._keys, self._key(high)) if high else len(self._keys)
        return {key: self._found[key] for key in self._keys[starts:ends]}

    def ascending(self) -> Iterator[tuple[Decimal, Decimal]]:
        """Yield price and quantity of each level as it stands when the first is asked for."""
        for price, quantity in list(map(self._at, self._keys)):
            yield Decimal(price), Decimal(quantity)

    def descending(self) -> Iterator[tuple[Decimal, Decimal]]:
        """Yield as `ascending`, the other way."""
        for price, quantity in list(map(self._at, reversed(self._keys))):
            yield Decimal(price), Decimal(quantity)

    def _at(self, key: int) -> tuple[str, str]:
        return self._prices[key], self._found[key]

    def _key(self, price: str) -> int:
        whole, _, part = price.partition(".")
        if len(self._spelled) >= _SPELLINGS_MAX:
            self._spelled.clear()
        key = self._spelled[price] = int(whole + part.ljust(_DIGITS, "0"))
        return key
