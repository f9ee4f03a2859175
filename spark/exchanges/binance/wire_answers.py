"""
What an HTTP reply proves: accepted, rejected, or nothing. Pure.

Only a documented, readable refusal is a reject. Whatever else comes back after
a request was sent leaves its outcome unknown, and an unknown is settled by
evidence, never by sending again.

Source: binance-spot-api-docs errors.md (2026-07) and rest-api.md "HTTP return codes".
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from spark.exchanges.binance.wire_orders import OrderReply, order_reply
from spark.exchanges.fields import (
    as_object,
    decode,
    signed_whole,
    text,
)

T = TypeVar("T")

_USED_WEIGHT: Final = "X-MBX-USED-WEIGHT-1M"
_WEIGHT_DIGITS_MAX: Final = 9
_BANNED: Final = 418
_RATE_LIMITS: Final = frozenset({_BANNED, 429})
_CLOCK: Final = -1021
#: Refused for too many requests, orders or connections: the request was not taken.
_LIMIT_CODES: Final = frozenset({-1003, -1015, -1034})
#: Of these, those that count an account's orders, whatever address they come from.
_ACCOUNT_LIMITS: Final = frozenset({-1015})
#: "Execution status unknown", and errors that do not say that nothing was done.
_UNKNOWN_CODES: Final = frozenset({-1000, -1006, -1007, -2021})
#: It says to come again: a question may, an order is unknown as well.
_BUSY_CODES: Final = frozenset({-1001, -1008, -1016})
#: Under a limit's status these stay what they are: which status a busy server answers with
#: is nowhere said, and that it did nothing is not either.
_TIRED_CODES: Final = _UNKNOWN_CODES | _BUSY_CODES
#: The text of an engine's refusal, which says what its code alone does not.
_ENGINE_CODES: Final = frozenset({-1010, -2010, -2011})
_DUPLICATE: Final = "duplicate order sent"
#: Whose word becomes the token; of another text nothing is repeated (S18).
_FILTER: Final = re.compile(r"Filter failure: ([A-Z][A-Z0-9_]{2,63})\.?")

#: A word for each documented code.
TOKENS: Final = {
    -1002: "UNAUTHORIZED",
    -1010: "ERROR_MSG_RECEIVED",
    -1013: "INVALID_MESSAGE",
    -1014: "UNKNOWN_ORDER_COMPOSITION",
    -1020: "UNSUPPORTED_OPERATION",
    -1022: "INVALID_SIGNATURE",
    -1033: "COMP_ID_IN_USE",
    -1035: "LOGGED_OUT",
    -1100: "ILLEGAL_CHARS",
    -1101: "TOO_MANY_PARAMETERS",
    -1102: "MANDATORY_PARAM_EMPTY_OR_MALFORMED",
    -1103: "UNKNOWN_PARAM",
    -1104: "UNREAD_PARAMETERS",
    -1105: "PARAM_EMPTY",
    -1106: "PARAM_NOT_REQUIRED",
    -1108: "PARAM_OVERFLOW",
    -1111: "BAD_PRECISION",
    -1112: "NO_DEPTH",
    -1114: "TIF_NOT_REQUIRED",
    -1115: "INVALID_TIF",
    -1116: "INVALID_ORDER_TYPE",
    -1117: "INVALID_SIDE",
    -1118: "EMPTY_NEW_CL_ORD_ID",
    -1119: "EMPTY_ORG_CL_ORD_ID",
    -1120: "BAD_INTERVAL",
    -1121: "BAD_SYMBOL",
    -1122: "INVALID_SYMBOLSTATUS",
    -1125: "INVALID_LISTEN_KEY",
    -1127: "MORE_THAN_XX_HOURS",
    -1128: "OPTIONAL_PARAMS_BAD_COMBO",
    -1130: "INVALID_PARAMETER",
    -1134: "BAD_STRATEGY_TYPE",
    -1135: "INVALID_JSON",
    -1139: "INVALID_TICKER_TYPE",
    -1145: "INVALID_CANCEL_RESTRICTIONS",
    -1151: "DUPLICATE_SYMBOLS",
    -1152: "INVALID_SBE_HEADER",
    -1153: "UNSUPPORTED_SCHEMA_ID",
    -1155: "SBE_DISABLED",
    -1158: "OCO_ORDER_TYPE_REJECTED",
    -1160: "OCO_ICEBERGQTY_TIMEINFORCE",
    -1161: "DEPRECATED_SCHEMA",
    -1165: "BUY_OCO_LIMIT_MUST_BE_BELOW",
    -1166: "SELL_OCO_LIMIT_MUST_BE_ABOVE",
    -1168: "BOTH_OCO_ORDERS_CANNOT_BE_LIMIT",
    -1169: "INVALID_TAG_NUMBER",
    -1170: "TAG_NOT_DEFINED_IN_MESSAGE",
    -1171: "TAG_APPEARS_MORE_THAN_ONCE",
    -1172: "TAG_OUT_OF_ORDER",
    -1173: "GROUP_FIELDS_OUT_OF_ORDER",
    -1174: "INVALID_COMPONENT",
    -1175: "RESET_SEQ_NUM_SUPPORT",
    -1176: "ALREADY_LOGGED_IN",
    -1177: "GARBLED_MESSAGE",
    -1178: "BAD_SENDER_COMPID",
    -1179: "BAD_SEQ_NUM",
    -1180: "EXPECTED_LOGON",
    -1181: "TOO_MANY_MESSAGES",
    -1182: "PARAMS_BAD_COMBO",
    -1183: "NOT_ALLOWED_IN_DROP_COPY_SESSIONS",
    -1184: "DROP_COPY_SESSION_NOT_ALLOWED",
    -1185: "DROP_COPY_SESSION_REQUIRED",
    -1186: "NOT_ALLOWED_IN_ORDER_ENTRY_SESSIONS",
    -1187: "NOT_ALLOWED_IN_MARKET_DATA_SESSIONS",
    -1188: "INCORRECT_NUM_IN_GROUP_COUNT",
    -1189: "DUPLICATE_ENTRIES_IN_A_GROUP",
    -1190: "INVALID_REQUEST_ID",
    -1191: "TOO_MANY_SUBSCRIPTIONS",
    -1194: "INVALID_TIME_UNIT",
    -1196: "BUY_OCO_STOP_LOSS_MUST_BE_ABOVE",
    -1197: "SELL_OCO_STOP_LOSS_MUST_BE_BELOW",
    -1198: "BUY_OCO_TAKE_PROFIT_MUST_BE_BELOW",
    -1199: "SELL_OCO_TAKE_PROFIT_MUST_BE_ABOVE",
    -1210: "INVALID_PEG_PRICE_TYPE",
    -1211: "INVALID_PEG_OFFSET_TYPE",
    -1220: "SYMBOL_DOES_NOT_MATCH_STATUS",
    -1221: "INVALID_SBE_MESSAGE_FIELD",
    -1222: "OPO_WORKING_MUST_BE_BUY",
    -1223: "OPO_PENDING_MUST_BE_SELL",
    -1224: "WORKING_PARAM_REQUIRED",
    -1225: "PENDING_PARAM_NOT_REQUIRED",
    -2010: "NEW_ORDER_REJECTED",
    -2011: "CANCEL_REJECTED",
    -2013: "NO_SUCH_ORDER",
    -2014: "BAD_API_KEY_FMT",
    -2015: "REJECTED_MBX_KEY",
    -2016: "NO_TRADING_WINDOW",
    -2022: "CANCEL_REPLACE_FAILED",
    -2026: "ORDER_ARCHIVED",
    -2035: "SUBSCRIPTION_ACTIVE",
    -2036: "SUBSCRIPTION_INACTIVE",
    -2038: "ORDER_AMEND_REJECTED",
    -2039: "CLIENT_ORDER_ID_INVALID",
    -2042: "MAXIMUM_SUBSCRIPTION_IDS",
    -2043: "NO_REFERENCE_PRICE",
}
#: What an engine's refusal says, by the start of its text.
_ENGINE_TOKENS: Final = (
    ("Account has insufficient balance", "INSUFFICIENT_BALANCE"),
    ("Unknown order sent", "UNKNOWN_ORDER"),
    ("Market is closed", "MARKET_CLOSED"),
    ("Order would immediately match and take", "WOULD_TAKE"),
    ("Price * QTY is zero or less", "ZERO_NOTIONAL"),
    ("This action is disabled on this account", "ACCOUNT_DISABLED"),
    ("This account may not place or cancel orders", "ACCOUNT_DISABLED"),
    ("This symbol is not permitted for this account", "SYMBOL_NOT_PERMITTED"),
    ("This symbol is restricted for this account", "SYMBOL_NOT_PERMITTED"),
    ("Order book liquidity is less than", "NO_LIQUIDITY"),
    ("Order was not canceled due to cancel restrictions", "CANCEL_RESTRICTED"),
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue definitely did not do it."""

    code: int
    #: A word for the code, or for the text where one code has many meanings.
    token: str
    message: str
    http_status: int

    @property
    def words(self) -> str:
        """Say it in an error."""
        return f"{self.token}, HTTP {self.http_status}"


