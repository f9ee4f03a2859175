"""
BTCTurk request signing. Pure.

A signature is base64 of HMAC-SHA256 over the public key and a number: the stamp in a
request's headers, a constant in a stream's login. It covers nothing else, neither path
nor body, so a captured header set is good for any request within the clock's tolerance.

Source: docs.btcturk.com authentication-v1, websocket-feed authentication; vectors of
facts: exchanges.md §1.3.
"""

import base64
from typing import Final

from spark.exchanges.keyed import KeyedSecret

KEY_HEADER: Final = "X-PCK"
STAMP_HEADER: Final = "X-Stamp"
SIGNATURE_HEADER: Final = "X-Signature"
#: The venue answers 415 to a body that does not say so.
CONTENT_TYPE: Final = ("Content-Type", "application/json")
#: A login's nonce is this constant, as an integer; a time or a text is refused (trap 24).
LOGIN_NONCE: Final = 3000


class SecretKey(KeyedSecret):
    """One API secret of BTCTurk, given as the base64 text that the venue shows."""

    __slots__ = ()

    @staticmethod
    def _key_of(secret: bytes | bytearray) -> bytes:
        try:
            decoded = base64.b64decode(bytes(secret).strip(), validate=True)
        except ValueError:
            decoded = b""
        if not decoded:
            raise ValueError("an API secret of BTCTurk is base64, and not empty")
        return decoded

    def sign(self, payload: str) -> str:
        """Return the base64 signature over `payload`."""
        return base64.b64encode(self._signed(payload).digest()).decode("ascii")


def signed_headers(key: SecretKey, api_key: str, stamp_ms: int) -> dict[str, str]:
    """Return the headers of a signed request."""
    return {
        KEY_HEADER: api_key,
        STAMP_HEADER: str(stamp_ms),
        SIGNATURE_HEADER: key.sign(f"{api_key}{stamp_ms}"),
        CONTENT_TYPE[0]: CONTENT_TYPE[1],
    }


def login_model(key: SecretKey, api_key: str, timestamp_ms: int) -> dict[str, str | int]:
    """Return the model of a stream's login, but for its type."""
    return {
        "publicKey": api_key,
        "timestamp": timestamp_ms,
        "nonce": LOGIN_NONCE,
        "signature": key.sign(f"{api_key}{LOGIN_NONCE}"),
    }
