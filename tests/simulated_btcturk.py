"""
A plain client of the simulated BTCTurk: REST and the socket, with its own signing.

A test of the venue must not share code with what the venue is there to test.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import aiohttp
import orjson

from spark.exchanges.simulator.server import Running
from tests import simulated
from tests.simulated import Asker, Key, Keys, write_keys_file

#: (public key, secret) by what they may do.
FULL: Final = ("full-key", base64.b64encode(b"full-secret").decode())
READ: Final = ("read-key", base64.b64encode(b"read-secret").decode())
TRADE: Final = ("trade-key", base64.b64encode(b"trade-secret").decode())
OTHER: Final = ("other-key", base64.b64encode(b"other-secret").decode())
_KEYS: Final = Keys(FULL, READ, TRADE, OTHER).listed(
    balances={"TRY": "1000000", "BTC": "1", "USDT": "100000"},
    others={"TRY": "5000"},
)
_SILENCE_S: Final = 0.3
_T = TypeVar("_T")


def write_keys(directory: Path) -> Path:
    """Write a keys file as the simulator wants it."""
    return write_keys_file(directory / "btcturk-keys.json", _KEYS)


def signature(secret: str, text: str) -> str:
    """Sign as the documents say: over the key's name and the stamp or nonce."""
    made = hmac.new(base64.b64decode(secret), text.encode(), hashlib.sha256)
    return base64.b64encode(made.digest()).decode()


class Stamps:
    """Stamps of now, each above the last one, whichever key it is for."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """Give the next."""
        self._last = max(time.time_ns() // 1_000_000, self._last + 1)
        return self._last


STAMPS: Final = Stamps()


def headers_of(key: tuple[str, str], stamp: object) -> dict[str, str]:
    """Give the three headers."""
    signed = signature(key[1], f"{key[0]}{stamp}")
    return {"X-PCK": key[0], "X-Stamp": str(stamp), "X-Signature": signed}


@dataclass(frozen=True, slots=True)
class Reply(simulated.Reply):
    """What came back."""

    @property
    def data(self) -> Any:  # noqa: ANN401  (whatever the venue wrote)
        """What a success wraps."""
        assert (self.status, self.json["success"]) == (200, True), self.content
        return self.json["data"]

    @property
    def refusal(self) -> tuple[int, int, str]:
        """HTTP status, code and token."""
        return self.status, self.json["code"], self.json["message"]


class Client(Asker):
    """One key at one running simulator."""

    def __init__(self, session: aiohttp.ClientSession, venue: Running, key: Key = FULL) -> None:
        super().__init__(session, venue, key)

    async def public(self, path: str, **params: object) -> Reply:
        """Ask without a signature."""
        return await self.raw("GET", path, params)

    async def call(
        self, method: str, path: str, *, stamp: object = None, body: object = None, **params: object
    ) -> Reply:
        """Ask with a signature, stamped now unless a stamp is given."""
        headers = headers_of(self._key, STAMPS.next() if stamp is None else stamp)
        return await self.raw(method, path, params, headers=headers, body=body)

    async def raw(
        self,
        method: str,
        path: str,
        params: Mapping[str, object],
        *,
        headers: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Reply:
        """Send exactly this."""
        query = urlencode(params, doseq=True)
        kind = {"Content-Type": "application/json"} if body is not None else {}
        content = body if isinstance(body, str | None) else json.dumps(body)
        sent = {**kind, **(headers or {})}
        return Reply(*await self._send(method, path, query, headers=sent, body=content))

    async def place(self, **changes: object) -> Reply:
        """Place a limit order far below the market, or whatever `changes` make of it."""
        order: dict[str, object] = {
            "pairSymbol": "BTCTRY",
            "orderMethod": "limit",
            "orderType": "buy",
            "quantity": "0.01",
            "price": "2000000",
            "newOrderClientId": "a-1",
            **changes,
        }
        body = {name: value for name, value in order.items() if value is not None}
        return await self.call("POST", "/api/v1/order", body=body)

    async def cancel(self, order_id: object) -> Reply:
        """Cancel by the venue's id."""
        return await self.call("DELETE", "/api/v1/order", id=order_id)

    async def query(self, order_id: object) -> Reply:
        """Query one order."""
        return await self.call("GET", f"/api/v1/order/{order_id}")

    @asynccontextmanager
    async def socket(self) -> AsyncIterator["Wire"]:
        """Open the socket, past its hello."""
        async with self._session.ws_connect(self._venue.stream_url) as opened:
            wire = Wire(opened)
            assert (await wire.frame())[0] == 991
            yield wire

    @asynccontextmanager
    async def private(self) -> AsyncIterator["Wire"]:
        """Open the socket and log in."""
        async with self.socket() as wire:
            await wire.log_in(self._key)
            assert await wire.frame() == [114, {"type": 114, "ok": True, "message": None}]
            yield wire


class Wire:
    """One open socket."""

    def __init__(self, opened: aiohttp.ClientWebSocketResponse) -> None:
        self.opened = opened

    async def frame(self) -> Any:  # noqa: ANN401  (whatever the venue wrote)
        """Wait for the next frame."""
        async with asyncio.timeout(10):
            return orjson.loads(await self.opened.receive_str())

    async def next(self, number: int) -> dict[str, Any]:
        """Wait for the next model of a number, past all others."""
        while True:
            found, model = await self.frame()
            if found == number:
                assert isinstance(model, dict)
                return model

    async def silence(self) -> list[int]:
        """Listen a moment; return the numbers of what came nevertheless."""
        heard: list[int] = []
        try:
            async with asyncio.timeout(_SILENCE_S):
                while True:
                    heard.append(orjson.loads(await self.opened.receive_str())[0])
        except TimeoutError:
            return heard

    async def say(self, number: int, **fields: object) -> None:
        """Send a model."""
        await self.opened.send_str(json.dumps([number, {"type": number, **fields}]))

    async def join(self, channel: str, event: str, *, is_join: bool = True) -> Any:  # noqa: ANN401
        """Subscribe; return the answer."""
        await self.say(151, channel=channel, event=event, join=is_join)
        return await self.next(100)

    async def log_in(self, key: tuple[str, str], **changes: object) -> None:
        """Send a login as the documents have it, or whatever `changes` make of it."""
        login: dict[str, object] = {
            "publicKey": key[0],
            "timestamp": time.time_ns() // 1_000_000,
            "nonce": 3000,
            "signature": signature(key[1], f"{key[0]}3000"),
            **changes,
        }
        await self.say(114, **login)


async def until(ask: Callable[[], Awaitable[_T]], is_so: Callable[[_T], bool]) -> _T:
    """Ask again until the answer is as wanted: only the venue's clock knows when."""
    async with asyncio.timeout(10):
        while True:
            found = await ask()
            if is_so(found):
                return found
            await asyncio.sleep(0.01)
