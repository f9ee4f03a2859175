"""
Accounts, their balances, and the API keys that act for them.

Keys come from one private file:
`[{"api_key", "secret", "permissions", "balances", "account"?, "id"?}]`.
Entries without `account` share the account `main`, so a trade key and a read
key of one account need no more than two entries.
"""

import hashlib
import hmac
import os
import stat
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from spark.errors import SettingError
from spark.exchanges.simulator.orders import ZERO, Fill, Order

#: Fills kept for queries, for each account and symbol.
FILLS_MAX: Final = 200_000
KEYS_FILE_BYTES_MAX: Final = 1_000_000
_FIELDS: Final = {"api_key", "secret", "permissions", "balances", "account", "id"}


class Permission(StrEnum):
    """What a key may do."""

    READ = "read"
    TRADE = "trade"


@dataclass(slots=True)
class Balance:
    """One asset of one account."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


class Movement(NamedTuple):
    """A deposit, or a withdrawal where the amount is below zero."""

    asset: str
    amount: Decimal
    at_ns: int


@dataclass(slots=True, eq=False)
class Account:
    """Who owns orders and balances."""

    name: str
    balances: dict[str, Balance] = field(default_factory=dict)
    #: Only the market's own participant may owe.
    may_owe: bool = False
    #: (symbol, client id) of orders that rest.
    open_by_client_id: dict[tuple[str, str], Order] = field(default_factory=dict)
    #: Every order that rests, by the venue's id, oldest first.
    resting: dict[int, Order] = field(default_factory=dict)
    #: Resting orders by symbol, so that a filter need not count them.
    open_counts: dict[str, int] = field(default_factory=dict)
    #: This account's halves of trades by symbol, oldest first.
    fills: dict[str, deque[Fill]] = field(default_factory=dict)
    #: (symbol, client id) to the latest order that had it.
    latest_by_client_id: dict[tuple[str, str], Order] = field(default_factory=dict)

    def balance(self, asset: str) -> Balance:
        """Return the balance of `asset`, made empty if there is none."""
        found = self.balances.get(asset)
        if found is None:
            found = self.balances[asset] = Balance()
        return found

    def add_fill(self, fill: Fill) -> None:
        """Remember a fill for queries."""
        self.fills.setdefault(fill.symbol, deque(maxlen=FILLS_MAX)).append(fill)

    def open_count(self, symbol: str) -> int:
        """Count this account's resting orders on `symbol`."""
        return self.open_counts.get(symbol, 0)

    def can_pay(self, asset: str, amount: Decimal) -> bool:
        """Tell whether `amount` of `asset` is free."""
        return self.may_owe or self.balance(asset).free >= amount

    def lock(self, asset: str, amount: Decimal) -> None:
        """Reserve `amount` for a resting order."""
        assert self.can_pay(asset, amount), "lock without a check"
        balance = self.balance(asset)
        balance.free -= amount
        balance.locked += amount

    def release(self, asset: str, amount: Decimal) -> None:
        """Undo part of a lock."""
        balance = self.balance(asset)
        assert balance.locked >= amount, "release of more than is locked"
        balance.locked -= amount
        balance.free += amount


class ApiKey:
    """A key: whom it acts for, what it may do, and its secret inside one HMAC object."""

    __slots__ = ("_keyed", "account", "api_key", "key_id", "permissions")

    def __init__(
        self,
        key_id: str,
        account: Account,
        *,
        api_key: str,
        permissions: frozenset[Permission],
        secret: bytes,
    ) -> None:
        #: What the ledger calls it, and what requests say.
        self.key_id = key_id
        self.api_key = api_key
        self.account = account
        self.permissions = permissions
        self._keyed = hmac.new(secret, digestmod=hashlib.sha256)

    def signs(self, payload: bytes, signature: str) -> bool:
        """Tell whether `signature` (hex, either case) is this key's over `payload`."""
        # As bytes: comparing strings would raise on characters outside ASCII.
        return hmac.compare_digest(
            self.digest(payload).hex().encode(),
            signature.lower().encode("utf-8", "surrogateescape"),
        )

    def digest(self, payload: bytes) -> bytes:
        """Give this key's HMAC-SHA256 over `payload`."""
        keyed = self._keyed.copy()
        keyed.update(payload)
        return keyed.digest()


