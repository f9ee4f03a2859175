"""
WebSocket bytes and control frames.
"""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.exchanges.simulator.binance import control
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
