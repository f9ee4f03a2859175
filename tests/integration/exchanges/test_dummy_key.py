"""
S5: what paper and shadow sign is worth nothing: the exchange refuses every word of it.
"""

import aiohttp
import pytest
from yarl import URL

from spark.clock import SystemClock
from spark.exchanges.binance.auth import API_KEY_HEADER
from spark.exchanges.binance.client import BinanceOrders
from spark.exchanges.binance.signer import DUMMY_API_KEY
from spark.exchanges.port import (
    About,
    Answer,
    Asked,
    OrderSigner,
    Question,
    SignedRequest,
)
from spark.exchanges.simulator.server import Running
from spark.ids import client_order_id
from spark.names import TradingMode
from tests import keyed
from tests.hops import Chain, intent_written
from tests.made import ACCOUNT, STRATEGY, SYMBOL, cancel, place
from tests.simulated_venue import FULL, Client

_REJECTED_KEY = -2015
_INVALID_SIGNATURE = -1022


def requests_of(signer: OrderSigner) -> dict[str, SignedRequest]:
    """Sign a place, its cancel and a question, now."""
    chain = Chain()
    placed = chain.decide(intent_written(place()))
    dropped = chain.decide(intent_written(cancel(place())), offset=1)
    now_ns = SystemClock().wall_ns()
    asked = Asked(
        question=Question.ORDER,
        account=ACCOUNT,
        symbol=SYMBOL,
        client_order_id=client_order_id(ACCOUNT, STRATEGY, place().intent_id),
    )
    return {
        "place": signer.place(placed, now_ns),  # type: ignore[arg-type]
        "cancel": signer.cancel(dropped, now_ns, exchange_order_id=""),  # type: ignore[arg-type]
        "query": signer.ask(asked, now_ns),
    }


async def sent(
    session: aiohttp.ClientSession, venue: Running, request: SignedRequest, api_key: str
) -> int:
    """Send exactly this under a key; give the exchange's error code, 0 for success."""
    async with session.request(
        request.method,
        URL(f"{venue.url}{request.path}?{request.query}", encoded=True),
        headers={API_KEY_HEADER: api_key},
        allow_redirects=False,
    ) as response:
        body = await response.json()
    return int(body.get("code", 0))


@pytest.mark.parametrize("what", ["place", "cancel", "query"])
async def test_s5_the_exchange_refuses_each_dummy_signature(
    what: str, session: aiohttp.ClientSession, venue: Running, client: Client
) -> None:
    """S5: nobody's key; and under a key that trades, a signature that is not its own."""
    request = requests_of(keyed.dummy_signer())[what]
    assert request.headers == {API_KEY_HEADER: DUMMY_API_KEY}
    assert await sent(session, venue, request, DUMMY_API_KEY) == _REJECTED_KEY
    assert await sent(session, venue, request, FULL[0]) == _INVALID_SIGNATURE
    entries = (await client.judge("GET", "/ledger"))["entries"]
    assert [one for one in entries if one["kind"] == "order"] == []


async def test_the_same_words_under_the_trade_key_are_an_order(
    session: aiohttp.ClientSession, venue: Running
) -> None:
    """The test before proves something: it is the key alone that the exchange refuses."""
    request = requests_of(keyed.venue_signer())["place"]
    assert await sent(session, venue, request, FULL[0]) == 0


async def test_s5_a_gateway_gone_wrong_places_nothing_with_it(venue: Running) -> None:
    """S5: sent by the gateway's own client, the request is a documented refusal."""
    orders = BinanceOrders(venue.url, SystemClock(), concurrency_max=1, reply_ms_max=5_000)
    about = About(
        account=ACCOUNT,
        strategy=STRATEGY,
        intent_id=place().intent_id,
        client_order_id=client_order_id(ACCOUNT, STRATEGY, place().intent_id),
        symbol=SYMBOL,
        side=place().side,
        quantity=place().quantity,
        mode=TradingMode.SHADOW,
    )
    try:
        request = requests_of(keyed.dummy_signer())["place"]
        outcome = await orders.place(request, about, lambda: True)
    finally:
        await orders.close()
    assert outcome.answer is Answer.REJECTED
