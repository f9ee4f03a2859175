"""
A signer's exchange keys: of its directory, changing while it signs (S4), or of settings (A3).
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from spark import keys
from spark.errors import SettingError
from spark.events import CancelApproved, OrderApproved
from spark.exchanges.port import Asked, OrderSigner, SignedRequest
from spark.log import register_secret
from spark.names import Endpoint, Venue
from spark.secret_files import read_secret
from spark.settings import SaidKey, Settings

if TYPE_CHECKING:
    from spark.exchanges.binance.signer import BinanceKey
    from spark.exchanges.btcturk.signer import BtcturkKey

_T = TypeVar("_T")


class RenewedSigner:
    """
    The OrderSigner of the newest keys; what was signed before stays as it is.

    Args:
        make: builds the signer of a generation of keys.
        follow: calls what it is given with the newest generation, now and at each new one.

    """

    def __init__(
        self,
        make: Callable[[int], OrderSigner],
        follow: Callable[[Callable[[int], None]], None],
    ) -> None:
        self._make = make
        self._signer: OrderSigner
        self.stamps_increase: bool
        follow(self._take)

    def __repr__(self) -> str:
        return repr(self._signer)

    def place(self, order: OrderApproved, exchange_ns: int) -> SignedRequest:
        """Sign a place; raises as the port says."""
        return self._signer.place(order, exchange_ns)

    def cancel(
        self, cancel: CancelApproved, exchange_ns: int, *, exchange_order_id: str
    ) -> SignedRequest:
        """Sign a cancel; raises as the port says."""
        return self._signer.cancel(cancel, exchange_ns, exchange_order_id=exchange_order_id)

    def ask(self, asked: Asked, exchange_ns: int) -> SignedRequest:
        """Sign a question, or a login; raises as the port says."""
        return self._signer.ask(asked, exchange_ns)

    def _take(self, generation: int) -> None:
        self._signer = self._make(generation)
        self.stamps_increase = self._signer.stamps_increase


class SaidKeys:
    """
    The keys that settings name, asked for as a Keyring is; another key takes a restart.

    A key's secret may stand in the environment beside a simulator alone (S15).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._endpoint = settings.trading.endpoint

    def are_said(self, venue: Venue) -> bool:
        """Tell whether any part of an exchange's keys is said."""
        return any(self._said(venue, kind).is_said for kind in (keys.TRADE_KEY, keys.READ_KEY))

    def can_read(self, venue: Venue) -> bool:
        """Tell whether the key that only reads is said, or a part of it."""
        return self._said(venue, keys.READ_KEY).is_said

    def exchange_keys(self, venue: Venue, take: Callable[[int], None]) -> None:
        """Have the keys taken, once."""
        del venue
        take(1)

    def binance_key(self, kind: str, generation: int) -> "BinanceKey":
        """
        Read a key of the signer.

        Raises:
            SettingError: a part is missing, said twice, of another form, or its file is not this
                user's alone; or its value stands in the environment of a real endpoint.

        """
        from spark.exchanges.binance.auth import SecretKey
        from spark.exchanges.binance.signer import BinanceKey

        del generation
        said = self._said(Venue.BINANCE, kind)
        return self._made(said, lambda name, secret: BinanceKey(name, SecretKey(secret)))

    def btcturk_key(self, kind: str, generation: int) -> "BtcturkKey":
        """Read a key of the signer; raises as `binance_key`."""
        from spark.exchanges.btcturk.auth import SecretKey
        from spark.exchanges.btcturk.signer import BtcturkKey

        del generation
        said = self._said(Venue.BTCTURK, kind)
        return self._made(said, lambda name, secret: BtcturkKey(name, SecretKey(secret)))

    def _said(self, venue: Venue, kind: str) -> SaidKey:
        settings = self._settings
        both = settings.btcturk_keys if venue is Venue.BTCTURK else settings.binance_keys
        return both.trade if kind == keys.TRADE_KEY else both.read

    def _made(self, said: SaidKey, make: Callable[[str, bytes], _T]) -> _T:
        api_key = self._part(f"{said.name}_API_KEY", said.api_key, said.api_key_file)
        secret = self._part(f"{said.name}_SECRET", said.secret, said.secret_file)
        try:
            return make(api_key.decode("ascii"), secret)
        except ValueError:
            # The reason may hold a part of the secret.
            raise SettingError(f"{said.name}_API_KEY, {said.name}_SECRET: no such key") from None

    def _part(self, name: str, value: str, file: Path | None) -> bytes:
        if value and file is not None:
            raise SettingError(f"{name} and {name}_FILE: one of both")
        if file is not None:
            return read_secret(file).strip()
        if not value:
            raise SettingError(
                f"{name} or {name}_FILE: missing; the key that trades and the one that only reads "
                "have two parts each"
            )
        if self._endpoint is Endpoint.REAL:
            raise SettingError(f"{name}: a real exchange's key comes from a file; use {name}_FILE")
        content = value.strip().encode()
        register_secret(content)
        return content
