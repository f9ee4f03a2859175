"""
Binance's private side through its adapters: what the read key opens, and how a stream ends.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import pytest
from aiohttp import web
from yarl import URL

from spark.clock import SystemClock
from spark.errors import VenueUnavailable
from spark.exchanges.binance.account_client import BinanceAccount
from spark.exchanges.binance.auth import API_KEY_HEADER
from spark.exchanges.binance.client import BinancePublic
from spark.exchanges.binance.private_stream import BinancePrivateStream
from spark.exchanges.binance.wire_account import weight_of
from spark.exchanges.port import Answer, Asked, News, OrderSeen, Question, SignedRequest
from spark.names import Symbol, Venue, VenueOrderState
from tests.contract.venue_scenes import PATIENCE_S, SYMBOL, TAKES, Scene, playing
from tests.venues import about

#: What is asked with each question.
SUBJECTS: Final[dict[Question, dict[str, object]]] = {
    Question.ORDER: {"symbol": SYMBOL, "client_order_id": "one"},
    Question.OPEN_ORDERS: {},
    Question.ORDERS: {"symbol": SYMBOL},
    Question.FILLS: {"symbol": SYMBOL},
    Question.BALANCES: {},
    Question.FEES: {"symbol": SYMBOL},
    Question.LOGIN: {},
}
TRADE_KEY: Final = "T" * 64
_LOGIN_ROUTE: Final = "WS userDataStream.subscribe.signature"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(Venue.BINANCE, tmp_path) as made:
        yield made


@pytest.fixture
async def account(scene: Scene) -> AsyncIterator[BinanceAccount]:
    made = BinanceAccount(scene.simulator.url, SystemClock(), reply_ms_max=2_000)
    yield made
    await made.close()


StreamAt = Callable[[str], BinancePrivateStream]


@pytest.fixture
async def stream_at() -> AsyncIterator[StreamAt]:
    made: list[BinancePrivateStream] = []

    def make(url: str) -> BinancePrivateStream:
        made.append(BinancePrivateStream(url, SystemClock(), silence_s_max=0.3))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
def stream(scene: Scene, stream_at: StreamAt) -> BinancePrivateStream:
    return stream_at(scene.simulator.stream_url)


def signed_text(request: SignedRequest) -> str:
    """Give what a question's signature stands over, with it."""
    if request.query:
        return request.query
    params: dict[str, Any] = orjson.loads(request.body)["params"]
    return "&".join(f"{name}={value}" for name, value in sorted(params.items()))


@pytest.mark.parametrize("question", Question)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("api_key", ["", TRADE_KEY])
async def test_s4_no_question_opens_a_place_or_a_cancel(
    scene: Scene, question: Question, method: str, api_key: str
) -> None:
    """
    S4: whatever the read key signs, replayed on a place or a cancel, is refused there.

    Fault S1.
    """
    await scene.place(scene.order())
    request = scene.ask(question, **SUBJECTS[question])
    key = api_key or request.headers.get(API_KEY_HEADER) or "R" * 64
    place = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.1"
    cancel = f"symbol=BTCUSDT&origClientOrderId={scene.order().client_order_id}"
    for first in ("", place if method == "POST" else cancel):
        text = "&".join(filter(None, (first, signed_text(request))))
        async with aiohttp.ClientSession() as session:
            url = URL(f"{scene.simulator.url}/api/v3/order?{text}", encoded=True)
            async with session.request(method, url, headers={API_KEY_HEADER: key}) as reply:
                assert reply.status in {400, 401}
                assert orjson.loads(await reply.read())["code"] < 0
    assert [one["status"] for one in await scene.entries("order")] == ["open"]


@pytest.mark.parametrize("question", Question)
async def test_s4_every_question_is_signed_with_the_read_key(
    scene: Scene, question: Question
) -> None:
    """S4: neither the trade key's id nor a signature of its stands in a question."""
    request = scene.ask(question, **SUBJECTS[question])
    told = f"{request.headers}{request.query}{request.body}"
    assert TRADE_KEY not in told
    assert "R" * 64 in told
    assert "signature" in told


