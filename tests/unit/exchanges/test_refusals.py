"""
What a refusal is about: our time, our rate, our key, or the order itself.
"""

import pytest

from spark.exchanges.answers import RateLimited
from spark.exchanges.binance import wire_answers as binance
from spark.exchanges.btcturk import wire_answers as btcturk
from spark.exchanges.refusals import KEY_CODES, Subject, subject_of


def told_by_binance(status: int, code: int, message: str) -> Subject | None:
    """Read an answer's bytes as the adapter does."""
    found = binance.classify(status, b'{"code":%d,"msg":"%s"}' % (code, message.encode()))
    assert isinstance(found, binance.Rejected)
    return subject_of(found.token, found.http_status)


def told_by_btcturk(status: int, message: str) -> Subject | None:
    """Read an answer's bytes as the adapter does."""
    body = b'{"success":false,"message":"%s","code":1037}' % message.encode()
    found = btcturk.classify_as(lambda data: data, status, body)
    assert isinstance(found, btcturk.Rejected)
    return subject_of(found.token, found.http_status)


@pytest.mark.parametrize(
    ("status", "code", "message", "subject"),
    [
        (401, -2014, "API-key format invalid.", Subject.KEY),
        (401, -2015, "Invalid API-key, IP, or permissions for action.", Subject.KEY),
        (400, -2015, "Invalid API-key, IP, or permissions for action.", Subject.KEY),
        (400, -1002, "You are not authorized to execute this request.", Subject.KEY),
        (400, -1022, "Signature for this request is not valid.", Subject.KEY),
        (400, -2010, "Account has insufficient balance for requested action.", None),
        (400, -2010, "This action is disabled on this account.", None),
        (400, -1013, "Filter failure: LOT_SIZE", None),
    ],
)
def test_what_binance_says(status: int, code: int, message: str, subject: Subject | None) -> None:
    """Fault V7, exchanges.md §2.4: which of its codes are about the key."""
    assert told_by_binance(status, code, message) is subject


@pytest.mark.parametrize(
    ("status", "message", "subject"),
    [
        (401, "UNAUTHORIZED", Subject.KEY),
        (401, "Unauthorized - Invalid Request", Subject.KEY),
        (401, "Unauthorized - Invalid Signature", Subject.KEY),
        (401, "Unauthorized - Headers are missing", Subject.KEY),
        (401, "Unauthorized - Invalid Nonce", Subject.CLOCK),
        (400, "INVALID_REQUEST", None),
        (400, "BALANCE_NOT_ENOUGH", None),
    ],
)
def test_what_btcturk_says(status: int, message: str, subject: Subject | None) -> None:
    """Fault V7, exchanges.md §1.2: 401 is about the key, unless it is about the stamp."""
    assert told_by_btcturk(status, message) is subject


def test_a_limit_is_about_the_rate_however_it_is_told() -> None:
    """Fault V3: by the one code that evidence has for it, or by its status."""
    found = binance.classify(418, b"", retry_after_s=3)
    assert isinstance(found, RateLimited)
    assert subject_of("RATE_LIMIT", 400) is Subject.RATE
    assert subject_of("", found.http_status) is Subject.RATE


def test_each_word_for_a_refused_key_is_one_of_an_exchange() -> None:
    """Fault V7: a token that no adapter gives would never be seen."""
    known = {*binance.TOKENS.values(), *btcturk.TOKENS}
    assert known >= KEY_CODES
