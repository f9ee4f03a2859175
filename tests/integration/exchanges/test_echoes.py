"""
An exchange, or whoever pretends to be one, that says our own login back to us.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import pytest
from aiohttp import web

from spark.clock import SystemClock
from spark.errors import VenueUnavailable
from spark.exchanges.binance.private_stream import BinancePrivateStream
from spark.exchanges.btcturk.private_stream import BtcturkPrivateStream
from spark.exchanges.port import Asked, PrivateStream, Question, SignedRequest
from spark.names import AccountId, Venue
from tests.contract.venue_scenes import PATIENCE_S, signer_of

_STAMP_NS: Final = 1_800_000_000_000_000_000
#: What comes back for a login's frame, given the frame and the signature in it.
_ECHOES: Final[dict[str, Callable[[str, str], object]]] = {
    "frame": lambda frame, _: json.loads(frame),
    "type": lambda _, signature: [signature, {}],
    "word": lambda _, signature: signature,
    "id": lambda _, signature: {"id": signature, "status": 200},
    "status": lambda _, signature: {"id": 1, "status": signature, "error": signature},
    "event": lambda _, signature: {"subscriptionId": 0, "event": {"e": signature, "E": 1}},
    "refusal": lambda _, signature: {
        "id": 1,
        "status": 400,
        "error": {"code": -1, "msg": signature},
    },
    "answer": lambda _, signature: [114, {"type": 114, "ok": False, "message": signature}],
    "field": lambda _, signature: [114, {"type": 114, "ok": signature, "message": ""}],
}


@asynccontextmanager
async def echoing(echo: Callable[[str, str], object]) -> AsyncIterator[str]:
    """Say something of each frame back, then end."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        opened = web.WebSocketResponse()
        await opened.prepare(request)
        frame = await opened.receive_str()
        await opened.send_str(json.dumps(echo(frame, signature_in(json.loads(frame)))))
        await opened.close()
        return opened

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def signature_in(frame: Any) -> str:  # noqa: ANN401  (JSON)
    """Find the signature of a login."""
    fields = frame[1] if isinstance(frame, list) else frame["params"]
    assert isinstance(fields["signature"], str)
    return fields["signature"]


def stream_of(venue: Venue, url: str) -> PrivateStream:
    make = BinancePrivateStream if venue is Venue.BINANCE else BtcturkPrivateStream
    return make(url, SystemClock(), silence_s_max=1.0)


async def listen(stream: PrivateStream, login: SignedRequest) -> None:
    """Log in, and listen until it ends."""

    async def log_in() -> SignedRequest:
        return login

    async with asyncio.timeout(PATIENCE_S), aclosing(stream.news(log_in)) as news:  # type: ignore[type-var]
        async for _ in news:
            pass


@pytest.mark.parametrize("venue", [Venue.BINANCE, Venue.BTCTURK])
@pytest.mark.parametrize("echo", sorted(_ECHOES))
async def test_s18_what_is_said_back_comes_out_in_no_error(venue: Venue, echo: str) -> None:
    """
    S18: neither signature nor key id nor a part of either, whatever is made of the login.

    Fault X1.
    """
    asked = Asked(question=Question.LOGIN, account=AccountId(f"{venue}:main"))
    login = signer_of(venue).ask(asked, _STAMP_NS)
    signature = signature_in(json.loads(login.body))
    async with echoing(_ECHOES[echo]) as url:
        stream = stream_of(venue, url)
        with pytest.raises(VenueUnavailable) as caught:
            await listen(stream, login)
        await stream.close()
    assert signature[:8] not in str(caught.value)
    assert caught.value.__cause__ is None
