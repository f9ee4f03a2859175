"""
What a client may take of a listener of ours.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from spark.worker import listener
from spark.worker.listener import body_of, listening

_ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


class Desk:
    """Answers at once, or when told to."""

    def __init__(self) -> None:
        self.asked, self.told = asyncio.Event(), asyncio.Event()
        self.carried_out = 0

    async def answer(self, _: web.Request) -> web.Response:
        return web.Response(text="here")

    async def work(self, _: web.Request) -> web.Response:
        self.asked.set()
        await self.told.wait()
        self.carried_out += 1
        return web.Response(text="done")

    async def take(self, request: web.Request) -> web.Response:
        return web.Response(text=(await body_of(request)).decode())

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        app = web.Application()
        app.router.add_get("/", self.answer)
        app.router.add_get("/work", self.work)
        app.router.add_post("/", self.take)
        async with listening(app, ("127.0.0.1", 0), stop_s_max=1) as port:
            yield port


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self) -> None:
        self.writer.write(_ASK)
        await self.reader.readuntil(b"here")

    async def is_cut(self) -> bool:
        """Wait for its end."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True
        finally:
            self.writer.close()


async def connected(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


async def test_x2_the_newest_comes_in_at_the_cost_of_the_oldest() -> None:
    """Fault X2: so many connections and no more, and never at the cost of who comes now."""
    async with Desk().listening() as port:
        clients = []
        for _ in range(listener.CONNECTIONS_MAX + 3):
            clients.append(await connected(port))
            await clients[-1].ask()
        for client in clients[:3]:
            assert await client.is_cut()
        for client in clients[3:]:
            await client.ask()
            client.writer.close()


async def test_x2_a_request_that_came_whole_is_carried_out() -> None:
    """Fault X2: what is being done is done, also where a flood took its connection."""
    desk = Desk()
    async with desk.listening() as port:
        worker = await connected(port)
        worker.writer.write(_ASK.replace(b"/ ", b"/work "))
        await desk.asked.wait()
        clients = [await connected(port) for _ in range(listener.CONNECTIONS_MAX)]
        for client in clients:
            await client.ask()
        assert await worker.is_cut()
        assert desk.carried_out == 0
        desk.told.set()
        await clients[-1].ask()
        assert desk.carried_out == 1
        for client in clients:
            client.writer.close()


async def test_x2_a_body_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fault X2: 408 says so, and the next one is served."""
    monkeypatch.setattr(listener, "REQUEST_S_MAX", 0.2)
    async with Desk().listening() as port:
        half = await connected(port)
        half.writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nhalf")
        assert b"408" in await half.reader.readline()
        whole = await connected(port)
        whole.writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nhere")
        await whole.reader.readuntil(b"here")
        for client in (half, whole):
            client.writer.close()