class Accounts:
    """Every account and key of the venue."""

    def __init__(self) -> None:
        self.by_name: dict[str, Account] = {}
        self.keys: dict[str, ApiKey] = {}
        self._read_again: Callable[[], Accounts] | None = None

    def reload(self) -> list[str]:
        """
        Take keys that came into the file, and forget those that went; accounts stay as they are.

        Returns: the names of the keys that count now.

        Raises:
            SettingError: as load; nothing has changed then.

        """
        assert self._read_again is not None, "it was read from a file"
        fresh = self._read_again()
        for key in fresh.keys.values():
            key.account = self.open_account(key.account.name)
        self.keys.clear()
        self.keys.update(fresh.keys)
        return [key.key_id for key in self.keys.values()]

    def open_account(self, name: str) -> Account:
        """Return the account called `name`, opened if it is new."""
        found = self.by_name.get(name)
        if found is None:
            found = self.by_name[name] = Account(name)
        return found


def load(path: Path, *, secret_bytes: Callable[[str], bytes] = str.encode) -> Accounts:
    """
    Read the keys file.

    Args:
        path: of the file.
        secret_bytes: how the venue makes HMAC's key of a secret's text; ValueError where
            the text is none.

    Raises:
        SettingError: the file is missing, readable by others, or not of the form above.
    """
    accounts = Accounts()
    accounts._read_again = lambda: load(path, secret_bytes=secret_bytes)  # noqa: SLF001  (its maker)
    try:
        entries = orjson.loads(private_bytes(path))
    except orjson.JSONDecodeError:
        raise SettingError(f"{path}: not JSON") from None
    if not isinstance(entries, list) or not entries:
        raise SettingError(f"{path}: not a list of at least one key")
    for number, entry in enumerate(entries, start=1):
        try:
            _add(accounts, number, entry, secret_bytes=secret_bytes)
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            # The entry holds a secret, so its text must not follow the error.
            what = error if type(error) is ValueError else type(error).__name__
            raise SettingError(f"{path}: key {number} is not as it must be: {what}") from None
    return accounts


def _add(
    accounts: Accounts,
    number: int,
    entry: dict[str, object],
    *,
    secret_bytes: Callable[[str], bytes],
) -> None:
    if set(entry) - _FIELDS:
        raise ValueError("unknown field")
    api_key, secret, permissions = entry["api_key"], entry["secret"], entry["permissions"]
    name, key_id = entry.get("account", "main"), entry.get("id", f"key-{number}")
    if not (isinstance(api_key, str) and isinstance(secret, str) and api_key and secret):
        raise ValueError("api_key and secret are non-empty strings")
    if not (isinstance(name, str) and isinstance(key_id, str) and isinstance(permissions, list)):
        raise TypeError("account and id are strings, permissions is a list")
    if not all(isinstance(word, str) and word in set(Permission) for word in permissions):
        # In words of its own: what stands there may be the secret.
        raise ValueError("a permission is read or trade")
    if api_key in accounts.keys:
        raise ValueError("api_key stands there twice")
    account = accounts.open_account(name)
    _fund(account, entry.get("balances", {}))
    accounts.keys[api_key] = ApiKey(
        key_id,
        account,
        api_key=api_key,
        permissions=frozenset(Permission(word) for word in permissions),
        secret=secret_bytes(secret),
    )


def _fund(account: Account, balances: object) -> None:
    if not isinstance(balances, dict):
        raise TypeError
    if balances and account.balances:
        raise ValueError("balances of one account stand there twice")
    for asset, amount in balances.items():
        if not isinstance(amount, str | int | float):
            raise TypeError
        free = Decimal(str(amount))
        if not free.is_finite() or free < ZERO:
            raise ValueError("a balance is zero or more")
        account.balance(asset).free = free


def private_bytes(path: Path) -> bytes:
    """
    Read a small file that nobody else may read.

    Raises:
        SettingError: it is missing, another user's, a link, or open to others.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from None
    with open(fd, "rb") as file:  # noqa: PTH123  (the descriptor was checked, the path could change)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise SettingError(f"{path}: not a file of this user")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise SettingError(f"{path}: readable by others; its mode must be 0400")
        return file.read(KEYS_FILE_BYTES_MAX)