@dataclass(frozen=True, slots=True)
class ClockRefused:
    """Not done, because its timestamp is outside the venue's window."""

    message: str

    @property
    def words(self) -> str:
        """Say it in an error."""
        return "INVALID_TIMESTAMP"


Refusal: TypeAlias = Rejected | RateLimited | ClockRefused | Unknown
Answer: TypeAlias = Accepted[OrderReply] | Refusal


def classify(status: int, body: bytes, *, retry_after_s: int = 0) -> Answer:
    """
    Classify the reply to a place, a cancel or a query of one order.

    Args:
        status: HTTP status.
        body: as received, whole or cut.
        retry_after_s: from the header of that name; 0 for none.
    """
    return classify_as(order_reply, status, body, retry_after_s=retry_after_s)


def weight_used(headers: Mapping[str, str]) -> int:
    """Read what the address has spent of this minute's weight; -1 where nothing is said."""
    value = headers.get(_USED_WEIGHT, "")
    is_number = value.isascii() and value.isdigit() and len(value) <= _WEIGHT_DIGITS_MAX
    return int(value) if is_number else -1


def classify_as(
    read: Callable[[object], T], status: int, body: bytes, *, retry_after_s: int = 0
) -> Accepted[T] | Refusal:
    """Classify a reply whose good form `read` knows (it raises `WireError` otherwise)."""
    if status in _RATE_LIMITS:
        return _limited(status, body, retry_after_s)
    doubt = doubtful(status)
    if doubt is not None:
        return Unknown(doubt, status)
    if status != OK:
        return _refusal(status, body, retry_after_s)
    try:
        return Accepted(read(decode(body)))
    except WireError:
        return Unknown(Doubt.UNREADABLE, status)