async def test_trap_10_the_stream_tells_of_an_order_that_timed_out(
    scene: Scene, stream: BinancePrivateStream
) -> None:
    """
    Trap 10: -1007 is unknown, the order is there, and the stream says so before any retry.

    Fault V2.
    """
    async with aclosing(stream.news(scene.log_in)) as news:  # type: ignore[type-var]
        assert await anext(news) == ()
        await scene.arm("error_5xx_after", route=scene.place_route)
        outcome = await scene.place(scene.order())
        assert (outcome.answer, outcome.evidence) == (Answer.UNKNOWN, ())
        (seen,) = await anext(news)
    assert isinstance(seen, OrderSeen)
    assert (seen.client_order_id, seen.state) == (
        scene.order().client_order_id,
        VenueOrderState.OPEN,
    )


async def test_trap_11_an_order_that_is_not_found_is_absent_and_no_more(scene: Scene) -> None:
    """Trap 11: -2013 ends nothing by itself: no evidence, and an answer of its own."""
    order = scene.order()
    question = scene.ask(Question.ORDER, symbol=SYMBOL, client_order_id=order.client_order_id)
    outcome = await scene.orders.query(question, about(order))
    assert (outcome.answer, outcome.evidence) == (Answer.ABSENT, ())


@pytest.mark.parametrize("offset_ms", [-3_000, 25_000], ids=["ahead of it", "behind it"])
async def test_traps_12_and_13_stamps_follow_the_venues_clock(scene: Scene, offset_ms: int) -> None:
    """
    Trap 12, trap 13: a stamp of our own clock is refused as such; by the offset it is taken.

    Fault C1.
    """
    await scene.set_clock(offset_ms)
    late = await scene.place(scene.order())
    assert late.answer is Answer.REJECTED
    assert [getattr(one, "code", "") for one in late.evidence] == ["-1021"]
    assert await scene.entries("order") == []
    reading = await scene.public.clock()
    order = scene.order()
    request = scene.signer.place(order, scene.stamp() + reading.offset_ns)
    outcome = await scene.orders.place(request, about(order), lambda: True)
    assert outcome.answer is Answer.DEFINITE


async def test_trap_14_each_answer_says_what_the_address_has_spent(
    scene: Scene, account: BinanceAccount
) -> None:
    """Trap 14: the venue's own count, from whichever process asked last."""
    placed = await scene.place(scene.order())
    assert placed.weight_used == 0
    await account.balances(scene.ask(Question.BALANCES))
    assert account.weight_used == 20
    refused = await scene.place(scene.order("two", quantity=Decimal("0.000001")))
    assert (refused.answer, refused.weight_used) == (Answer.REJECTED, 21)


@pytest.mark.parametrize(
    ("question", "more"),
    [
        *((one, {}) for one in Question if one is not Question.LOGIN),
        (Question.OPEN_ORDERS, {"symbol": SYMBOL}),
    ],
)
async def test_trap_14_what_a_question_weighs_is_what_the_exchange_counts(
    scene: Scene, account: BinanceAccount, question: Question, more: dict[str, Symbol]
) -> None:
    """Trap 14: whoever asks plans with the exchange's own figures."""
    fields: dict[str, Any] = {"account": scene.account, **SUBJECTS[question], **more}
    expected = weight_of(Asked(question=question, **fields))
    asks: dict[Question, Callable[[SignedRequest], Awaitable[object]]] = {
        Question.FILLS: account.fills,
        Question.BALANCES: account.balances,
        Question.FEES: account.fees,
    }
    await account.balances(scene.ask(Question.BALANCES))
    before = account.weight_used
    await asks.get(question, account.orders)(scene.ask(question, **SUBJECTS[question], **more))
    assert account.weight_used - before == expected


