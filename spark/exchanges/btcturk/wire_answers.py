"""
What an HTTP reply proves: accepted, refused, or nothing. Pure.

The venue's envelope is not to be believed in one place alone: `success` has been true on
a 401, `code` has been the text "SUCCESS", `message` of a success is null, empty, "OK" or
"SUCCESS", and the addresses stand behind a front that answers in HTML. So success is what
all of them say, a refusal is a documented token (numbers were wrong for years), and
whatever else comes back after a request was sent leaves its outcome unknown.

Source: docs.btcturk.com errors, recent-changes, rate-limits; facts: exchanges.md §1.2, §1.7.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from spark.errors import WireError
from spark.exchanges.answers import (
    MESSAGE_MAX,
    OK,
    Accepted,
    Doubt,
    RateLimited,
    Unknown,
    doubtful,
)
from spark.exchanges.btcturk.wire import decode_exact, folded, text_or_empty
from spark.exchanges.fields import (
    Object,
)

T = TypeVar("T")

#: What an answer to a login or a signed request calls a stamp that it does not take.
INVALID_NONCE: Final = "INVALID_NONCE"

_RATE_LIMITED: Final = 429
_LIMIT_TOKEN: Final = "TOO_MANY_REQUESTS"  # noqa: S105  (the venue's word, no secret)
_LIMIT_OF_ACCOUNT: Final = "account"
#: What a success may say beside `success: true`.
_GOOD_CODES: Final = frozenset({"", "0", "SUCCESS"})
_GOOD_MESSAGES: Final = frozenset({"", "OK", "SUCCESS"})
_TOKEN: Final = re.compile(r"[A-Z][A-Z0-9_]{2,63}")


class Worth(StrEnum):
    """What a documented token says of the request."""

    #: It was not done, and the same request would be refused again.
    REJECTED = "rejected"
    #: It was not done; the same may be taken a moment later.
    RETRYABLE = "retryable"
    #: There is no such order.
    ABSENT = "absent"
    #: Its stamp is not acceptable; it was not done.
    CLOCK = "clock"
    #: It may have been done.
    UNKNOWN = "unknown"


TOKENS: Final = {
    INVALID_NONCE: Worth.CLOCK,
    "INVALID_SIGNATURE": Worth.REJECTED,
    "HEADERS_ARE_MISSING": Worth.REJECTED,
    "INVALID_REQUEST": Worth.REJECTED,
    "INVALID_REQUEST_ERROR": Worth.REJECTED,
    "UNAUTHORIZED": Worth.REJECTED,
    "PAIR_DOES_NOT_EXIST": Worth.REJECTED,
    "START_TIME_IN_FUTURE": Worth.REJECTED,
    "ORDER_COULD_NOT_BE_CANCELED": Worth.REJECTED,
    "NO_ORDER_MATCHES_YOUR_REQUEST": Worth.ABSENT,
    "ORDER_NOT_FOUND": Worth.ABSENT,
    "ORDER_CANCEL_BLOCKED": Worth.RETRYABLE,
    "BALANCE_NOT_ENOUGH": Worth.REJECTED,
    "BALANCE_NOT_ENOUGH_WITHOUT_OPEN_ORDERS": Worth.REJECTED,
    "FAILED_MARKET_ORDER": Worth.REJECTED,
    "FAILED_LIMIT_ORDER": Worth.REJECTED,
    "FAILED_ORDER_PARAMETER": Worth.REJECTED,
    "PARAMETERS_ERROR": Worth.REJECTED,
    # Also said while a fill's proceeds are not released yet (trap 22).
    "FAILED_ORDER_WITH_OPEN_ORDERS": Worth.RETRYABLE,
    "FAILED_MIN_TOTAL_AMOUNT": Worth.REJECTED,
    "MIN_TOTAL": Worth.REJECTED,
    "FAILED_STOP_PRICE_GREATER_THAN_BEST_ASK": Worth.REJECTED,
    "STOP_PRICE_GREATER_THAN_MARKET": Worth.REJECTED,
    "FAILED_STOP_PRICE_LESS_THAN_BEST_BID": Worth.REJECTED,
    "STOP_PRICE_LESS_THAN_MARKET": Worth.REJECTED,
    "FAILED_INVALID_PRICE_SCALE": Worth.REJECTED,
    "FAILED_INVALID_QUANTITY_SCALE": Worth.REJECTED,
    "FAILED_INVALID_STOP_PRICE_SCALE": Worth.REJECTED,
    "ORDER_METHOD_NOT_SUPPORTED": Worth.REJECTED,
    "ORDER_TYPE_NOT_SUPPORTED": Worth.REJECTED,
    "PRICE_MUST_BE_LESS_THAN_MAXPRICE": Worth.REJECTED,
    "PRICE_MUST_BE_LESS_THAN_MINPRICE": Worth.REJECTED,
    "ORDER_MIN_PRICE_EXCEEDED": Worth.REJECTED,
    "ORDER_MAX_PRICE_EXCEEDED": Worth.REJECTED,
    "INTERNAL_ERROR": Worth.UNKNOWN,
}
#: Free text instead of a token, by what it holds, in lower case; the first that fits counts.
_TEXTS: Final = (
    ("invalid nonce", INVALID_NONCE),
    ("invalid signature", "INVALID_SIGNATURE"),
    ("headers are missing", "HEADERS_ARE_MISSING"),
    ("invalid request", "INVALID_REQUEST"),
    ("unauthorized", "UNAUTHORIZED"),
    ("starttime cannot be bigger", "START_TIME_IN_FUTURE"),
    ("order not found", "ORDER_NOT_FOUND"),
)
_NO_SUCH_PAIR: Final = re.compile(r"pair .{1,40} does not exists?\.?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue definitely did not do it."""

    token: str
    worth: Worth
    message: str
    http_status: int

    @property
    def words(self) -> str:
        """Say it in an error."""
        return f"{self.token}, HTTP {self.http_status}"


