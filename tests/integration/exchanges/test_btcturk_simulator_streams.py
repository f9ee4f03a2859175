"""
The simulated BTCTurk's socket: its answers, its books, its pings, what an account hears.
"""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from spark.exchanges.simulator.server import Options, running
from spark.names import Venue
from tests.simulated_btcturk import FULL, OTHER, READ, TRADE, Client, Wire

_INVALID = "Unauthorized - Invalid Request"


@pytest.fixture
async def moving(session: aiohttp.ClientSession, turk_keys: Path) -> AsyncIterator[Client]:
    options = Options(keys_file=turk_keys, venue=Venue.BTCTURK, market_steps_per_s=100)
    async with running(options) as venue:
        yield Client(session, venue)


async def test_a_subscription_is_answered_and_again_refused(turk: Client) -> None:
    """Joined once it is ok, twice it is not; left it can be joined again."""
    async with turk.socket() as wire:
        ok = {"type": 100, "ok": True, "message": "join|ticker:BTCTRY"}
        assert await wire.join("ticker", "BTCTRY") == ok
        assert await wire.join("ticker", "BTCTRY") == {**ok, "ok": False}
        left = await wire.join("ticker", "BTCTRY", is_join=False)
        assert left == {**ok, "message": "leave|ticker:BTCTRY"}
        assert await wire.join("ticker", "BTCTRY") == ok


@pytest.mark.parametrize(
    ("channel", "event"),
    [("obdiff", "btctry"), ("obdiff", "XXXYYY"), ("obdiff", "all"), ("nothing", "BTCTRY"),
     ("ticker", "")],
)  # fmt: skip
async def test_trap_20_what_is_not_there_is_accepted_and_silent(
    turk: Client, channel: str, event: str
) -> None:
    """Trap 20: ok says nothing; only a first frame does."""
    async with turk.socket() as wire:
        assert (await wire.join(channel, event))["ok"] is True
        assert await wire.silence() == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", "[151]", "[151, 1]", '[999, {"type": 999}]', "null", "[" * 5_000,
     '[151, {"type":151,"channel":"ticker","event":["BTCTRY"],"join":true}]',
     '[151, {"type":151,"channel":"ticker","event":"BTCTRY","join":1}]'],
)  # fmt: skip
async def test_what_is_no_frame_is_passed_over(turk: Client, text: str) -> None:
    """No answer, and the socket stays."""
    async with turk.socket() as wire:
        await wire.opened.send_str(text)
        assert (await wire.join("trade", "BTCTRY"))["ok"] is True


async def test_a_book_is_whole_once_then_a_chain_of_differences(moving: Client) -> None:
    """Each number is one above the last; the differences lead to the book that REST shows."""
    async with moving.socket() as wire:
        await wire.join("obdiff", "BTCTRY")
        whole = await wire.next(431)
        assert (whole["PS"], whole["channel"], whole["event"]) == ("BTCTRY", "obdiff", "BTCTRY")
        assert len(whole["BO"]) == len(whole["AO"]) == 40
        book = Follower(whole)
        for _ in range(4):
            book.apply(await wire.next(432))
        assert book.kinds >= {0, 1}
        assert book.best_bid < book.best_ask


class Follower:
    """Keeps a book as the documents say, and minds the chain."""

    def __init__(self, whole: dict[str, Any]) -> None:
        self.number = whole["CS"]
        self.sides = {name: {row["P"]: row["A"] for row in whole[name]} for name in ("AO", "BO")}
        self.kinds: set[int] = set()

    def apply(self, difference: dict[str, Any]) -> None:
        assert difference["CS"] == self.number + 1
        self.number += 1
        for name, levels in self.sides.items():
            for row in difference[name]:
                self.kinds.add(row["CP"])
                # A deletion names the amount that was there.
                assert Decimal(row["A"]) > 0
                assert (row["P"] in levels) is (row["CP"] != 1)
                if row["CP"] == 3:
                    del levels[row["P"]]
                else:
                    levels[row["P"]] = row["A"]

    @property
    def best_bid(self) -> Decimal:
        return max(Decimal(price) for price in self.sides["BO"])

    @property
    def best_ask(self) -> Decimal:
        return min(Decimal(price) for price in self.sides["AO"])


