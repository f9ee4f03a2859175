"""
What a reply of an exchange is worth, as far as exchanges agree. Pure.

Only a documented, readable refusal is a reject, and what those look like is each exchange's
own. Whatever else comes back after a request was sent leaves its outcome unknown, and an
unknown is settled by evidence, never by sending again.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: Characters of an exchange's own message that an answer keeps.
MESSAGE_MAX: Final = 200
OK: Final = 200

_BAD_REQUEST: Final = 400
_FIREWALL: Final = 403
_SERVER_ERROR: Final = 500
#: The firewall may answer for a request that went through; 408 and 409 say that something
#: happened, not what.
_INDEFINITE: Final = frozenset({_FIREWALL, 408, 409})


class Doubt(StrEnum):
    """Why an answer proves nothing."""

    SERVER_ERROR = "server_error"
    STATUS_UNKNOWN = "status_unknown"
    #: The exchange asks to try again; that nothing was done it does not say.
    BUSY = "busy"
    UNREADABLE = "unreadable"
    FIREWALL = "firewall"
    DUPLICATE = "duplicate"
    UNDOCUMENTED = "undocumented"
    UNEXPECTED_STATUS = "unexpected_status"


@dataclass(frozen=True, slots=True)
class Accepted(Generic[T]):
    """The exchange did what was asked."""

    reply: T


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Not done, and nothing may be sent for a while."""

    http_status: int
    #: 0 where no time was named.
    retry_after_s: int = 0
    #: Whether it is the address that must stay away, rather than the account alone; the safe
    #: reading where that is not said.
    is_address_limited: bool = True

    @property
    def words(self) -> str:
        """Say it in an error."""
        return f"HTTP {self.http_status}"


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been done; only evidence can tell."""

    doubt: Doubt
    http_status: int
    #: The exchange's own, where it has numbers and gave one.
    code: int | None = None

    @property
    def words(self) -> str:
        """Say it in an error."""
        return f"{self.doubt}, HTTP {self.http_status}"


def doubtful(status: int) -> Doubt | None:
    """Say why a reply of this status proves nothing, whatever stands in it; None where it may."""
    if status == OK or (_BAD_REQUEST <= status < _SERVER_ERROR and status not in _INDEFINITE):
        return None
    if status >= _SERVER_ERROR:
        return Doubt.SERVER_ERROR
    # Below 400: 1xx, another 2xx, or a redirect that nobody followed.
    return Doubt.FIREWALL if status == _FIREWALL else Doubt.UNEXPECTED_STATUS
