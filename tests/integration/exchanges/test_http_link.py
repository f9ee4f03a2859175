"""
The link to an exchange's host: its address family, and what it holds open.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from spark.clock import SystemClock
from spark.errors import VenueUnavailable
from spark.exchanges.http import HttpLink
from spark.exchanges.port import NotSentError, SignedRequest
from spark.exchanges.sockets import Sockets

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"


class Peer:
    """A server that says its name to each request, and counts."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.connections = 0
        self.together = 0
        self.together_max = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.together += 1
                self.together_max = max(self.together_max, self.together)
                # Others get their turn before this one is answered.
                for _ in range(20):
                    await asyncio.sleep(0)
                self.together -= 1
                writer.write(_ANSWER % (len(self.name), self.name))
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def listening(peer: Peer, host: str, port: int = 0) -> AsyncIterator[int]:
    server = await asyncio.start_server(peer.serve, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def linked(host: str, port: int, connections_max: int = 2) -> AsyncIterator[HttpLink]:
    link = HttpLink(
        "Nobody",
        f"http://{host}:{port}",
        SystemClock(),
        connections_max=connections_max,
        reply_ms_max=5_000,
    )
    try:
        yield link
    finally:
        await link.close()


def question() -> SignedRequest:
    return SignedRequest(
        method="GET", path="/", query="", headers={}, body="", stamp_ns=0, final_after_ns=0
    )


async def test_a4_a_name_is_looked_up_for_ipv4_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A4, fault N1: IPv4: what API keys are bound to, and one address to count limits on."""
    loop, families = asyncio.get_running_loop(), list[int]()
    look_up = loop.getaddrinfo

    async def recorded(*args: Any, **named: Any) -> Any:  # noqa: ANN401  (as the loop's own)
        families.append(named["family"])
        return await look_up(*args, **named)

    monkeypatch.setattr(loop, "getaddrinfo", recorded)
    peer = Peer(b"four")
    async with listening(peer, "127.0.0.1") as port, linked("localhost", port) as link:
        assert (await link.ask(question())).body == b"four"
    assert set(families) == {socket.AF_INET}


async def test_a4_connections_are_kept_alive_and_bounded() -> None:
    """A4: many requests, as many connections as the account has slots, and no more at a time."""
    peer = Peer(b"here")
    async with listening(peer, "127.0.0.1") as port, linked("127.0.0.1", port, 3) as link:
        replies = await asyncio.gather(*(link.ask(question()) for _ in range(60)))
    assert {reply.body for reply in replies} == {b"here"}
    assert peer.connections == 3
    assert peer.together_max == 3


@pytest.mark.parametrize("code", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_ADDRFAMILY])
async def test_n1_without_a_name_nothing_is_sent_and_with_it_all_is_well(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault N1: no such name, no answer, IPv6 alone: unsent, and the last check is not asked."""
    loop = asyncio.get_running_loop()

    async def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "no such name")

    def unasked() -> bool:
        raise AssertionError("there is no connection that a byte could leave by")

    peer = Peer(b"here")
    sockets = Sockets("Nobody", "ws://nobody.example/")
    async with listening(peer, "127.0.0.1") as port, linked("localhost", port) as link:
        with monkeypatch.context() as patch:
            patch.setattr(loop, "getaddrinfo", nobody)
            with pytest.raises(NotSentError):
                await link.send_once(question(), unasked)
            for asked in (link.ask(question()), link.get("/"), sockets.connect("")):
                with pytest.raises(VenueUnavailable) as caught:
                    await asked
                assert "nobody.example" not in str(caught.value)
        assert (await link.ask(question())).body == b"here"
    await sockets.close()


async def test_n1_who_is_connected_does_not_ask_for_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fault N1: an open connection goes on while names fail."""
    loop = asyncio.get_running_loop()

    async def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    peer = Peer(b"here")
    async with listening(peer, "127.0.0.1") as port, linked("localhost", port) as link:
        await link.ask(question())
        monkeypatch.setattr(loop, "getaddrinfo", nobody)
        for _ in range(3):
            assert (await link.ask(question())).body == b"here"
    assert peer.connections == 1
