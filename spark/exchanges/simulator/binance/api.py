"""
The REST endpoints without HTTP: a request in, a reply out, the ledger in between.

Reads   parameters, the venue's state and its clock
Writes  one ledger line for each request
Owns    nothing
Fails   a refusal becomes the venue's own error reply
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from spark.exchanges.simulator.accounts import Account, Accounts, ApiKey
from spark.exchanges.simulator.binance import credentials, refusals
from spark.exchanges.simulator.binance.habits import Habits
from spark.exchanges.simulator.binance.limits import Limits
from spark.exchanges.simulator.binance.parameters import Demands, check_syntax, parameters
from spark.exchanges.simulator.binance.refusals import Refusal
from spark.exchanges.simulator.binance.symbols import Rules
from spark.exchanges.simulator.binance.tape import Tape
from spark.exchanges.simulator.faults import FaultKind
from spark.exchanges.simulator.ledger import Ledger, Request
from spark.exchanges.simulator.orders import Order, Terms
from spark.exchanges.simulator.venue import EngineRefusal, Refused, Venue

#: Private streams were opened with keys from here until 2026-02-20.
_LISTEN_KEYS: Final = "/api/v3/userDataStream"
_GONE: Final = 410


class Call(NamedTuple):
    """One request as it arrived."""

    at_ns: int
    method: str
    path: str
    query: str
    body: str
    api_key: str | None
    address: str


class Reply(NamedTuple):
    """What goes back."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Handling:
    """One call in hand: what each step learns of it, for the reply and the ledger."""

    call: Call
    params: dict[str, str]
    key: ApiKey | None = None
    order: Order | None = None
    headers: dict[str, str] | None = None
    #: What the reply costs; set again where it depends on the request.
    weight: int = 1

    @property
    def signer(self) -> ApiKey:
        """The key that signed; only signed endpoints ask."""
        assert self.key is not None, "this endpoint is signed"
        return self.key


Handler = Callable[["Api", Handling], object]


class Route(NamedTuple):
    """One endpoint."""

    handle: Handler
    demands: Demands
    weight: int


