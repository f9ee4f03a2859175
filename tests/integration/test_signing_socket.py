"""
The signer's socket: who may ask, what may be asked, what a signature from it is worth (S4).
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import orjson
import pytest

from spark.clock import SystemClock
from spark.consumers.signing_socket import (
    ALL_QUESTIONS,
    SigningClient,
)
from spark.errors import VenueUnavailable, WriteError
from spark.exchanges.binance.auth import SecretKey
from spark.exchanges.binance.signer import BinanceKey, BinanceSigner
from spark.exchanges.port import SignedRequest
from spark.exchanges.simulator.server import Options, running
from tests import keyed
from tests.made import ACCOUNT, SECOND_NS, SYMBOL
from tests.signing_desk import (
    ASKED,
    ORDER,
    STRANGER,
    Desk,
    desk_in,
    is_signed,
    line_of,
    measured,
    passable,
)
from tests.simulated_venue import FULL, READ, Client, Reply, write_keys


@pytest.fixture
def directory() -> Iterator[Path]:
    with passable() as made:
        yield made


@pytest.fixture
async def desk(directory: Path) -> Desk:
    return await desk_in(directory)


async def test_a_listed_user_gets_a_question_signed(desk: Desk) -> None:
    """
    The answer is one signed request, and its use stands on control.keys with who asked (S4, H4).
    """
    async with desk.served():
        request = await SigningClient(desk.path).ask(ASKED)
    assert (request.method, request.path) == ("GET", "/api/v3/order")
    assert f"origClientOrderId={ORDER}" in request.query
    (used,) = desk.used()
    assert (used.account, used.symbol, used.client_order_id) == (ACCOUNT, SYMBOL, ORDER)
    assert (used.purpose, used.peer_uid) == ("order", os.geteuid())


async def test_a_user_that_is_not_listed_gets_nothing(desk: Desk) -> None:
    """
    The kernel says who asks; whoever is not on the list gets no signature (S4).
    """
    desk.uids = {os.geteuid() + 1: ALL_QUESTIONS}
    async with desk.served():
        (said,) = await desk.ask(line_of().encode())
        with pytest.raises(VenueUnavailable):
            await SigningClient(desk.path).ask(ASKED)
    assert not is_signed(said)
    assert desk.used() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.parametrize("is_listed", [True, False], ids=["listed", "stranger"])
async def test_the_user_at_the_other_end_decides(desk: Desk, *, is_listed: bool) -> None:
    """
    A process of another uid is served exactly if that uid is listed (S4, S7).
    """
    desk.uids = {STRANGER if is_listed else os.geteuid(): ALL_QUESTIONS}
    async with desk.served():
        said = await desk.ask_as(STRANGER)
    assert is_signed(said) == is_listed
    assert [used.peer_uid for used in desk.used()] == [STRANGER] * is_listed


MALFORMED: Final = {
    "list of questions": line_of(question=[["order"]]),
    "question as an object": line_of(question={"order": 1}),
    "empty": "",
    "no JSON": "{",
    "a list": "[]",
    "a text": '"binance:main"',
    "a number": "7",
    "null": "null",
    "NUL": "\x00",
    "a field missing": orjson.dumps({"account": ACCOUNT, "symbol": SYMBOL}).decode(),
    "a field too many": line_of(method="DELETE"),
    "an account that is a number": line_of(account=7),
    "a symbol that is a list": line_of(symbol=[SYMBOL]),
    "an order that is null": line_of(client_order_id=None),
    "an order that is none of ours": line_of(client_order_id="x" * 32),
    "an order with a parameter": line_of(client_order_id=f"{ORDER}&side=BUY"),
    "an order without end": line_of(client_order_id="spk" + "0" * 3_000),
    "a symbol with a parameter": line_of(symbol="BTCUSDT&side=BUY"),
    "an empty symbol": line_of(symbol=""),
    "no order": line_of(client_order_id=""),
    "an unknown question": line_of(question="withdraw"),
    "an exchange id that is no number": line_of(exchange_order_id="7&symbol=X"),
    "a trade id that is no number": line_of(after_id="-1"),
    "a time that is a text": line_of(since_ns="0"),
    "a time before all": line_of(since_ns=-1),
    "a time that is a truth": line_of(since_ns=True),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_question_is_answered_with_an_error(desk: Desk, text: str) -> None:
    """
    Bad input is refused, nothing is signed for it, and the next question is served (S4).
    """
    async with desk.served():
        bad, good = await desk.ask(text.encode(), line_of().encode())
    assert orjson.loads(bad) == {"error": "not a question"}
    assert is_signed(good)
    assert len(desk.used()) == 1


async def test_bytes_that_are_no_text_are_no_question(desk: Desk) -> None:
    """
    Any bytes may come in.
    """
    async with desk.served():
        (said,) = await desk.ask(b"\xff\xfe{}")
    assert orjson.loads(said) == {"error": "not a question"}


@pytest.mark.parametrize("account", ["binance:other", "kraken:main", "binance", "", ":main"])
async def test_an_account_that_is_not_in_the_table_has_no_key(desk: Desk, account: str) -> None:
    """
    One account's key answers for no other (R16, S4).
    """
    async with desk.served():
        (said,) = await desk.ask(line_of(account=account).encode())
    assert orjson.loads(said) == {"error": "no such account"}
    assert desk.used() == []


async def test_a_line_without_end_costs_its_connection_alone(desk: Desk) -> None:
    """
    A line has a limit; past it that connection ends and the next one is served (S4).
    """
    async with desk.served():
        (said,) = await desk.ask(b"x" * 10_000)
        assert said == b""
        (good,) = await desk.ask(line_of().encode())
    assert is_signed(good)
    assert len(desk.used()) == 1


async def test_a_connection_that_ends_in_the_middle_leaves_no_trace(desk: Desk) -> None:
    """
    Half a question is none.
    """
    async with desk.served():
        for sent in (b"", b'{"account":'):
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(str(desk.path))
            peer.sendall(sent)
            peer.close()
        (good,) = await desk.ask(line_of().encode())
    assert is_signed(good)
    assert len(desk.used()) == 1


@pytest.mark.parametrize("age_s", [None, 61, 3_600])
async def test_without_the_exchange_s_clock_nothing_is_signed(
    desk: Desk, age_s: int | None
) -> None:
    """
    A stamp by a clock that nobody compared could be good for longer than it should.
    """
    desk.measured = None if age_s is None else measured(age_s * SECOND_NS)
    async with desk.served():
        (said,) = await desk.ask(line_of().encode())
    assert orjson.loads(said) == {"error": "the exchange's clock is not known"}
    assert desk.used() == []


async def test_the_use_is_written_before_the_signature_leaves(desk: Desk) -> None:
    """
    Not a byte of the answer goes before control.keys is acknowledged (S4, H4).
    """
    desk.ink.is_dry.clear()
    async with desk.served():
        reader, writer = await asyncio.open_unix_connection(desk.path)
        writer.write(line_of().encode() + b"\n")
        await desk.ink.asked.wait()
        answer = asyncio.ensure_future(reader.readline())
        # A question on another connection gets this far, too, and no further.
        (refused,) = await desk.ask(b"{")
        assert orjson.loads(refused) == {"error": "not a question"}
        assert not answer.done()
        assert desk.used() == []
        desk.ink.is_dry.set()
        assert is_signed(await answer)
        writer.close()
    assert len(desk.used()) == 1


async def test_a_use_that_cannot_be_written_ends_the_signer(desk: Desk) -> None:
    """
    No signature leaves, and a writer that failed is not used again: the process ends (§3.5, S4).

    Fault P3.
    """
    desk.ink.is_out = True
    said: list[list[bytes]] = []

    async def serve() -> None:
        async with desk.served():
            asking = asyncio.ensure_future(desk.ask(line_of().encode()))
            try:
                await asyncio.Event().wait()
            finally:
                said.append(await asking)

    with pytest.raises(ExceptionGroup) as caught:
        await serve()
    assert caught.group_contains(WriteError)
    assert said == [[b""]]
    assert desk.used() == []


@asynccontextmanager
async def exchange(directory: Path) -> AsyncIterator[Client]:
    """An exchange with a resting order of ours, placed by hand."""
    options = Options(keys_file=write_keys(directory), market_steps_per_s=0)
    async with running(options) as venue, aiohttp.ClientSession() as session:
        client = Client(session, venue, FULL)
        assert (await client.place(newClientOrderId=ORDER)).status == 200
        yield client


async def send(client: Client, method: str, path: str, request: SignedRequest) -> Reply:
    """Send what was signed, wherever and however; gives the exchange's reply."""
    key = (request.headers["X-MBX-APIKEY"], "")
    return await client.with_key(key).raw(method, path, request.query)


