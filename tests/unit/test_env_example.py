"""`.env.example` and spark/settings/ say the same."""

import re
from pathlib import Path

import pytest
from pydantic import AliasChoices, BaseModel

from spark.settings import Settings, read_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def settings_named() -> set[str]:
    names: set[str] = set()
    for section in Settings.model_fields.values():
        model = section.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        for field in model.model_fields.values():
            alias = field.validation_alias
            names |= (
                set(map(str, alias.choices)) if isinstance(alias, AliasChoices) else {str(alias)}
            )
    return names


def example() -> dict[str, str]:
    # One with a # before its name is the desktop's to set.
    found = re.findall(
        r"^#?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return dict(found)


def test_every_setting_is_listed_and_nothing_else() -> None:
    """A3: `.env.example` lists every setting."""
    assert set(example()) == settings_named()


def test_the_values_shown_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copying the file changes nothing."""
    for name in settings_named():
        monkeypatch.delenv(name, raising=False)
    before = read_settings()
    for name, value in example().items():
        monkeypatch.setenv(name, value)
    assert read_settings() == before
