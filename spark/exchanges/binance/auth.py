"""
Binance request signing. Pure.

A payload is `name=value` pairs joined by `&`, each value percent-encoded before
it is signed; the signature is the hex HMAC-SHA256 over it. What was signed must
go out byte for byte: hand the query to an HTTP client as already encoded.

Source: binance-spot-api-docs rest-api.md "SIGNED endpoint security",
web-socket-api.md "Signing"; encoding before signing since 2026-01-15 (CHANGELOG).
"""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from spark.exchanges.keyed import KeyedSecret

#: One request's parameters in the order in which they are signed and sent.
Params = tuple[tuple[str, str], ...]

API_KEY_HEADER: Final = "X-MBX-APIKEY"
_SIGNATURE: Final = "signature"


class SecretKey(KeyedSecret):
    """One API secret of Binance."""

    __slots__ = ()

    def sign(self, payload: str) -> str:
        """Return the hex signature over `payload`."""
        return self._signed(payload).hexdigest()


def payload_of(params: Iterable[tuple[str, str]]) -> str:
    """Return the canonical text of `params`, in their order."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in params)


def signed_query(key: SecretKey, params: Params) -> str:
    """Return the query string of a signed REST request, signature last."""
    payload = payload_of(params)
    return f"{payload}&{_SIGNATURE}={key.sign(payload)}"


def signed_message(key: SecretKey, params: Mapping[str, str]) -> dict[str, str]:
    """
    Return the parameters of a signed WebSocket API request with their signature.

    There the payload is sorted by name, holds the API key, and is not encoded.
    """
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return {**params, _SIGNATURE: key.sign(payload)}
