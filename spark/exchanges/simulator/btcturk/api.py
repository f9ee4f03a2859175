"""
The REST endpoints without HTTP: a request in, a reply out, the ledger in between.

Reads   parameters, the venue's state and its clock
Writes  one ledger line for each request
Owns    nothing
Fails   a refusal becomes the venue's own error reply
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

import orjson

from spark.exchanges.simulator.accounts import Account, Accounts, ApiKey, Permission
from spark.exchanges.simulator.btcturk import refusals
from spark.exchanges.simulator.btcturk.cancels import Cancels
from spark.exchanges.simulator.btcturk.credentials import Signed, Stamps, authenticate
from spark.exchanges.simulator.btcturk.funds import Funds
from spark.exchanges.simulator.btcturk.habits import Habits
from spark.exchanges.simulator.btcturk.limits import GRAPH_HOST, Limits, Policy, Quota
from spark.exchanges.simulator.btcturk.refusals import Refusal
from spark.exchanges.simulator.btcturk.symbols import Rules
from spark.exchanges.simulator.btcturk.tape import Tape
from spark.exchanges.simulator.btcturk.terms import read_object
from spark.exchanges.simulator.faults import FaultKind
from spark.exchanges.simulator.ledger import Ledger, Request
from spark.exchanges.simulator.orders import Order
from spark.exchanges.simulator.venue import EngineRefusal, Venue

JSON: Final = "application/json; charset=utf-8"
_GRAPH: Final = "/v1/"
_ORDER: Final = "/api/v1/order/"
#: One path for the ledger and for faults, whichever order it names.
ORDER_BY_ID: Final = _ORDER + "{id}"
_PLACE: Final = ("POST", "/api/v1/order")
_BAD: Final = 400
_GATE: Final = b"<html><head><title>403 Forbidden</title></head><body>403 Forbidden</body></html>"


class Call(NamedTuple):
    """One request as it arrived."""

    at_ns: int
    method: str
    path: str
    query: str
    body: str
    signed: Signed
    content_type: str
    address: str

    @property
    def route(self) -> tuple[str, str]:
        """Method and path, an order's number taken out of it."""
        if self.path.startswith(_ORDER):
            return self.method, ORDER_BY_ID
        return self.method, self.path


class Reply(NamedTuple):
    """What goes back."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Handling:
    """One call in hand: what each step learns of it, for the reply and the ledger."""

    call: Call
    #: Of the query; a name may stand there more than once.
    params: dict[str, list[str]] = field(default_factory=dict)
    key: ApiKey | None = None
    order: Order | None = None
    symbol: str | None = None
    client_id: str | None = None

    @property
    def account(self) -> Account:
        """Whose request it is; only private endpoints ask."""
        assert self.key is not None, "this endpoint is signed"
        return self.key.account

    def param(self, name: str) -> str | None:
        """Return a parameter's first value."""
        values = self.params.get(name.lower())
        return values[0] if values else None

    def whole(self, name: str) -> int | None:
        """
        Return a parameter that is a whole number.

        Raises:
            Refusal: it is none.
        """
        text = self.param(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit()) or len(text) > 18:  # noqa: PLR2004  (int64)
            raise refusals.invalid_request()
        return int(text)


Handler = Callable[["Api", Handling], object]


