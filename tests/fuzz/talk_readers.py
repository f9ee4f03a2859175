"""
Readers of what is said on this machine: what people type, the signing socket, the webhook.

Sockets are served as by the programs; after each case an ordinary question is answered.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Final

import aiohttp
import orjson
import typer

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Partition
from spark.cli.durations import parse_duration
from spark.cli.limits_desk import read_assignments
from spark.cli.order_desk import Placing
from spark.cli.session import parse_moment
from spark.cli.words_desk import known_account
from spark.clock import SystemClock
from spark.codec import decode
from spark.consumers.signing_question import read_question
from spark.consumers.signing_socket import SigningClient
from spark.errors import RefusedError, VenueUnavailable
from spark.events import TradingHalted
from spark.exchanges.port import Question, SignedRequest, VenueCannotError
from spark.names import Side, TimeInForce
from spark.producers.webhook import ADDRESS, Token, Webhook
from spark.topics import BY_NAME, CONTROL_HALT
from tests import keyed
from tests.fuzz.campaign import Harness, Reader
from tests.fuzz.exchange_readers import storable
from tests.fuzz.mutator import AMOUNTS, NUMBERS, TEXTS, Mutator
from tests.fuzz.running import running_in_turns
from tests.made import NOW_NS
from tests.order_path import memory_log
from tests.signing_desk import Desk, desk_in, line_of
from tests.worlds import running

_ANSWER_S_MAX: Final = 60
_FRESH: Final = 400
_TOKEN: Final = "a-long-secret-of-alertmanager"
_ALERTS: Final = orjson.dumps(
    {
        "version": "4",
        "status": "firing",
        "receiver": "spark",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "ErrorBudgetBurnt", "severity": "x", "action": "kill"},
                "annotations": {"summary": "error budget burnt"},
                "startsAt": "2026-11-21T07:00:00Z",
            },
            {"status": "resolved", "labels": {"action": "kill"}, "startsAt": "1"},
        ],
    }
)
_TYPED: Final = (
    *AMOUNTS, *(one.text for one in NUMBERS), *TEXTS, "30s", "5m", "1h", "1.5d", "90", "100ms",
    "2026-10-28T12:45", "2026-10-28T12:45+03:00", "9999-12-31T23:59:59+00:00",
    "0001-01-01T00:00:00+23:59", "binance:main", "max_order_usd=5", "0.01",
    "orders_per_minute_max=5", "order_notional_usd_max=12.5", "exposure_usd_max=none",
    "trickle_symbols=BTCUSDT,ETHUSDT",
)  # fmt: skip
_NS_PER_S: Final = 10**9


def _span(text: str) -> object:
    seconds = parse_duration(text)
    # What callers make of it: a timeout, and a life on the log.
    storable(int(seconds * _NS_PER_S))
    return round(seconds)


def _placing(text: str) -> object:
    found = Placing.of(
        symbol=text if "." not in text else "BTCUSDT",
        side=Side.BUY,
        quantity=text if "." in text else "1",
        limit=text,
        time_in_force=TimeInForce.GTC,
        account="binance:main",
        ttl_s=5.0,
    )
    storable((found.wish.quantity, found.wish.price, found.ttl_ns, found.wish.symbol))
    return found


def _limits(text: str) -> object:
    found = read_assignments([text])
    storable(found)
    return found


def _moment(text: str) -> object:
    at_ns = parse_moment(text)
    storable(at_ns)
    return at_ns


_TYPERS: Final[tuple[Callable[[str], object], ...]] = (
    _span, _moment, _limits, _placing, known_account,
)  # fmt: skip


def _typed() -> Iterator[Harness]:
    def case(random: Random) -> tuple[Callable[[str], object], str]:
        text = random.choice(_TYPED)
        if random.random() < 0.5:
            broken = Mutator(random).broken_bytes(text.encode("utf-8", "replace"))
            # As arguments come: what is no UTF-8 as halves of characters.
            text = broken.replace(b"\0", b"").decode("utf-8", "surrogateescape")
        return random.choice(_TYPERS), text[:300]

    def read(given: tuple[Callable[[str], object], str]) -> bool:
        reader, text = given
        reader(text)
        return True

    yield Harness(case, read)


def _questions() -> Iterator[Harness]:
    signer = keyed.venue_signer()
    samples = tuple(
        line_of(question=question.value, exchange_order_id="7").encode() for question in Question
    )

    def case(random: Random) -> bytes:
        return Mutator(random, samples).case()

    def read(line: bytes) -> bool:
        asked = read_question(line)
        if asked is None:
            return False
        storable(asked.since_ns)
        try:
            request = signer.ask(asked, NOW_NS)
        except VenueCannotError:
            return False
        orjson.dumps(request)
        return True

    yield Harness(case, read)


def _signing_socket() -> Iterator[Harness]:
    good = line_of().encode()

    async def start(stack: AsyncExitStack, place: Path) -> Desk:
        desk = await desk_in(place)
        await stack.enter_async_context(desk.served())
        return desk

    async def ask(desk: Desk, line: bytes) -> bool:
        async with asyncio.timeout(_ANSWER_S_MAX):
            reader, writer = await asyncio.open_unix_connection(desk.path)
            said = b""
            try:
                writer.write(line + b"\n")
                writer.write_eof()
                said = await reader.read()
            except ConnectionError:
                pass
            finally:
                writer.close()
            for one in said.splitlines():
                assert isinstance(orjson.loads(one), dict)
            (answer,) = await desk.ask(good)
            assert b"signature" in answer, "an ordinary question has no answer"
            return b'"method"' in said

    with running_in_turns(start) as (runner, desk, errors):

        def case(random: Random) -> bytes:
            return Mutator(random, (good,)).case()

        def read(line: bytes) -> bool:
            is_signed = bool(runner.run(ask(desk, line)))
            assert not errors.found, errors.found[:1]
            return is_signed

        yield Harness(case, read)


def _signing_client() -> Iterator[Harness]:
    """The gateway's end: whatever stands at the other."""
    request = SignedRequest(
        method="GET", path="/p", query="q", body="", headers={}, final_after_ns=1, stamp_ns=1
    )
    good = orjson.dumps(request)
    said = [good]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said[0])
        writer.close()

    async def start(stack: AsyncExitStack, place: Path) -> SigningClient:
        server = await asyncio.start_unix_server(answer, place / "q.sock")
        stack.callback(server.close)
        return SigningClient(place / "q.sock")

    asked = read_question(line_of().encode())
    assert asked is not None

    with running_in_turns(start) as (runner, client, errors):

        def case(random: Random) -> bytes:
            made = Mutator(random, (good, b'{"error":"not a question"}')).case()
            return made + b"\n" if random.random() < 0.9 else made

        def read(line: bytes) -> bool:
            said[0] = line
            found = runner.run(client.ask(asked))
            assert isinstance(found, SignedRequest)
            for one in (found.method, found.path, found.query, found.body):
                assert isinstance(one, str)
            storable((found.headers, found.final_after_ns, found.stamp_ns))
            assert not errors.found, errors.found[:1]
            return True

        yield Harness(case, read)


