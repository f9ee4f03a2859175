"""
BTCTurk's public stream through the real client, at its simulator.
"""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

import pytest

from spark.errors import SettingError, VenueUnavailable
from spark.exchanges.btcturk.local_book import LocalBook
from spark.exchanges.btcturk.stream import SYMBOLS_MAX, BtcturkStreams, MarketSocket
from spark.exchanges.btcturk.wire_frames import (
    BookDifference,
    BookFull,
    Hello,
    Result,
    Ticker,
    Trade,
    TradeList,
    market_frame,
)
from spark.names import Side, Symbol, Venue
from tests.contract.venue_scenes import PATIENCE_S, QUANTITY, SYMBOL, TAKES, Scene, playing

NOPE: Final = Symbol("NOPETRY")
_E = TypeVar("_E")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(Venue.BTCTURK, tmp_path) as made:
        yield made


@pytest.fixture
async def streams(scene: Scene) -> AsyncIterator[BtcturkStreams]:
    made = BtcturkStreams(scene.simulator.stream_url)
    yield made
    await made.close()


async def heard(market: MarketSocket, kind: type[_E], symbol: str = SYMBOL) -> _E:
    """Listen until an event of that kind, of that symbol where it has one."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            frame = await market.receive()
            event = None if frame is None else market_frame(frame)
            if isinstance(event, kind) and getattr(event, "symbol", symbol) == symbol:
                return event


def follow(book: LocalBook, event: BookFull | BookDifference) -> LocalBook:
    """Keep the book as its topic would."""
    first_id = 0 if isinstance(event, BookFull) else event.change_set
    book.apply((1, 0, first_id, event.change_set, event.bids, event.asks))
    return book


async def test_a_connection_says_its_version_and_answers_each_join(
    streams: BtcturkStreams,
) -> None:
    """The hello comes unasked, the answers in the order of the questions."""
    market = await streams.open((SYMBOL,))
    await heard(market, Hello)
    answers = [await heard(market, Result) for _ in range(3)]
    assert [(one.is_ok, one.message) for one in answers] == [
        (True, f"join|{kind}:{SYMBOL}") for kind in ("obdiff", "trade", "ticker")
    ]


async def test_every_kind_is_heard(scene: Scene, streams: BtcturkStreams) -> None:
    """A book, the last trades, the prices; then a trade as it happens."""
    market = await streams.open((SYMBOL,))
    full = await heard(market, BookFull)
    assert (full.channel, len(full.bids) > 0, len(full.asks) > 0) == ("obdiff", True, True)
    ticker = await heard(market, Ticker)
    assert Decimal(0) < Decimal(ticker.bid) < Decimal(ticker.ask)
    await scene.place(scene.order(price=TAKES))
    trade = await heard(market, Trade)
    assert (Decimal(trade.quantity), trade.buyer_is_maker) == (QUANTITY, False)


async def test_the_last_trades_come_once_on_joining(streams: BtcturkStreams) -> None:
    """421 is the past, 422 the present."""
    market = await streams.open((SYMBOL,), ("trade",))
    listed = await heard(market, TradeList)
    assert all(one.symbol == SYMBOL for one in listed.items)


async def test_a_pair_that_does_not_exist_is_joined_like_any_other(
    streams: BtcturkStreams,
) -> None:
    """Trap 20: `ok` for what will never come; who joins waits for the first book, with an end."""
    market = await streams.open((NOPE, SYMBOL), ("obdiff",))
    answers = [await heard(market, Result) for _ in range(2)]
    assert [one.is_ok for one in answers] == [True, True]
    await heard(market, BookFull)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await heard(market, BookFull, NOPE)


async def test_joining_twice_is_refused_and_rejoining_brings_a_whole_book(
    streams: BtcturkStreams,
) -> None:
    """Trap 17: leave and join is how a book is asked for anew; its numbers are its own."""
    market = await streams.open((SYMBOL,), ("obdiff",))
    first = await heard(market, BookFull)
    await market.join("obdiff", SYMBOL)
    async with asyncio.timeout(PATIENCE_S):
        while (await heard(market, Result)).is_ok:
            pass
    await market.rejoin("obdiff", SYMBOL)
    second = await heard(market, BookFull)
    assert (second.bids, second.asks) == (first.bids, first.asks)
    assert second.change_set != first.change_set


async def test_a_gap_is_found_and_mended(scene: Scene, streams: BtcturkStreams) -> None:
    """Trap 17: a difference that is missing ends the book, and a new whole one begins it."""
    market = await streams.open((SYMBOL,), ("obdiff",))
    full = await heard(market, BookFull)
    book, best = follow(LocalBook(), full), Decimal(full.bids[0][0])
    await scene.arm("sequence_gap", route="market")
    await scene.place(scene.order("missed", price=best))
    await scene.used_up()
    await scene.place(scene.order("told", price=best))
    seen = [book.is_whole]
    follow(book, await heard(market, BookDifference))
    seen.append(book.is_whole)
    await market.rejoin("obdiff", SYMBOL)
    follow(book, await heard(market, BookFull))
    seen.append(book.is_whole)
    assert seen == [True, False, True]
    assert book.quantity_at(Side.BUY, best) == Decimal(full.bids[0][1]) + 2 * QUANTITY


async def test_a_connection_that_is_cut_ends_in_one_kind_of_error(
    scene: Scene, streams: BtcturkStreams
) -> None:
    """Whoever listens connects anew; what is said into it is the same error."""
    market = await streams.open((SYMBOL,))
    await heard(market, BookFull)
    await scene.arm("disconnect", route="market")
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(VenueUnavailable):
            await heard(market, TradeList, "none")
    await market.ping()
    with pytest.raises(VenueUnavailable):
        await market.join("trade", SYMBOL)


async def test_no_stream_is_unavailable(streams: BtcturkStreams) -> None:
    """No connection is the same error, and too many symbols a setting to be mended."""
    nowhere = BtcturkStreams("ws://127.0.0.1:1")
    with pytest.raises(VenueUnavailable):
        await nowhere.open((SYMBOL,))
    await nowhere.close()
    with pytest.raises(SettingError):
        await streams.open([SYMBOL] * (SYMBOLS_MAX + 1))
