"""
What things are worth: reference prices that two principals agree on (spec B5, B9, S8).

The feed's mark prices, the venue watch's checks it: alone neither does. A price that is
old, crossed, missing or disputed is a refusal with that reason, never a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_UP, Context, Decimal
from types import MappingProxyType
from typing import Final

from spark.events import PlaceOrder, PricesMarked, Refusal
from spark.names import OrderType, Reason, Side, Symbol

#: Assets that are a dollar each in the caps.
DOLLARS: Final = frozenset({"USD", "USDT", "USDC", "FDUSD", "TUSD"})
#: The dollar that other quote assets are converted over, and the lira's price in it.
_DOLLAR: Final = "USDT"
_LIRA: Final = "TRY"
LIRA_RATE: Final = Symbol("USDTTRY")
_TWO: Final = Decimal(2)
_HUNDRED: Final = Decimal(100)
_QUANTUM: Final = Decimal("1e-8")
_NS_PER_MS: Final = 1_000_000
#: Wide enough for any quantity times any price that the codec lets in.
_WIDE: Final = Context(prec=200)


@dataclass(slots=True)
class Known:
    """One principal's last mark of a symbol."""

    bid: Decimal
    ask: Decimal
    #: The earlier of when it was measured and when its record was appended.
    at_ns: int


@dataclass(slots=True)
class Prices:
    """The last marks of both principals."""

    feed: dict[Symbol, Known] = field(default_factory=dict)
    watch: dict[Symbol, Known] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRules:
    """How old, and how far apart, prices may be; the collar says how bad a market order may get."""

    age_ns_max: int
    check_age_ns_max: int
    apart_pct_max: Decimal
    collar_pct: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """An order in money, and the prices that say so."""

    #: Middle of bid and ask of the order's symbol, in its quote asset.
    reference: Decimal
    #: The same in US dollars.
    reference_usd: Decimal
    usd: Decimal
    lira: Decimal
    #: By symbol: every reference price used.
    used: Mapping[str, Decimal]


def fold_marks(known: dict[Symbol, Known], event: PricesMarked, appended_ns: int) -> None:
    """Take in one principal's marks; the last record of a symbol counts."""
    for mark in event.marks:
        at_ns = min(mark.measured_ns, appended_ns)
        known[mark.symbol] = Known(mark.bid, mark.ask, at_ns)


def worth_of(
    order: PlaceOrder, quote_asset: str, prices: Prices, *, now_ns: int, rules: PriceRules
) -> Worth | Refusal:
    """
    Value an order at its worst: its limit, or what a market order may still cost.

    Returns: the reason where a price is missing, old, crossed or disputed.
    """
    own = reference(order.symbol, prices, now_ns=now_ns, rules=rules)
    lira = reference(LIRA_RATE, prices, now_ns=now_ns, rules=rules)
    if isinstance(own, Refusal):
        return own
    if isinstance(lira, Refusal):
        return lira
    used: dict[str, Decimal] = {order.symbol: own.mid, LIRA_RATE: lira.mid}
    if quote_asset in DOLLARS:
        rate = Decimal(1)
    elif quote_asset == _LIRA:
        rate = 1 / lira.mid
    else:
        symbol = Symbol(quote_asset + _DOLLAR)
        quote = reference(symbol, prices, now_ns=now_ns, rules=rules)
        if isinstance(quote, Refusal):
            return quote
        used[symbol] = rate = quote.mid
    in_quote = order.quantity * _unit(order, own, rules)
    usd = in_quote * rate
    in_lira = in_quote if quote_asset == _LIRA else usd * lira.mid
    return Worth(
        reference=own.mid,
        reference_usd=own.mid * rate,
        usd=usd.quantize(_QUANTUM, ROUND_UP, _WIDE),
        lira=in_lira.quantize(_QUANTUM, ROUND_UP, _WIDE),
        used=MappingProxyType(used),
    )


@dataclass(frozen=True, slots=True)
class Quote:
    """A price that counts."""

    bid: Decimal
    ask: Decimal
    mid: Decimal


def reference(symbol: Symbol, prices: Prices, *, now_ns: int, rules: PriceRules) -> Quote | Refusal:
    """Give the feed's price of a symbol, if the venue watch's does not contradict it."""
    feed = _fresh(prices.feed.get(symbol), now_ns, rules.age_ns_max)
    watch = _fresh(prices.watch.get(symbol), now_ns, rules.check_age_ns_max)
    if feed is None or watch is None:
        missing = "feed" if feed is None else "venue watch"
        age_ns_max = rules.age_ns_max if feed is None else rules.check_age_ns_max
        return Refusal(
            code=Reason.QUOTE_STALE,
            found=f"{symbol}: none of the {missing} so young",
            limit=f"{age_ns_max // _NS_PER_MS} ms",
        )
    for who, known in (("feed", feed), ("venue watch", watch)):
        if not 0 < known.bid <= known.ask:
            return Refusal(
                code=Reason.QUOTE_INVALID, found=f"{symbol}: {who} {known.bid} / {known.ask}"
            )
    mid, check = (feed.bid + feed.ask) / _TWO, (watch.bid + watch.ask) / _TWO
    if abs(mid - check) * _HUNDRED > rules.apart_pct_max * check:
        return Refusal(
            code=Reason.PRICES_DISAGREE,
            found=f"{symbol}: {mid} against {check}",
            limit=f"{rules.apart_pct_max} %",
        )
    return Quote(feed.bid, feed.ask, mid)


def _fresh(known: Known | None, now_ns: int, age_ns_max: int) -> Known | None:
    # Old is as good as missing, in what is said too: what a process knows of the time
    # before it started depends on how far it read back, and a decision must not (R15).
    return known if known is not None and now_ns - known.at_ns <= age_ns_max else None


def _unit(order: PlaceOrder, own: Quote, rules: PriceRules) -> Decimal:
    if order.order_type is OrderType.MARKET or order.price is None:
        return own.ask * (1 + rules.collar_pct / _HUNDRED)
    # A sale below the market trades at the market.
    return order.price if order.side is Side.BUY else max(order.price, own.ask)
