"""
Private frames, as news of the account.
"""

from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.btcturk.unconfirmed import Unconfirmed, unconfirmed
from spark.exchanges.btcturk.wire_frames import Hello, LoginReply
from spark.exchanges.btcturk.wire_news import Arrival, private_frame
from spark.exchanges.port import BalancesChanged, FillSeen, News, OrderSeen
from spark.names import Side, Symbol, VenueOrderState

NOW_NS: Final = 1_763_700_000_000_000_000
OURS: Final = "spk" + "0" * 29
SAFE: Final = Arrival(NOW_NS, Unconfirmed())
ASK: Final = (BalancesChanged(balances=(), exchange_ns=NOW_NS),)
MATCH: Final[dict[str, Any]] = {
    "id": 61912740,
    "user": 1,
    "isBid": True,
    "method": 0,
    "pair": "BTC_TRY",
    "symbol": "BTCTRY",
    "amount": "0.01",
    "price": "3842925",
    "clientId": OURS,
}
ORDER: Final[dict[str, Any]] = {
    "pairId": 1,
    "symbol": "BTCTRY",
    "id": 61912740,
    "method": 0,
    "userId": 1,
    "orderType": 0,
    "price": "3842925",
    "amount": "0.02",
    "numLeft": "0.02",
    "denomLeft": "0",
    "newOrderClientId": OURS,
}
TRADE: Final[dict[str, Any]] = {
    "id": 7,
    "orderId": 61912740,
    "timestamp": 1543996112263,
    "numeratorSymbol": "BTC",
    "denominatorSymbol": "TRY",
    "amount": "-0.01",
    "fee": "-3",
    "tax": "-1",
    "price": "3842925",
    "orderType": "sell",
    "orderClientId": OURS,
    "preciseAmount": -0.01,
}


def frame(kind: int, model: dict[str, Any]) -> bytes:
    return orjson.dumps([kind, {"type": kind, **model}])


def news(kind: int, model: dict[str, Any], arrival: Arrival = SAFE) -> tuple[News, ...]:
    read = private_frame(frame(kind, model), arrival)
    assert not isinstance(read, Hello | LoginReply)
    return read


def test_a_match_is_a_fill_without_a_trade_id() -> None:
    """Trap 23: 441 says that an order traded; its id and fee come with the trades."""
    assert news(441, MATCH) == (
        FillSeen(
            symbol=Symbol("BTCTRY"),
            trade_id="",
            exchange_order_id="61912740",
            client_order_id=OURS,
            side=Side.BUY,
            quantity=Decimal("0.01"),
            price=Decimal(3842925),
            commission=Decimal(0),
            commission_asset="",
            exchange_ns=NOW_NS,
        ),
    )


def test_a_match_takes_its_time_from_the_field_that_a_setting_names() -> None:
    """The field's name is not confirmed, so it is read only where somebody says it."""
    told = Arrival(NOW_NS, Unconfirmed(match_time_field="timestamp"))
    (seen,) = news(441, {**MATCH, "timestamp": 1543996112263}, told)
    assert isinstance(seen, FillSeen)
    assert seen.exchange_ns == 1543996112263 * 1_000_000
    with pytest.raises(WireError):
        news(441, MATCH, told)


def test_what_nobody_has_seen_is_not_trusted() -> None:
    """Each open point has its safe reading until a setting says otherwise."""
    assert unconfirmed("unknown", "") == Unconfirmed()
    assert unconfirmed("1", "timestamp") == Unconfirmed(
        order_type_of_buy=1, is_order_type_trusted=True, match_time_field="timestamp"
    )


def test_a_trade_has_no_type_in_its_model() -> None:
    """423 is told by the frame's first element alone."""
    read = private_frame(orjson.dumps([423, TRADE]), SAFE)
    assert not isinstance(read, Hello | LoginReply)
    (seen,) = read
    assert isinstance(seen, FillSeen)
    assert (seen.trade_id, seen.side, seen.quantity) == ("7", Side.SELL, Decimal("0.01"))
    assert (seen.commission, seen.commission_asset) == (Decimal(4), "TRY")


