"""
Whom we speak with over TLS: a server whose certificate says that it is the one we asked for.
"""

import asyncio
import base64
import hashlib
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from spark.clock import SystemClock
from spark.consumers.auditor_witness import HttpWitness
from spark.errors import VenueUnavailable, WitnessUnavailable
from spark.exchanges.http import HttpLink
from spark.exchanges.port import NotSentError, SignedRequest
from spark.exchanges.sockets import Sockets
from tests.certificates import Authority
from tests.trails import Trail

_HOST: Final = "127.0.0.1"
_SIGNATURE: Final = "c0ffee"
#: RFC 6455, section 1.3.
_WEBSOCKET: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TRUSTED: Final = Authority("trusted")
_STRANGER: Final = Authority("stranger")


def old_fashioned(place: Path) -> ssl.SSLContext:
    """Serve with a good certificate, and TLS 1.1 at the most."""
    context = _TRUSTED.serving(place, _HOST)
    with warnings.catch_warnings():
        # That it is out of date is the point.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


_SERVERS: Final[dict[str, Callable[[Path], ssl.SSLContext]]] = {
    "expired": lambda place: _TRUSTED.serving(place, _HOST, is_expired=True),
    "another authority": lambda place: _STRANGER.serving(place, _HOST),
    "another host": lambda place: _TRUSTED.serving(place, "api.exchange.example"),
    "TLS 1.1": old_fashioned,
}
is_refused = pytest.mark.parametrize("server", _SERVERS.values(), ids=_SERVERS)


@dataclass(slots=True)
class Peer:
    """A server over TLS, and what it was told."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)

    @property
    def place(self) -> str:
        return f"{_HOST}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.read(1)
        head += await reader.readuntil(b"\r\n\r\n")
        self.heard += head
        _, _, key = head.partition(b"Sec-WebSocket-Key: ")
        if key:
            digest = hashlib.sha1(  # noqa: S324  (the protocol's own)
                key.partition(b"\r\n")[0] + _WEBSOCKET
            ).digest()
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")
            writer.write(b"Connection: Upgrade\r\nSec-WebSocket-Accept: ")
            writer.write(base64.b64encode(digest) + b"\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhere")
        await writer.drain()
        writer.close()


@pytest.fixture(autouse=True)
def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the authority of these tests, in what aiohttp makes for everybody who says nothing."""
    context = aiohttp.connector._make_ssl_context(verified=True)
    context.load_verify_locations(cadata=_TRUSTED.own().decode())
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", context)


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[Peer]:
    peer = Peer()
    listener = await asyncio.start_server(peer.serve, _HOST, 0, ssl=context)
    peer.port = listener.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        listener.close()


@asynccontextmanager
async def linked(peer: Peer) -> AsyncIterator[HttpLink]:
    url = f"https://{peer.place}"
    link = HttpLink("Nobody", url, SystemClock(), connections_max=1, reply_ms_max=5_000)
    try:
        yield link
    finally:
        await link.close()


def place(body: str = "") -> SignedRequest:
    return SignedRequest(
        method="POST",
        path="/order",
        query=f"signature={_SIGNATURE}",
        headers={"X-Signature": _SIGNATURE},
        body=body,
        stamp_ns=0,
        final_after_ns=0,
    )


@is_refused
@pytest.mark.parametrize("body", ["", "quantity=1"])
async def test_n5_an_order_is_not_sent_to_whom_it_is_not_for(
    tmp_path: Path, server: Callable[[Path], ssl.SSLContext], body: str
) -> None:
    """Fault N5: not a byte of HTTP leaves, so the order is not sent, and surely so."""
    asked = []
    async with listening(server(tmp_path)) as peer, linked(peer) as link:
        with pytest.raises(NotSentError) as caught:
            await link.send_once(place(body), lambda: not asked.append("check"))  # type: ignore[func-returns-value]
    assert asked == [], "the last check is asked with the connection in hand"
    assert peer.heard == b""
    assert _SIGNATURE not in repr(caught.value)


@is_refused
async def test_n5_a_question_is_not_asked_of_another(
    tmp_path: Path, server: Callable[[Path], ssl.SSLContext]
) -> None:
    """Fault N5, S18: signed and public ones: unavailable, without address and signature."""
    async with listening(server(tmp_path)) as peer, linked(peer) as link:
        with pytest.raises(VenueUnavailable, match=r"^Nobody cannot be reached$"):
            await link.ask(place())
        with pytest.raises(
            VenueUnavailable, match=r"^Nobody /time: ClientConnector(Certificate|SSL|)Error$"
        ):
            await link.get("/time")
    assert peer.heard == b""


@is_refused
async def test_n5_no_stream_is_opened_to_another(
    tmp_path: Path, server: Callable[[Path], ssl.SSLContext]
) -> None:
    """Fault N5, S18: market data and private streams alike."""
    async with listening(server(tmp_path)) as peer:
        sockets = Sockets("Nobody", f"wss://{peer.place}")
        with pytest.raises(
            VenueUnavailable,
            match=r"^no stream from Nobody: ClientConnector(Certificate|SSL|)Error$",
        ):
            await sockets.connect(f"/stream?signature={_SIGNATURE}")
        await sockets.close()
    assert peer.heard == b""


@is_refused
async def test_n5_nothing_of_the_trail_is_shown_to_another(
    tmp_path: Path, server: Callable[[Path], ssl.SSLContext]
) -> None:
    """Fault N5, S14: whoever is not the witness gets neither token nor trail."""
    anchor = Trail().fence().page(0).sign().anchors[0]
    async with listening(server(tmp_path)) as peer:
        witness = HttpWitness(f"https://{peer.place}", token=_SIGNATURE)
        with pytest.raises(
            WitnessUnavailable, match=r"^witness: ClientConnector(Certificate|SSL|)Error$"
        ):
            await witness.show(anchor)
        await witness.close()
    assert peer.heard == b""


async def test_n5_whom_the_certificate_names_is_spoken_with(tmp_path: Path) -> None:
    """Fault N5: the same four ways, with a certificate as it has to be: all of them arrive."""
    anchor = Trail().fence().page(0).sign().anchors[0]
    async with listening(_TRUSTED.serving(tmp_path, _HOST)) as peer, linked(peer) as link:
        assert (await link.send_once(place("quantity=1"), lambda: True)).status == 200
        assert (await link.ask(place())).body == b"here"
        assert await link.get("/time") == b"here"
        sockets = Sockets("Nobody", f"wss://{peer.place}")
        await (await sockets.connect("/stream")).close()
        await sockets.close()
        witness = HttpWitness(f"https://{peer.place}", token="sesame")
        with pytest.raises(WitnessUnavailable, match="neither a receipt nor a refusal"):
            await witness.show(anchor)
        await witness.close()
    assert bytes(peer.heard).count(b" HTTP/1.1\r\n") == 5
