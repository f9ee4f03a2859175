"""
How long an exchange asked to stay away, kept over a restart (A4).

A ban does not end because the gateway began anew: who asks again before it is over makes
it longer. By wall time, because the monotonic clock means nothing to the next process.
"""

from pathlib import Path
from typing import Final

import orjson

from spark.consumers.gateway_intake import Now
from spark.consumers.gateway_manners import Manners
from spark.log import logger

#: The longest ban there is; a file that says more is damaged, or the clock was set.
_AWAY_NS_MAX: Final = 3 * 86_400 * 1_000_000_000


class AwayFile:
    """
    One account's file.

    Args:
        path: in the gateway's own directory; None keeps nothing.

    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._kept = (0, 0)

    def restore(self, manners: Manners, now: Now) -> None:
        """Stay away for what is left; a file that cannot be read is none."""
        if self._path is None:
            return
        try:
            until = orjson.loads(self._path.read_bytes())
            account_ns, address_ns = int(until["account_ns"]), int(until["address_ns"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger().warning("away_file_ignored", why=type(error).__name__)
            return
        parts = ((manners.back_off, account_ns), (manners.address.back_off, address_ns))
        for back_off, until_ns in parts:
            left_ns = min(max(0, until_ns - now.wall_ns), _AWAY_NS_MAX)
            if left_ns:
                back_off.until_ns = max(back_off.until_ns, now.monotonic_ns + left_ns)
        self._kept = _ends(manners)

    def keep(self, manners: Manners, now: Now) -> None:
        """Write down what changed since the last time."""
        ends = _ends(manners)
        if self._path is None or ends == self._kept:
            return
        self._kept = ends
        account_ns, address_ns = (end - now.monotonic_ns + now.wall_ns for end in ends)
        part = self._path.with_suffix(".part")
        try:
            part.write_bytes(orjson.dumps({"account_ns": account_ns, "address_ns": address_ns}))
            part.replace(self._path)
        except OSError as error:
            # A full disk may cost a longer ban after a restart, and stops nothing now.
            logger().warning("away_file_not_kept", why=error.strerror)


def _ends(manners: Manners) -> tuple[int, int]:
    return manners.back_off.until_ns, manners.address.back_off.until_ns