@pytest.mark.parametrize(
    ("kind", "left", "state", "filled"),
    [
        (451, "0.02", VenueOrderState.OPEN, "0"),
        (451, "0.01", VenueOrderState.PARTIALLY_FILLED, "0.01"),
        (453, "0.01", VenueOrderState.PARTIALLY_FILLED, "0.01"),
        (453, "0", VenueOrderState.FILLED, "0.02"),
        (452, "0.02", VenueOrderState.CANCELLED, "0"),
        (452, "0.005", VenueOrderState.CANCELLED, "0.015"),
        (452, "0", VenueOrderState.FILLED, "0.02"),
    ],
)
def test_what_is_left_says_how_an_order_ended(
    kind: int, left: str, state: VenueOrderState, filled: str
) -> None:
    """Trap 21: a cancel is final when 452 says so, and what is left tells it from a fill."""
    (seen,) = news(kind, {**ORDER, "numLeft": left})
    assert seen == OrderSeen(
        symbol=Symbol("BTCTRY"),
        exchange_order_id="61912740",
        client_order_id=OURS,
        side=Side.BUY,
        state=state,
        quantity=Decimal("0.02"),
        filled=Decimal(filled),
        quote_filled=None,
        price=Decimal(3842925),
        exchange_ns=0,
    )


@pytest.mark.parametrize("client_id", [None, "", "Sat", "spkx"])
@pytest.mark.parametrize("kind", [451, 452, 453])
def test_an_order_of_somebody_else_is_told_by_rest(kind: int, client_id: str | None) -> None:
    """What 45x calls a buy is not confirmed, and whose side we do not know we do not guess."""
    foreign = {**ORDER, "newOrderClientId": client_id, "orderType": 1}
    assert news(kind, foreign) == ASK
    trusted = Arrival(NOW_NS, Unconfirmed(is_order_type_trusted=True))
    (seen,) = news(kind, foreign, trusted)
    assert isinstance(seen, OrderSeen)
    assert seen.side is Side.SELL
    other = Arrival(NOW_NS, Unconfirmed(is_order_type_trusted=True, order_type_of_buy=1))
    (turned,) = news(kind, foreign, other)
    assert isinstance(turned, OrderSeen)
    assert turned.side is Side.BUY


def test_a_balance_that_changed_is_a_reason_to_ask() -> None:
    """201 has no amounts."""
    assert news(201, {}) == ASK


def test_public_frames_are_no_news() -> None:
    """What everybody may hear says nothing of the account."""
    assert news(402, {}) == news(801, {}) == news(100, {"ok": True}) == ()


def test_logins_are_told_apart() -> None:
    """A refusal is one, and its text stays with it."""
    assert private_frame(frame(991, {"current": "6.0.0", "min": "2.3.0"}), SAFE) == Hello(
        "6.0.0", "2.3.0"
    )
    refused = {"ok": False, "message": "Unauthorized - Invalid Request"}
    assert private_frame(frame(114, refused), SAFE) == LoginReply(
        is_ok=False, message="Unauthorized - Invalid Request"
    )


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (441, {"id": None}),
        (441, {"isBid": 1}),
        (441, {"amount": "-1"}),
        (451, {"numLeft": "0.03"}),
        (451, {"amount": None}),
        (453, {"orderType": "buy"}),
        (423, {"orderType": 0}),
    ],
)
def test_what_does_not_add_up_is_refused(kind: int, changes: dict[str, Any]) -> None:
    """What was missed is asked for; what was misread would stay."""
    with pytest.raises(WireError):
        news(kind, {**MATCH, **ORDER, **TRADE, "orderType": 0, **changes})


@given(st.binary(max_size=200))
def test_any_bytes_are_news_or_a_typed_error(sent: bytes) -> None:
    """Any bytes in: news or a `WireError`."""
    with suppress(WireError):
        private_frame(sent, SAFE)


_VALUES: Final = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.just("0.01")
)
_NAMES: Final = sorted({*MATCH, *ORDER, *TRADE, "ok", "message", "current", "min"})


@given(
    st.sampled_from([114, 201, 423, 441, 451, 452, 453, 991]),
    st.dictionaries(st.sampled_from(_NAMES), _VALUES),
    st.sampled_from([SAFE, Arrival(NOW_NS, Unconfirmed(is_order_type_trusted=True))]),
)
def test_any_model_is_news_or_a_typed_error(
    kind: int, model: dict[str, Any], arrival: Arrival
) -> None:
    """Anything in any field of any kind: news or a `WireError`."""
    sent = orjson.dumps([kind, {**MATCH, **ORDER, **TRADE, **model}])
    with suppress(WireError):
        private_frame(sent, arrival)
