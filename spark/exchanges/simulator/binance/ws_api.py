"""
The WebSocket API, as far as private streams need it; no orders go this way.

Reads   `ping`, `time`, `session.status`, `session.subscriptions`,
        `userDataStream.subscribe.signature`, `userDataStream.unsubscribe`
Writes  their replies, and the events of the accounts subscribed to
Owns    its open connections
Fails   a refusal becomes the venue's own error reply

Source: binance-spot-api-docs web-socket-api.md (2026-07). Since 2026-02-20 there are no
listen keys, neither here nor over REST.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import orjson
from aiohttp import web

from spark.exchanges.simulator.accounts import Account, ApiKey, Permission
from spark.exchanges.simulator.binance import credentials, refusals, reports
from spark.exchanges.simulator.binance.api import Api
from spark.exchanges.simulator.binance.connection import Connection
from spark.exchanges.simulator.binance.parameters import Demands, check_syntax
from spark.exchanges.simulator.binance.refusals import Refusal
from spark.exchanges.simulator.binance.user_streams import UserStreams, wrapped
from spark.exchanges.simulator.faults import NOT_EXECUTED, Channel, FaultKind, Faults
from spark.exchanges.simulator.ledger import Request as Line

CONNECT_WEIGHT: Final = 2
#: Subscriptions that one connection may have over its life.
SUBSCRIPTIONS_MAX: Final = 65_535
#: Until 2026-02-20.
_LISTEN_KEYS: Final = frozenset(f"userDataStream.{word}" for word in ("start", "ping", "stop"))
_GONE: Final = 410
_QUIET: Final = "returnRateLimits"
_SIGNED: Final = ("apiKey", "timestamp", "signature")


class Request(NamedTuple):
    """One request of a client."""

    number: int | str | None
    method: str
    params: dict[str, str]


def read(text: str) -> Request:
    """
    Read a request.

    Raises:
        Refusal: -1135.

    """
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise refusals.invalid_json() from None
    if not isinstance(fields, dict):
        raise refusals.invalid_json()
    number, method, params = fields.get("id"), fields.get("method"), fields.get("params") or {}
    is_number = isinstance(number, int | str | None) and not isinstance(number, bool)
    if not (is_number and isinstance(method, str) and isinstance(params, dict)):
        raise refusals.invalid_json()
    return Request(number, method.removeprefix("v3/"), {k: _plain(v) for k, v in params.items()})


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        # It is read deeper than it is written.
        raise refusals.invalid_json() from None


class Method(NamedTuple):
    """One method."""

    execute: "Callable[[Session, Request], object]"
    weight: int
    demands: Demands


class Session(Connection):
    """One connection to the WebSocket API."""

    def __init__(
        self, request: web.BaseRequest, api: Api, streams: UserStreams, *, faults: Faults
    ) -> None:
        super().__init__(request, faults=faults, channel=Channel.PRIVATE)
        self._api = api
        self._streams = streams
        self._faults = faults
        self._address = request.remote or ""
        self._connected_ms = streams.now_ms()
        self._subscribed: dict[int, Account] = {}
        self._given = 0
        #: Set by its owner: an account is listened to.
        self.on_subscribed: Callable[[], None] = lambda: None
        self._caller: ApiKey | None = None

    @property
    def is_subscribed(self) -> bool:
        """Whether it carries any account's stream."""
        return bool(self._subscribed)

    def opened(self) -> None:
        """Charge for the connection."""
        self._api.limits.charge(self._address, CONNECT_WEIGHT, self._now_ns())

    def gone(self) -> None:
        """Forget its subscriptions: nobody is there to be told."""
        for account in self._subscribed.values():
            self._streams.unsubscribe(account.name, self)

    def hear(self, text: str) -> None:
        """Answer one request, and write its ledger line."""
        self._caller = None
        request = Request(None, "", {})
        refusal: Refusal | None = None
        result: object = None
        weight, fault = 0, None
        try:
            request = read(text)
            method = _METHODS.get(request.method)
            weight = 0 if method is None else method.weight
            self._api.limits.admit(self._address, self._now_ns())
            hit = self._faults.take(f"WS {request.method}", only=NOT_EXECUTED)
            if hit is not None:
                fault = hit.kind
                raise refusals.of_fault(hit, self._streams.now_ms())
            if method is None:
                is_gone = request.method in _LISTEN_KEYS
                raise refusals.shut_down(_GONE) if is_gone else refusals.unsupported()
            check_syntax(request.params, method.demands)
            result = method.execute(self, request)
        except Refusal as error:
            refusal = error
        self._note(request, refusal, fault)
        if fault is FaultKind.DROP_REQUEST:
            self.cut()
            return
        used = self._api.limits.charge(self._address, weight, self._now_ns())
        if self.is_muted:
            return
        self.reply(self._answer(request, refusal, result, used=used))

    def subscribe(self, request: Request) -> object:
        """Subscribe to the account of the key that signed."""
        params = request.params
        key = credentials.find_key(self._api.accounts, params["apiKey"])
        self._caller = key
        credentials.check_window(params, self._now_ns())
        # Sorted by name, the API key among them, and not percent-encoded.
        payload = "&".join(f"{one}={params[one]}" for one in sorted(params) if one != _SIGNED[2])
        demands = _METHODS[request.method].demands
        account = credentials.authenticate(
            key, payload, signature=params["signature"], demands=demands
        ).account
        if account in self._subscribed.values():
            raise Refusal(-2035, "User Data Stream subscription already active.")
        if self._given == SUBSCRIPTIONS_MAX:
            raise Refusal(-2042, "Maximum subscription ID reached for this connection.")
        number, self._given = self._given, self._given + 1
        self._subscribed[number] = account
        self._streams.subscribe(account.name, self, number)
        # After the reply: a fault of the stream is none of the login.
        asyncio.get_running_loop().call_soon(self.on_subscribed)
        return {"subscriptionId": number}

    def unsubscribe(self, request: Request) -> object:
        """End one subscription, or all."""
        text = request.params.get("subscriptionId")
        wanted = list(self._subscribed) if text is None else [int(text)]
        if not wanted or not set(wanted) <= self._subscribed.keys():
            raise Refusal(-2036, "User Data Stream subscription not active.")
        event = orjson.dumps(reports.terminated(now_ms=self._streams.now_ms()))
        for number in wanted:
            self._streams.unsubscribe(self._subscribed.pop(number).name, self)
            self.queue(wrapped(number, event))
        return {}

    def status(self, _request: Request) -> object:
        """Tell of the connection; nobody logs on here, so no key is its own."""
        return {
            "apiKey": None,
            "authorizedSince": None,
            "connectedSince": self._connected_ms,
            "returnRateLimits": True,
            "serverTime": self._streams.now_ms(),
            "userDataStream": self.is_subscribed,
        }

    def subscriptions(self, _request: Request) -> object:
        """List the subscriptions."""
        return [{"subscriptionId": number} for number in self._subscribed]

    def time(self, _request: Request) -> object:
        """Tell the time."""
        return {"serverTime": self._streams.now_ms()}

    def ping(self, _request: Request) -> object:
        """Tell nothing."""
        return {}

    def _now_ns(self) -> int:
        return self._api.venue.clock.wall_ns()

    def _answer(
        self, request: Request, refusal: Refusal | None, result: object, *, used: int
    ) -> bytes:
        reply: dict[str, object] = {"id": request.number}
        if refusal is None:
            reply |= {"status": 200, "result": result}
        else:
            error: dict[str, object] = {"code": refusal.code, "msg": refusal.message}
            if refusal.retry_after_s is not None:
                now_ms = self._streams.now_ms()
                until_ms = now_ms + refusal.retry_after_s * 1_000
                error["data"] = {"serverTime": now_ms, "retryAfter": until_ms}
            reply |= {"status": refusal.status, "error": error}
        if request.params.get(_QUIET) != "false":
            reply["rateLimits"] = [self._api.limits.weight_json() | {"count": used}]
        return orjson.dumps(reply)

    def _note(self, request: Request, refusal: Refusal | None, fault: FaultKind | None) -> None:
        key = self._caller
        outcome = "accepted"
        if refusal is not None:
            outcome = "refused" if refusal.retry_after_s is None else "limited"
        self._api.ledger.request(
            Line(
                at_ns=self._now_ns(),
                method="WS",
                path=request.method,
                key_id=None if key is None else key.key_id,
                account=None if key is None else key.account.name,
                symbol=None,
                client_order_id=None,
                outcome=outcome if fault is None else "not_executed",
                status=200 if refusal is None else refusal.status,
                code=None if refusal is None else refusal.code,
                order_id=None,
                fault=fault,
            )
        )