#: What moves an order, and how a question is refused there: for what a place lacks in it,
#: or for what the key may not.
TRADING: Final = (
    ("POST", "/api/v3/order", (400, -1102)),
    ("POST", "/api/v3/order/test", (400, -1102)),
    ("DELETE", "/api/v3/order", (401, -2015)),
)


async def test_a_signed_question_neither_places_nor_cancels(desk: Desk, directory: Path) -> None:
    """
    Binance binds parameters, not the method: only the read key makes a question harmless (R13, S4).
    """
    async with exchange(directory) as client, desk.served():
        request = await SigningClient(desk.path).ask(ASKED)
        assert request.headers == {"X-MBX-APIKEY": READ[0]}
        for method, path, refusal in TRADING:
            reply = await send(client, method, path, request)
            assert (reply.status, reply.code) == refusal, (method, path)
        reply = await send(client, request.method, request.path, request)
        assert (reply.status, reply.json["status"]) == (200, "NEW")
        assert (await client.judge("GET", "/ledger/summary"))["orders"] == 1


async def test_with_the_trade_key_the_same_question_would_cancel(directory: Path) -> None:
    """
    What the second key is for: signed with the first, a question is a cancel (R13, S4).
    """
    trade = BinanceKey(FULL[0], SecretKey(FULL[1].encode()))
    careless = BinanceSigner(trade, trade, keyed.RECV_WINDOW_MS)
    request = careless.ask(ASKED, SystemClock().wall_ns())
    async with exchange(directory) as client:
        reply = await send(client, "DELETE", "/api/v3/order", request)
        assert (reply.status, reply.json["status"]) == (200, "CANCELED")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{\n",
        b"[]\n",
        b"7\n",
        b"{}\n",
        b'{"error":["\\u001b[2J"]}\n',
        (
            b'{"method":1,"path":"","query":"","headers":{},"body":"","stamp_ns":0,'
            b'"final_after_ns":0}\n'
        ),
        (
            b'{"method":"GET","path":"","query":"","headers":{},"body":"",'
            b'"stamp_ns":111111111111111111111111111111,"final_after_ns":0}\n'
        ),
        (
            b'{"method":"GET","path":"","query":"","headers":{},"body":"","stamp_ns":1,'
            b'"final_after_ns":-1}\n'
        ),
        b'{"error":' + b"[" * 1_010 + b"]" * 1_010 + b"}\n",
        b'{"method":"GET"}\n',
        b"\xff" * 10 + b"\n",
    ],
)
async def test_h5_an_answer_that_is_none_is_a_signer_that_does_not_answer(
    directory: Path, said: bytes
) -> None:
    """H5: whatever stands at the other end, who asks may ask again later, and knows why."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()

    async with await asyncio.start_unix_server(answer, directory / "q.sock"):
        with pytest.raises(VenueUnavailable) as caught:
            await SigningClient(directory / "q.sock").ask(ASKED)
    assert str(caught.value).startswith("the signer ")
    assert str(caught.value).isprintable()
