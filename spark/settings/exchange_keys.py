"""
Exchange keys as the environment names them (spec A3): the signer's, where it runs on its own.

Where nothing is said the signer reads its own directory, as under `spark up`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import AliasGenerator, Field
from pydantic_settings import SettingsConfigDict

from spark.settings.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidKey:
    """One key of an exchange: its public id and its secret, each as a value or a file."""

    #: What its settings begin with.
    name: str
    api_key: str = field(repr=False)
    api_key_file: Path | None
    secret: str = field(repr=False)
    secret_file: Path | None

    @property
    def is_said(self) -> bool:
        """Tell whether any part of it is said."""
        return any((self.api_key, self.api_key_file, self.secret, self.secret_file))


class _KeySettings(Section):
    """The key that trades, and the one that only reads; each field is named behind its venue."""

    venue: ClassVar[str]

    api_key: str = Field(default="", repr=False)
    api_key_file: Path | None = None
    secret: str = Field(default="", repr=False)
    secret_file: Path | None = None
    read_api_key: str = Field(default="", repr=False)
    read_api_key_file: Path | None = None
    read_secret: str = Field(default="", repr=False)
    read_secret_file: Path | None = None

    @property
    def trade(self) -> SaidKey:
        """Give the key that trades."""
        return SaidKey(
            name=self.venue,
            api_key=self.api_key,
            api_key_file=self.api_key_file,
            secret=self.secret,
            secret_file=self.secret_file,
        )

    @property
    def read(self) -> SaidKey:
        """Give the key that only reads."""
        return SaidKey(
            name=f"{self.venue}_READ",
            api_key=self.read_api_key,
            api_key_file=self.read_api_key_file,
            secret=self.read_secret,
            secret_file=self.read_secret_file,
        )


def _behind(venue: str) -> SettingsConfigDict:
    """Name each field's variable: BINANCE_API_KEY, BINANCE_READ_SECRET_FILE, …."""
    names = AliasGenerator(validation_alias=lambda field: f"{venue}_{field.upper()}")
    return SettingsConfigDict(alias_generator=names)


class BinanceKeySettings(_KeySettings):
    """Binance's."""

    venue = "BINANCE"
    model_config = _behind(venue)


class BtcturkKeySettings(_KeySettings):
    """BTCTurk's."""

    venue = "BTCTURK"
    model_config = _behind(venue)
