"""
What a client says on the socket. Pure.

Whatever is not one of these is passed over in silence, as the venue does.
"""

from dataclasses import dataclass
from typing import Final

import orjson

LOGIN: Final = 114
SUBSCRIPTION: Final = 151
_PARTS: Final = 2


@dataclass(frozen=True, slots=True)
class Login:
    """114."""

    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class Subscription:
    """151."""

    channel: str
    event: str
    is_join: bool

    @property
    def name(self) -> str:
        """What answers call it."""
        return f"{self.channel}:{self.event}"


def read(text: str) -> Login | Subscription | None:
    """Read a frame; None for what is passed over."""
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(frame, list) or len(frame) != _PARTS or not isinstance(frame[1], dict):
        return None
    number, fields = frame
    if number == LOGIN:
        return Login(fields)
    if number != SUBSCRIPTION:
        return None
    channel, event, is_join = fields.get("channel"), fields.get("event"), fields.get("join")
    if not (isinstance(channel, str) and isinstance(event, str) and isinstance(is_join, bool)):
        return None
    return Subscription(channel, event, is_join)
