"""
The signer's socket: who may ask, what may be asked, what a signature from it is worth (S4).
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import aiohttp
import orjson
import pytest

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Outgoing, Partition, Writer
from spark.clock import SystemClock
from spark.codec import decode
from spark.consumers.signing_question import write_question
from spark.consumers.signing_socket import (
    ALL_QUESTIONS,
    GATEWAY_QUESTIONS,
    SigningClient,
    SigningSocket,
    read_stamps,
)
from spark.errors import VenueUnavailable, WriteError
from spark.events import ClockMeasured, KeyUsed
from spark.exchanges.binance.auth import SecretKey
from spark.exchanges.binance.signer import BinanceKey, BinanceSigner
from spark.exchanges.port import Asked, OrderSigner, Question, SignedRequest, unsigned
from spark.exchanges.simulator.server import Options, running
from spark.ids import client_order_id
from spark.names import AccountId, Venue
from tests import keyed
from tests.made import ACCOUNT, SECOND_NS, STRATEGY, SYMBOL, named
from tests.simulated_venue import FULL, READ, Client, Reply, write_keys

_MS: Final = 1_000_000
#: Somebody on this machine; no process of ours runs as it.
_STRANGER: Final = 64_999
_ORDER: Final = client_order_id(ACCOUNT, STRATEGY, named("asked"))
_ASKED: Final = Asked(
    question=Question.ORDER, account=ACCOUNT, client_order_id=_ORDER, symbol=SYMBOL
)
_QUESTION: Final = orjson.loads(write_question(_ASKED))
#: Asks as another user: the interpreter is started as ours, who may read it, and steps down.
_ASK_AS: Final = """
import os, socket, sys
os.setgroups([]); os.setresgid(*[int(sys.argv[2])] * 3); os.setresuid(*[int(sys.argv[2])] * 3)
peer = socket.socket(socket.AF_UNIX); peer.settimeout(10); peer.connect(sys.argv[1])
said = b""
try:
    peer.sendall(sys.argv[3].encode() + b"\\n")
    while not said.endswith(b"\\n") and (part := peer.recv(4096)):
        said += part
except ConnectionError:
    pass
sys.stdout.buffer.write(said)
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that others may pass; a socket's path is short, and pytest's are not."""
    made = Path(tempfile.mkdtemp(prefix="spk-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


class Ink:
    """The writer of control.keys: dries when the test says so, or runs out."""

    def __init__(self, inner: Writer) -> None:
        self._inner = inner
        self.is_dry = asyncio.Event()
        self.is_dry.set()
        self.asked = asyncio.Event()
        self.is_out = False

    async def write(self, records: Sequence[Outgoing]) -> list[int]:
        self.asked.set()
        await self.is_dry.wait()
        if self.is_out:
            raise WriteError("no acknowledgement")
        return await self._inner.write(records)

    async def close(self) -> None:
        await self._inner.close()


@dataclass
class Desk:
    """A served socket, and what it is served with."""

    path: Path
    broker: MemoryBroker
    ink: Ink
    measured: ClockMeasured | None
    uids: dict[int, frozenset[Question]] = field(
        default_factory=lambda: {os.geteuid(): ALL_QUESTIONS}
    )
    signer: OrderSigner = field(default_factory=keyed.venue_signer)
    stamps: dict[AccountId, int] = field(default_factory=dict)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        questions = SigningSocket(
            path=self.path,
            venues={Venue.BINANCE: self.signer},
            writer=self.ink,
            clock=SystemClock(),
            latest_clock=lambda venue: self.measured if venue == Venue.BINANCE else None,
            uids=self.uids,
            stamps=self.stamps,
        )
        async with questions.served():
            yield

    def used(self) -> list[KeyUsed]:
        """List what stands on control.keys."""
        log = self.broker.log(Partition(topics.CONTROL_KEYS, 0))
        found = [decode(record.value or b"") for record in log]
        return [event for event in found if isinstance(event, KeyUsed)]

    async def ask(self, *lines: bytes) -> list[bytes]:
        """Send lines on one connection, one after the other; ends with the connection."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        said: list[bytes] = []
        try:
            for line in lines:
                writer.write(line + b"\n")
                said.append(await reader.readline())
        except ConnectionError:
            said.append(b"")
        finally:
            writer.close()
        return said

    async def ask_as(self, uid: int) -> bytes:
        """Ask a good question as another user."""
        command = (sys.executable, "-I", "-c", _ASK_AS, str(self.path), str(uid), _line())
        child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        said, _ = await child.communicate()
        assert child.returncode == 0
        return said


