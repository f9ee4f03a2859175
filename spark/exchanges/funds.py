"""
What an account holds, asset by asset, no larger than a record of it may be (R20). Pure.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from spark.errors import WireError
from spark.exchanges.port import BalanceSeen
from spark.quoting import shown

#: More than any exchange lists; so many with such names fit a record on `account.events`.
HELD_MAX: Final = 900
ASSET_CHARS_MAX: Final = 32


def balances_of(rows: Iterable[tuple[str, Decimal, Decimal]]) -> tuple[BalanceSeen, ...]:
    """
    Gather assets, each with what is free of it and what is locked in orders.

    Raises:
        WireError: one stands there twice, has a name that is none, or too many are held.

    """
    seen: dict[str, BalanceSeen] = {}
    held = 0
    for asset, free, locked in rows:
        if not 0 < len(asset) <= ASSET_CHARS_MAX or not asset.isprintable():
            raise WireError(f"an asset {shown(asset)}")
        if asset in seen:
            raise WireError(f"the balance of {shown(asset)} stands there twice")
        seen[asset] = BalanceSeen(asset=asset, free=free, locked=locked)
        held += bool(free or locked)
    if held > HELD_MAX:
        raise WireError(f"{held} assets are held, at most {HELD_MAX} fit a record")
    return tuple(seen.values())