async def test_trap_17_a_deletion_is_a_kind_not_an_amount(turk: Client) -> None:
    """Trap 17: what goes is told with the amount that it had; nothing changes, nothing is said."""
    async with turk.socket() as wire:
        await wire.join("obdiff", "BTCTRY")
        whole = await wire.next(431)
        placed = (await turk.place(price="2069995")).data
        gained = await wire.next(432)
        assert gained["BO"] == [{"CP": 1, "P": "2069995", "A": "0.01"}]
        assert (gained["AO"], gained["CS"]) == ([], whole["CS"] + 1)
        await turk.cancel(placed["id"])
        lost = await wire.next(432)
        assert lost["BO"] == [{"CP": 3, "P": "2069995", "A": "0.01"}]
        assert lost["CS"] == whole["CS"] + 2


async def test_numbers_belong_to_the_subscription(turk: Client) -> None:
    """Two sockets, or two channels of one, have chains that have nothing in common."""
    async with turk.socket() as one, turk.socket() as two:
        await one.join("obdiff", "BTCTRY")
        await one.join("orderbook", "BTCTRY")
        await two.join("obdiff", "BTCTRY")
        numbers = [(await wire.next(431))["CS"] for wire in (one, one, two)]
        assert len(set(numbers)) == 3


async def test_the_orderbook_channel_repeats_the_whole(turk: Client) -> None:
    """Its frames need no chain: each is the book, when it changed."""
    async with turk.socket() as wire:
        await wire.join("orderbook", "BTCTRY")
        first = await wire.next(431)
        await turk.place(price="2069995")
        second = await wire.next(431)
        assert second["channel"] == "orderbook"
        assert second["BO"][0] == {"A": "0.01", "P": "2069995"}
        assert first["AO"] == second["AO"]


async def test_trades_come_as_a_list_then_one_by_one(turk: Client) -> None:
    """The last ones on joining; then each at once, its time as text and its side as 1 or 0."""
    await turk.place(price="2080000", quantity="0.001")
    async with turk.socket() as wire:
        await wire.join("trade", "BTCTRY")
        listed = await wire.next(421)
        assert (listed["symbol"], len(listed["items"])) == ("BTCTRY", 1)
        assert listed["items"][0]["S"] == 1
        await turk.place(orderType="sell", price="2060000", quantity="0.002")
        one = await wire.next(422)
        assert (one["S"], Decimal(one["A"]), one["PS"]) == (0, Decimal("0.002"), "BTCTRY")
        assert one["D"].isdigit()


async def test_tickers_repeat_themselves(turk: Client) -> None:
    """One pair's or all pairs', again and again whether or not something changed."""
    async with turk.socket() as wire:
        await wire.join("ticker", "BTCTRY")
        first, second = await wire.next(402), await wire.next(402)
        assert first == second
        assert (first["PS"], first["PId"], first["NS"], first["DS"]) == ("BTCTRY", 1, "BTC", "TRY")
        assert all(isinstance(first[name], str) for name in ("B", "A", "LA", "V", "DP"))
        await wire.join("ticker", "all")
        every = await wire.next(401)
        assert {row["PS"] for row in every["items"]} >= {"BTCTRY", "USDTTRY"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nonce": "3000"}, _INVALID),
        ({"nonce": 3001}, _INVALID),
        ({"nonce": None}, _INVALID),
        ({"publicKey": "nobody"}, _INVALID),
        ({"timestamp": 1}, "Unauthorized - Invalid Nonce"),
        ({"signature": "AAAA"}, "Unauthorized - Invalid Signature"),
        ({"signature": 7}, _INVALID),
    ],
)
async def test_trap_24_a_login_signs_a_constant_that_is_a_number(
    turk: Client, changes: dict[str, object], message: str
) -> None:
    """Trap 24: 3000 as text, or a stamp in its place, is no login; nothing private follows."""
    async with turk.socket() as wire:
        await wire.log_in(FULL, **changes)
        assert await wire.next(114) == {"type": 114, "ok": False, "message": message}
        await turk.place()
        assert await wire.silence() == []


