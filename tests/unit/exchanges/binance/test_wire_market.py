"""
Market stream frames.
"""

from contextlib import suppress
from typing import Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.binance.wire_market import (
    BookTicker,
    ControlReply,
    DepthSnapshot,
    DepthUpdate,
    ServerShutdown,
    Trade,
    depth_snapshot,
    parse_frame,
)

TICKER: Final = (
    b'{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT",'
    b'"b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}'
)
TRADE: Final = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT",'
    b'"t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}'
)
DEPTH: Final = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255308,"s":"BTCUSDT",'
    b'"U":50093239203,"u":50093239207,"b":[["55653.87000000","0.00000000"]],'
    b'"a":[["61838.04000000","0.32332000"],["61844.30000000","0.40163000"]]}}'
)


def test_a_book_ticker_keeps_its_amounts_as_written() -> None:
    """Amounts go to the database as the text they were."""
    assert parse_frame(TICKER) == BookTicker(
        "BTCUSDT", 50093239212, "61837.63000000", "3.78826000", "61837.64000000", "1.54698000"
    )


def test_a_trade_is_read() -> None:
    """`m` tells whether the buyer was the maker."""
    assert parse_frame(TRADE) == Trade(
        "BTCUSDT",
        1723161255343,
        3735683259,
        "61837.63000000",
        "0.02000000",
        1723161255342,
        buyer_is_maker=True,
    )


@pytest.mark.parametrize("stream", [b"btcusdt@depth@100ms", b"btcusdt@depth"])
def test_a_depth_update_is_read_at_either_speed(stream: bytes) -> None:
    """Both speeds carry the same event."""
    frame = DEPTH.replace(b"btcusdt@depth@100ms", stream)
    assert parse_frame(frame) == DepthUpdate(
        "BTCUSDT",
        1723161255308,
        50093239203,
        50093239207,
        (("55653.87000000", "0.00000000"),),
        (("61838.04000000", "0.32332000"), ("61844.30000000", "0.40163000")),
    )


def test_control_replies_are_events() -> None:
    """A refused subscription is seen, not waited for."""
    assert parse_frame(b'{"result":null,"id":1}') == ControlReply(1, None)
    assert parse_frame(b'{"error":{"code":2,"msg":"Invalid request"},"id":7}') == ControlReply(
        7, "Invalid request"
    )
    assert parse_frame(b'{"code":2,"msg":"Invalid request"}') == ControlReply(0, "Invalid request")


def test_a_coming_shutdown_is_an_event() -> None:
    """The server says before it closes."""
    frame = b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}'
    assert parse_frame(frame) == ServerShutdown(1770123456789)


def test_a_snapshot_is_read() -> None:
    """The REST snapshot has the same levels."""
    assert depth_snapshot(b'{"lastUpdateId":5,"bids":[["1","2"]],"asks":[]}') == DepthSnapshot(
        5, (("1", "2"),), ()
    )


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"result":1,"id":1}',
        b'{"stream":1,"data":{}}',
        b'{"stream":"btcusdt@kline_1m","data":{}}',
        b'{"stream":"btcusdt@trade"}',
        TICKER.replace(b"50093239212", b"-1"),
        TICKER.replace(b"50093239212", b'"50093239212"'),
        TICKER.replace(b"50093239212", b"true"),
        TICKER.replace(b'"3.78826000"', b"3.78826000"),
        TICKER.replace(b"3.78826000", b"3,78826000"),
        TICKER.replace(b"3.78826000", b"NaN"),
        TICKER.replace(b"3.78826000", b"1e5"),
        TICKER.replace(b"3.78826000", b"-1"),
        TICKER.replace(b'"b"', b'"x"'),
        TRADE.replace(b'"e":"trade"', b'"e":"aggTrade"'),
        TRADE.replace(b'"m":true', b'"m":1'),
        DEPTH.replace(b"50093239207", b"50093239202"),
        DEPTH.replace(b'["55653.87000000","0.00000000"]', b'["55653.87000000"]'),
        DEPTH.replace(b'["55653.87000000","0.00000000"]', b'["55653.87000000",0]'),
        DEPTH.replace(b'["55653.87000000","0.00000000"]', b'["1 2","3"]'),
        DEPTH.replace(b'["55653.87000000","0.00000000"]', b'["1","2"],["3 4"]'),
        DEPTH.replace(b'["55653.87000000","0.00000000"]', b'"12"'),
        DEPTH.replace(b'["55653.87000000","0.00000000"]', b'{"1":"2","3":"4"}'),
        DEPTH.replace(b'["55653.87000000","0.00000000"]', b"null"),
        DEPTH.replace(b'[["55653.87000000","0.00000000"]]', b"{}"),
        TICKER[:-2],
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_any_other_frame_is_a_wire_error(frame: bytes) -> None:
    """H5, fault M4: a frame that the documents do not allow is named, not guessed at."""
    with pytest.raises(WireError):
        parse_frame(frame)


def test_a_long_run_of_digits_is_refused_at_once() -> None:
    """The levels' pattern has one way to match, so no input makes it search."""
    levels = b'["' + b"1" * 50_000 + b'x","1"]'
    with pytest.raises(WireError):
        parse_frame(DEPTH.replace(b'["55653.87000000","0.00000000"]', levels))


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_a_wire_error(frame: bytes) -> None:
    """A decoder raises WireError and nothing else; valid bytes may be found by chance."""
    for read in (parse_frame, depth_snapshot):
        with suppress(WireError):
            read(frame)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


@given(
    st.sampled_from([TICKER, TRADE, DEPTH]),
    st.sampled_from(["u", "s", "b", "B", "a", "A", "e", "E", "t", "p", "q", "T", "m", "U"]),
    _VALUES,
)
def test_any_value_in_any_field_is_an_event_or_a_wire_error(
    frame: bytes, field: str, value: object
) -> None:
    """The same, one field at a time."""
    decoded = orjson.loads(frame)
    decoded["data"][field] = value
    try:
        encoded = orjson.dumps(decoded)
    except TypeError:  # an integer beyond 64 bits, which JSON from a venue can hold
        encoded = frame
    try:
        parse_frame(encoded)
    except WireError:
        return
