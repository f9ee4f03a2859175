"""
Persons and their signatures: which bytes, whose key, until when.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import SettingError
from spark.people import People, read_people, sign, write_people
from tests.keyed import LOG_EPOCH, people
from tests.keyed import person as person_key
from tests.persons import LOCAL, SECOND

BODY = b'{"any":"bytes"}'
LOCAL_HEX = person_key(LOCAL).public_key().public_bytes_raw().hex()
SECOND_HEX = person_key(SECOND).public_key().public_bytes_raw().hex()


def signature(person: str = LOCAL, body: bytes = BODY, log_epoch: str = LOG_EPOCH) -> str:
    return sign(person_key(person), person, body, log_epoch=log_epoch)


def test_s11_a_signature_is_of_one_person_over_exact_bytes_of_one_log() -> None:
    """S11: another person, another byte or another log's name, and it says nothing."""
    known = people()
    assert known.has_signed(LOCAL, BODY, signature(), offset=0)
    assert not known.has_signed(SECOND, BODY, signature(), offset=0)
    assert not known.has_signed(LOCAL, BODY + b" ", signature(), offset=0)
    assert not known.has_signed(LOCAL, BODY, signature(log_epoch="before"), offset=0)
    assert not known.has_signed("op-third", BODY, signature("op-third"), offset=0)


def test_s11_the_name_is_part_of_what_is_signed() -> None:
    """S11: with one key under two names a signature still counts for the name it was made for."""
    key = person_key(LOCAL).public_key()
    doubled = People({LOCAL: key, SECOND: key}, LOG_EPOCH)
    assert not doubled.has_signed(SECOND, BODY, signature(LOCAL), offset=0)


@given(st.text(max_size=200))
def test_rubbish_in_place_of_a_signature_is_none(text: str) -> None:
    """Whatever stands there, it is refused without an exception."""
    assert not people().has_signed(LOCAL, BODY, text, offset=0)


def test_the_file_is_read_as_it_was_written() -> None:
    """`operators.toml` and back: the same persons, the same digest."""
    text = write_people({name: person_key(name).public_key() for name in (SECOND, LOCAL)})
    found = read_people(text, LOG_EPOCH)
    assert found.names == {LOCAL, SECOND}
    assert found.digest == people().digest
    assert found.has_signed(LOCAL, BODY, signature(), offset=0)


def test_another_person_is_another_digest() -> None:
    """What a fence says of the settings changes with who may sign, and until when."""
    retired = f'\n[[retired]]\nname = "{SECOND}"\nkey = "{SECOND_HEX}"\nbefore_offset = '
    alone = f'[operators]\n{LOCAL} = "{LOCAL_HEX}"\n'
    texts = [
        write_people({name: person_key(name).public_key() for name in (SECOND, LOCAL)}),
        alone,
        alone + retired + "7",
        alone + retired + "8",
    ]
    assert len({read_people(text, LOG_EPOCH).digest for text in texts}) == len(texts)


def test_a_retired_key_counts_below_its_offset() -> None:
    """A person who left said what they said, or their leaving would loosen limits."""
    found = read_people(
        f'[operators]\n{LOCAL} = "{LOCAL_HEX}"\n'
        f'[[retired]]\nname = "{SECOND}"\nkey = "{SECOND_HEX}"\nbefore_offset = 7\n',
        LOG_EPOCH,
    )
    assert found.names == {LOCAL}
    assert found.knows(SECOND)
    assert found.has_signed(SECOND, BODY, signature(SECOND), offset=6)
    assert not found.has_signed(SECOND, BODY, signature(SECOND), offset=7)


def test_r15_a_new_key_counts_from_where_the_old_one_ended() -> None:
    """R15: what was said with a key before it stood in the list is not judged anew."""
    third = person_key("op-third").public_key().public_bytes_raw().hex()
    found = read_people(
        f'[operators]\n{LOCAL} = "{third}"\n{SECOND} = "{SECOND_HEX}"\n[since]\n{SECOND} = 5\n'
        f'[[retired]]\nname = "{LOCAL}"\nkey = "{LOCAL_HEX}"\nbefore_offset = 7\n',
        LOG_EPOCH,
    )
    new = sign(person_key("op-third"), LOCAL, BODY, log_epoch=LOG_EPOCH)
    counts = {
        offset: (
            found.has_signed(LOCAL, BODY, signature(), offset=offset),
            found.has_signed(LOCAL, BODY, new, offset=offset),
            found.has_signed(SECOND, BODY, signature(SECOND), offset=offset),
        )
        for offset in (4, 5, 6, 7)
    }
    assert counts == {
        4: (True, False, False),
        5: (True, False, True),
        6: (True, False, True),
        7: (False, True, True),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "since = 3\n[operators]",
        "[operators]\n[since]\nop-a = -1",
        "[operators]\n[since]\nguardrail = 1",
        "[operators",
        "operators = 3",
        "[operators]\nop-local = 3",
        '[operators]\nop-local = "zz"',
        '[operators]\nop-local = "00"',
        f'[operators]\nguardrail = "{LOCAL_HEX}"',
        f'[operators]\nop-{"x" * 60} = "{LOCAL_HEX}"',
        "retired = 3\n[operators]",
        "[operators]\n[[retired]]",
        f'[operators]\n[[retired]]\nname = "op-a"\nkey = "{LOCAL_HEX}"\nbefore_offset = true',
        f'[operators]\n[[retired]]\nname = "op-a"\nkey = "{LOCAL_HEX}"\nbefore_offset = -1',
        "[operator]\n[operators]",
        f'[operators]\nop-a = "{LOCAL_HEX}"\nop-b = "{LOCAL_HEX}"',
        "[operators]\nop-local = " + "[" * 3_000,
        f"{'x' * 70_000} = 1\n[operators]",
        f"[operators]\n[since]\nop-a = 0x{'f' * 5_000}",
        f"[operators]\n[since]\nop-a = {2**63}",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_a_file_of_another_form_is_one_line(text: str) -> None:
    """
    A setting to mend, never an exception of another kind; nobody is two persons (S11).

    Fault O5.
    """
    with pytest.raises(SettingError, match=r"^operators\.toml: ") as caught:
        read_people(text, LOG_EPOCH)
    assert len(str(caught.value)) < 300
