"""
Whether a request comes in time, from a known key, signed, and with permission. Pure.

The venue's order: the key's form (-2014), the time window (-1021), the key
(-2015), the signature (-1022), its permission (-2015).

Source: binance-spot-api-docs rest-api.md "Request Security", "Timing security".
"""

import re
from decimal import Decimal
from typing import Final
from urllib.parse import unquote_plus

from spark.exchanges.simulator.accounts import Accounts, ApiKey
from spark.exchanges.simulator.binance import refusals
from spark.exchanges.simulator.binance.parameters import Demands

RECV_WINDOW_MS: Final = Decimal(5_000)
RECV_WINDOW_MS_MAX: Final = Decimal(60_000)
AHEAD_US_MAX: Final = 1_000_000
#: Larger timestamps are microseconds.
_MILLISECONDS_BELOW: Final = 10**15
_KEY_FORM: Final = re.compile(r"[A-Za-z0-9]{64}")
_SIGNATURE: Final = "signature="


def check_window(params: dict[str, str], now_ns: int) -> None:
    """
    Apply the timing rule.

    Raises:
        Refusal: -1021, or recvWindow is too large.
    """
    window_ms = RECV_WINDOW_MS
    if "recvWindow" in params:
        window_ms = Decimal(params["recvWindow"])
        if window_ms > RECV_WINDOW_MS_MAX:
            raise refusals.window_too_large()
    stamp_us = int(params["timestamp"])
    if stamp_us < _MILLISECONDS_BELOW:
        stamp_us *= 1_000
    now_us = now_ns // 1_000
    if stamp_us >= now_us + AHEAD_US_MAX:
        raise refusals.ahead_of_time()
    if now_us - stamp_us > window_ms * 1_000:
        raise refusals.outside_window()


def find_key(accounts: Accounts, header: str | None) -> ApiKey | None:
    """
    Look an API key up; None when it is well formed and nobody's.

    Raises:
        Refusal: -2014.
    """
    if not header:
        raise refusals.key_format()
    key = accounts.keys.get(header)
    if key is None and not _KEY_FORM.fullmatch(header):
        raise refusals.key_format()
    return key


def signed_payload(query: str, body: str) -> tuple[str, str]:
    """
    Split the signature off: what was signed is query and body without it.

    Returns:
        Payload and signature, which is empty when there is none.
    """
    rest, signature = _without_signature(body)
    if signature:
        return query + rest, signature
    rest, signature = _without_signature(query)
    return rest + body, signature


def _without_signature(part: str) -> tuple[str, str]:
    if _SIGNATURE not in part:
        return part, ""
    head, _, tail = part.rpartition("&" + _SIGNATURE)
    if head and "&" not in tail and _SIGNATURE not in head:
        # Where nearly everyone puts it: last.
        return head, tail if "%" not in tail else unquote_plus(tail)
    pairs = part.split("&")
    kept = [pair for pair in pairs if not pair.startswith(_SIGNATURE)]
    found = [pair for pair in pairs if pair.startswith(_SIGNATURE)]
    return "&".join(kept), unquote_plus(found[0].removeprefix(_SIGNATURE)) if found else ""


def authenticate(key: ApiKey | None, payload: str, *, signature: str, demands: Demands) -> ApiKey:
    """
    Let a signed request through.

    Raises:
        Refusal: -2015 for an unknown key or a missing permission, -1022.
    """
    if key is None:
        raise refusals.key_refused()
    if not payload.isascii() or not key.signs(payload.encode(), signature):
        raise refusals.bad_signature()
    if demands.permission not in key.permissions:
        raise refusals.key_refused()
    return key
