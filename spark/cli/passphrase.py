"""
Passphrases of persons: asked for at a terminal, never an option, a variable or a file.
"""

import sys
from getpass import getpass

from spark.errors import SettingError
from spark.log import register_secret


def ask_passphrase(person: str) -> str:
    """
    Ask for the passphrase of a person's key.

    Raises:
        SettingError: nobody is there to say it.

    """
    _require_terminal(person)
    return _asked(f"passphrase of {person}: ")


def choose_passphrase(person: str) -> str:
    """
    Ask for a new passphrase, twice.

    Raises:
        SettingError: nobody is there to say it, or the two differ.

    """
    _require_terminal(person)
    chosen = _asked(f"new passphrase of {person}: ")
    if _asked("the same again: ") != chosen:
        raise SettingError("the two passphrases differ; nothing was changed")
    return chosen


def _asked(prompt: str) -> str:
    said = getpass(prompt)
    register_secret(said.encode())
    return said


def _require_terminal(person: str) -> None:
    if not sys.stdin.isatty():
        raise SettingError(f"a passphrase of {person} is asked for, and this is no terminal")
