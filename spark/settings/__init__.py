"""
Every setting, read once from the environment; the only reader of it.

Sections are handed to the parts that need them (cli/ does the wiring). A value
that cannot be read is one line naming the variable, what it is and what it may
be. Doubt about risk goes to the safe side: an unreadable mode is `paper`, an
unreadable kill switch is on (spec B1, B2).
"""

from pydantic import Field, ValidationError

from spark.errors import SettingError
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
    "BinanceSettings",
    "BistSettings",
    "BtcturkSettings",
    "DatabaseSettings",
    "FeedSettings",
    "GatewaySettings",
    "KafkaSettings",
    "LimitSettings",
    "ProcessSettings",
    "ProtectionSettings",
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
    venues: VenueSettings = Field(default_factory=VenueSettings)
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


def _explain(error: ValidationError) -> str:
    parts = []
    for fault in error.errors(include_url=False, include_input=False):
        name = str(fault["loc"][-1]) if fault["loc"] else "settings"
        parts.append(f"{name}: {fault['msg']}")
    return "; ".join(parts)
