"""
Rate limits: windows that begin with a caller's first request, and blocks after a breach.

Off, nothing is counted. Source: docs.btcturk.com "rate-limits"; README on unauthorized
requests, whose block lasts as long as an older README says.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from spark.exchanges.simulator.btcturk.refusals import Refusal, shut_out, too_many

_NS: Final = 1_000_000_000
UNAUTHORIZED_MAX: Final = 50
SHUT_OUT_S: Final = 600


class Policy(StrEnum):
    """Whose requests are counted together."""

    IP = "ip"
    ACCOUNT = "account"


class Quota(NamedTuple):
    """So many requests a period, then nothing for a while."""

    most: int
    period_s: int
    block_s: int

    @property
    def period(self) -> str:
        """The period as the venue writes it."""
        minutes, seconds = divmod(self.period_s, 60)
        return f"{seconds}s" if seconds else f"{minutes}m"


def per_minute(most: int) -> tuple[Quota, ...]:
    """Allow so many a minute, and block for one."""
    return (Quota(most, 60, 60),)


def bursts(per_60_s: int, per_1_s: int) -> tuple[Quota, ...]:
    """Allow so many a minute, of which so many a second."""
    return (Quota(per_60_s, 60, 60), Quota(per_1_s, 1, 1))


GRAPH_HOST: Final = (Quota(600, 600, 600),)
CONNECTS: Final = per_minute(15)


@dataclass(slots=True)
class _Window:
    started_ns: int
    used: int = 0
    blocked_until_ns: int = 0


class Limits:
    """The venue's budget keeper."""

    def __init__(self, *, is_enforced: bool) -> None:
        self.is_enforced = is_enforced
        self._windows: dict[Hashable, _Window] = {}
        #: Unauthorized requests in a row, by address.
        self._strikes: dict[str, int] = {}
        self._shut_out_until_ns: dict[str, int] = {}

    def admit(
        self, what: str, quotas: tuple[Quota, ...], *, policy: Policy, caller: str, now_ns: int
    ) -> None:
        """
        Count a request to `what`.

        Raises:
            Refusal: 429 once a quota is spent, and for as long as the block lasts.
        """
        if not self.is_enforced:
            return
        refusal: Refusal | None = None
        for quota in quotas:
            wait_s = self._count((what, quota, policy, caller), quota, now_ns)
            if wait_s and refusal is None:
                refusal = too_many(quota.most, quota.period, policy, retry_after_s=wait_s)
        if refusal is not None:
            raise refusal

    def check_address(self, address: str, now_ns: int) -> None:
        """
        Keep out who was unauthorized too often.

        Raises:
            Refusal: 403, from the gate in front of the venue.
        """
        if self.is_enforced and now_ns < self._shut_out_until_ns.get(address, 0):
            raise shut_out()

    def unauthorized(self, address: str, now_ns: int) -> None:
        """Count a refused login."""
        strikes = self._strikes[address] = self._strikes.get(address, 0) + 1
        if strikes > UNAUTHORIZED_MAX:
            self._strikes[address] = 0
            self._shut_out_until_ns[address] = now_ns + SHUT_OUT_S * _NS

    def authorized(self, address: str) -> None:
        """Forget refused logins: only those in a row count."""
        self._strikes.pop(address, None)

    def _count(self, key: Hashable, quota: Quota, now_ns: int) -> int:
        """Count one request; return the seconds to wait, 0 where it may go on."""
        window = self._windows.get(key)
        if window is not None and now_ns < window.blocked_until_ns:
            return -(-(window.blocked_until_ns - now_ns) // _NS)
        if window is None or window.blocked_until_ns or _is_over(window, quota, now_ns):
            window = self._windows[key] = _Window(now_ns)
        window.used += 1
        if window.used <= quota.most:
            return 0
        window.blocked_until_ns = now_ns + quota.block_s * _NS
        return quota.block_s


def _is_over(window: _Window, quota: Quota, now_ns: int) -> bool:
    return now_ns >= window.started_ns + quota.period_s * _NS