class Route(NamedTuple):
    """One endpoint."""

    handle: Handler
    permission: Permission | None
    quotas: tuple[Quota, ...] = ()
    #: Whether its requests are counted by account as well as by address.
    is_by_account: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the endpoints work on."""

    venue: Venue
    accounts: Accounts
    rules: dict[str, Rules]
    limits: Limits
    ledger: Ledger
    stamps: Stamps
    tape: Tape
    funds: Funds
    cancels: Cancels
    habits: Habits


class Api:
    """Answers calls, one at a time."""

    def __init__(self, parts: Parts, routes: Mapping[tuple[str, str], Route]) -> None:
        self.parts = parts
        self._routes = routes

    @property
    def now_ns(self) -> int:
        """Read the venue's clock."""
        return self.parts.venue.clock.wall_ns()

    def answer(self, call: Call, fault: FaultKind | None = None) -> Reply:
        """Execute a call and write its ledger line."""
        handling = Handling(call)
        refusal: Refusal | None = None
        body: object = None
        try:
            body = self._execute(handling)
        except EngineRefusal as error:
            refusal = refusals.from_engine(error.reason)
        except Refusal as error:
            refusal = error
        if refusal is None:
            self._note(handling, "accepted", 200, fault=fault)
            content = body if isinstance(body, bytes) else orjson.dumps(body)
            return Reply(200, content, {"Content-Type": JSON})
        if call.route == _PLACE and refusal.status == _BAD:
            # These alone repeat the status, and say that there is nothing.
            refusal.more |= {"httpStatusCode": _BAD, "data": None}
        outcome = "refused" if refusal.retry_after_s is None else "limited"
        self._note(handling, outcome, refusal.status, code=refusal.code, fault=fault)
        return refused(refusal)

    def note_unexecuted(self, call: Call, status: int, fault: FaultKind) -> None:
        """Write the ledger line of a request that a fault kept from being executed."""
        handling = Handling(call)
        handling.key = self.parts.accounts.keys.get(call.signed.api_key or "")
        if call.route == _PLACE:
            try:
                name_order(handling, read_object(call.body))
            except Refusal:
                # Not readable: the line then names no order, as it would have none.
                handling.client_id = None
        self._note(handling, "not_executed", status, fault=fault)

    def rules_of(self, name: str | None) -> Rules | None:
        """Find a pair by either of its spellings, in either case."""
        return self.parts.rules.get((name or "").upper().replace("_", ""))

    def _execute(self, handling: Handling) -> object:
        call, limits = handling.call, self.parts.limits
        limits.check_address(call.address, call.at_ns)
        route = self._routes.get(call.route)
        if route is None:
            is_known = any(path == call.route[1] for _, path in self._routes)
            raise (
                Refusal(405, "Method Not Allowed", status=405)
                if is_known
                else Refusal(404, "Not Found", status=404)
            )
        if call.path.startswith(_GRAPH):
            self._admit(handling, "graph", GRAPH_HOST, policy=Policy.IP)
        self._admit(handling, " ".join(call.route), route.quotas, policy=Policy.IP)
        for name, value in parse_qsl(call.query, keep_blank_values=True):
            # Clients write `type[]=buy` as well as `type=buy`.
            handling.params.setdefault(name.lower().removesuffix("[]"), []).append(value)
        if route.permission is not None:
            handling.key = self._authenticate(call, route.permission)
            if route.is_by_account:
                self._admit(handling, " ".join(call.route), route.quotas, policy=Policy.ACCOUNT)
        return route.handle(self, handling)

    def _authenticate(self, call: Call, permission: Permission) -> ApiKey:
        parts = self.parts
        try:
            key = authenticate(
                parts.accounts,
                call.signed,
                permission=permission,
                now_ms=self.now_ns // 1_000_000,
                stamps=parts.stamps,
            )
        except Refusal:
            parts.limits.unauthorized(call.address, call.at_ns)
            raise
        parts.limits.authorized(call.address)
        return key

    def _admit(
        self, handling: Handling, what: str, quotas: tuple[Quota, ...], *, policy: Policy
    ) -> None:
        caller = handling.call.address if policy is Policy.IP else handling.account.name
        at_ns = handling.call.at_ns
        self.parts.limits.admit(what, quotas, policy=policy, caller=caller, now_ns=at_ns)

    def _note(
        self,
        handling: Handling,
        outcome: str,
        status: int,
        *,
        code: int | None = None,
        fault: FaultKind | None,
    ) -> None:
        call, key, order = handling.call, handling.key, handling.order
        if order is not None:
            handling.symbol, handling.client_id = order.terms.symbol, order.terms.client_id
        self.parts.ledger.request(
            Request(
                at_ns=call.at_ns,
                method=call.method,
                path=call.route[1],
                key_id=None if key is None else key.key_id,
                account=None if key is None else key.account.name,
                symbol=handling.symbol,
                client_order_id=handling.client_id,
                outcome=outcome,
                status=status,
                code=code,
                order_id=None if order is None else order.order_id,
                fault=fault,
            )
        )


def name_order(handling: Handling, fields: dict[str, object]) -> None:
    """Note for the ledger which order a body speaks of, whether or not it is one."""
    pair, client_id = fields.get("pairSymbol"), fields.get("newOrderClientId")
    handling.symbol = pair if isinstance(pair, str) else None
    handling.client_id = client_id if isinstance(client_id, str) else None


def refused(refusal: Refusal) -> Reply:
    """Write a refusal as a reply."""
    if refusal.is_from_gate:
        return Reply(refusal.status, _GATE, {"Content-Type": "text/html"})
    headers = {"Content-Type": JSON}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    return Reply(refusal.status, orjson.dumps(refusal.as_json()), headers)
