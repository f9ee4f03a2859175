"""
What a stack is started with: choices of a person, turned into values once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from spark.embedded.processes import processes_of
from spark.errors import SettingError
from spark.names import Endpoint, TradingMode, Venue
from spark.settings import Settings

_WHOLE_PCT: Final = 100
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Preferred ports; 0 means any, and a taken one is replaced."""

    kafka: int = 9092
    kafka_controller: int = 9093
    postgres: int = 5432
    simulator: int = 8720
    simulator_admin: int = 8721
    btcturk_simulator: int = 8722
    btcturk_simulator_admin: int = 8723


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """What exchanges there are: the same for each, but for recordings, which are Binance's."""

    is_limited: bool = False
    seed: int = 42
    #: Acts of the self-made market per symbol and second; None is the simulator's own choice.
    market_rate: float | None = None
    #: Recorded frames instead of the self-made market.
    replay: tuple[Path, ...] = ()
    #: Times the recorded pace; None is as fast as they are taken.
    replay_speed: float | None = 1.0


#: The module that runs a process, as `python -m` names it.
PROGRAM: Final = "spark"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """One stack."""

    name: str
    #: Where its data are, and where the command line looks for it: two places only
    #: for an ephemeral stack.
    home: Path
    anchor: Path
    #: False where whoever started it removes the data afterwards.
    is_kept: bool = True
    jar_directory: Path
    mode: TradingMode
    #: Servers of somebody else's; empty starts embedded ones.
    kafka_bootstrap: str = ""
    database_url: str = field(default="", repr=False)
    #: Exchanges that it works with.
    venues: tuple[Venue, ...] = (Venue.BINANCE,)
    processes: tuple[str, ...] = processes_of((Venue.BINANCE,))
    has_simulator: bool = True
    simulator: SimulatorOptions = SimulatorOptions()
    ports: Ports = Ports()
    #: Settings that every process is given, by the names under which it reads them.
    environment: tuple[tuple[str, str], ...] = ()
    #: The module that runs each process; a drill's own arms crash points.
    program: str = PROGRAM

    @property
    def simulated(self) -> tuple[Venue, ...]:
        """Exchanges that a simulator stands for."""
        return self.venues if self.has_simulator else ()


def stack_mode(settings: Settings) -> TradingMode:
    """
    Decide what may be sent to the simulator: everything, unless somebody said less.

    Raises:
        SettingError: a real endpoint was asked for, which this stack does not have.

    """
    if settings.trading.endpoint is not Endpoint.SIM:
        raise SettingError(
            "SPARK_ENDPOINT=real: `spark up` trades on its simulator only; unset it, or start "
            "the processes one by one with `spark run` against your own servers"
        )
    was_said = "mode" in settings.trading.model_fields_set or settings.trading.is_paper_forced
    return settings.trading.mode_in_force if was_said else TradingMode.LIVE


def stack_ramp_pct(settings: Settings) -> int:
    """Decide what part of the caps is in force: all of them, unless somebody said less."""
    was_said = "volume_ramp_pct" in settings.trading.model_fields_set
    return settings.trading.volume_ramp_pct if was_said else _WHOLE_PCT


def shared_environment(settings: Settings) -> tuple[tuple[str, str], ...]:
    """
    List the settings that processes inherit: what was read here, by name, nothing secret.
    """
    sections: Iterable[BaseSettings] = (
        settings.trading,
        settings.limits,
        settings.protection,
        settings.gateway,
        settings.account,
        settings.audit,
        settings.feed,
        settings.bist,
    )
    found = {
        _alias(section, name): getattr(section, name)
        for section in sections
        for name in type(section).model_fields
    }
    found["VOLUME_RAMP_PCT"] = stack_ramp_pct(settings)
    found["SPARK_SIGNER_CEILINGS"] = settings.signer.ceilings
    found["SPARK_BINANCE_SYMBOLS"] = settings.binance.symbols
    found["SPARK_BTCTURK_SYMBOLS"] = settings.btcturk.symbols
    found["SPARK_BTCTURK_STAMP_ORDER"] = settings.btcturk.stamp_order
    found["SPARK_BTCTURK_STREAM_BUY"] = settings.btcturk.stream_buy
    found["SPARK_BTCTURK_MATCH_TIME"] = settings.btcturk.match_time
    found["SPARK_RATE_SYMBOLS"] = settings.binance.rate_symbols
    found["SPARK_BINANCE_RECV_WINDOW_MS"] = settings.binance.recv_window_ms
    found["SPARK_LOG_FORMAT"] = settings.process.log_format
    found["SPARK_WEBHOOK_PORT"] = settings.process.webhook_port
    if settings.process.operators_file is not None:
        found["SPARK_OPERATORS_FILE"] = settings.process.operators_file
    return tuple((name, _text(value)) for name, value in sorted(found.items()))


def require_loopback(bootstrap: str) -> None:
    """
    Refuse a broker that would be spoken to in plain text over a network (S15).

    Raises:
        SettingError: an address is not loopback, or has no port.

    """
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        if host.strip("[]") not in _LOOPBACK or not port.isdecimal():
            raise SettingError(
                f"SPARK_KAFKA_BOOTSTRAP: {address.strip()!r} must be host:port on loopback; "
                "another host needs TLS, which this version does not speak"
            )


def split_password(url: str) -> tuple[str, str | None]:
    """
    Take the password out of a database address.

    Returns: the address without it, and the password, None where there is none.

    Raises:
        SettingError: it is no PostgreSQL address.

    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingError("DATABASE_URL: not an address; postgresql://user@host/name") from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise SettingError("DATABASE_URL: must begin with postgresql://")
    password = None if parts.password is None else unquote(parts.password)
    user = "" if parts.username is None else f"{parts.username}@"
    return urlunsplit(parts._replace(netloc=f"{user}{_host(parts, port)}")), password


def without_user(url: str) -> str:
    """Take user and password out of a database address."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=_host(parts, parts.port), query=""))


def _host(parts: SplitResult, port: int | None) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def _alias(section: BaseSettings, name: str) -> str:
    alias = type(section).model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        alias = alias.choices[0]
    assert isinstance(alias, str), "each of these settings has one name"
    return alias


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, Path):
        # Processes stand in another directory than the person who named it.
        return str(value.absolute())
    return value.value if isinstance(value, StrEnum) else str(value)