async def test_s4_a_key_that_may_not_read_hears_nothing(turk: Client) -> None:
    """S4: the read key logs in, the trade key does not."""
    async with turk.with_key(READ).private(), turk.socket() as wire:
        await wire.log_in(TRADE)
        assert (await wire.next(114))["ok"] is False


async def test_an_account_hears_of_its_orders_without_subscribing(turk: Client) -> None:
    """In (451), out (452) with what was left, and that balances changed (201)."""
    async with turk.private() as wire, turk.with_key(OTHER).private() as others:
        placed = (await turk.place()).data
        inserted = await wire.next(451)
        assert inserted["id"] == placed["id"]
        assert (inserted["newOrderClientId"], inserted["orderType"]) == ("a-1", 0)
        assert (inserted["numLeft"], inserted["method"], inserted["pairId"]) == ("0.01", 0, 1)
        assert "timestamp" not in inserted
        await wire.next(201)
        await turk.cancel(placed["id"])
        deleted = await wire.next(452)
        assert (deleted["id"], Decimal(deleted["numLeft"])) == (placed["id"], Decimal("0.01"))
        await wire.next(201)
        assert await others.silence() == []


async def test_trap_23_a_fill_is_told_twice_in_two_forms(turk: Client) -> None:
    """Trap 23: 441 names the order, 423 the transaction, and has no number in its model."""
    async with turk.private() as wire:
        placed = (await turk.place(price="2080000", orderType="buy")).data
        match = await wire.next(441)
        assert (match["id"], match["clientId"], match["isBid"]) == (placed["id"], "a-1", True)
        assert Decimal(match["amount"]) == Decimal("0.01")
        told = await wire.next(423)
        assert "type" not in told
        assert (told["orderId"], told["orderClientId"]) == (placed["id"], "a-1")
        # The end of a filled order looks like a deletion with nothing left.
        deleted = await wire.next(452)
        assert Decimal(deleted["numLeft"]) == 0


async def test_a_partial_fill_updates_the_order(turk: Client) -> None:
    """A sale that a small bid meets in part goes on with less (453), the other side's is 1."""
    async with turk.private() as wire:
        await turk.place(orderType="sell", price="2070000", quantity="0.01")
        assert (await wire.next(451))["orderType"] == 1
        await turk.with_key(OTHER).place(price="2070000", quantity="0.002")
        match = await wire.next(441)
        assert (match["isBid"], Decimal(match["amount"])) == (False, Decimal("0.002"))
        updated = await wire.next(453)
        assert Decimal(updated["numLeft"]) == Decimal("0.008")


async def test_a_deposit_is_told_without_an_amount(turk: Client) -> None:
    """201 says that balances changed; how, REST says."""
    async with turk.private() as wire:
        moved = {"account": "main", "asset": "TRY", "amount": "5"}
        await turk.judge("POST", "/funds", moved)
        assert set(await wire.next(201)) == {"type", "userId"}
    rows = {row["asset"]: row for row in (await turk.call("GET", "/api/v1/users/balances")).data}
    assert rows["TRY"]["free"] == "1000005"


async def test_who_does_not_answer_pings_is_closed_politely(
    session: aiohttp.ClientSession, turk_keys: Path
) -> None:
    """Trap 18: pings come, and without a pong the socket is closed with 1000."""
    options = Options(
        keys_file=turk_keys,
        venue=Venue.BTCTURK,
        market_steps_per_s=0,
        habits=(("ping_ms", "50"), ("pong_ms", "200")),
    )
    async with running(options) as venue:
        async with session.ws_connect(venue.stream_url, autoping=False) as mute:
            kinds = []
            async with asyncio.timeout(10):
                while not mute.closed:
                    kinds.append((await mute.receive()).type)
            assert kinds.count(aiohttp.WSMsgType.PING) >= 2
            assert mute.close_code == 1000
        async with session.ws_connect(venue.stream_url) as answering:
            wire = Wire(answering)
            assert (await wire.frame())[0] == 991
            assert await wire.silence() == []
            assert (await wire.join("trade", "BTCTRY"))["ok"] is True
