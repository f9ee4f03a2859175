"""
Every setting, read once from the environment; the only reader of it.

Sections are handed to the parts that need them (cli/ does the wiring). A value
that cannot be read is one line naming the variable, what it is and what it may
be. Doubt about risk goes to the safe side: an unreadable mode is `paper`, an
unreadable kill switch is on (spec B1, B2).
"""

from pydantic import Field, ValidationError
from pydantic_settings.exceptions import SettingsError

from spark.errors import SettingError
from spark.settings.audit import AuditSettings
from spark.settings.exchange_keys import BinanceKeySettings, BtcturkKeySettings, SaidKey
from spark.settings.process import DatabaseSettings, KafkaSettings, ProcessSettings
from spark.settings.section import Section
from spark.settings.trading import LimitSettings, ProtectionSettings, TradingSettings
from spark.settings.venues import (
    AccountSettings,
    BinanceSettings,
    BistSettings,
    BtcturkSettings,
    FeedSettings,
    GatewaySettings,
    SignerSettings,
    VenueSettings,
)

__all__ = [
    "AccountSettings",
    "AuditSettings",
    "BinanceKeySettings",
    "BinanceSettings",
    "BistSettings",
    "BtcturkKeySettings",
    "BtcturkSettings",
    "DatabaseSettings",
    "FeedSettings",
    "GatewaySettings",
    "KafkaSettings",
    "LimitSettings",
    "ProcessSettings",
    "ProtectionSettings",
    "SaidKey",
    "Settings",
    "SignerSettings",
    "TradingSettings",
    "VenueSettings",
    "read_settings",
]


class Settings(Section):
    """All of it; constructors get their section."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    trading: TradingSettings = Field(default_factory=TradingSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    protection: ProtectionSettings = Field(default_factory=ProtectionSettings)
    gateway: GatewaySettings = Field(default_factory=GatewaySettings)
    signer: SignerSettings = Field(default_factory=SignerSettings)
    binance: BinanceSettings = Field(default_factory=BinanceSettings)
    btcturk: BtcturkSettings = Field(default_factory=BtcturkSettings)
    binance_keys: BinanceKeySettings = Field(default_factory=BinanceKeySettings)
    btcturk_keys: BtcturkKeySettings = Field(default_factory=BtcturkKeySettings)
    venues: VenueSettings = Field(default_factory=VenueSettings)
    audit: AuditSettings = Field(default_factory=AuditSettings)
    account: AccountSettings = Field(default_factory=AccountSettings)
    feed: FeedSettings = Field(default_factory=FeedSettings)
    bist: BistSettings = Field(default_factory=BistSettings)
    process: ProcessSettings = Field(default_factory=ProcessSettings)


def read_settings() -> Settings:
    """
    Read the environment.

    Raises:
        SettingError: a setting is wrong; the text names it and what it may be.

    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingError(_explain(error)) from None
    except SettingsError as error:
        raise SettingError(f"{_variable(str(error))}: a list in JSON is needed, as [1,2]") from None
    except RecursionError:
        raise SettingError("a setting is a list nested without end") from None


def _explain(error: ValidationError) -> str:
    parts = []
    for fault in error.errors(include_url=False, include_input=False):
        name = str(fault["loc"][-1]) if fault["loc"] else "settings"
        parts.append(f"{name}: {fault['msg']}")
    return "; ".join(parts)


def _variable(error: str) -> str:
    """Name the variable whose field an error names; a list that is no JSON has no other trace."""
    sections = [one.annotation for one in Settings.model_fields.values()]
    for section in sections:
        assert isinstance(section, type)
        assert issubclass(section, Section)
        for name, field in section.model_fields.items():
            if f'"{name}"' in error:
                return str(field.validation_alias)
    return "settings"
