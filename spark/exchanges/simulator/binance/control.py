"""
What a client says on a market socket. Pure.

Source: binance-spot-api-docs web-socket-streams.md "Live Subscribing/Unsubscribing".
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson

_INVALID_REQUEST: Final = 2
_INVALID_JSON: Final = 3
_PROPERTY: Final = "combined"


class Method(StrEnum):
    """What can be asked."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    LIST_SUBSCRIPTIONS = "LIST_SUBSCRIPTIONS"
    SET_PROPERTY = "SET_PROPERTY"
    GET_PROPERTY = "GET_PROPERTY"


class InvalidMessage(Exception):  # noqa: N818  (an answer, not a failure)
    """The server's error reply."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Message:
    """One control frame."""

    method: Method
    number: int | str | None
    #: Streams, for SUBSCRIBE and UNSUBSCRIBE.
    names: tuple[str, ...] = ()
    #: The value, for SET_PROPERTY.
    flag: bool = False


def read(text: str) -> Message:
    """
    Read a control frame.

    Raises:
        InvalidMessage: not one.
    """
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidMessage(_INVALID_JSON, f"Invalid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise _invalid("request must be an object")
    number, word, params = fields.get("id"), fields.get("method"), fields.get("params", [])
    if isinstance(number, bool) or not isinstance(number, int | str | None):
        raise _invalid("id must be an integer, a string or null")
    if not isinstance(word, str) or word not in Method.__members__:
        raise _invalid("unknown method")
    if not isinstance(params, list):
        raise _invalid("params must be a list")
    return _message(Method(word), number, params)


def _message(method: Method, number: int | str | None, params: list[object]) -> Message:
    match method:
        case Method.LIST_SUBSCRIPTIONS:
            return Message(method, number)
        case Method.GET_PROPERTY if params == [_PROPERTY]:
            return Message(method, number)
        case Method.SET_PROPERTY if params in ([_PROPERTY, True], [_PROPERTY, False]):
            return Message(method, number, flag=params[1] is True)
        case Method.SUBSCRIBE | Method.UNSUBSCRIBE:
            names = tuple(name for name in params if isinstance(name, str))
            if len(names) == len(params):
                return Message(method, number, names)
    raise _invalid("wrong params")


def _invalid(reason: str) -> InvalidMessage:
    return InvalidMessage(_INVALID_REQUEST, f"Invalid request: {reason}")
