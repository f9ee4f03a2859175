"""
The way to an exchange's sockets: what a refusal asks for, and what an error says of it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from spark.errors import VenueUnavailable
from spark.exchanges.sockets import Sockets

_SECRET_PATH: Final = "/stream?signature=c0ffee"


@asynccontextmanager
async def answering(head: str) -> AsyncIterator[Sockets]:
    """Answer each handshake with this head."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sockets = Sockets("Nobody", f"ws://127.0.0.1:{port}/")
    try:
        yield sockets
    finally:
        await sockets.close()
        server.close()


@pytest.mark.parametrize(
    ("head", "retry_after_s", "is_address_limited"),
    [
        ("429 Too Many Requests\r\nRetry-After: 7", 7, True),
        ("418 I'm a teapot\r\nRetry-After: 120", 120, True),
        ("429 Too Many Requests", 0, True),
        ("403 Forbidden", 0, False),
    ],
)
async def test_a4_a_refused_handshake_says_how_long_to_stay_away(
    head: str, retry_after_s: int, *, is_address_limited: bool
) -> None:
    """
    A4: `Retry-After` counts for sockets too, at every exchange; S18: no address in it.

    Fault M3.
    """
    async with answering(head) as sockets:
        with pytest.raises(VenueUnavailable) as caught:
            await sockets.connect(_SECRET_PATH)
    error = caught.value
    assert (error.retry_after_s, error.is_address_limited) == (retry_after_s, is_address_limited)
    assert str(error) == f"no stream from Nobody: HTTP {head[:3]}"
    # Whoever prints what led to it finds nothing either.
    assert error.__cause__ is None
    assert error.__suppress_context__


async def test_s18_a_host_that_is_not_there_is_named_by_no_address() -> None:
    """S18, fault N1: an error carries the class, never the address; nor does closing twice fail."""
    sockets = Sockets("Nobody", "ws://127.0.0.1:1")
    with pytest.raises(VenueUnavailable, match=r"^no stream from Nobody: ClientConnectorError$"):
        await sockets.connect(_SECRET_PATH)
    await sockets.close()
    await sockets.close()
