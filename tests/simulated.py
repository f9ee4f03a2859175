"""
A plain client of a simulated exchange, whichever: keys, requests as they stand, the judges' port.

It shares no code with what the exchange is there to test: each has its own signing.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
import orjson
from yarl import URL

from spark.exchanges.simulator.server import Running

#: (api key, secret).
Key = tuple[str, str]


class Keys(NamedTuple):
    """Keys by what they may do."""

    full: Key
    read: Key
    trade: Key
    #: Of another account.
    other: Key

    def listed(
        self, *, balances: Mapping[str, str], others: Mapping[str, str]
    ) -> list[dict[str, object]]:
        """Give what a keys file of the simulator says."""
        both = ["trade", "read"]
        return [
            {**_named("full", self.full), "permissions": both, "balances": balances},
            {**_named("read", self.read), "permissions": ["read"]},
            {**_named("trade", self.trade), "permissions": ["trade"]},
            {
                **_named("other", self.other),
                "permissions": both,
                "account": "other",
                "balances": others,
            },
        ]


def write_keys_file(path: Path, keys: list[dict[str, object]]) -> Path:
    """Write a keys file as the simulator wants it, in the place of an older one."""
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(keys))
    path.chmod(0o400)
    return path


def _named(name: str, key: Key) -> dict[str, object]:
    return {"id": name, "api_key": key[0], "secret": key[1]}


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


class Asker:
    """One key at one running simulator."""

    def __init__(self, session: aiohttp.ClientSession, venue: Running, key: Key) -> None:
        self._session = session
        self._venue = venue
        self._key = key

    def with_key(self, key: Key) -> Self:
        """Return the same client with another key."""
        return type(self)(self._session, self._venue, key)

    async def judge(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        """Ask the judges' port; return the decoded body."""
        async with self._session.request(
            method,
            self._venue.admin_url + path,
            headers={"Authorization": f"Bearer {self._venue.admin_token}"},
            data=None if body is None else orjson.dumps(body),
        ) as response:
            return orjson.loads(await response.read())

    async def _send(
        self,
        method: str,
        path: str,
        query: str,
        *,
        headers: Mapping[str, str],
        body: str | io.BytesIO | None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send exactly this."""
        url = f"{self._venue.url}{path}" + (f"?{query}" if query else "")
        async with self._session.request(
            method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
        ) as response:
            return response.status, dict(response.headers), await response.read()
