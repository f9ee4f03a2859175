"""
What doctor looks at of persons: who may sign, and whether that is enough of them (S11).
"""

from pathlib import Path
from typing import Final

from spark import keys
from spark.embedded.home import Home
from spark.errors import SettingError
from spark.keyring import Keyring
from spark.ops.doctor import Check, Finding, failure, ok, warning

#: What goes back towards risk in trickle and live takes so many.
_PERSONS_MIN: Final = 2
_FIX: Final = "runbook/keys.md says how the list of persons is kept"


def person_check(home: Home, operators_file: Path | None) -> Check:
    """
    Look at the list of persons; where nothing was ever started there is none yet.

    Args:
        operators_file: in place of the public directory's.

    """

    async def persons() -> list[Finding]:
        return _persons(home, operators_file)

    return Check("persons", persons)


def _persons(home: Home, operators_file: Path | None) -> list[Finding]:
    if not (home.public / keys.LOG_EPOCH).exists():
        return [warning("no log yet", "the first `spark up` makes it")]
    try:
        people = Keyring("doctor", home.secrets, home.public).people(operators_file)
    except SettingError as error:
        return [failure(str(error), _FIX)]
    if len(people.names) < _PERSONS_MIN:
        found = ", ".join(people.names) or "nobody"
        text = f"{found} may sign: nothing that takes two persons can come into force"
        return [warning(text, _FIX)]
    return [ok(f"{', '.join(sorted(people.names))} may sign · list {people.digest}")]
