"""
The fuzzing itself: what it must find it finds, and a case is named by its number.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.fuzz import campaign
from tests.fuzz.campaign import TALLY, Harness, Reader, random_of, run, watching
from tests.fuzz.mutator import Mutator, parsed, written
from tests.fuzz.running import overheard


class RefusedInputError(Exception):
    """A documented refusal."""


@pytest.fixture(autouse=True)
def _apart() -> Iterator[None]:
    """Leave these readers out of the table, and watch over them."""
    before = list(TALLY.counts)
    with watching():
        yield
    TALLY.counts[:] = before


def reader_of(read: Callable[[bytes], bool]) -> Reader:
    @contextmanager
    def opened() -> Iterator[Harness]:
        yield Harness(lambda random: random.randbytes(8), read)

    return Reader("a-reader", opened, refusals=(RefusedInputError,))


def raising(error: BaseException) -> Callable[[bytes], bool]:
    def read(_case: bytes) -> bool:
        raise error

    return read


def test_a_reader_that_accepts_and_refuses_is_counted() -> None:
    """Each case is one that was refused or one that was accepted."""

    def read(case: bytes) -> bool:
        if case[0] < 128:
            raise RefusedInputError("below 128")
        return case[0] < 200

    count = run(reader_of(read), 200)
    assert (count.cases, count.refused + count.accepted) == (200, 200)
    assert min(count.refused, count.accepted) > 20


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("x"), "KeyError"),
        (RecursionError(), "RecursionError"),
        (AssertionError("a rule"), "a rule"),
        (RefusedInputError(""), "without a reason"),
        (RefusedInputError("x" * 9_000), "a reason of 9000 characters"),
        (RefusedInputError("\x1b[2J"), "control characters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_crash_and_a_bad_reason_are_found_and_can_be_repeated(
    error: BaseException, said: str
) -> None:
    """A failure says what it was, with which case, and what repeats it."""
    with pytest.raises(AssertionError, match=said) as caught:
        run(reader_of(raising(error)), 10)
    text = str(caught.value)
    assert "a-reader, case 0" in text
    assert "repeat: SPARK_FUZZ_SEED=" in text
    assert repr(random_of("a-reader", 0).randbytes(8)) in text


def test_a_hang_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the processor time of the case, so that a machine that stalls is no hang."""

    def read(_case: bytes) -> bool:
        while True:
            pass

    monkeypatch.setattr(campaign, "_CASE_CPU_S_MAX", 0.05)
    with pytest.raises(AssertionError, match="processor time"):
        run(reader_of(read), 10)


def test_growth_is_found() -> None:
    """What a reader keeps of each case shows between its half and its end."""
    kept: list[list[int]] = []

    def read(_case: bytes) -> bool:
        kept.append([len(kept)])
        return True

    with pytest.raises(AssertionError, match="objects more"):
        run(reader_of(read), 20_000)


def test_what_servers_log_is_heard_and_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    """What pytest keeps of a log for its report would count as the growth of a reader."""
    server = logging.getLogger("aiohttp.server")
    with overheard() as errors:
        server.error("a handler failed")
        assert errors.found == ["a handler failed: None"]
        assert not caplog.records
    server.error("heard by all again")
    assert [one.message for one in caplog.records] == ["heard by all again"]
    assert len(errors.found) == 1


def test_a_case_is_made_of_its_number_alone() -> None:
    """The same number is the same case, whatever was made before it."""
    sample = b'{"a":"1.5","b":[1,2,{"c":null}],"d":"x"}'
    made = [Mutator(random_of("m", number), (sample,)).case() for number in range(300)]
    again = [Mutator(random_of("m", number), (sample,)).case() for number in range(299, -1, -1)]
    assert made == again[::-1]
    assert len(set(made)) > 200


def test_what_is_not_broken_is_written_as_it_was() -> None:
    """Taking JSON apart and putting it together changes nothing, doubled keys included."""
    for sample in (b'{"a":1,"a":2,"b":[1.50,"\xc3\xa9",{}]}', b'[1e5,-0.0,"\\ud800"]', b"7"):
        tree = parsed(sample)
        assert tree is not None
        assert written(tree) == sample
    assert parsed(b"{") is None