class Api:
    """Answers calls, one at a time."""

    def __init__(
        self,
        venue: Venue,
        *,
        accounts: Accounts,
        rules: dict[str, Rules],
        limits: Limits,
        ledger: Ledger,
        routes: dict[tuple[str, str], Route],
        habits: Habits | None = None,
    ) -> None:
        self.venue = venue
        self.accounts = accounts
        self.rules = rules
        self.limits = limits
        self.ledger = ledger
        self.habits = habits or Habits()
        self._routes = routes
        #: Recorded REST snapshots that replace the book's own, by symbol.
        self.snapshots: dict[str, bytes] = {}
        #: The last recorded bookTicker frame of a symbol, which replaces the book's top.
        self.tickers: dict[str, bytes] = {}
        #: Of the self-made market; recorded symbols leave nothing on it.
        self.tape = Tape()
        venue.market_listeners.append(self.tape)
        #: Told of every new order that the engine refused.
        self.on_rejected: Callable[[Account, Terms, Refused], None] = lambda *_: None
        # From the start's time on, so that a restart repeats none.
        self._given_ids = venue.clock.wall_ns() // 1_000_000

    def answer(self, call: Call, fault: FaultKind | None = None) -> Reply:
        """Execute a call and write its ledger line."""
        route = self._routes.get((call.method, call.path))
        handling = Handling(call, {}, weight=0 if route is None else route.weight)
        refusal: Refusal | None = None
        body: object = None
        if route is None:
            refusal = self._no_route(call)
        else:
            try:
                body = self._execute(route, handling)
            except EngineRefusal as error:
                refusal = refusals.from_engine(error.reason)
            except Refusal as error:
                refusal = error
                if error.code in refusals.KEY_CODES and not self.habits.is_key_refusal_401:
                    error.status = 400
        if refusal is not None:
            body = {"code": refusal.code, "msg": refusal.message}
        self._note(handling, refusal, fault)
        return self._reply(handling, body, refusal)

    def note_unexecuted(self, call: Call, status: int, fault: FaultKind) -> None:
        """Write the ledger line of a request that a fault kept from being executed."""
        handling = Handling(call, {})
        try:
            handling.params = parameters(call.query, call.body)
        except Refusal:
            # Not readable: the line then names no order, as it would have none.
            handling.params = {}
        handling.key = self.accounts.keys.get(call.api_key or "")
        self.ledger.request(_line(handling, "not_executed", status, code=None, fault=fault))

    def _execute(self, route: Route, handling: Handling) -> object:
        call = handling.call
        self.limits.admit(call.address, call.at_ns)
        handling.params = params = parameters(call.query, call.body)
        demands = route.demands
        if demands.permission is None:
            check_syntax(params, demands)
            return route.handle(self, handling)
        handling.key = self.accounts.keys.get(call.api_key or "")
        check_syntax(params, demands)
        key = credentials.find_key(self.accounts, call.api_key)
        credentials.check_window(params, self.venue.clock.wall_ns())
        payload, signature = credentials.signed_payload(call.query, call.body)
        credentials.authenticate(key, payload, signature=signature, demands=demands)
        return route.handle(self, handling)

    def _note(self, handling: Handling, refusal: Refusal | None, fault: FaultKind | None) -> None:
        if refusal is None:
            line = _line(handling, "accepted", 200, code=None, fault=fault)
        else:
            is_limit = refusal.retry_after_s is not None
            outcome = "limited" if is_limit else "refused"
            line = _line(handling, outcome, refusal.status, code=refusal.code, fault=fault)
        self.ledger.request(line)

    def _no_route(self, call: Call) -> Refusal:
        if call.path == _LISTEN_KEYS:
            return refusals.shut_down(_GONE)
        if any(path == call.path for _, path in self._routes):
            return Refusal(-1020, "This operation is not supported.", status=405)
        return Refusal(-1000, "Not Found.", status=404)

    def _reply(self, handling: Handling, body: object, refusal: Refusal | None) -> Reply:
        call = handling.call
        used = str(self.limits.charge(call.address, handling.weight, call.at_ns))
        headers = {
            "Content-Type": "application/json;charset=UTF-8",
            "X-MBX-USED-WEIGHT": used,
            "X-MBX-USED-WEIGHT-1M": used,
        }
        if handling.headers is not None:
            headers |= handling.headers
        if refusal is not None and refusal.retry_after_s is not None:
            headers["Retry-After"] = str(refusal.retry_after_s)
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return Reply(200 if refusal is None else refusal.status, content, headers)

    def known(self, params: dict[str, str]) -> Rules:
        """
        Return the rules of the symbol asked for.

        Raises:
            Refusal: -1121.
        """
        rules = self.rules.get(params["symbol"])
        if rules is None:
            raise refusals.invalid_symbol()
        return rules

    def given_id(self) -> str:
        """Make a client id for an order or cancel that names none."""
        self._given_ids += 1
        return f"auto{self._given_ids:018d}"


def _line(
    handling: Handling, outcome: str, status: int, *, code: int | None, fault: FaultKind | None
) -> Request:
    call, params, key, order = handling.call, handling.params, handling.key, handling.order
    client_id = params.get("newClientOrderId") if call.method == "POST" else None
    if client_id is None:
        client_id = params.get("origClientOrderId")
    if order is not None:
        client_id = order.terms.client_id
    return Request(
        at_ns=call.at_ns,
        method=call.method,
        path=call.path,
        key_id=None if key is None else key.key_id,
        account=None if key is None else key.account.name,
        symbol=params.get("symbol"),
        client_order_id=client_id,
        outcome=outcome,
        status=status,
        code=code,
        order_id=None if order is None else order.order_id,
        fault=fault,
    )
