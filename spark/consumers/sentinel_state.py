"""
What the sentinel remembers: positions, the last hour's health, the peaks of a day. Pure.

Two parts. What is kept on disk comes from topics that keep everything; what is read anew
at each start - prices, instruments, clocks, the words of people - is short.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from spark import topics
from spark.events import (
    ClockMeasured,
    DifferenceClosed,
    DifferenceFound,
    EquityMarked,
    Event,
    Evidence,
    InstrumentPublished,
    OrderFilled,
    PartitionFenced,
    PricesMarked,
)
from spark.ledger.control_state import Control
from spark.ledger.equity import Peaks, UnpricedError, Valuation, mark_equity, marked_books
from spark.ledger.health import Health, fold_approval, fold_outcome, look_at_fill
from spark.ledger.orders import CLOSED
from spark.ledger.positions import Positions, fold_positions
from spark.ledger.prices import PriceRules, Prices, fold_marks
from spark.ledger.protection import judge
from spark.ledger.protection_case import Finding, Thresholds
from spark.ledger.reconcile_differences import Differences, fold_difference
from spark.names import BOOK_OF, AccountId, Book, Symbol, TradingMode, Venue, venue_of
from spark.topics import ACCOUNT_PARTITION
from spark.worker.contract import Place

#: BIST quotes no dollar.
_PRICED_AT: Final = {Venue.BIST.value: Venue.BINANCE.value}
_ACCOUNT_OF: Final = {number: account for account, number in ACCOUNT_PARTITION.items()}


@dataclass(slots=True)
class Lane:
    """One account's partition."""

    positions: Positions = field(default_factory=Positions)
    health: Health = field(default_factory=Health)
    #: What log and exchange differ in; None before the account feed ever said anything.
    differences: Differences | None = None
    #: The account feed's fence in force.
    feed_epoch: int = -1


@dataclass(slots=True)
class SentinelState:
    """What is kept; plain values, because it is kept as JSON."""

    #: By partition.
    lanes: dict[int, Lane] = field(default_factory=dict)
    peaks: Peaks = field(default_factory=Peaks)

    def lane(self, number: int) -> Lane:
        """Give a partition's part, an empty one to begin with."""
        return self.lanes.setdefault(number, Lane())


@dataclass(slots=True)
class Market:
    """What one exchange says of itself: the same symbol may be another thing elsewhere."""

    prices: Prices = field(default_factory=Prices)
    instruments: dict[Symbol, InstrumentPublished] = field(default_factory=dict)
    clock: ClockMeasured | None = None


@dataclass(slots=True)
class Surroundings:
    """What is read anew at each start, by venue."""

    markets: dict[str, Market] = field(default_factory=dict)

    def market(self, venue: str) -> Market:
        """Give a venue's part, an empty one to begin with."""
        return self.markets.setdefault(venue, Market())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the environment says."""

    #: Accounts that are marked even before they trade.
    accounts: frozenset[AccountId]
    mode: TradingMode
    capital_usd: Decimal
    prices: PriceRules
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Sample:
    """One account in one book: its equity, or why there is none."""

    account: AccountId
    book: Book
    marked: EquityMarked | None
    why: str = ""


def fold(state: SentinelState, around: Surroundings, *, place: Place, event: Event) -> None:
    """Take in one record; each topic has its own part, so their order cannot matter."""
    match place.topic:
        case topics.DECISIONS:
            fold_approval(state.lane(place.partition).health, event)
        case topics.EVENTS:
            lane = state.lane(place.partition)
            fold_positions(lane.positions, event, place.appended_ns)
            fold_outcome(lane.health, event, offset=place.offset, appended_ns=place.appended_ns)
        case topics.ACCOUNT_EVENTS:
            _fold_account(state.lane(place.partition), place, event)
        case topics.VENUE_MARKS | topics.BINANCE_MARKS | topics.BTCTURK_MARKS:
            if isinstance(event, PricesMarked):
                prices = around.market(event.venue).prices
                is_watch = place.topic == topics.VENUE_MARKS
                fold_marks(prices.watch if is_watch else prices.feed, event, place.appended_ns)
        case topics.VENUE_STATE:
            if isinstance(event, InstrumentPublished):
                around.market(event.venue).instruments[event.symbol] = event
            elif isinstance(event, ClockMeasured):
                around.market(event.venue).clock = event
        case _:
            return


def _fold_account(lane: Lane, place: Place, event: Event) -> None:
    """
    Take in what the account feed says: evidence like the gateway's, and what differs (S9).

    The same fill on both topics counts once: by its trade's id, else by its quantity (R4).
    """
    if isinstance(event, PartitionFenced):
        lane.feed_epoch = place.offset
    elif isinstance(event, Evidence):
        fold_positions(lane.positions, event, place.appended_ns)
        order = lane.health.orders.by_id.get(event.client_order_id)
        if order is not None and order.state in CLOSED:
            # A fill after the end. Whatever came before it is the gateway's to tell: its
            # answers are what is counted, and one that was told sooner here would not be.
            fold_outcome(lane.health, event, offset=place.offset, appended_ns=place.appended_ns)
        elif isinstance(event, OrderFilled):
            look_at_fill(lane.health, event, place.appended_ns)
    elif isinstance(event, DifferenceFound | DifferenceClosed) and event.epoch == lane.feed_epoch:
        lane.differences = lane.differences or Differences(event.account)
        fold_difference(lane.differences, event)


def samples(
    state: SentinelState, around: Surroundings, control: Control, *, rules: Rules, now_ns: int
) -> list[Sample]:
    """Mark every account in the book of its mode, and in each in which it ever traded."""
    found = []
    for number, account, books in _marked(state, control, rules):
        market = around.market(_PRICED_AT.get(venue_of(account), venue_of(account)))
        valuation = Valuation(
            prices=market.prices,
            rules=rules.prices,
            instruments=market.instruments,
            now_ns=now_ns,
        )
        for book in books:
            try:
                marked = mark_equity(
                    state.lane(number).positions,
                    state.peaks,
                    account=account,
                    book=book,
                    control=control,
                    start_usd=rules.capital_usd,
                    valuation=valuation,
                )
            except UnpricedError as error:
                found.append(Sample(account, book, None, str(error)))
            else:
                found.append(Sample(account, book, marked))
    return found


def findings(
    state: SentinelState, around: Surroundings, control: Control, *, rules: Rules, now_ns: int
) -> list[Finding]:
    """Judge every account; returns the reactions that are due."""
    return [
        finding
        for number, lane in sorted(state.lanes.items())
        for finding in judge(
            lane.health,
            control,
            account=_ACCOUNT_OF[number],
            thresholds=rules.thresholds,
            clock=around.market(venue_of(_ACCOUNT_OF[number])).clock,
            now_ns=now_ns,
            differences=list(lane.differences.open.values()) if lane.differences else [],
        )
    ]


def _marked(
    state: SentinelState, control: Control, rules: Rules
) -> Iterable[tuple[int, AccountId, list[Book]]]:
    for number, account in sorted(_ACCOUNT_OF.items()):
        books = set(marked_books(state.lane(number).positions, account))
        if account in rules.accounts:
            books.add(BOOK_OF[control.mode(account, rules.mode)])
        yield number, account, sorted(books)
