"""
Public frames, and those that were recorded.
"""

from contextlib import suppress
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.btcturk.wire_frames import (
    BookDifference,
    BookFull,
    Hello,
    LoginReply,
    Other,
    Result,
    Ticker,
    Tickers,
    Trade,
    TradeList,
    market_frame,
    subscription,
)
from tests.recordings import recorded

TICKER: Final[dict[str, Any]] = {
    "B": "3842925",
    "A": "3843111",
    "BA": "0.5",
    "AA": "0.25",
    "LA": "3842950",
    "PS": "BTCTRY",
    "PId": 1,
}
TRADE: Final[dict[str, Any]] = {
    "D": "1647357507716",
    "I": "110063781755340883",
    "A": "0.0000503001",
    "P": "1011.3000000000",
    "PS": "AVAXTRY",
    "S": 1,
}


def frame(kind: int, **model: object) -> bytes:
    return orjson.dumps([kind, {"type": kind, **model}])


def test_the_first_frame_names_versions() -> None:
    """991 comes unasked."""
    assert market_frame(frame(991, current="6.0.0", min="2.3.0")) == Hello("6.0.0", "2.3.0")


def test_an_answer_to_a_subscription_is_an_event() -> None:
    """Trap 20: `ok` says that the words were understood, not that data will come."""
    sent = frame(100, ok=True, message="join|obdiff:BTCTRY")
    assert market_frame(sent) == Result(is_ok=True, message="join|obdiff:BTCTRY")


def test_a_login_is_answered_under_its_own_number() -> None:
    """114 is the request and the reply; a good one has no message."""
    assert market_frame(frame(114, ok=True, message=None)) == LoginReply(is_ok=True, message="")


def test_tickers_are_read() -> None:
    """One symbol's, or everybody's at once."""
    one = Ticker("BTCTRY", "3842925", "0.5", "3843111", "0.25", "3842950")
    assert market_frame(frame(402, **TICKER)) == one
    assert market_frame(frame(401, items=[TICKER, TICKER])) == Tickers((one, one))


@pytest.mark.parametrize(("s", "buyer_is_maker"), [(0, True), (1, False)])
def test_a_trade_says_what_its_taker_did(s: int, *, buyer_is_maker: bool) -> None:
    """`S` is 0 for a sale and 1 for a buy."""
    trade = Trade(
        "AVAXTRY",
        110063781755340883,
        "1011.3000000000",
        "0.0000503001",
        1647357507716,
        buyer_is_maker=buyer_is_maker,
    )
    assert market_frame(frame(422, **{**TRADE, "S": s})) == trade
    listed = frame(421, symbol="AVAXTRY", items=[{**TRADE, "S": s}])
    assert market_frame(listed) == TradeList("AVAXTRY", (trade,))


def test_a_whole_book_begins_a_chain() -> None:
    """The channel says whose numbering it is."""
    sent = frame(
        431,
        CS=7,
        PS="BTCTRY",
        AO=[{"A": "0.5", "P": "11"}],
        BO=[{"A": "1", "P": "10"}],
        channel="obdiff",
    )
    assert market_frame(sent) == BookFull("BTCTRY", 7, (("10", "1"),), (("11", "0.5"),), "obdiff")


def test_a_level_is_deleted_by_its_operation_and_not_by_its_amount() -> None:
    """Trap 17: CP 3 deletes, and the amount beside it means nothing."""
    changes = [
        {"CP": 0, "P": "10", "A": "1"},
        {"CP": 1, "P": "9", "A": "2"},
        {"CP": 3, "P": "8", "A": "3"},
    ]
    sent = frame(432, CS=8, PS="BTCTRY", AO=[], BO=changes)
    assert market_frame(sent) == BookDifference(
        "BTCTRY", 8, (("10", "1"), ("9", "2"), ("8", "0")), ()
    )


@pytest.mark.parametrize(
    "change",
    [
        {"CP": 2, "P": "10", "A": "1"},
        {"CP": "3", "P": "10", "A": "1"},
        {"CP": [], "P": "10", "A": "1"},
        {"CP": 0, "P": "10"},
        {"CP": 0, "P": "10", "A": "1 2"},
        {"CP": 0, "P": "10", "A": 1},
        {"CP": 3, "P": "x", "A": "1"},
        {"P": "10", "A": "1"},
        "CP",
        [],
        None,
    ],
)
def test_an_operation_that_is_not_documented_is_refused(change: object) -> None:
    """Trap 17: a book that is changed by a guess is wrong from then on."""
    with pytest.raises(WireError):
        market_frame(frame(432, CS=8, PS="BTCTRY", AO=[change], BO=[]))


@pytest.mark.parametrize("kind", [428, 801, 802, 201, 9999, -1])
def test_other_kinds_are_let_through(kind: int) -> None:
    """A kind that nobody here needs is no error."""
    assert market_frame(frame(kind)) == Other(kind)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{}",
        b"[]",
        b"[991]",
        b"[991,{},1]",
        b'["991",{}]',
        b"[true,{}]",
        b"[991,[]]",
        b"[1.5,{}]",
    ],
)
def test_what_is_no_frame_is_refused(sent: bytes) -> None:
    """A frame is a number and a model."""
    with pytest.raises(WireError):
        market_frame(sent)


def test_a_subscription_is_written() -> None:
    """One channel and symbol in a frame, the symbol in upper case."""
    assert orjson.loads(subscription("obdiff", "BTCTRY", is_join=True)) == [
        151,
        {"type": 151, "channel": "obdiff", "event": "BTCTRY", "join": True},
    ]


def test_every_recorded_frame_is_read() -> None:
    """What the live exchange sent is decoded, each kind to its own event."""
    lines = recorded("btcturk-ws-frames.jsonl").read_bytes().splitlines()
    events = [market_frame(line) for line in lines]
    assert {type(event) for event in events} == {Hello, Trade, BookFull, BookDifference}
    for line, event in zip(lines, events, strict=True):
        kind, model = orjson.loads(line)
        if isinstance(event, BookDifference):
            assert kind == 432
            gone = [level["P"] for level in model["BO"] + model["AO"] if level["CP"] == 3]
            assert [price for price, quantity in event.bids + event.asks if quantity == "0"] == gone
        if isinstance(event, BookFull):
            assert event.change_set == model["CS"]
            assert event.bids == tuple((level["P"], level["A"]) for level in model["BO"])


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_a_typed_error(sent: bytes) -> None:
    """Any bytes in: an event or a `WireError`."""
    with suppress(WireError):
        market_frame(sent)


_VALUE: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=4) | st.just("1.5"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["CP", "P", "A", "B", "S", "D", "I"]), inner)
    ),
    max_leaves=8,
)
_NAMES: Final = ("CS", "PS", "AO", "BO", "S", "D", "I", "P", "A", "items", "symbol", "ok", "min")


@given(
    st.sampled_from([100, 114, 401, 402, 421, 422, 431, 432, 991]),
    st.dictionaries(st.sampled_from(_NAMES), _VALUE),
)
def test_any_model_is_an_event_or_a_typed_error(kind: int, model: dict[str, object]) -> None:
    """Anything in any field of any kind: an event or a `WireError`."""
    with suppress(WireError):
        market_frame(orjson.dumps([kind, {**TICKER, **TRADE, **model}]))
