"""
Every reader is given broken input: no crash, no hang, no growth, each refusal with its reason.

How many cases there are in all is SPARK_FUZZ_CASES; SPARK_FUZZ_SEED makes others of them.
"""

from collections.abc import Iterator
from math import ceil
from typing import Final

import pytest

from tests.fuzz import (
    account_readers,
    exchange_readers,
    file_readers,
    frame_readers,
    simulator_readers,
    stage_readers,
    talk_readers,
    topic_readers,
)
from tests.fuzz.campaign import CASES_DEFAULT, Reader, cases_in_all, run, watching

READERS: Final = (
    *topic_readers.READERS,
    *stage_readers.READERS,
    *exchange_readers.READERS,
    *account_readers.READERS,
    *frame_readers.READERS,
    *file_readers.READERS,
    *talk_readers.READERS,
    *simulator_readers.READERS,
)
_SHARES: Final = sum(reader.weight for reader in READERS)
#: The run's own watch counts processor time; this one only ends what is stuck for good.
_TIMEOUT_S: Final = 180 * max(1, cases_in_all() // CASES_DEFAULT)


@pytest.fixture(autouse=True)
def _watch() -> Iterator[None]:
    with watching():
        yield


@pytest.mark.timeout(_TIMEOUT_S)
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_h5_a_reader_takes_whatever_comes(reader: Reader) -> None:
    """
    H5: no input of any kind crashes it, hangs it or makes it grow; each has a reason.

    Faults K8, V4 and X2.
    """
    cases = ceil(cases_in_all() * reader.weight / _SHARES)
    assert run(reader, cases).cases == cases
