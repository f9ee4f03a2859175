"""
The endpoints without HTTP: whatever comes in, one reply and one ledger line.
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark.clock import ManualClock
from spark.exchanges.simulator.accounts import Accounts, ApiKey, Permission
from spark.exchanges.simulator.binance import private, public
from spark.exchanges.simulator.binance.api import Api, Call
from spark.exchanges.simulator.binance.catalogue import choose
from spark.exchanges.simulator.binance.limits import Limits
from spark.exchanges.simulator.ledger import Ledger
from spark.exchanges.simulator.market import Participant
from spark.exchanges.simulator.venue import Venue
from tests.unit.exchanges.simulator.trading import START_NS, new_account

KEY: Final = "K" * 64
SECRET: Final = "secret"
ROUTES: Final = {**public.ROUTES, **private.ROUTES}


@pytest.fixture
def api() -> Iterator[Api]:
    rules = choose(("BTCUSDT",), is_limited=False)
    venue = Venue([one.pair for one in rules.values()], clock=ManualClock(START_NS))
    Participant(venue, rules["BTCUSDT"].character, 42)
    accounts, ledger = Accounts(), Ledger(None)
    accounts.by_name["main"] = account = new_account("main", usdt=10**9)
    both = frozenset(Permission)
    accounts.keys[KEY] = ApiKey(
        "key-1", account, api_key=KEY, permissions=both, secret=SECRET.encode()
    )
    venue.order_listeners.append(ledger)
    yield Api(
        venue,
        accounts=accounts,
        rules=rules,
        limits=Limits(is_enforced=False),
        ledger=ledger,
        routes=ROUTES,
    )
    ledger.close()


def signed(method: str, path: str, params: dict[str, str]) -> Call:
    query = urlencode({"timestamp": START_NS // 1_000_000, **params})
    signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    return Call(START_NS, method, path, f"{query}&signature={signature}", "", KEY, "here")


ORDER: Final = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "60000",
}
_AMOUNT = st.from_regex(r"\A[0-9]{1,20}(\.[0-9]{1,20})?\Z") | st.text(max_size=10)
_CHANGES = st.dictionaries(
    st.sampled_from(["quantity", "price", "quoteOrderQty", "recvWindow", "stopPrice", "limit"]),
    _AMOUNT,
    max_size=3,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=st.sampled_from(sorted(ROUTES)),
    kind=st.sampled_from(["LIMIT", "MARKET", "LIMIT_MAKER"]),
    changes=_CHANGES,
    dropped=st.sets(st.sampled_from(sorted(ORDER))),
)
def test_h5_any_parameters_get_one_reply_and_one_line(
    api: Api, route: tuple[str, str], kind: str, changes: dict[str, str], dropped: set[str]
) -> None:
    """H5: no value of any parameter is answered by anything but a documented reply."""
    params = {name: value for name, value in ORDER.items() if name not in dropped}
    before = api.ledger.lines
    reply = api.answer(signed(*route, {**params, "type": kind, **changes}))
    body = orjson.loads(reply.body)
    assert reply.status == 200 or set(body) == {"code", "msg"}
    assert reply.status in (200, 400, 401)
    requests = [
        line
        for line in map(orjson.loads, api.ledger.read(before, 1_000))
        if line["kind"] == "request"
    ]
    assert [(line["method"], line["path"]) for line in requests] == [route]


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({}, ["1", "2", "3"]),
        ({"limit": "2"}, ["2", "3"]),
        ({"fromId": "second"}, ["2", "3"]),
        ({"fromId": "second", "limit": "1"}, ["2"]),
        ({"orderId": "second"}, ["2"]),
        ({"startTime": "first", "limit": "1"}, ["1"]),
        ({"startTime": "first", "endTime": "first", "limit": "1"}, ["1"]),
        ({"startTime": "0"}, []),
        ({"endTime": "0"}, []),
    ],
)
def test_trades_are_found_by_id_order_and_time(
    api: Api, params: dict[str, str], wanted: list[str]
) -> None:
    """Without a start the newest are listed, with one the oldest from there on."""
    placed = [
        orjson.loads(
            api.answer(
                signed("POST", "/api/v3/order", {**ORDER, "price": "61900", "quantity": quantity})
            ).body
        )
        for quantity in ("0.001", "0.002", "0.003")
    ]
    ids = dict.fromkeys(("startTime", "endTime"), placed[0]["transactTime"])
    ids |= {"fromId": placed[1]["fills"][0]["tradeId"], "orderId": placed[1]["orderId"]}
    asked = {name: str(ids[name]) if value.isalpha() else value for name, value in params.items()}
    reply = api.answer(signed("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", **asked}))
    found = [row["qty"] for row in orjson.loads(reply.body)]
    assert found == [f"0.00{number}00000" for number in wanted]


def test_orders_are_listed_in_every_state(api: Api) -> None:
    """Open, filled and cancelled ones of the account; without a start the newest."""
    placed = [
        orjson.loads(api.answer(signed("POST", "/api/v3/order", {**ORDER, **changes})).body)
        for changes in ({"price": "61900"}, {"newClientOrderId": "a-1"}, {})
    ]
    cancel = {"symbol": "BTCUSDT", "origClientOrderId": "a-1"}
    api.answer(signed("DELETE", "/api/v3/order", cancel))

    def listed(**asked: object) -> list[str]:
        params = {"symbol": "BTCUSDT", **{name: str(value) for name, value in asked.items()}}
        reply = api.answer(signed("GET", "/api/v3/allOrders", params))
        return [row["status"] for row in orjson.loads(reply.body)]

    assert listed() == ["FILLED", "CANCELED", "NEW"]
    assert listed(limit=2) == ["CANCELED", "NEW"]
    assert listed(orderId=placed[1]["orderId"], limit=1) == ["CANCELED"]
    assert listed(startTime=placed[0]["transactTime"]) == ["FILLED", "CANCELED", "NEW"]
    assert listed(endTime=0) == []


@pytest.mark.parametrize("path", ["/api/v3/allOrders", "/api/v3/myTrades"])
def test_a_window_is_a_day_at_most(api: Api, path: str) -> None:
    """-1127 past it; by id and by time at once is no documented question."""
    day_ms = 86_400_000

    def code(**asked: str) -> int | None:
        reply = orjson.loads(api.answer(signed("GET", path, {"symbol": "BTCUSDT", **asked})).body)
        return reply.get("code") if isinstance(reply, dict) else None

    assert code(startTime="1", endTime=str(day_ms + 1)) is None
    assert code(startTime="1", endTime=str(day_ms + 2)) == -1127
    assert path.endswith("Orders") or code(startTime="1", fromId="1") == -1128


def test_the_commission_is_told(api: Api) -> None:
    """What every trade is charged stands in the reply."""
    reply = api.answer(signed("GET", "/api/v3/account/commission", {"symbol": "BTCUSDT"}))
    assert orjson.loads(reply.body)["standardCommission"]["taker"] == "0.00100000"
    assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "20"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_trap_25_there_are_no_listen_keys(api: Api, method: str) -> None:
    """Trap 25: who still opens private streams with a listen key is told that they are gone."""
    assert api.answer(signed(method, "/api/v3/userDataStream", {})).status == 410


def test_cancel_restrictions(api: Api) -> None:
    """A cancel can be bound to the order's status."""
    api.answer(signed("POST", "/api/v3/order", {**ORDER, "newClientOrderId": "a-1"}))
    cancel = {"symbol": "BTCUSDT", "origClientOrderId": "a-1"}
    for restriction, code in (("ONLY_PARTIALLY_FILLED", -2011), ("ODD", -1145), ("ONLY_NEW", None)):
        call = signed("DELETE", "/api/v3/order", {**cancel, "cancelRestrictions": restriction})
        assert orjson.loads(api.answer(call).body).get("code") == code


def test_candles_and_trades_of_everybody_are_told(api: Api) -> None:
    """What was traded stands in klines and in trades; an unknown interval is -1120."""
    api.answer(signed("POST", "/api/v3/order", {**ORDER, "price": "61900", "quantity": "0.001"}))

    def public(path: str, query: str) -> Any:  # noqa: ANN401
        call = Call(api.venue.clock.wall_ns(), "GET", path, query, "", None, "127.0.0.1")
        return orjson.loads(api.answer(call).body)

    (trade,) = public("/api/v3/trades", "symbol=BTCUSDT")
    assert (trade["qty"], trade["isBuyerMaker"]) == ("0.00100000", False)
    *_, last = public("/api/v3/klines", "symbol=BTCUSDT&interval=1h")
    assert len(last) == 12
    assert (last[4], last[5], last[8]) == (trade["price"], "0.00100000", 1)
    assert public("/api/v3/klines", f"symbol=BTCUSDT&interval=1h&startTime={last[6]}") == []
    assert public("/api/v3/klines", "symbol=BTCUSDT&interval=7m")["code"] == -1120
    assert public("/api/v3/klines", "symbol=BTCUSDT&interval=1m&timeZone=3")["code"] == -1130
