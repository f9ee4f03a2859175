"""
Text as WebSocket bytes. Pure.

A server's frames are not masked (RFC 6455 §5.2), so one event is encoded once for every
socket, and a recorded one is sent without being looked at.
"""

import struct
from typing import Final

_TEXT: Final = 0x81
_ONE_BYTE_MAX: Final = 125
_TWO_BYTES_MAX: Final = 0xFFFF


def websocket_text(payload: bytes) -> bytes:
    """Return one unmasked text frame."""
    length = len(payload)
    if length <= _ONE_BYTE_MAX:
        return struct.pack("!BB", _TEXT, length) + payload
    if length <= _TWO_BYTES_MAX:
        return struct.pack("!BBH", _TEXT, 126, length) + payload
    return struct.pack("!BBQ", _TEXT, 127, length) + payload