async def test_trap_14_who_goes_on_is_banned_and_knows_for_how_long(
    scene: Scene, account: BinanceAccount
) -> None:
    """
    Trap 14: 429 and then 418 concern the address, with the wait that the venue asked for.

    Fault V3.
    """
    await scene.arm("storm_429", route="*", ms=60_000)
    limited = await scene.place(scene.order())
    assert (limited.answer, limited.is_address_limited) == (Answer.REJECTED, True)
    assert 0 < limited.retry_after_s <= 60
    with pytest.raises(VenueUnavailable, match="HTTP 418") as banned:
        await account.balances(scene.ask(Question.BALANCES))
    assert banned.value.is_address_limited
    assert 0 < banned.value.retry_after_s <= 60


@pytest.mark.parametrize("kind", ["maintenance", "slow_loris", "truncate", "garble"])
async def test_a_question_without_an_answer_is_asked_again_by_whoever_asked(
    scene: Scene, account: BinanceAccount, kind: str
) -> None:
    """A12, fault N4: no answer is one kind of error; the client itself repeats nothing."""
    route = "GET /api/v3/account"
    await scene.arm(kind, route=route, ms=0 if kind != "slow_loris" else 600_000)
    with pytest.raises(VenueUnavailable):
        await account.balances(scene.ask(Question.BALANCES))
    assert await scene.requests(route) == 1
    assert await account.balances(scene.ask(Question.BALANCES))


async def test_candles_and_public_trades_are_asked_for(scene: Scene) -> None:
    """What was traded is told to everybody, as trades and as candles of any length."""
    await scene.place(scene.order(price=TAKES))
    public = BinancePublic(scene.simulator.url, SystemClock(), reply_ms_max=2_000)
    (trade,) = await public.trades(SYMBOL)
    for interval in ("1s", "5m", "1d", "1M"):
        candles = await public.klines(SYMBOL, interval)
        assert {(one.volume, one.close) for one in candles if one.trades} == {
            (trade.quantity, trade.price)
        }
        again = await public.klines(SYMBOL, interval, candles[0].open_ms)
        # A new second may have begun.
        assert again[: len(candles)] == candles
    with pytest.raises(VenueUnavailable):
        await public.klines(SYMBOL, "7m")
    await public.close()


async def heard(stream: BinancePrivateStream, login: Callable[[], Awaitable[SignedRequest]]) -> str:
    """Listen until the stream ends, and give what it ended with."""
    async with asyncio.timeout(PATIENCE_S), aclosing(stream.news(login)) as news:  # type: ignore[type-var]
        try:
            async for _ in news:
                pass
        except VenueUnavailable as ended:
            return str(ended)
    pytest.fail("it ended without a word")


async def test_trap_18_a_mute_stream_is_found(scene: Scene, stream: BinancePrivateStream) -> None:
    """Trap 18: a connection that is open and answers nothing ends here, within its silence."""
    await scene.arm("mute_socket", route="private")
    assert "mute" in await heard(stream, scene.log_in)


async def test_trap_18_a_quiet_stream_that_answers_goes_on(
    scene: Scene, stream: BinancePrivateStream
) -> None:
    """Trap 18: nothing happens to the account, and the venue says that it listens still."""
    async with aclosing(stream.news(scene.log_in)) as news:  # type: ignore[type-var]
        assert await anext(news) == ()
        waiting = asyncio.ensure_future(anext(news))
        async with asyncio.timeout(PATIENCE_S):
            while await scene.requests("WS session.status") < 4:  # noqa: ASYNC110  (over HTTP)
                await asyncio.sleep(0.05)
        assert not waiting.done()
        await scene.place(scene.order())
        assert await waiting


Answers = dict[str, bytes]


async def saying(answers: Answers, request: web.Request) -> web.WebSocketResponse:
    """Answer each method with these bytes."""
    socket = web.WebSocketResponse(heartbeat=0.1)
    await socket.prepare(request)
    async for message in socket:
        answer = answers.get(orjson.loads(message.data)["method"])
        if answer is not None:
            await socket.send_bytes(answer)
    return socket


