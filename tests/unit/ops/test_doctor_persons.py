"""
Doctor on persons: the list is there, nobody else may write it, two can sign.
"""

from pathlib import Path

import pytest

from spark import keys
from spark.embedded.home import Home
from spark.ops.doctor import Level
from spark.ops.doctor_persons import person_check
from spark.people import write_people
from tests.keyed import person
from tests.persons import LOCAL, SECOND


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path)
    found.public.mkdir()
    return found


def listed(home: Home, *names: str, mode: int = 0o644) -> None:
    path = home.public / keys.OPERATORS
    path.write_text(write_people({name: person(name).public_key() for name in names}))
    path.chmod(mode)


async def look(home: Home) -> tuple[Level, str]:
    (finding,) = await person_check(home, None).look()
    return finding.level, finding.text


async def test_before_the_first_start_there_is_nothing_to_look_at(home: Home) -> None:
    """A machine that was never started is no failure."""
    assert (await look(home))[0] is Level.WARNING


@pytest.mark.parametrize("names", [(), (LOCAL,)])
async def test_s11_too_few_persons_are_a_warning(home: Home, names: tuple[str, ...]) -> None:
    """S11: safe, but at night nobody could resume; better known before."""
    (home.public / keys.LOG_EPOCH).write_text("epoch\n")
    if names:
        listed(home, *names)
    level, text = await look(home)
    assert level is Level.WARNING
    assert "may sign: nothing that takes two persons" in text


async def test_s11_a_list_that_others_may_write_fails(home: Home) -> None:
    """S11: whoever writes it may make themselves a person."""
    (home.public / keys.LOG_EPOCH).write_text("epoch\n")
    listed(home, LOCAL, SECOND, mode=0o666)
    level, text = await look(home)
    assert level is Level.FAILURE
    assert "chmod 0644" in text


async def test_who_may_sign_is_shown_with_the_digest_of_the_list(home: Home) -> None:
    """The digest is what each stage's fence holds, so two machines can be compared."""
    (home.public / keys.LOG_EPOCH).write_text("epoch\n")
    listed(home, LOCAL, SECOND)
    level, text = await look(home)
    assert level is Level.OK
    assert text.startswith("op-local, op-second may sign · list ")
