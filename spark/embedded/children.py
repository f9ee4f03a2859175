"""
How each part of the stack is started and when it serves, as values for the supervisor.

A child gets an environment made here from nothing: addresses, limits, and where its
secrets are. No secret is in it, nor in an argument (S15).
"""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from spark.embedded.child import Child, IsAlive
from spark.embedded.command import Command, base_environment, closed_start
from spark.embedded.exchanges import TIME_PATH
from spark.embedded.home import Home
from spark.embedded.kafka import KafkaServer
from spark.embedded.minting import SIMULATOR_ADMIN_TOKEN, SIMULATOR_KEYS
from spark.embedded.ops_client import OpsAddress, ask, read_address
from spark.embedded.plan import SimulatorOptions
from spark.embedded.postgres import PostgresServer
from spark.embedded.processes import KAFKA, POSTGRES, SIMULATORS, Process, StopWave
from spark.embedded.replay import Replay, read_request
from spark.names import Role, Venue

_PERIOD_S: Final = 0.05
_HOST: Final = "127.0.0.1"
#: A role's address is needed to judge it; one that it left behind when it was killed is not.
_ADDRESS_SUFFIXES: Final = (".json", ".sock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every Spark process of a stack shares."""

    home: Home
    uids: Mapping[str, int]
    #: Names and values, none secret.
    environment: Mapping[str, str]
    #: Of the processes that have a database role; without a password.
    database_urls: Mapping[str, str]
    #: Servers that are embedded, and so can be waited for.
    embedded: frozenset[str]
    #: The module that runs a process by its name; a drill's own is the only other one.
    program: str


def process_child(process: Process, around: Surroundings) -> Child:
    """Describe a Spark process."""
    directory = around.home.run_of(process.name)
    words = (around.program, "run", process.name)

    async def command() -> Command:
        for suffix in _ADDRESS_SUFFIXES:
            with suppress(FileNotFoundError):
                (directory / f"{process.name}{suffix}").unlink()
        return Command(
            argv=closed_start(*words),
            words=words,
            env=_environment(process.name, around),
            cwd=directory,
            uid=around.uids.get(process.name),
            # Whose latch directory it is (site.py): the sentinel may pull it as well.
            other_group=around.uids.get(Role.WEBHOOK) if process.name == Role.SENTINEL else None,
            stop_signal=signal.SIGTERM,
        )

    async def wait_ready(is_alive: IsAlive) -> None:
        while is_alive():
            address = read_address(directory, process.name)
            if address is not None and await _answers(address, "/healthz"):
                return
            await asyncio.sleep(_PERIOD_S)

    return Child(
        name=process.name,
        command=command,
        wait_ready=wait_ready,
        needs=tuple(need for need in process.needs if need in around.embedded),
        stop_wave=process.stop_wave,
    )


def kafka_child(server: KafkaServer) -> Child:
    """Describe the broker."""

    async def command() -> Command:
        # It hashes every jar.
        return await asyncio.to_thread(server.command)

    return Child(
        name=KAFKA, command=command, wait_ready=server.wait_ready, stop_wave=StopWave.SERVERS
    )


def postgres_child(server: PostgresServer) -> Child:
    """Describe PostgreSQL."""

    async def command() -> Command:
        await server.prepare()
        return server.command()

    return Child(
        name=POSTGRES,
        command=command,
        wait_ready=server.wait_ready,
        stop_wave=StopWave.SERVERS,
        # It ends its own children and its shared memory then, which it cannot when killed.
        death_signal=signal.SIGQUIT,
    )


def simulator_child(
    home: Home, venue: Venue, options: SimulatorOptions, *, ports: tuple[int, int], uid: int | None
) -> Child:
    """
    Describe an exchange.

    Args:
        ports: of the exchange and of its judges.
        uid: its own, or None.

    """
    name = SIMULATORS[venue]
    port, admin_port = ports
    ready_file = home.run_of(name) / "ready.json"
    secrets = home.secrets_of(name)
    arguments = {
        "--host": _HOST,
        "--port": str(port),
        "--admin-port": str(admin_port),
        "--keys-file": str(secrets / SIMULATOR_KEYS),
        "--admin-token-file": str(secrets / SIMULATOR_ADMIN_TOKEN),
        "--limits": "real" if options.is_limited else "off",
        "--seed": str(options.seed),
        "--ready-file": str(ready_file),
        "--ledger-file": str(home.data_of(name) / "ledger.jsonl"),
    }
    if options.market_rate is not None:
        arguments["--market-rate"] = str(options.market_rate)
    flat = [venue.value, *(part for pair in arguments.items() for part in pair)]

    async def command() -> Command:
        ready_file.unlink(missing_ok=True)
        return Command(
            argv=(
                *closed_start("spark.exchanges.simulator", *flat),
                *_replay_options(home, venue, options),
            ),
            env=base_environment(),
            cwd=home.run_of(name),
            uid=uid,
            stop_signal=signal.SIGTERM,
        )

    async def wait_ready(is_alive: IsAlive) -> None:
        address = OpsAddress(0, port, None)
        while is_alive():
            if ready_file.exists() and await _answers(address, TIME_PATH[venue]):
                return
            await asyncio.sleep(_PERIOD_S)

    return Child(name=name, command=command, wait_ready=wait_ready, stop_wave=StopWave.EXCHANGE)


def _replay_options(home: Home, venue: Venue, options: SimulatorOptions) -> tuple[str, ...]:
    if venue is not Venue.BINANCE:
        return ()
    return (read_request(home) or Replay(options.replay, options.replay_speed)).options


def _environment(principal: str, around: Surroundings) -> dict[str, str]:
    home = around.home
    environment = {
        **base_environment(),
        **around.environment,
        "SPARK_HOME": str(home.root),
        "SPARK_SECRETS_DIR": str(home.secrets_of(principal)),
        "SPARK_LATCH_DIR": str(home.kill),
    }
    if principal == Role.SIGNER and Role.GATEWAY in around.uids:
        environment["SPARK_SIGNING_UIDS"] = f"[{around.uids[Role.GATEWAY]}]"
        environment["SPARK_ACCOUNT_UIDS"] = f"[{around.uids[Role.ACCOUNT_FEED]}]"
    if principal in around.database_urls:
        environment["DATABASE_URL"] = around.database_urls[principal]
    return environment


async def _answers(address: OpsAddress, path: str) -> bool:
    reply = await ask(address, path)
    return reply is not None and reply[0] == 200  # noqa: PLR2004  (HTTP's own number)


def passfile_url(role: str, host_and_name: str, passfile: Path) -> str:
    """
    Compose a database address whose password stands in a file.

    Args:
        role: the database role.
        host_and_name: `127.0.0.1:5432/spark`.
        passfile: in libpq's format, readable by the role's process alone.

    """
    return f"postgresql://{role}@{host_and_name}?passfile={quote(str(passfile))}"
