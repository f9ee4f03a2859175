"""
Spark's own Binance wire against the simulated venue, which shares no code with it.
"""

import gzip
import time
from collections import Counter
from decimal import Decimal
from typing import Final

import aiohttp
import pytest

from spark.exchanges.answers import Accepted, Doubt, RateLimited, Unknown
from spark.exchanges.binance.auth import Params, SecretKey, signed_query
from spark.exchanges.binance.wire_account import (
    ACCOUNT_PATH,
    TRADES_PATH,
    account_params,
    balances,
    fills,
    orders,
    trades_params,
)
from spark.exchanges.binance.wire_answers import (
    Answer,
    ClockRefused,
    Rejected,
    classify,
    classify_as,
)
from spark.exchanges.binance.wire_info import exchange_info, server_time
from spark.exchanges.binance.wire_market import (
    BookTicker,
    DepthUpdate,
    Trade,
    depth_snapshot,
    parse_frame,
)
from spark.exchanges.binance.wire_orders import (
    OPEN_ORDERS_PATH,
    ORDER_PATH,
    Place,
    Stamp,
    VenueStatus,
    cancel_params,
    open_orders_params,
    place_params,
    query_params,
)
from spark.exchanges.http import seconds_away
from spark.exchanges.simulator.server import Running
from spark.names import OrderType, Side, TimeInForce
from tests.recordings import recorded
from tests.simulated_venue import FULL, Client, Reply

KEY: Final = SecretKey(FULL[1].encode())


