"""
What a refusal is about, where it is not the order's content: our time, our rate, our key. Pure.

Read from what evidence carries: an exchange's own token (`code`), and the status it came with.

Source: binance-spot-api-docs errors.md (2026-07); docs.btcturk.com errors; facts: exchanges.md
§1.2, §1.7, §2.4.
"""

from enum import StrEnum
from typing import Final

#: The code of a refusal for too many requests, whatever an exchange calls it.
LIMIT_CODE: Final = "RATE_LIMIT"
_LIMIT_STATUS: Final = frozenset({418, 429})
#: What exchanges say to a time or a nonce that they do not accept.
_CLOCK_CODES: Final = frozenset({"-1021", "INVALID_NONCE"})
#: The key is not known, may not do this or not from here, or did not sign this. Binance's
#: -2014, -2015, -1002 and -1022, and BTCTurk's words for the same.
KEY_CODES: Final = frozenset(
    {"BAD_API_KEY_FMT", "REJECTED_MBX_KEY", "UNAUTHORIZED", "INVALID_SIGNATURE"}
)
#: BTCTurk's "Unauthorized - Invalid Request" loses its first word to the token, not its status.
UNAUTHORIZED: Final = 401


class Subject(StrEnum):
    """What an exchange refused, where it was not the order."""

    CLOCK = "clock"
    RATE = "rate"
    KEY = "key"


def subject_of(code: str, http_status: int) -> Subject | None:
    """
    Say what a definite refusal is about; None for the order, or the cancel, itself.

    A stamp that BTCTurk does not take is answered with 401, too, and says nothing of the key.
    """
    if code in _CLOCK_CODES:
        return Subject.CLOCK
    if code == LIMIT_CODE or http_status in _LIMIT_STATUS:
        return Subject.RATE
    if code in KEY_CODES or http_status == UNAUTHORIZED:
        return Subject.KEY
    return None
