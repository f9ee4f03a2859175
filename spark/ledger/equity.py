"""
What accounts and strategies are worth, and the highest that they were within a day. Pure.

Equity is the capital that people allocated, plus what was won or lost since: money
received less paid, what is held at its mark, fees at theirs, all in US dollars. Where one
price is missing, old or disputed there is no sample, and the reason; a guess would be a
drawdown that is none, or none that is one. The peak is kept of the profit, not of the
sum, so that a changed allocation is no drawdown.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, InvalidOperation, Overflow
from typing import Final

from spark.events import Equity, EquityMarked, InstrumentPublished
from spark.ledger.control_state import Control
from spark.ledger.positions import Position, Positions
from spark.ledger.prices import DOLLARS, LIRA_RATE, PriceRules, Prices, Quote, reference
from spark.names import AccountId, Book, StrategyId, Symbol

DAY_NS: Final = 86_400_000_000_000
_MINUTE_NS: Final = 60_000_000_000
_MINUTES: Final = DAY_NS // _MINUTE_NS
_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
_LIRA: Final = "TRY"
_DOLLAR: Final = "USDT"
_QUANTUM: Final = Decimal("1e-8")
_WIDE: Final = Context(prec=128, traps=[InvalidOperation, Overflow])
#: The whole account among the strategies' keys.
_TOTAL: Final = ""


class UnpricedError(Exception):
    """Why something cannot be valued now; the text names the symbol or order."""


@dataclass(slots=True)
class Peaks:
    """The highest profits within a day; plain values, kept as JSON."""

    #: By `peak_key`: minutes and their highest profits, each lower than the one before it.
    by_key: dict[str, deque[tuple[int, Decimal]]] = field(default_factory=dict)

    def note(self, key: str, profit_usd: Decimal, at_ns: int) -> Decimal:
        """Take in a sample; returns the highest of the last 24 h, this one included."""
        found = self.by_key.setdefault(key, deque())
        # A clock that jumps back does not put an older minute behind a newer one.
        minute = max(at_ns // _MINUTE_NS, found[-1][0] if found else 0)
        while found and found[0][0] <= minute - _MINUTES:
            found.popleft()
        # Whatever is lower and older can never be the highest again.
        while found and found[-1][1] <= profit_usd:
            found.pop()
        if not found or found[-1][0] != minute:
            found.append((minute, profit_usd))
        return found[0][1]

    def forget(self, now_ns: int) -> None:
        """Drop what nobody sampled for a day."""
        first = now_ns // _MINUTE_NS - _MINUTES
        for key in [key for key, found in self.by_key.items() if found[-1][0] <= first]:
            del self.by_key[key]


def peak_key(account: AccountId, book: Book, strategy: str = _TOTAL) -> str:
    """Key the peak of a strategy, or of the whole account."""
    return f"{account} {book} {strategy}"


def refold_peaks(peaks: Peaks, event: EquityMarked) -> None:
    """Take in a sample that was written before."""
    told = {_TOTAL: event.total} | event.strategies
    for strategy, equity in told.items():
        profit = _WIDE.subtract(equity.equity_usd, equity.capital_usd)
        peaks.note(peak_key(event.account, event.book, strategy), profit, event.marked_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """What things are valued with, at one moment."""

    prices: Prices
    rules: PriceRules
    instruments: Mapping[Symbol, InstrumentPublished]
    now_ns: int

    def mid(self, symbol: Symbol) -> Decimal:
        """Give the price of a symbol in its quote asset; raises UnpricedError."""
        found = reference(symbol, self.prices, now_ns=self.now_ns, rules=self.rules)
        if isinstance(found, Quote):
            return found.mid
        raise UnpricedError(f"{found.code}: {found.found}")

    def usd(self, asset: str) -> Decimal:
        """Give the price of an asset in US dollars; raises UnpricedError."""
        if asset in DOLLARS:
            return _ONE
        if asset == _LIRA:
            return _WIDE.divide(_ONE, self.mid(LIRA_RATE))
        try:
            return self.mid(Symbol(asset + _DOLLAR))
        except UnpricedError:
            if asset + _LIRA not in self.instruments:
                raise
        return _WIDE.multiply(self.mid(Symbol(asset + _LIRA)), self.usd(_LIRA))

    def profit_usd(self, position: Position) -> Decimal:
        """
        Give what a position has won or lost, fees taken off.

        Raises:
            UnpricedError: a price is missing.

        """
        instrument = self.instruments.get(position.symbol)
        if instrument is None:
            raise UnpricedError(f"instrument_unknown: {position.symbol}")
        worth = position.cash
        if position.quantity:
            held = _WIDE.multiply(position.quantity, self.mid(position.symbol))
            worth = _WIDE.add(worth, held)
        profit = _WIDE.multiply(worth, self.usd(instrument.quote_asset)) if worth else _ZERO
        for asset, fee in position.fees.items():
            if fee:
                profit = _WIDE.subtract(profit, _WIDE.multiply(fee, self.usd(asset)))
        return profit


def capital_of(
    control: Control, account: AccountId, strategy: StrategyId | str, *, start_usd: Decimal
) -> Decimal:
    """Give what was allocated: the least of the environment's, the account's, the strategy's."""
    said = (control.limit_values(account), control.limit_values(account, strategy))
    return min((start_usd, *(one.capital_usd for one in said if one.capital_usd is not None)))


def mark_equity(
    positions: Positions,
    peaks: Peaks,
    *,
    account: AccountId,
    book: Book,
    control: Control,
    start_usd: Decimal,
    valuation: Valuation,
) -> EquityMarked:
    """
    Mark one account in one book, and note it among the peaks.

    Raises:
        UnpricedError: something cannot be valued; nothing was noted.

    """
    if positions.unpriced:
        raise UnpricedError(f"price_missing: order {min(positions.unpriced)}")
    mine = [one for one in positions.by_key.values() if (one.account, one.book) == (account, book)]
    profits = {_TOTAL: _ZERO}
    for position in mine:
        profit = valuation.profit_usd(position)
        for strategy in (position.strategy, _TOTAL):
            profits[strategy] = _WIDE.add(profits.get(strategy, _ZERO), profit)

    def equity(strategy: str) -> Equity:
        capital = capital_of(control, account, strategy, start_usd=start_usd)
        profit = profits[strategy].quantize(_QUANTUM, context=_WIDE)
        peak = peaks.note(peak_key(account, book, strategy), profit, valuation.now_ns)
        return Equity(
            equity_usd=_WIDE.add(capital, profit),
            peak_usd=_WIDE.add(capital, peak),
            capital_usd=capital,
        )

    return EquityMarked(
        account=account,
        book=book,
        total=equity(_TOTAL),
        strategies={name: equity(name) for name in sorted(profits) if name != _TOTAL},
        marked_ns=valuation.now_ns,
    )


def marked_books(positions: Positions, account: AccountId) -> Iterable[Book]:
    """List the books in which an account ever traded."""
    return {one.book for one in positions.by_key.values() if one.account == account}
