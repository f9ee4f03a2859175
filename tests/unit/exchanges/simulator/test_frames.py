"""
WebSocket bytes and control frames.
"""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.exchanges.simulator.binance import control, ws_api
from spark.exchanges.simulator.binance.refusals import Refusal
from spark.exchanges.simulator.text_frames import websocket_text


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_says_its_length(length: int) -> None:
    """RFC 6455 §5.2: three forms of length, unmasked, final, text."""
    frame = websocket_text(b"a" * length)
    assert frame[0] == 0x81
    if frame[1] < 126:
        header, told = 2, frame[1]
    elif frame[1] == 126:
        header, told = 4, struct.unpack("!H", frame[2:4])[0]
    else:
        header, told = 10, struct.unpack("!Q", frame[2:10])[0]
    assert told == length
    assert len(frame) == header + length


@given(st.text(max_size=80))
def test_any_text_is_a_message_or_an_error_reply(text: str) -> None:
    """H5: no control frame breaks the reader."""
    with pytest.raises(control.InvalidMessage):
        control.read(text)


@pytest.mark.parametrize("depth", [300, 500, 1_000, 3_000])
@pytest.mark.parametrize("ends", ["[]", '{"a":}'])
def test_h5_a_parameter_nested_deeper_than_is_written_is_no_request(depth: int, ends: str) -> None:
    """H5: Binance answers -1135 to what it cannot read, and the connection stays."""
    half = len(ends) // 2 if ends == "[]" else len(ends) - 1
    value = ends[:half] * depth + "1" + ends[half:] * depth
    with pytest.raises(Refusal) as caught:
        ws_api.read(f'{{"id":1,"method":"ping","params":{{"x":{value}}}}}')
    assert caught.value.code == -1135
    assert ws_api.read('{"id":1,"method":"ping","params":{"x":[1]}}').params == {"x": "[1]"}
