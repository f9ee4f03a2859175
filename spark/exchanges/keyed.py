"""
An exchange's API key: its name, and its secret inside one HMAC object. Pure.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, Generic, NoReturn, TypeVar

_MARK_DIGITS: Final = 16


class KeyedSecret:
    """
    One API secret, held inside one HMAC-SHA256 object and nowhere else.

    A `bytearray` is wiped once it is keyed, so that the caller's frame holds no copy. It
    neither prints nor pickles its secret. How a digest is written is each exchange's own.
    """

    __slots__ = ("_keyed",)

    def __init__(self, secret: bytes | bytearray) -> None:
        self._keyed = hmac.new(self._key_of(secret), digestmod=hashlib.sha256)
        if isinstance(secret, bytearray):
            secret[:] = bytes(len(secret))

    @staticmethod
    def _key_of(secret: bytes | bytearray) -> bytes | bytearray:
        """Give what the HMAC is keyed with; raises ValueError, which holds nothing of it."""
        if not secret:
            raise ValueError("an API secret is not empty")
        return secret

    def _signed(self, payload: str) -> "hmac.HMAC":
        keyed = self._keyed.copy()
        keyed.update(payload.encode("ascii"))
        return keyed

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key does not leave its process")


_S = TypeVar("_S", bound=KeyedSecret)


@dataclass(frozen=True, slots=True)
class ApiKey(Generic[_S]):
    """One API key of the exchange whose secret it is."""

    api_key: str
    secret: _S

    @property
    def mark(self) -> str:
        """Tell this key from its successor, without its name."""
        return hashlib.sha256(self.api_key.encode()).hexdigest()[:_MARK_DIGITS]

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
