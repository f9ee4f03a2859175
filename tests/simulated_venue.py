"""
A plain client of the exchange simulator.

It has its own signing: a test of the venue must not share code with what the
venue is there to test.
"""

import hashlib
import hmac
import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from spark.exchanges.simulator.server import Running

#: (api key, secret) by what they may do.
FULL: Final = ("F" * 64, "full-secret")
READ: Final = ("R" * 64, "read-secret")
TRADE: Final = ("T" * 64, "trade-secret")
OTHER: Final = ("O" * 64, "other-secret")

_KEYS: Final = (
    {
        "api_key": FULL[0],
        "secret": FULL[1],
        "permissions": ["trade", "read"],
        "balances": {"USDT": "1000000", "BTC": "10", "ETH": "100"},
        "id": "full",
    },
    {"api_key": READ[0], "secret": READ[1], "permissions": ["read"], "id": "read"},
    {"api_key": TRADE[0], "secret": TRADE[1], "permissions": ["trade"], "id": "trade"},
    {
        "api_key": OTHER[0],
        "secret": OTHER[1],
        "permissions": ["trade", "read"],
        "account": "other",
        "balances": {"USDT": "1000"},
        "id": "other",
    },
)


def write_keys(directory: Path) -> Path:
    """Write a keys file as the simulator wants it."""
    path = directory / "keys.json"
    path.write_text(json.dumps(_KEYS))
    path.chmod(0o400)
    return path


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  (whatever the venue wrote)
        """The decoded body."""
        return orjson.loads(self.content)

    @property
    def code(self) -> int | None:
        """The error code, None for a success."""
        return self.json.get("code") if isinstance(self.json, dict) else None


def signed_text(secret: str, params: Mapping[str, object]) -> str:
    """Return the signed query string."""
    query = urlencode(params)
    signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    return f"{query}&signature={signature}"


class Client:
    """One key at one running simulator."""

    def __init__(
        self, session: aiohttp.ClientSession, venue: Running, key: tuple[str, str] = FULL
    ) -> None:
        self._session = session
        self._venue = venue
        self._key = key

    def with_key(self, key: tuple[str, str]) -> "Client":
        """Return the same client with another key."""
        return Client(self._session, self._venue, key)

    async def public(self, path: str, **params: object) -> Reply:
        """Ask without a signature."""
        return await self.raw("GET", path, urlencode(params))

    async def call(self, method: str, path: str, **params: object) -> Reply:
        """Ask with a signature, stamped now unless `timestamp` is given."""
        stamp = params.pop("timestamp", None)
        now = int(time.time() * 1_000) if stamp is None else stamp
        return await self.raw(method, path, signed_text(self._key[1], {**params, "timestamp": now}))

    async def raw(
        self, method: str, path: str, query: str, *, body: str | io.BytesIO | None = None
    ) -> Reply:
        """Send exactly this."""
        url = f"{self._venue.url}{path}" + (f"?{query}" if query else "")
        async with self._session.request(
            method,
            URL(url, encoded=True),
            headers={"X-MBX-APIKEY": self._key[0]} if self._key[0] else {},
            data=body,
            allow_redirects=False,
        ) as response:
            return Reply(response.status, dict(response.headers), await response.read())

    async def place(self, **changes: object) -> Reply:
        """Place a limit order far below the market, or whatever `changes` make of it."""
        order: dict[str, object] = {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.01",
            "price": "60000",
            **changes,
        }
        return await self.call(
            "POST",
            "/api/v3/order",
            **{name: value for name, value in order.items() if value is not None},
        )

    async def cancel(self, client_id: str, **changes: object) -> Reply:
        """Cancel by client id."""
        return await self.call(
            "DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId=client_id, **changes
        )

    async def query(self, client_id: str) -> Reply:
        """Query by client id."""
        return await self.call(
            "GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId=client_id
        )

    async def judge(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        """Ask the judges' port; return the decoded body."""
        async with self._session.request(
            method,
            self._venue.admin_url + path,
            headers={"Authorization": f"Bearer {self._venue.admin_token}"},
            data=None if body is None else orjson.dumps(body),
        ) as response:
            return orjson.loads(await response.read())