@pytest.fixture
async def desk(directory: Path) -> Desk:
    broker = MemoryBroker({topics.CONTROL_KEYS: 1})
    return Desk(directory / "q.sock", broker, Ink(await MemoryBus(broker).writer([])), _measured())


def _measured(age_ns: int = 0) -> ClockMeasured:
    now_ns = SystemClock().wall_ns()
    return ClockMeasured(
        venue=Venue.BINANCE, offset_ns=0, uncertainty_ns=_MS, measured_ns=now_ns - age_ns
    )


def _line(**changes: object) -> str:
    return orjson.dumps({**_QUESTION, **changes}).decode()


def _is_signed(answer: bytes) -> bool:
    return b"signature" in answer


async def test_a_listed_user_gets_a_question_signed(desk: Desk) -> None:
    """
    The answer is one signed request, and its use stands on control.keys with who asked (S4, H4).
    """
    async with desk.served():
        request = await SigningClient(desk.path).ask(_ASKED)
    assert (request.method, request.path) == ("GET", "/api/v3/order")
    assert f"origClientOrderId={_ORDER}" in request.query
    (used,) = desk.used()
    assert (used.account, used.symbol, used.client_order_id) == (ACCOUNT, SYMBOL, _ORDER)
    assert (used.purpose, used.peer_uid) == ("order", os.geteuid())


async def test_a_user_that_is_not_listed_gets_nothing(desk: Desk) -> None:
    """
    The kernel says who asks; whoever is not on the list gets no signature (S4).
    """
    desk.uids = {os.geteuid() + 1: ALL_QUESTIONS}
    async with desk.served():
        (said,) = await desk.ask(_line().encode())
        with pytest.raises(VenueUnavailable):
            await SigningClient(desk.path).ask(_ASKED)
    assert not _is_signed(said)
    assert desk.used() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.parametrize("is_listed", [True, False], ids=["listed", "stranger"])
async def test_the_user_at_the_other_end_decides(desk: Desk, *, is_listed: bool) -> None:
    """
    A process of another uid is served exactly if that uid is listed (S4, S7).
    """
    desk.uids = {_STRANGER if is_listed else os.geteuid(): ALL_QUESTIONS}
    async with desk.served():
        said = await desk.ask_as(_STRANGER)
    assert _is_signed(said) == is_listed
    assert [used.peer_uid for used in desk.used()] == [_STRANGER] * is_listed


async def test_the_gateway_may_ask_for_single_orders_alone(desk: Desk) -> None:
    """
    Balances, trades and logins are the account feed's; the gateway gets none of them (S4).
    """
    desk.uids = {os.geteuid(): GATEWAY_QUESTIONS}
    others = [question.value for question in Question if question is not Question.ORDER]
    async with desk.served():
        said = await desk.ask(*(_line(question=one).encode() for one in others))
        (good,) = await desk.ask(_line().encode())
    assert [orjson.loads(one) for one in said] == [{"error": "this user may not ask that"}] * 6
    assert _is_signed(good)
    assert len(desk.used()) == 1


class Increasing:
    """Signs for an exchange that wants each stamp above the last one."""

    stamps_increase = True

    def place(self, *_: object) -> SignedRequest:
        raise AssertionError("nothing is placed here")

    def cancel(self, *_: object, **__: object) -> SignedRequest:
        raise AssertionError("nothing is cancelled here")

    def ask(self, asked: Asked, exchange_ns: int) -> SignedRequest:
        del asked
        return unsigned(exchange_ns)


async def test_r12_stamps_of_questions_increase_also_across_restarts(desk: Desk) -> None:
    """
    R12: asked at once or after a restart with an earlier clock, no stamp comes twice.
    """
    desk.signer = Increasing()
    client = SigningClient(desk.path)
    async with desk.served():
        asked = await asyncio.gather(*(client.ask(_ASKED) for _ in range(20)))
    stamps = sorted(request.stamp_ns for request in asked)
    assert len(set(stamps)) == 20
    assert all(stamp % 1_000_000 == 0 for stamp in stamps)
    desk.measured = replace(_measured(), offset_ns=-SECOND_NS)
    desk.stamps = await read_stamps(MemoryBus(desk.broker))
    async with desk.served():
        request = await client.ask(_ASKED)
    assert request.stamp_ns == stamps[-1] + 1_000_000
    assert [used.stamped_ns for used in desk.used()][-1] == request.stamp_ns


async def test_r12_a_stamp_far_ahead_of_the_exchange_is_not_signed(desk: Desk) -> None:
    """
    R12: after a clock that ran ahead was put right, nothing is signed until it is caught up.
    """
    desk.signer = Increasing()
    desk.stamps = {ACCOUNT: SystemClock().wall_ns() + 60 * SECOND_NS}
    async with desk.served():
        with pytest.raises(VenueUnavailable, match="ahead of the exchange"):
            await SigningClient(desk.path).ask(_ASKED)
    assert desk.used() == []