def stamp(*, late_ms: int = 0) -> Stamp:
    return Stamp(timestamp_ms=time.time_ns() // 1_000_000 - late_ms, recv_window_ms=5_000)


def order(client_id: str, **changes: object) -> Place:
    fields: dict[str, object] = {
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "quantity": Decimal("0.01"),
        "price": Decimal(60_000),
        "client_order_id": client_id,
        **changes,
    }
    return Place(**fields)  # type: ignore[arg-type]


async def send(client: Client, method: str, path: str, *, params: Params) -> Reply:
    return await client.raw(method, path, signed_query(KEY, params))


async def place(client: Client, client_id: str, **changes: object) -> Answer:
    params = place_params(order(client_id, **changes), stamp())
    reply = await send(client, "POST", ORDER_PATH, params=params)
    return classify(reply.status, reply.content, retry_after_s=seconds_away(reply.headers))


async def query(client: Client, client_id: str) -> Answer:
    reply = await send(
        client, "GET", ORDER_PATH, params=query_params("BTCUSDT", client_id, stamp())
    )
    return classify(reply.status, reply.content)


async def test_an_order_is_placed_queried_listed_and_cancelled(client: Client) -> None:
    """Each request is accepted as signed, and each reply says what was done."""
    placed = await place(client, "a-1")
    assert isinstance(placed, Accepted)
    assert placed.reply.client_order_id == "a-1"
    assert await query(client, "a-1") == placed
    reply = await send(
        client, "GET", OPEN_ORDERS_PATH, params=open_orders_params("BTCUSDT", stamp())
    )
    listed = classify_as(orders, reply.status, reply.content)
    assert isinstance(listed, Accepted)
    assert [one.exchange_order_id for one in listed.reply] == [str(placed.reply.order_id)]
    reply = await send(
        client, "DELETE", ORDER_PATH, params=cancel_params("BTCUSDT", "a-1", stamp())
    )
    cancelled = classify(reply.status, reply.content)
    assert isinstance(cancelled, Accepted)
    assert cancelled.reply.client_order_id == "a-1"
    assert cancelled.reply.progress is not None
    assert cancelled.reply.progress.status is VenueStatus.CANCELED


async def test_trades_and_balances_add_up(client: Client) -> None:
    """A fill's reply, the trades listed later and the balances say the same."""
    market = {"order_type": OrderType.MARKET, "time_in_force": None, "price": None}
    filled = await place(client, "a-1", quantity=Decimal(1), **market)
    assert isinstance(filled, Accepted)
    params = trades_params("BTCUSDT", stamp(), order_id=filled.reply.order_id)
    reply = await send(client, "GET", TRADES_PATH, params=params)
    trades = classify_as(fills, reply.status, reply.content)
    assert isinstance(trades, Accepted)
    assert [(one.trade_id, one.price, one.quantity, one.commission) for one in trades.reply] == [
        (str(one.trade_id), one.price, one.quantity, one.commission)
        for one in filled.reply.executions
    ]
    reply = await send(client, "GET", ACCOUNT_PATH, params=account_params(stamp()))
    account = classify_as(balances, reply.status, reply.content)
    assert isinstance(account, Accepted)
    assert {one.asset: one.free for one in account.reply}["BTC"] == Decimal("10.999")


@pytest.mark.parametrize(
    ("fault", "wanted", "exists"),
    [
        ("error_5xx_after", Unknown(Doubt.SERVER_ERROR, 504), True),
        ("error_5xx_before", Unknown(Doubt.SERVER_ERROR, 502), False),
        ("garble", Unknown(Doubt.UNREADABLE, 200), True),
        ("reject_429", RateLimited(429, 1), False),
    ],
)
async def test_a8_a_faulty_answer_proves_nothing(
    client: Client, fault: str, wanted: Answer, *, exists: bool
) -> None:
    """A8: the same doubt whether or not the order exists; only a query tells."""
    await client.judge("POST", "/faults", {"kind": fault})
    assert await place(client, "a-1") == wanted
    found = await query(client, "a-1")
    if exists:
        assert isinstance(found, Accepted)
    else:
        assert isinstance(found, Rejected)
        assert found.token == "NO_SUCH_ORDER"


async def test_a_duplicate_is_unknown_because_an_order_is_there(client: Client) -> None:
    """-2010 'Duplicate order sent.' proves existence, so it is no reject."""
    await place(client, "a-1")
    again = await place(client, "a-1")
    assert again == Unknown(Doubt.DUPLICATE, 400, -2010)


@pytest.mark.parametrize(
    ("changes", "token"),
    [
        ({"price": Decimal("60000.001")}, "FILTER_PRICE_FILTER"),
        ({"quantity": Decimal("0.000011")}, "FILTER_LOT_SIZE"),
        ({"quantity": Decimal("0.00001")}, "FILTER_NOTIONAL"),
        ({"quantity": Decimal(100)}, "INSUFFICIENT_BALANCE"),
        ({"symbol": "XXXYYY"}, "BAD_SYMBOL"),
    ],
)
async def test_refusals_keep_their_reason(
    client: Client, changes: dict[str, object], token: str
) -> None:
    """Fault V8: a definite reject tells which rule it was."""
    answer = await place(client, "a-1", **changes)
    assert isinstance(answer, Rejected)
    assert answer.token == token


async def test_a_late_request_is_the_clocks_fault(client: Client) -> None:
    """-1021 is a class of its own, and nothing was done."""
    params = place_params(order("a-1"), stamp(late_ms=20_000))
    reply = await send(client, "POST", ORDER_PATH, params=params)
    assert isinstance(classify(reply.status, reply.content), ClockRefused)
    assert isinstance(await query(client, "a-1"), Rejected)


async def test_public_replies_are_read(client: Client) -> None:
    """Time, rules and depth of the simulated venue are what the decoders expect."""
    assert server_time((await client.public("/api/v3/time")).content) > 0
    info = exchange_info((await client.public("/api/v3/exchangeInfo")).content)
    (btc,) = [one for one in info.instruments if one.symbol == "BTCUSDT"]
    assert btc.is_trading
    assert (btc.tick_size, btc.step_size) == (Decimal("0.01"), Decimal("0.00001"))
    assert (btc.quantity_min, btc.notional_min) == (Decimal("0.00001"), Decimal(5))
    depth = depth_snapshot((await client.public("/api/v3/depth", symbol="BTCUSDT")).content)
    assert len(depth.bids) == len(depth.asks) == 40


async def test_every_frame_of_the_seeded_market_is_read(
    session: aiohttp.ClientSession, client: Client, venue: Running
) -> None:
    """Each kind of frame that the venue makes is one that the decoder knows."""
    streams = "btcusdt@bookTicker/btcusdt@trade/btcusdt@depth@100ms"
    seen: set[type] = set()
    async with session.ws_connect(f"{venue.stream_url}/stream?streams={streams}") as socket:
        await place(client, "a-1", price=Decimal(62_000))
        while seen != {BookTicker, Trade, DepthUpdate}:
            seen.add(type(parse_frame(await socket.receive_str())))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "binance-spot-btcusdt-20240808.frames.gz",
            {"BookTicker": 28_040, "Trade": 9_757, "DepthUpdate": 3_451, "snapshot": 1},
        ),
        (
            "binance-spot-ethusdt-20240808.frames.gz",
            {"BookTicker": 24_077, "Trade": 6_106, "DepthUpdate": 3_434, "snapshot": 1},
        ),
    ],
)
def test_every_recorded_frame_is_read(name: str, wanted: dict[str, int]) -> None:
    """What the real venue sent is what the decoder takes; ids chain as documented."""
    counts: Counter[str] = Counter()
    last_id = 0
    with gzip.open(recorded(name), "rb") as file:
        for line in file:
            frame = line.partition(b" ")[2]
            if frame.startswith(b'{"lastUpdateId"'):
                assert len(depth_snapshot(frame).bids) > 100
                counts["snapshot"] += 1
                continue
            event = parse_frame(frame)
            counts[type(event).__name__] += 1
            if isinstance(event, DepthUpdate):
                assert last_id in (0, event.first_id - 1)
                last_id = event.last_id
    assert counts == wanted
