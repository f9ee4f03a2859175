"""
Every error that the simulated venue answers: code, HTTP status, text.

Source: binance-spot-api-docs errors.md (2026-07); 401 for key errors as seen in
clients' logs.
"""

from typing import Final

from spark.exchanges.simulator.faults import FaultKind, Hit
from spark.exchanges.simulator.venue import Refused

#: Of an address, over all that it asks.
WEIGHT_PER_MINUTE_MAX: Final = 6_000
_BANNED: Final = 418


#: Refused keys: how HTTP calls that is nowhere stated.
KEY_CODES: Final = frozenset({-2014, -2015})


class Refusal(Exception):  # noqa: N818  (an answer, not a failure)
    """The venue's error reply."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        #: Seconds, with 429 and 418.
        self.retry_after_s: int | None = None


def illegal_characters(name: str, legal: str) -> Refusal:
    """Build -1100."""
    return Refusal(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def duplicate_parameter() -> Refusal:
    """Build -1101."""
    return Refusal(-1101, "Duplicate values for a parameter detected.")


def mandatory(name: str) -> Refusal:
    """Build -1102 for one parameter."""
    return Refusal(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def one_of(first: str, second: str) -> Refusal:
    """Build -1102 for a choice of two."""
    return Refusal(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def unread(read: int, sent: int) -> Refusal:
    """Build -1104."""
    return Refusal(
        -1104,
        f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.",
    )


def empty(name: str) -> Refusal:
    """Build -1105."""
    return Refusal(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> Refusal:
    """Build -1106."""
    return Refusal(-1106, f"Parameter '{name}' sent when not required.")


def overflow(name: str) -> Refusal:
    """Build -1108."""
    return Refusal(-1108, f"Parameter '{name}' overflowed.")


def too_precise(name: str) -> Refusal:
    """Build -1111."""
    return Refusal(-1111, f"Parameter '{name}' has too much precision.")


def invalid_time_in_force() -> Refusal:
    """Build -1115."""
    return Refusal(-1115, "Invalid timeInForce.")


def invalid_type() -> Refusal:
    """Build -1116."""
    return Refusal(-1116, "Invalid orderType.")


def invalid_side() -> Refusal:
    """Build -1117."""
    return Refusal(-1117, "Invalid side.")


def invalid_interval() -> Refusal:
    """Build -1120."""
    return Refusal(-1120, "Invalid interval.")


def invalid_symbol() -> Refusal:
    """Build -1121."""
    return Refusal(-1121, "Invalid symbol.")


def bad_combination() -> Refusal:
    """Build -1128."""
    return Refusal(-1128, "Combination of optional parameters invalid.")


def invalid_data(name: str) -> Refusal:
    """Build -1130."""
    return Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def window_too_large() -> Refusal:
    """Build -1102 for recvWindow beyond its bound."""
    return Refusal(-1102, "'recvWindow' contains unexpected value. Cannot be greater than 60000.")


def of_fault(hit: Hit, now_ms: int) -> Refusal:
    """Build what a fault answers in place of executing; a timeout where it says nothing."""
    match hit.kind:
        case FaultKind.MAINTENANCE:
            return shut_down()
        case FaultKind.INVALID_NONCE:
            return outside_window()
        case FaultKind.REJECT_429 | FaultKind.STORM_429 if hit.status == _BANNED:
            return banned(now_ms + hit.retry_after_s * 1_000, hit.retry_after_s)
        case FaultKind.REJECT_429 | FaultKind.STORM_429:
            return too_much_weight(WEIGHT_PER_MINUTE_MAX, hit.retry_after_s)
    return Refusal(
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; "
        "execution status unknown.",
        status=504,
    )


def unsupported() -> Refusal:
    """Build -1020."""
    return Refusal(-1020, "This operation is not supported.")


def invalid_json() -> Refusal:
    """Build -1135."""
    return Refusal(-1135, "Invalid JSON Request")


def shut_down(status: int = 503) -> Refusal:
    """Build -1016, as in maintenance, or for what is gone for good."""
    return Refusal(-1016, "This service is no longer available.", status=status)


def too_long_ago() -> Refusal:
    """Build -1127 for a window that is too long."""
    return Refusal(-1127, "More than 24 hours between startTime and endTime.")


def outside_window() -> Refusal:
    """Build -1021 for a request that comes too late."""
    return Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")


def ahead_of_time() -> Refusal:
    """Build -1021 for a request from the future."""
    return Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def bad_signature() -> Refusal:
    """Build -1022."""
    return Refusal(-1022, "Signature for this request is not valid.")


def key_format() -> Refusal:
    """Build -2014."""
    return Refusal(-2014, "API-key format invalid.", status=401)


def key_refused() -> Refusal:
    """Build -2015."""
    return Refusal(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


def filter_failure(name: str) -> Refusal:
    """Build -1013 for one filter."""
    return Refusal(-1013, f"Filter failure: {name}")


def invalid_amount(name: str) -> Refusal:
    """Build -1013 for a price or quantity of zero."""
    return Refusal(-1013, f"Invalid {name}.")


def engine(message: str) -> Refusal:
    """Build -2010 with one of its documented texts."""
    return Refusal(-2010, message)


def unknown_order() -> Refusal:
    """Build -2011."""
    return Refusal(-2011, "Unknown order sent.")


def no_such_order() -> Refusal:
    """Build -2013."""
    return Refusal(-2013, "Order does not exist.")


def too_much_weight(limit: int, retry_after_s: int) -> Refusal:
    """Build -1003 for a spent weight budget."""
    refusal = Refusal(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
        status=429,
    )
    refusal.retry_after_s = retry_after_s
    return refusal


def banned(until_ms: int, retry_after_s: int) -> Refusal:
    """Build -1003 for an address that went on after 429."""
    refusal = Refusal(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        status=418,
    )
    refusal.retry_after_s = retry_after_s
    return refusal


def too_many_orders(limit: int, per: str, retry_after_s: int) -> Refusal:
    """Build -1015."""
    refusal = Refusal(
        -1015, f"Too many new orders; current limit is {limit} orders per {per}.", status=429
    )
    refusal.retry_after_s = retry_after_s
    return refusal


_ENGINE_TEXT = {
    Refused.DUPLICATE: "Duplicate order sent.",
    Refused.INSUFFICIENT_BALANCE: "Account has insufficient balance for requested action.",
    Refused.WOULD_TRADE: "Order would immediately match and take.",
    Refused.NOTHING_TO_TRADE: (
        "Order book liquidity is less than `LOT_SIZE` filter minimum quantity."
    ),
}


def from_engine(reason: Refused) -> Refusal:
    """Translate the matching engine's reason."""
    return unknown_order() if reason is Refused.UNKNOWN_ORDER else engine(_ENGINE_TEXT[reason])