Refusal: TypeAlias = Rejected | RateLimited | Unknown


def classify_as(
    read: Callable[[object], T], status: int, body: bytes, *, retry_after_s: int = 0
) -> Accepted[T] | Refusal:
    """
    Classify a reply.

    Args:
        read: takes the envelope's `data`, or raises `WireError`.
        status: HTTP status.
        body: as received, whole or cut.
        retry_after_s: from the header of that name; 0 for none.

    """
    if status == _RATE_LIMITED:
        return RateLimited(status, retry_after_s, _is_address_limited(body))
    doubt = doubtful(status)
    if doubt is not None:
        return Unknown(doubt, status)
    try:
        fields = folded(decode_exact(body), "a reply")
        message = text_or_empty(fields, "message")[:MESSAGE_MAX]
        if status == OK and _is_good(fields, message):
            return Accepted(read(fields.get("data")))
    except WireError:
        return Unknown(Doubt.UNREADABLE, status)
    return _refusal(status, message, body, retry_after_s=retry_after_s)


def data_of(body: bytes) -> object:
    """
    Take the data out of a public reply.

    Raises:
        WireError: it is no success.

    """
    answer = classify_as(lambda data: data, OK, body)
    match answer:
        case Accepted(reply=data):
            return data
        case Rejected(token=token):
            raise WireError(f"the venue says {token}")
        case _:
            raise WireError("not an envelope of a success")


def token_of(message: str) -> str:
    """Find the documented token that a message is, or stands for; empty where none."""
    word = message.strip().upper()
    if word in TOKENS or word == _LIMIT_TOKEN:
        return word
    if _TOKEN.fullmatch(word):
        # A token, and none that is documented: no part of it makes it another.
        return ""
    lower = message.lower()
    for part, token in _TEXTS:
        if part in lower:
            return token
    return "PAIR_DOES_NOT_EXIST" if _NO_SUCH_PAIR.fullmatch(message.strip()) else ""


def _is_good(fields: Object, message: str) -> bool:
    code = fields.get("code")
    # A bool is an int to Python, not to an exchange.
    is_word = isinstance(code, str | int) and type(code) is not bool
    is_good_code = code is None or (is_word and str(code).upper() in _GOOD_CODES)
    is_good_message = message.strip().upper() in _GOOD_MESSAGES
    return fields.get("success") is True and is_good_code and is_good_message


def _refusal(status: int, message: str, body: bytes, *, retry_after_s: int) -> Refusal:
    token = token_of(message)
    if token == _LIMIT_TOKEN:
        return RateLimited(status, retry_after_s, _is_address_limited(body))
    worth = TOKENS.get(token)
    if worth is None:
        return Unknown(Doubt.UNDOCUMENTED, status)
    if worth is Worth.UNKNOWN:
        return Unknown(Doubt.STATUS_UNKNOWN, status)
    return Rejected(token, worth, message, status)


def _is_address_limited(body: bytes) -> bool:
    try:
        policy = text_or_empty(folded(decode_exact(body), "a reply"), "policy")
    except WireError:
        return True
    return policy.strip().lower() != _LIMIT_OF_ACCOUNT
