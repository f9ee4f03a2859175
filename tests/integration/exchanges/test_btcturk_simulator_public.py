"""
The simulated BTCTurk's public side: what anybody may ask, in its many forms.
"""

from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from spark.exchanges.simulator.server import Options, Running, running
from spark.names import Venue
from tests.simulated_btcturk import Client


async def test_the_clock_has_no_envelope(turk: Client) -> None:
    """Milliseconds, and text whose fraction has seven digits."""
    found = (await turk.public("/api/v2/server/time")).json
    assert set(found) == {"serverTime", "serverTime2"}
    assert isinstance(found["serverTime"], int)
    assert len(found["serverTime2"].partition(".")[2].partition("+")[0]) == 7
    assert (await turk.public("/api/v2/server/ping")).json == {"pong": True}


async def test_the_rules_of_a_pair(turk: Client) -> None:
    """Scales, fraction and dynamic bounds are what orders are judged by; ticks are not."""
    data = (await turk.public("/api/v2/server/exchangeinfo")).data
    found = {row["name"]: row for row in data["symbols"]}
    row = found["BTCTRY"]
    assert (row["numeratorScale"], row["denominatorScale"], row["hasFraction"]) == (8, 0, False)
    assert row["filters"][0]["tickSize"] == "10"
    assert row["filters"][0]["minExchangeValue"] == "99.91"
    assert row["maximumLimitOrderPrice"] == 100 * row["minimumLimitOrderPrice"]
    assert (found["ETHTRY"]["denominatorScale"], found["ETHTRY"]["hasFraction"]) == (2, False)
    assert (await turk.place(price="2000003")).status == 200


async def test_a_ticker_is_a_list_of_numbers(turk: Client) -> None:
    """One pair or all or those of a currency; a pair that is none has no row and no error."""
    (row,) = (await turk.public("/api/v2/ticker", pairSymbol="btc_try")).data
    assert (row["pair"], row["pairNormalized"]) == ("BTCTRY", "BTC_TRY")
    assert row["bid"] < row["ask"]
    assert isinstance(row["last"], float)
    assert len((await turk.public("/api/v2/ticker")).data) == 5
    assert (await turk.public("/api/v2/ticker", pairSymbol="XXXYYY")).data == []
    quoted = (await turk.public("/api/v2/ticker/currency", symbol="usdt")).data
    assert {one["denominatorSymbol"] for one in quoted} == {"USDT"}


async def test_the_book_says_success_where_others_say_zero(turk: Client) -> None:
    """At most a hundred levels, text, best first; its code is a word."""
    reply = (await turk.public("/api/v2/orderbook", pairSymbol="BTCTRY", limit=3)).json
    assert reply["code"] == "SUCCESS"
    bids = [Decimal(price) for price, _ in reply["data"]["bids"]]
    asks = [Decimal(price) for price, _ in reply["data"]["asks"]]
    assert len(bids) == len(asks) == 3
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    unknown = await turk.public("/api/v2/orderbook", pairSymbol="XXXYYY")
    assert unknown.refusal == (400, 1037, "Pair XXXYYY does not exists.")


async def test_trades_tell_their_side(turk: Client) -> None:
    """The taker's side, which the documents do not mention; the newest first."""
    await turk.place(price="2080000", quantity="0.001")
    await turk.place(orderType="sell", price="2060000", quantity="0.001")
    rows = (await turk.public("/api/v2/trades", pairSymbol="BTCTRY", last=2)).data
    assert [row["side"] for row in rows] == ["sell", "buy"]
    assert [row["amount"] for row in rows] == ["0.001", "0.001"]
    assert all(len(row["tid"]) == 18 for row in rows)


async def test_candles_are_in_seconds_and_columns(turk: Client) -> None:
    """No envelope: parallel lists, times in seconds; days are listed by rows."""
    await turk.place(price="2080000", quantity="0.001")
    now_s = (await turk.public("/api/v2/server/time")).json["serverTime"] // 1_000
    asked = {"symbol": "BTCTRY", "from": now_s - 600, "to": now_s}
    for resolution, length_s in (("1", 60), ("60", 3_600), ("1D", 86_400)):
        begin = {"from": now_s - 86_400} if length_s == 86_400 else {"from": now_s - 3_600}
        found = (
            await turk.public("/v1/klines/history", **{**asked, **begin, "resolution": resolution})
        ).json
        assert found["s"] == "ok"
        assert len(found["t"]) == 1
        assert found["t"][0] % length_s == 0
        assert found["v"] == [0.001]
    assert (await turk.public("/v1/klines/history", **asked, resolution="7")).status == 400
    (day,) = (await turk.public("/v1/ohlcs", pair="BTCTRY")).json
    (row,) = (await turk.public("/api/v2/ohlc", pairSymbol="BTCTRY")).data
    assert (day["time"], day["volume"]) == (row["time"], 0.001)


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_market_is_its_seeds(
    session: aiohttp.ClientSession, turk_keys: Path, seed: int
) -> None:
    """The same seed gives the same book, also after a restart."""
    options = Options(keys_file=turk_keys, venue=Venue.BTCTURK, seed=seed, market_steps_per_s=0)
    books: list[object] = []
    for _ in range(2):
        async with running(options) as venue:
            client = Client(session, venue)
            data = (await client.public("/api/v2/orderbook", pairSymbol="USDTTRY")).data
            books.append((data["bids"], data["asks"]))
    assert books[0] == books[1]


async def test_the_market_moves(session: aiohttp.ClientSession, turk_keys: Path) -> None:
    """Left alone it trades, and its ticker follows."""
    options = Options(keys_file=turk_keys, venue=Venue.BTCTURK, market_steps_per_s=500)
    async with running(options) as venue, Client(session, venue).socket() as wire:
        await wire.join("trade", "BTCTRY")
        first = await wire.next(422)
        assert first["PS"] == "BTCTRY"
        rows = (await Client(session, venue).public("/api/v2/trades", pairSymbol="BTCTRY")).data
        assert first["I"] in {row["tid"] for row in rows}


async def test_only_loopback_and_only_its_own_pairs(turk_venue: Running) -> None:
    """What it offers is what its catalogue has."""
    assert turk_venue.url.startswith("http://127.0.0.1:")
    assert set(turk_venue.symbols) == {"BTCTRY", "BTCUSDT", "ETHUSDT", "USDTTRY", "ETHTRY"}
