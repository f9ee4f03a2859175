"""
Whether a request comes from a known key, in time, in order, and with permission. Pure.

The signature covers key and stamp alone: neither path nor body. Whether the venue insists
on stamps that grow is not documented; strict, it does.
Source: broker-api-docs README, FAQ ("±5 s"), issues 134, 149, 160, 590, 607.
"""

import base64
import binascii
import hmac
from typing import Final, NamedTuple

from spark.exchanges.simulator.accounts import Accounts, ApiKey, Permission
from spark.exchanges.simulator.btcturk import refusals

WINDOW_MS: Final = 5_000
#: What every login on the socket signs, after the key.
SOCKET_NONCE: Final = 3_000
_STAMP_DIGITS_MAX: Final = 18


class Signed(NamedTuple):
    """The three headers."""

    api_key: str | None
    stamp: str | None
    signature: str | None


class Stamps:
    """The last stamp of each key."""

    def __init__(self, *, is_strict: bool) -> None:
        self._is_strict = is_strict
        self._last: dict[str, int] = {}

    def use(self, key: ApiKey, stamp_ms: int) -> bool:
        """Take a stamp; False where it is not above the last one of its key."""
        if self._is_strict and stamp_ms <= self._last.get(key.key_id, -1):
            return False
        self._last[key.key_id] = stamp_ms
        return True


def secret_bytes(text: str) -> bytes:
    """
    Make HMAC's key of a secret.

    Raises:
        ValueError: it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("secret is not base64") from None


def is_signed(key: ApiKey, said: str, signature: str) -> bool:
    """Tell whether `signature` is the key's over its own name and what was said."""
    due = base64.b64encode(key.digest((key.api_key + said).encode("utf-8", "surrogateescape")))
    return hmac.compare_digest(due, signature.encode("utf-8", "surrogateescape"))


def authenticate(
    accounts: Accounts, signed: Signed, *, permission: Permission, now_ms: int, stamps: Stamps
) -> ApiKey:
    """
    Let a private request through.

    Raises:
        Refusal: 1037 with HTTP 401.
    """
    if not (signed.api_key and signed.stamp and signed.signature):
        raise refusals.unauthorized("Headers are missing")
    key = accounts.keys.get(signed.api_key)
    if key is None:
        raise refusals.unauthorized("Invalid Request")
    stamp_ms = whole_ms(signed.stamp)
    if stamp_ms is None or abs(now_ms - stamp_ms) > WINDOW_MS:
        raise refusals.invalid_nonce()
    if not is_signed(key, signed.stamp, signed.signature):
        raise refusals.unauthorized("Invalid Signature")
    if not stamps.use(key, stamp_ms):
        raise refusals.invalid_nonce()
    if permission not in key.permissions:
        raise refusals.unauthorized("Invalid Request")
    return key


def log_in(accounts: Accounts, login: dict[str, object], *, now_ms: int) -> ApiKey | str:
    """
    Judge a login on the socket.

    Returns:
        The key, or what the reply's message says instead.
    """
    api_key, nonce, signature = login.get("publicKey"), login.get("nonce"), login.get("signature")
    stamp_ms = login.get("timestamp")
    if not (isinstance(api_key, str) and isinstance(signature, str)):
        return "Unauthorized - Invalid Request"
    # As text, or as a stamp, it is refused: it must be the number of the documents.
    if type(nonce) is not int or nonce != SOCKET_NONCE:
        return "Unauthorized - Invalid Request"
    if type(stamp_ms) is not int or abs(now_ms - stamp_ms) > WINDOW_MS:
        return "Unauthorized - Invalid Nonce"
    key = accounts.keys.get(api_key)
    if key is None or Permission.READ not in key.permissions:
        return "Unauthorized - Invalid Request"
    if not is_signed(key, str(nonce), signature):
        return "Unauthorized - Invalid Signature"
    return key


def whole_ms(text: str) -> int | None:
    """Read a stamp; None where it is not a whole number."""
    if not (text.isascii() and text.isdigit()) or len(text) > _STAMP_DIGITS_MAX:
        return None
    return int(text)