MALFORMED: Final = {
    "empty": "",
    "no JSON": "{",
    "a list": "[]",
    "a text": '"binance:main"',
    "a number": "7",
    "null": "null",
    "NUL": "\x00",
    "a field missing": orjson.dumps({"account": ACCOUNT, "symbol": SYMBOL}).decode(),
    "a field too many": _line(method="DELETE"),
    "an account that is a number": _line(account=7),
    "a symbol that is a list": _line(symbol=[SYMBOL]),
    "an order that is null": _line(client_order_id=None),
    "an order that is none of ours": _line(client_order_id="x" * 32),
    "an order with a parameter": _line(client_order_id=f"{_ORDER}&side=BUY"),
    "an order without end": _line(client_order_id="spk" + "0" * 3_000),
    "a symbol with a parameter": _line(symbol="BTCUSDT&side=BUY"),
    "an empty symbol": _line(symbol=""),
    "no order": _line(client_order_id=""),
    "an unknown question": _line(question="withdraw"),
    "an exchange id that is no number": _line(exchange_order_id="7&symbol=X"),
    "a trade id that is no number": _line(after_id="-1"),
    "a time that is a text": _line(since_ns="0"),
    "a time before all": _line(since_ns=-1),
    "a time that is a truth": _line(since_ns=True),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_question_is_answered_with_an_error(desk: Desk, text: str) -> None:
    """
    Bad input is refused, nothing is signed for it, and the next question is served (S4).
    """
    async with desk.served():
        bad, good = await desk.ask(text.encode(), _line().encode())
    assert orjson.loads(bad) == {"error": "not a question"}
    assert _is_signed(good)
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
        (said,) = await desk.ask(_line(account=account).encode())
    assert orjson.loads(said) == {"error": "no such account"}
    assert desk.used() == []


async def test_a_line_without_end_costs_its_connection_alone(desk: Desk) -> None:
    """
    A line has a limit; past it that connection ends and the next one is served (S4).
    """
    async with desk.served():
        (said,) = await desk.ask(b"x" * 10_000)
        assert said == b""
        (good,) = await desk.ask(_line().encode())
    assert _is_signed(good)
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
        (good,) = await desk.ask(_line().encode())
    assert _is_signed(good)
    assert len(desk.used()) == 1


@pytest.mark.parametrize("age_s", [None, 61, 3_600])
async def test_without_the_exchange_s_clock_nothing_is_signed(
    desk: Desk, age_s: int | None
) -> None:
    """
    A stamp by a clock that nobody compared could be good for longer than it should.
    """
    desk.measured = None if age_s is None else _measured(age_s * SECOND_NS)
    async with desk.served():
        (said,) = await desk.ask(_line().encode())
    assert orjson.loads(said) == {"error": "the exchange's clock is not known"}
    assert desk.used() == []


async def test_the_use_is_written_before_the_signature_leaves(desk: Desk) -> None:
    """
    Not a byte of the answer goes before control.keys is acknowledged (S4, H4).
    """
    desk.ink.is_dry.clear()
    async with desk.served():
        reader, writer = await asyncio.open_unix_connection(desk.path)
        writer.write(_line().encode() + b"\n")
        await desk.ink.asked.wait()
        answer = asyncio.ensure_future(reader.readline())
        # A question on another connection gets this far, too, and no further.
        (refused,) = await desk.ask(b"{")
        assert orjson.loads(refused) == {"error": "not a question"}
        assert not answer.done()
        assert desk.used() == []
        desk.ink.is_dry.set()
        assert _is_signed(await answer)
        writer.close()
    assert len(desk.used()) == 1


async def test_a_use_that_cannot_be_written_ends_the_signer(desk: Desk) -> None:
    """
    No signature leaves, and a writer that failed is not used again: the process ends (§3.5, S4).
    """
    desk.ink.is_out = True
    said: list[list[bytes]] = []

    async def serve() -> None:
        async with desk.served():
            asking = asyncio.ensure_future(desk.ask(_line().encode()))
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
        assert (await client.place(newClientOrderId=_ORDER)).status == 200
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
        request = await SigningClient(desk.path).ask(_ASKED)
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
    request = careless.ask(_ASKED, SystemClock().wall_ns())
    async with exchange(directory) as client:
        reply = await send(client, "DELETE", "/api/v3/order", request)
        assert (reply.status, reply.json["status"]) == (200, "CANCELED")
