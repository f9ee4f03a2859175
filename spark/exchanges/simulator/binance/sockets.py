"""
One market socket: its subscriptions and its control frames.

Reads   SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, SET_PROPERTY, GET_PROPERTY
Writes  events of the streams that it is subscribed to
Owns    its connection
Fails   as its connection does

Source: binance-spot-api-docs web-socket-streams.md.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import orjson
from aiohttp import web

from spark.exchanges.simulator.binance import control
from spark.exchanges.simulator.binance.connection import Connection
from spark.exchanges.simulator.binance.frames import combined
from spark.exchanges.simulator.faults import Channel, Faults

STREAMS_MAX: Final = 1_024
#: Messages a second from a client, pings and pongs included.
MESSAGES_PER_S_MAX: Final = 5
_DEPTH: Final = "@depth"


class Socket(Connection):
    """One connection to the market streams."""

    def __init__(
        self,
        request: web.BaseRequest,
        names: list[str],
        *,
        faults: Faults,
        is_combined: bool,
        is_limited: bool,
    ) -> None:
        super().__init__(
            request,
            faults=faults,
            channel=Channel.MARKET,
            messages_per_s_max=MESSAGES_PER_S_MAX if is_limited else None,
        )
        self.names: dict[str, None] = dict.fromkeys(names)
        #: Set whenever the subscriptions change.
        self.on_change: Callable[[Socket], None] = lambda _socket: None
        self._is_combined = is_combined

    def opened(self) -> None:
        """Begin with the streams of the address."""
        self.on_change(self)

    def send(self, stream: str, data: bytes) -> None:
        """Queue one event."""
        payload = combined(stream, data) if self._is_combined else data
        self.queue(payload, is_sequenced=is_sequenced(stream))

    def hear(self, text: str) -> None:
        """Execute a control frame."""
        number: int | str | None = None
        try:
            message = control.read(text)
            number = message.number
            result = self._execute(message)
            reply: dict[str, object] = {"result": result, "id": number}
        except control.InvalidMessage as error:
            reply = {"error": {"code": error.code, "msg": error.message}, "id": number}
        self.reply(orjson.dumps(reply))

    def _execute(self, message: control.Message) -> object:
        match message.method:
            case control.Method.LIST_SUBSCRIPTIONS:
                return list(self.names)
            case control.Method.GET_PROPERTY:
                return self._is_combined
            case control.Method.SET_PROPERTY:
                self._is_combined = message.flag
            case control.Method.SUBSCRIBE:
                if len({*self.names, *message.names}) > STREAMS_MAX:
                    raise control.InvalidMessage(2, f"Invalid request: over {STREAMS_MAX} streams")
                self.names |= dict.fromkeys(message.names)
                # After the reply: a client may count on that order.
                asyncio.get_running_loop().call_soon(self.on_change, self)
            case control.Method.UNSUBSCRIBE:
                for name in message.names:
                    self.names.pop(name, None)
                asyncio.get_running_loop().call_soon(self.on_change, self)
        return None


def is_sequenced(stream: str) -> bool:
    """Tell whether a stream's events are differences of a book."""
    return _DEPTH in stream
