"""
A request that Spark did not make, sent to see the judges find it.

With the exchange key of the signer, which nobody else has outside a drill: the id of an
order that has ended, once more. What a drill counts as zero is worth as much as this.
"""

import asyncio
import time
from typing import Final
from urllib.parse import urlsplit

import orjson

from spark.bench.jury.case import Case
from spark.embedded.minting import SIMULATOR_KEYS
from spark.embedded.processes import SIMULATOR
from spark.embedded.throwaway import Throwaway
from spark.errors import GateError
from spark.exchanges.binance.auth import SecretKey, signed_query

_ENDED: Final = frozenset({"filled", "cancelled", "expired"})
_NS_PER_MS: Final = 1_000_000
_ANSWER_S_MAX: Final = 5.0


async def plant(stack: Throwaway, case: Case) -> None:
    """
    Have one order of Binance twice.

    Raises:
        GateError: there is none that has ended, or the exchange does not take it.

    """
    ended = [key for key, one in sorted(case.ledger.orders.items()) if one.status in _ENDED]
    found = next((key for key in ended if key in case.said.approved), None)
    if found is None:
        raise GateError("no order has ended that could be placed once more")
    order = case.said.approved[found]
    entries = orjson.loads((stack.secrets.root / SIMULATOR / SIMULATOR_KEYS).read_bytes())
    key = next(entry for entry in entries if "trade" in entry["permissions"])
    query = signed_query(
        SecretKey(key["secret"].encode()),
        (
            ("symbol", order.symbol),
            ("side", order.side.upper()),
            ("type", "LIMIT"),
            ("timeInForce", "GTC"),
            ("quantity", str(order.quantity)),
            ("price", str(order.price)),
            ("newClientOrderId", found),
            ("timestamp", str(time.time_ns() // _NS_PER_MS)),
        ),
    )
    place = urlsplit(stack.state.simulator_url)
    answer = await _post(place.port or 0, f"/api/v3/order?{query}", key["api_key"])
    if b" 200 " not in answer.partition(b"\r\n")[0]:
        raise GateError(f"the exchange does not take it: {answer[-200:].decode(errors='replace')}")


async def _post(port: int, path: str, api_key: str) -> bytes:
    async with asyncio.timeout(_ANSWER_S_MAX):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-MBX-APIKEY: {api_key}\r\n"
            writer.write(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()