def _refusal(status: int, body: bytes, retry_after_s: int) -> Refusal:
    try:
        code, message = _error(body)
    except WireError:
        return Unknown(Doubt.UNREADABLE, status)
    if code in _LIMIT_CODES:
        return _limited(status, body, retry_after_s)
    if code == _CLOCK:
        return ClockRefused(message)
    doubt = _doubtful_error(code, message)
    if doubt is not None:
        return Unknown(doubt, status, code)
    return Rejected(code, _token(code, message), message, status)


def _limited(status: int, body: bytes, retry_after_s: int) -> Refusal:
    try:
        code, message = _error(body)
    except WireError:
        code, message = 0, ""
    doubt = _doubtful_error(code, message) if code in _TIRED_CODES else None
    if doubt is not None:
        return Unknown(doubt, status, code)
    # A ban is the address's, whatever it was earned with.
    is_account = status != _BANNED and code in _ACCOUNT_LIMITS
    return RateLimited(status, retry_after_s, is_address_limited=not is_account)


def _error(body: bytes) -> tuple[int, str]:
    fields = as_object(decode(body), "an error")
    return signed_whole(fields, "code"), text(fields, "msg")[:MESSAGE_MAX]


def _doubtful_error(code: int, message: str) -> Doubt | None:
    if code in _UNKNOWN_CODES:
        return Doubt.STATUS_UNKNOWN
    if code in _BUSY_CODES:
        return Doubt.BUSY
    if code in _ENGINE_CODES and _DUPLICATE in message.lower():
        # It proves that an order of this id is there, so it is no reject.
        return Doubt.DUPLICATE
    return None if code in TOKENS else Doubt.UNDOCUMENTED


def _token(code: int, message: str) -> str:
    if found := _FILTER.fullmatch(message):
        return f"FILTER_{found[1]}"
    if code in _ENGINE_CODES:
        for start, token in _ENGINE_TOKENS:
            if message.startswith(start):
                return token
    return TOKENS[code]