def _demands(known: str = "", due: tuple[str, ...] = ()) -> Demands:
    permission = Permission.READ if due else None
    return Demands(frozenset((*known.split(), *due, _QUIET)), due, permission)


_METHODS: Final = {
    "ping": Method(Session.ping, 1, _demands()),
    "time": Method(Session.time, 1, _demands()),
    "session.status": Method(Session.status, 2, _demands()),
    "session.subscriptions": Method(Session.subscriptions, 2, _demands()),
    "userDataStream.subscribe.signature": Method(
        Session.subscribe, 2, _demands("recvWindow", _SIGNED)
    ),
    "userDataStream.unsubscribe": Method(Session.unsubscribe, 2, _demands("subscriptionId")),
}


class WsApi:
    """The handler of `/ws-api/v3`."""

    def __init__(self, api: Api, streams: UserStreams, faults: Faults) -> None:
        self._api = api
        self._streams = streams
        self._faults = faults
        self._sessions: dict[Session, None] = {}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection."""
        session = Session(request, self._api, self._streams, faults=self._faults)
        session.on_subscribed = self.apply_faults
        self._sessions[session] = None
        try:
            return await session.serve()
        finally:
            del self._sessions[session]
            session.gone()

    def apply_faults(self) -> None:
        """Apply armed faults to connections that carry a private stream now, oldest first."""
        for session in list(self._sessions):
            if session.is_subscribed and not session.is_struck:
                hit = self._faults.take_socket(Channel.PRIVATE)
                if hit is None:
                    return
                session.strike(hit)

    def heal(self) -> None:
        """Let muted connections speak again."""
        for session in self._sessions:
            session.heal()

    async def close(self) -> None:
        """Announce the shutdown and close every connection."""
        data = b'{"event":{"e":"serverShutdown","E":%d}}' % self._streams.now_ms()
        for session in list(self._sessions):
            session.queue(data)
            await session.close()
