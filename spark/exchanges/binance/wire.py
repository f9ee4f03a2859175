"""
How Binance writes amounts, ids and words in JSON. Pure.
"""

import re
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from spark.exchanges.fields import Object, wrong

_Word = TypeVar("_Word", bound=StrEnum)

#: What errors call it.
NAME: Final = "Binance"
#: An amount as the venue writes and accepts it.
AMOUNT: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
#: Above every market's prices; as an average it keeps its ten places.
PRICE_MAX: Final = Decimal(10) ** 15
_ZERO: Final = Decimal(0)
#: The venue's rule for ids that clients choose.
CLIENT_ORDER_ID: Final = re.compile(r"[a-zA-Z0-9\-_]{1,36}")


def amount_text(fields: Object, name: str) -> str:
    """Read an amount as the string that it is on the wire."""
    value = fields.get(name)
    if not isinstance(value, str) or not AMOUNT.fullmatch(value):
        raise wrong(fields, name, "an amount")
    return value


def amount(fields: Object, name: str) -> Decimal:
    """Read an amount as a Decimal."""
    return Decimal(amount_text(fields, name))


def signed_amount(fields: Object, name: str) -> Decimal:
    """Read an amount that may be below zero."""
    value = fields.get(name)
    if not isinstance(value, str) or not AMOUNT.fullmatch(value.removeprefix("-")):
        raise wrong(fields, name, "an amount")
    return Decimal(value)


def worth(fields: Object, name: str, quantity: Decimal) -> Decimal:
    """
    Read what a quantity was paid with in all; its average is then a price that has a spelling.

    Below zero it is the venue's way to say that it does not know.
    """
    value = signed_amount(fields, name)
    if value > quantity * PRICE_MAX > _ZERO:
        raise wrong(fields, name, f"what {quantity:f} may have cost")
    return value


def word(fields: Object, name: str, words: type[_Word]) -> _Word:
    """Read one of a closed set of words."""
    value = fields.get(name)
    if not isinstance(value, str) or value not in words.__members__:
        raise wrong(fields, name, f"one of {', '.join(words)}")
    return words(value)


def plain(value: Decimal) -> str:
    """Write an amount for a request: no exponent, no sign."""
    written = f"{value:f}"
    assert AMOUNT.fullmatch(written), "an amount that no check has seen"
    return written
