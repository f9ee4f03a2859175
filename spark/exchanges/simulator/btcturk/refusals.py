"""
Every error that the simulated venue answers: code, HTTP status, token.

The documents' numbers have changed and some are inferred; tokens are what clients go by.
Source: docs.btcturk.com "errors", "rate-limits", "cancel-order"; broker-api-docs issues
149, 236, 299, 371, 494, 572, 595.
"""

from typing import Final

from spark.exchanges.simulator.venue import Refused

_UNAUTHORIZED: Final = 1037


class Refusal(Exception):  # noqa: N818  (an answer, not a failure)
    """The venue's error reply."""

    def __init__(self, code: int, token: str, *, status: int = 400) -> None:
        super().__init__(code, token)
        self.code = code
        self.token = token
        self.status = status
        #: Seconds, with 429.
        self.retry_after_s: int | None = None
        #: More fields of the body.
        self.more: dict[str, object] = {}
        #: The gate in front of the venue answers instead, in HTML.
        self.is_from_gate = False

    def as_json(self) -> dict[str, object]:
        """Return the body; a refused login says success, as the venue does."""
        is_login = self.status == 401  # noqa: PLR2004  (HTTP's own number)
        return {"success": is_login, "message": self.token, "code": self.code, **self.more}


def unauthorized(why: str) -> Refusal:
    """Build 1037 with HTTP 401."""
    return Refusal(_UNAUTHORIZED, f"Unauthorized - {why}", status=401)


def invalid_nonce() -> Refusal:
    """Build 1037 for a stamp that is too old, too new, or not above the last one."""
    return unauthorized("Invalid Nonce")


def invalid_request(token: str = "INVALID_REQUEST_ERROR") -> Refusal:  # noqa: S107  (a word)
    """Build 1037 with HTTP 400."""
    return Refusal(_UNAUTHORIZED, token)


def no_such_pair(name: str) -> Refusal:
    """Build 1037 for a pair that is none."""
    return invalid_request(f"Pair {name} does not exists.")


def late_start() -> Refusal:
    """Build 1038: also what milliseconds look like where seconds are due."""
    return Refusal(1038, "startTime cannot be bigger than current unix timestamp.")


def not_cancelable() -> Refusal:
    """Build the refusal of a cancel that comes after the order's end."""
    return Refusal(1051, "ORDER_COULD_NOT_BE_CANCELED")


def no_order_matches() -> Refusal:
    """Build 1052."""
    return Refusal(1052, "NO_ORDER_MATCHES_YOUR_REQUEST")


def not_enough() -> Refusal:
    """Build the refusal of an order that the account cannot pay for."""
    return Refusal(1055, "BALANCE_NOT_ENOUGH")


def held_by_orders() -> Refusal:
    """Build 1122: open orders, or a fill not yet booked, hold what it needs."""
    return Refusal(1122, "FAILED_ORDER_WITH_OPEN_ORDERS")


def no_market() -> Refusal:
    """Build 1118."""
    return Refusal(1118, "FAILED_MARKET_ORDER")


def parameter() -> Refusal:
    """Build the refusal of an order that is not one."""
    return Refusal(1121, "FAILED_ORDER_PARAMETER")


def too_small() -> Refusal:
    """Build 1123."""
    return Refusal(1123, "FAILED_MIN_TOTAL_AMOUNT")


def price_scale() -> Refusal:
    """Build 1126."""
    return Refusal(1126, "FAILED_INVALID_PRICE_SCALE")


def quantity_scale() -> Refusal:
    """Build 1127."""
    return Refusal(1127, "FAILED_INVALID_QUANTITY_SCALE")


def method_unsupported() -> Refusal:
    """Build 1134."""
    return Refusal(1134, "ORDER_METHOD_NOT_SUPPORTED")


def no_such_order() -> Refusal:
    """Build 1152."""
    return Refusal(1152, "Order not found")


def type_unsupported() -> Refusal:
    """Build 1193."""
    return Refusal(1193, "ORDER_TYPE_NOT_SUPPORTED")


def price_too_high() -> Refusal:
    """Build 1226."""
    return Refusal(1226, "PRICE_MUST_BE_LESS_THAN_MAXPRICE")


def price_too_low() -> Refusal:
    """Build 1227; the venue's own spelling."""
    return Refusal(1227, "PRICE_MUST_BE_LESS_THAN_MINPRICE")


def too_many(most: int, period: str, policy: str, *, retry_after_s: int) -> Refusal:
    """Build 429."""
    refusal = Refusal(429, "TOO_MANY_REQUESTS", status=429)
    refusal.retry_after_s = retry_after_s
    refusal.more = {
        "details": f"Quota exceeded. Maximum allowed: {most} per {period}.",
        "limit": str(most),
        "period": period,
        "policy": policy,
    }
    return refusal


def shut_out() -> Refusal:
    """Build what an address gets that was unauthorized too often."""
    refusal = Refusal(403, "Forbidden", status=403)
    refusal.is_from_gate = True
    return refusal


def maintenance() -> Refusal:
    """Build 503."""
    return Refusal(503, "SERVICE_UNAVAILABLE", status=503)


_ENGINE: Final = {
    Refused.INSUFFICIENT_BALANCE: not_enough,
    Refused.NOTHING_TO_TRADE: no_market,
    Refused.UNKNOWN_ORDER: no_order_matches,
    Refused.DUPLICATE: parameter,
    Refused.WOULD_TRADE: parameter,
}


def from_engine(reason: Refused) -> Refusal:
    """Translate the matching engine's reason."""
    return _ENGINE[reason]()
