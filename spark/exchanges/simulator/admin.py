"""
The judges' port: the ledger, faults, the venue's clock and balances.

Reads   a bearer token, compared in constant time
Writes  faults, the clock's offset, deposits and withdrawals
Owns    nothing
Fails   closed: without the token every path answers 401
"""

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final, Protocol

import orjson
from aiohttp import web

from spark.errors import RefusedError, SettingError
from spark.exchanges.simulator import faults
from spark.exchanges.simulator.accounts import Accounts
from spark.exchanges.simulator.clock import VenueClock
from spark.exchanges.simulator.ledger import READ_LINES_MAX, Ledger
from spark.exchanges.simulator.orders import spelled
from spark.exchanges.simulator.venue import EngineRefusal, Venue
from spark.worker.listener import body_of

OFFSET_MS_MAX: Final = 86_400_000

#: No ledger has more lines.
_WHOLE: Final = re.compile("[0-9]{1,18}")
_ASSET: Final = re.compile("[A-Z0-9]{1,20}")
_AMOUNT: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,8})?")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Desk(Protocol):
    """What judges may ask of the market sockets."""

    def apply_faults(self) -> None:
        """Apply armed faults of sockets to those open now."""

    def heal(self) -> None:
        """Let sockets speak again that a fault muted."""

    def replay_status(self) -> dict[str, object]:
        """Tell how far the recordings are."""


class Admin:
    """Handlers of the judges' port."""

    def __init__(
        self,
        venue: Venue,
        *,
        accounts: Accounts,
        ledger: Ledger,
        armed: faults.Faults,
        clock: VenueClock,
        desk: Desk,
        token: str,
        place_route: str = faults.DEFAULT_ROUTE,
    ) -> None:
        self._venue = venue
        self._accounts = accounts
        self._ledger = ledger
        self._faults = armed
        self._clock = clock
        self._desk = desk
        self._token = token
        self._place_route = place_route

    def app(self) -> web.Application:
        """Build the application."""
        app = web.Application(middlewares=[self._authorise])
        app.router.add_get("/ledger", self._read_ledger)
        app.router.add_get("/ledger/summary", self._summary)
        app.router.add_get("/faults", self._list_faults)
        app.router.add_post("/faults", self._arm)
        app.router.add_delete("/faults", self._disarm)
        app.router.add_get("/accounts", self._show_accounts)
        app.router.add_get("/keys", self._read_keys)
        app.router.add_post("/funds", self._move_funds)
        app.router.add_get("/replay/status", self._replay_status)
        app.router.add_post("/clock", self._set_clock)
        return app

    @web.middleware
    async def _authorise(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(
            given.encode("utf-8", "replace"), f"Bearer {self._token}".encode()
        ):
            return _json({"error": "a bearer token is needed"}, status=401)
        try:
            return await handler(request)
        except RefusedError as error:
            return _json({"error": str(error)}, status=400)

    async def _read_ledger(self, request: web.Request) -> web.Response:
        since = _number(request, "since", 0)
        lines = self._ledger.read(since, _number(request, "limit", READ_LINES_MAX))
        following = str(since + len(lines)).encode()
        body = b'{"entries":[%b],"next":%b}' % (b",".join(lines), following)
        return web.Response(body=body, content_type="application/json")

    async def _read_keys(self, _request: web.Request) -> web.Response:
        """Read the file of keys again, and tell which count."""
        try:
            return _json({"keys": self._accounts.reload()})
        except SettingError as error:
            return _json({"error": str(error)}, status=400)

    async def _summary(self, _request: web.Request) -> web.Response:
        self._ledger.commit()
        summary = await asyncio.to_thread(self._ledger.summary)
        return _json(summary.as_json())

    async def _list_faults(self, _request: web.Request) -> web.Response:
        return _json({"armed": [fault.as_json() for fault in self._faults.armed]})

    async def _arm(self, request: web.Request) -> web.Response:
        fault = faults.parse(await _body(request), place_route=self._place_route)
        self._faults.arm(fault)
        self._desk.apply_faults()
        return await self._list_faults(request)

    async def _disarm(self, _request: web.Request) -> web.Response:
        self._desk.heal()
        return _json({"disarmed": self._faults.clear()})

    async def _show_accounts(self, _request: web.Request) -> web.Response:
        earned = {
            asset: spelled(sum_) for asset, sum_ in sorted(self._venue.clearing.earned.items())
        }
        balances = self._venue.balances(self._accounts.by_name.values())
        return _json({"accounts": balances, "earned": earned})

    async def _move_funds(self, request: web.Request) -> web.Response:
        name, asset, amount = _movement(await _body(request))
        account = self._accounts.by_name.get(name)
        if account is None:
            raise RefusedError(f"account is one of {', '.join(self._accounts.by_name)}")
        try:
            self._venue.move_funds(account, asset, amount)
        except EngineRefusal:
            raise RefusedError(f"{name} has less {asset} free") from None
        self._ledger.commit()
        return await self._show_accounts(request)

    async def _replay_status(self, _request: web.Request) -> web.Response:
        return _json(self._desk.replay_status())

    async def _set_clock(self, request: web.Request) -> web.Response:
        body = await _body(request)
        offset_ms = body.get("offset_ms") if isinstance(body, dict) else None
        if type(offset_ms) is not int or abs(offset_ms) > OFFSET_MS_MAX:
            raise RefusedError(f"offset_ms is a whole number within ±{OFFSET_MS_MAX}")
        self._clock.offset_ns = offset_ms * 1_000_000
        return _json({"offset_ms": offset_ms})


def _movement(body: object) -> tuple[str, str, Decimal]:
    fields = body if isinstance(body, dict) else {}
    name, asset, text = (fields.get(one, "") for one in ("account", "asset", "amount"))
    is_text = all(isinstance(one, str) for one in (name, asset, text))
    if not (is_text and _ASSET.fullmatch(asset) and _AMOUNT.fullmatch(text) and Decimal(text)):
        raise RefusedError("account, asset and amount are strings; below zero it is a withdrawal")
    return name, asset, Decimal(text)


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


async def _body(request: web.Request) -> object:
    try:
        return orjson.loads(await body_of(request))
    except orjson.JSONDecodeError:
        raise RefusedError("the body is JSON") from None


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not _WHOLE.fullmatch(text):
        raise RefusedError(f"{name} is a whole number")
    return int(text)