def _webhook() -> Iterator[Harness]:
    async def start(
        stack: AsyncExitStack, place: Path
    ) -> tuple[MemoryBroker, aiohttp.ClientSession, str]:
        broker, ready = memory_log(), asyncio.Event()
        (place / "kill.d").mkdir()
        hook = Webhook(
            bus=MemoryBus(broker),
            clock=SystemClock(),
            latch_dir=place / "kill.d",
            token=Token(_TOKEN.encode()),
            instance="here",
            port=0,
            run_dir=place,
            ready=ready,
        )
        await stack.enter_async_context(running(hook.run, ready))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        port = orjson.loads((place / ADDRESS).read_bytes())["port"]
        return broker, session, f"http://127.0.0.1:{port}/alerts"

    async def post(session: aiohttp.ClientSession, url: str, body: bytes) -> int:
        headers = {"Authorization": f"Bearer {_TOKEN}", "Content-Type": "application/json"}
        async with asyncio.timeout(_ANSWER_S_MAX):
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status

    with running_in_turns(start) as (runner, (broker, session, url), errors):

        def case(random: Random) -> bytes:
            return Mutator(random, (_ALERTS,)).case()

        def read(body: bytes) -> bool:
            log = broker.log(Partition(CONTROL_HALT, 0))
            before = len(log)
            status = runner.run(post(session, url, body))
            assert status in {200, 400, 413}, f"HTTP {status}"
            assert not errors.found, errors.found[:1]
            for record in log[before:]:
                halted = decode(record.value or b"")
                assert isinstance(halted, TradingHalted)
                assert len(record.value or b"") < BY_NAME[CONTROL_HALT].message_bytes_max // 4
                assert halted.reason.isprintable()
            return status == 200

        yield Harness(case, read)


def _readers() -> Iterator[Reader]:
    refusals = (typer.BadParameter, RefusedError, VenueUnavailable)
    for name, opened, weight in (
        ("typed", _typed, 2.0),
        ("signing-question", _questions, 1.0),
        ("signing-socket", _signing_socket, 0.5),
        ("signing-client", _signing_client, 0.5),
        ("webhook", _webhook, 0.5),
    ):
        yield Reader(
            f"talk-{name}",
            contextmanager(opened),
            weight=weight,
            refusals=refusals,
            fresh_every=_FRESH,
        )


READERS: Final = tuple(_readers())
