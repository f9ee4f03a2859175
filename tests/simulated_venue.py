"""
A plain client of the simulated Binance, with its own signing.

A test of the venue must not share code with what the venue is there to test.
"""

import hashlib
import hmac
import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import aiohttp

from spark.exchanges.simulator.server import Running
from tests import simulated
from tests.simulated import Asker, Key, Keys, write_keys_file

#: (api key, secret) by what they may do.
FULL: Final = ("F" * 64, "full-secret")
READ: Final = ("R" * 64, "read-secret")
TRADE: Final = ("T" * 64, "trade-secret")
OTHER: Final = ("O" * 64, "other-secret")
_KEYS: Final = Keys(FULL, READ, TRADE, OTHER).listed(
    balances={"USDT": "1000000", "BTC": "10", "ETH": "100"},
    others={"USDT": "1000"},
)


def write_keys(directory: Path, *, without: str = "") -> Path:
    """Write a keys file as the simulator wants it, perhaps without a key."""
    return write_keys_file(directory / "keys.json", [one for one in _KEYS if one["id"] != without])


@dataclass(frozen=True, slots=True)
class Reply(simulated.Reply):
    """What came back."""

    @property
    def code(self) -> int | None:
        """The error code, None for a success."""
        return self.json.get("code") if isinstance(self.json, dict) else None


def signed_text(secret: str, params: Mapping[str, object]) -> str:
    """Return the signed query string."""
    query = urlencode(params)
    signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    return f"{query}&signature={signature}"


class Client(Asker):
    """One key at one running simulator."""

    def __init__(self, session: aiohttp.ClientSession, venue: Running, key: Key = FULL) -> None:
        super().__init__(session, venue, key)

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
        headers = {"X-MBX-APIKEY": self._key[0]} if self._key[0] else {}
        return Reply(*await self._send(method, path, query, headers=headers, body=body))

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