@pytest.fixture
async def venue_that_says() -> AsyncIterator[Callable[[Answers], Awaitable[str]]]:
    """A WebSocket API that says what a test wants it to."""
    runners: list[web.AppRunner] = []

    async def start(answers: Answers) -> str:
        app = web.Application()
        app.router.add_get("/ws-api/v3", partial(saying, answers))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"ws://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


_SUBSCRIBED: Final = b'{"id":1,"status":200,"result":{"subscriptionId":0}}'


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (b'{"id":2,"status":200,"result":{"userDataStream":false}}', "subscribed to nothing"),
        (b'{"id":2,"status":400,"error":{"code":-1102,"msg":"x"}}', "status 400, code -1102"),
        (b'{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}', "ended"),
        (b'{"event":{"e":"serverShutdown","E":1}}', "ended"),
        (b'{"subscriptionId":0,"event":{"e":"executionReport","E":1}}', "not to be read"),
        (b"\xff", "not to be read"),
    ],
)
async def test_a_stream_that_cannot_be_trusted_ends(
    scene: Scene,
    stream_at: StreamAt,
    venue_that_says: Callable[[Answers], Awaitable[str]],
    status: bytes,
    said: str,
) -> None:
    """C5: open, but over, dead or not understood: what was missed is then not known."""
    url = await venue_that_says(
        {"userDataStream.subscribe.signature": _SUBSCRIBED, "session.status": status}
    )
    assert said in await heard(stream_at(url), scene.log_in)


async def test_a_limited_stream_stays_open_and_asks_no_more(
    scene: Scene, stream: BinancePrivateStream
) -> None:
    """A4: a question that is refused for its weight ends nothing, and is not asked again."""
    route = "WS session.status"
    async with aclosing(stream.news(scene.log_in)) as news:  # type: ignore[type-var]
        assert await anext(news) == ()
        await scene.arm("reject_429", route=route, ms=600_000)
        waiting = asyncio.ensure_future(anext(news))
        await scene.used_up()
        # Several times the stream's own patience.
        await asyncio.wait({waiting}, timeout=1.2)
        assert await scene.requests(route) == 1
        await scene.place(scene.order())
        (seen,) = await waiting
    assert isinstance(seen, OrderSeen)


async def test_trap_18_pings_alone_are_no_sign_of_life(
    scene: Scene, stream_at: StreamAt, venue_that_says: Callable[[Answers], Awaitable[str]]
) -> None:
    """Trap 18: the socket pings and the stream is dead: nobody answers what is asked."""
    url = await venue_that_says({"userDataStream.subscribe.signature": _SUBSCRIBED})
    assert "mute" in await heard(stream_at(url), scene.log_in)


@pytest.mark.parametrize("fault", ["invalid_nonce", "maintenance", "error_5xx_before"])
async def test_a_login_that_is_refused_is_told(
    scene: Scene, stream: BinancePrivateStream, fault: str
) -> None:
    """Whoever listens begins again with another login; the reason is the venue's code."""
    await scene.arm(fault, route=_LOGIN_ROUTE)
    assert "code -" in await heard(stream, scene.log_in)
    assert len(scene.logins) == 1


async def test_a_login_during_a_storm_says_how_long_to_stay_away(
    scene: Scene, stream: BinancePrivateStream
) -> None:
    """A4: the wait comes with the error, whether the connection or the login was refused."""
    for route in (_LOGIN_ROUTE, "GET /ws-api/v3"):
        await scene.arm("reject_429", route=route, ms=60_000)
        news: AsyncIterator[tuple[News, ...]] = stream.news(scene.log_in)
        with pytest.raises(VenueUnavailable) as limited:
            await anext(news)
        assert limited.value.is_address_limited
        assert 0 < limited.value.retry_after_s <= 60
