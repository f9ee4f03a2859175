"""
The judges' port of a simulated exchange: its ledger, its balances, and faults to order.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import aiohttp
import orjson

from spark.embedded.throwaway import Throwaway
from spark.errors import VenueUnavailable
from spark.names import Venue

_LINES_MAX: Final = 5_000
_OK: Final = 200


class Judges:
    """One exchange's judges."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})
        self._next = 0

    async def new_lines(self) -> list[dict[str, Any]]:
        """Give the lines of the ledger since the last time."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self._ask("GET", f"/ledger?since={self._next}&limit={_LINES_MAX}")
            self._next = page["next"]
            if not page["entries"]:
                return found
            found += page["entries"]

    async def balances(self, account: str) -> dict[str, tuple[Decimal, Decimal]]:
        """Give an account's balances, free and locked, by asset; empty ones are left out."""
        answer = await self._ask("GET", "/accounts")
        found = {
            asset: (Decimal(one["free"]), Decimal(one["locked"]))
            for asset, one in answer["accounts"][account].items()
        }
        return {asset: both for asset, both in found.items() if any(both)}

    async def arm(self, fault: Mapping[str, object]) -> None:
        """Order a fault."""
        await self._ask("POST", "/faults", fault)

    async def disarm(self) -> None:
        """Order no more faults, and let what hangs go on."""
        await self._ask("DELETE", "/faults")

    async def close(self) -> None:
        """Let go of the connection."""
        await self._session.close()

    async def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        content = None if body is None else orjson.dumps(body)
        try:
            async with self._session.request(method, self._url + path, data=content) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VenueUnavailable(f"the judges do not answer: {type(error).__name__}") from None
        if response.status != _OK:
            raise VenueUnavailable(f"the judges say {response.status}: {answer.decode()[:200]}")
        found: dict[str, Any] = orjson.loads(answer)
        return found


def judges_of(stack: Throwaway, venues: Iterable[Venue]) -> dict[Venue, Judges]:
    """Open the judges' ports of a stack's exchanges; the caller closes them."""
    simulators = stack.state.simulators
    return {
        venue: Judges(simulators[venue].admin_url, stack.admin_token(venue)) for venue in venues
    }
