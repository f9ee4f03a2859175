"""
How a section of settings is read, and what its texts mean.
"""

from typing import Final

from pydantic_settings import BaseSettings, SettingsConfigDict

_CONFIG: Final = SettingsConfigDict(
    frozen=True,
    extra="ignore",
    hide_input_in_errors=True,
    populate_by_name=True,
    # Fields may be given by name in code; in the environment only the alias counts, or
    # HOME and NAME would be settings. No variable's name can hold this prefix.
    env_prefix="=",
    # `SPARK_HOME=` means unset, not the working directory.
    env_ignore_empty=True,
)
_FALSE: Final = frozenset({"false", "0", ""})


class Section(BaseSettings):
    """Some settings that belong together."""

    model_config = _CONFIG


def true_unless_clearly_not(value: object) -> bool:
    """Read a switch whose doubt goes to the safe side."""
    return str(value).strip().lower() not in _FALSE


def symbols_of(text: str) -> tuple[str, ...]:
    """Read a list of symbols, upper case, in the order written."""
    return tuple(part.strip().upper() for part in text.split(",") if part.strip())
