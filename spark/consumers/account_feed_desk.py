"""
One account inside the account feed: its book, its hold on the log, its private stream.

Whatever is learnt is folded at once and waits for the next append; one task appends, so that
records keep their order. The private stream tells what happens, and is begun again for as
long as it takes; what it may have missed meanwhile is the comparison's to find.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from spark.bus.port import Outgoing, Record
from spark.clock import Clock
from spark.codec import encode
from spark.consumers.account_feed_ask import AccountEnds, Asker
from spark.crash_points import Point, reach
from spark.errors import VenueUnavailable
from spark.events import AccountDoubted, Event, FeesSeen, InstrumentPublished
from spark.exchanges.port import FundsMoved, News
from spark.ledger.control_state import Control
from spark.ledger.reconcile import Book, fold_account, fold_orders
from spark.ledger.reconcile_funds import Pair
from spark.ledger.reconcile_look import take_words
from spark.ledger.reconcile_orders import learn, release
from spark.log import logger
from spark.metrics import Metrics
from spark.names import DifferenceKind, Symbol, venue_of
from spark.topics import EVENTS
from spark.worker.contract import Place
from spark.worker.resume import fold_record
from spark.worker.retry import Schedule, draw
from spark.worker.tenure import Tenure

#: Records of one append.
_APPEND_MAX: Final = 500
#: Deposits and withdrawals that are remembered for the next comparison.
_MOVES_MAX: Final = 1_000
#: A stream that lasted for so long may be begun again at once.
_STEADY_NS: Final = 10_000_000_000
_SCHEDULE: Final = Schedule()
_NS_PER_S: Final = 1e9
#: The doubt that no reconnect alone can end.
START: Final = "start"


@dataclass(slots=True, kw_only=True)
class AccountDesk:
    """An account at work."""

    ends: AccountEnds
    book: Book
    tenure: Tenure
    asker: Asker
    control: Control
    clock: Clock
    metrics: Metrics
    #: Of the symbols that are followed, as far as the venue watch has told.
    pairs: dict[Symbol, Pair] = field(default_factory=dict)
    #: Records that wait for the next append.
    pending: list[Event] = field(default_factory=list)
    #: Set whenever something may be there to write, and to ask about.
    to_write: asyncio.Event = field(default_factory=asyncio.Event)
    attention: asyncio.Event = field(default_factory=asyncio.Event)
    is_connected: bool = False
    #: Counts connections: a comparison over two of them proves nothing.
    connections: int = 0

    def take(self, record: Record) -> None:
        """Fold one record of `orders.events`, `account.events` or `venue.state`."""
        # Whoever may say instruments must not say fills: each event on its own topic alone.
        fold_record(record, self._fold)

    def _fold(self, place: Place, event: Event) -> None:
        if isinstance(event, InstrumentPublished):
            is_followed = event.symbol in self.ends.symbols
            if is_followed and event.venue == venue_of(self.ends.account):
                self.pairs[event.symbol] = Pair(event.base_asset, event.quote_asset)
        elif place.topic == self.tenure.partition.topic:
            fold_account(self.book, event, offset=place.offset, appended_ns=place.appended_ns)
        elif place.topic == EVENTS:
            fold_orders(self.book, event, offset=place.offset, appended_ns=place.appended_ns)
            if self.book.waiting:
                self.say(release(self.book, at_ns=self.clock.wall_ns()))
            self.attention.set()

    def learn(self, news: tuple[News, ...], *, is_asked: bool = False) -> None:
        """Take in what the exchange told: evidence at once."""
        moved = [one for one in news if isinstance(one, FundsMoved)]
        self.book.funds.moves = [*self.book.funds.moves, *moved][-_MOVES_MAX:]
        self.say(learn(self.book, news, at_ns=self.clock.wall_ns(), is_asked=is_asked))
        self.attention.set()

    def say(self, events: list[Event]) -> None:
        """Have records written that are folded already."""
        if events:
            self.pending.extend(events)
            self.to_write.set()

    def doubt(self, cause: str) -> None:
        """Say that the account is not reconciled from here on."""
        doubted = AccountDoubted(
            epoch=self.book.epoch,
            account=self.ends.account,
            cause=cause,
            at_ns=self.clock.wall_ns(),
        )
        if self.book.doubted != START:
            self.book.doubted = cause
        self.say([doubted])

    def tell_fees(self, symbol: Symbol, rates: tuple[Decimal, Decimal]) -> None:
        """Write down what trading a symbol costs, where it is new: maker's part and taker's."""
        known = self.book.fees.get(symbol)
        if known is not None and (known.maker, known.taker) == rates:
            return
        seen = FeesSeen(
            account=self.ends.account,
            symbol=symbol,
            maker=rates[0],
            taker=rates[1],
            at_ns=self.clock.wall_ns(),
        )
        self.book.fees[symbol] = seen
        self.say([seen])

    def hear_words(self) -> None:
        """Close what persons took over since."""
        said = take_words(self.book, self.control.accepted, at_ns=self.clock.wall_ns())
        if said:
            self.say(said)
            self.attention.set()

    async def write(self) -> None:
        """
        Append what there is, as it comes; runs until cancelled.

        Raises:
            FencedError: the account is another instance's now.
            WriteError: what the log holds is unsure; exit.

        """
        while True:
            await self.to_write.wait()
            self.to_write.clear()
            await self.append()

    async def append(self) -> None:
        """Append what there is now; raises as `write`."""
        key, partition = self.ends.account.encode(), self.tenure.partition
        while self.pending:
            batch = self.pending[:_APPEND_MAX]
            del self.pending[:_APPEND_MAX]
            reach(Point.NEWS_FOLDED)
            await self.tenure.write([Outgoing(partition, key, encode(event)) for event in batch])
            reach(Point.NEWS_WRITTEN)
        for record in self.tenure.take_foreign():
            # What an older instance learnt is evidence, too; its opinions have its epoch (R4).
            self.take(record)
        self.show()

    async def listen(self) -> None:
        """Follow the private stream, and begin again when it ends; runs until cancelled."""
        tries = 0
        while True:
            began_ns = self.clock.monotonic_ns()
            retry_after_s = 0.0
            try:
                await self._follow()
            except VenueUnavailable as error:
                retry_after_s = error.retry_after_s
                if error.is_key_refused:
                    self.asker.login_refused()
                logger().warning("private_stream", account=self.ends.account, why=str(error))
            finally:
                self.asker.logged_in()
            self._lost()
            lasted_ns = self.clock.monotonic_ns() - began_ns
            tries = 1 if lasted_ns > _STEADY_NS else tries + 1
            pause_s = _SCHEDULE.pause_s(tries, chance=draw(), retry_after_s=retry_after_s)
            await asyncio.sleep(pause_s)

    async def _follow(self) -> None:
        async with aclosing(self.ends.stream.news(self.asker.login)) as stream:  # type: ignore[type-var]
            async for news in stream:
                if not self.is_connected:
                    self.asker.logged_in()
                    self.is_connected = True
                    self.connections += 1
                    self.attention.set()
                    logger().info("private_stream", account=self.ends.account, is_open=True)
                if news:
                    self.learn(news)

    def _lost(self) -> None:
        if self.is_connected:
            self.is_connected = False
            self.doubt("stream_lost")

    def show(self) -> None:
        """Bring the gauges up to date."""
        account = self.ends.account
        self.metrics.private_stream.labels(account).set(self.is_connected)
        for kind in DifferenceKind:
            count = len(self.book.differences.of_kind(kind))
            self.metrics.differences_open.labels(account, kind).set(count)

    def reconciled_age_s(self) -> float:
        """Give the age of the last comparison that holds; endless where none does."""
        last = self.book.reconciled
        if last is None or self.book.doubted:
            return float("inf")
        return (self.clock.wall_ns() - last.asked_ns) / _NS_PER_S
