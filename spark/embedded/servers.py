"""
Starts what Spark's processes stand on: Kafka, PostgreSQL and the exchange simulator.

Each is embedded, or somebody else's where an address was given; then it is checked
and provisioned, never started or stopped.
"""

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from spark.bus.kafka import KafkaLogin
from spark.db.migrate import migrate
from spark.db.pool import WHOLE_TABLES_S_MAX, Database
from spark.embedded import provision as provisioning
from spark.embedded.children import kafka_child, passfile_url, postgres_child, simulator_child
from spark.embedded.exchanges import SPOKEN
from spark.embedded.jars import Jar, fetch, read_lock
from spark.embedded.java import java_binary
from spark.embedded.kafka import BROKER, JARS_LOCK, KafkaPorts, KafkaServer
from spark.embedded.kafka_admin import wait_ready
from spark.embedded.minting import renew_log_epoch, replace_secret
from spark.embedded.plan import StackOptions, require_loopback, split_password
from spark.embedded.postgres import DATABASE, HOST, PostgresServer
from spark.embedded.processes import KAFKA, POSTGRES, SIMULATORS
from spark.embedded.roles import MIGRATE, ROLES, provision_roles, role_url
from spark.embedded.screen import Screen, phase
from spark.embedded.secrets import KAFKA_PASSWORD
from spark.embedded.site import Site
from spark.embedded.supervisor import Supervisor
from spark.errors import EmbeddedUnavailable, SettingError
from spark.metrics import Metrics
from spark.names import Venue
from spark.settings import DatabaseSettings
from spark.topics import PRINCIPALS, PROVISIONER, TOPICS

START_S_MAX: Final = 120.0
PASSFILE: Final = "pgpass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the steps of a start share."""

    options: StackOptions
    site: Site
    supervisor: Supervisor
    screen: Screen


async def start_kafka(ground: Ground) -> KafkaServer | None:
    """
    Start the broker, or go to somebody else's, and make it equal to the table.

    Returns: the embedded server, None for somebody else's.

    Raises:
        SparkError: what keeps it from serving; the text has the remedy.

    """
    if ground.options.kafka_bootstrap:
        with phase(ground.screen, KAFKA) as now:
            login = _foreign_login(ground)
            await wait_ready(login, timeout_s=START_S_MAX)
            now.detail = await _provision(ground, login, is_exclusive=False)
        return None
    jars = read_lock(JARS_LOCK)
    with phase(ground.screen, "jars") as now:
        await _fetch(jars, ground)
        now.detail = f"{len(jars)} jars, each with the hash of the lock"
    with phase(ground.screen, KAFKA) as now:
        server = _kafka_server(jars, ground)
        now.moved("preparing")
        await server.prepare()
        now.moved("starting")
        ground.supervisor.start(kafka_child(server))
        await ground.supervisor.ready([KAFKA], timeout_s=START_S_MAX)
        now.moved("topics, users and rights")
        await provisioning.grant_provisioner(server.login(BROKER))
        now.detail = await _provision(ground, server.login(PROVISIONER), is_exclusive=True)
    return server


async def start_database(ground: Ground) -> dict[str, str]:
    """
    Start PostgreSQL, or go to somebody else's, and migrate it.

    Returns: the address of each principal that has a database, without a password.

    Raises:
        SparkError: what keeps it from serving; the text has the remedy.

    """
    if ground.options.database_url:
        await _migrate(ground, ground.options.database_url)
        return _foreign_urls(ground)
    with phase(ground.screen, POSTGRES) as now:
        server = PostgresServer(
            ground.site.home.root, ground.site.secrets, ground.site.ports.postgres
        )
        now.moved("starting")
        ground.supervisor.start(postgres_child(server))
        await ground.supervisor.ready([POSTGRES], timeout_s=START_S_MAX)
        await provision_roles(server)
        now.detail = f"embedded · {HOST}:{server.port} · {len(ROLES)} roles"
    await _migrate(ground, role_url(server, MIGRATE))
    place = f"{HOST}:{server.port}/{DATABASE}"
    return {principal: _passfile_url(ground, principal, place) for principal in ROLES}


async def start_simulator(ground: Ground, venue: Venue) -> None:
    """
    Start an exchange.

    Raises:
        SparkError: what keeps it from serving.

    """
    name = SIMULATORS[venue]
    with phase(ground.screen, name) as now:
        options, site = ground.options.simulator, ground.site
        ports, uid = site.simulator_ports(venue), site.uids.get(name)
        ground.supervisor.start(simulator_child(site.home, venue, options, ports=ports, uid=uid))
        await ground.supervisor.ready([name], timeout_s=START_S_MAX)
        is_replayed = options.replay and venue is Venue.BINANCE
        source = f"{len(options.replay)} recordings" if is_replayed else f"seed {options.seed}"
        limits = "real limits" if options.is_limited else "limits off"
        now.detail = f"{SPOKEN[venue]} · {source} · {limits}"


def _kafka_server(jars: tuple[Jar, ...], ground: Ground) -> KafkaServer:
    ports = ground.site.ports
    return KafkaServer(
        ground.site.home.root,
        ground.site.secrets,
        KafkaPorts(client=ports.kafka, controller=ports.kafka_controller),
        java=java_binary(),
        jars=jars,
        jar_directory=ground.options.jar_directory,
    )


async def _fetch(jars: tuple[Jar, ...], ground: Ground) -> None:
    directory, loop = ground.options.jar_directory, asyncio.get_running_loop()
    fetched: asyncio.Future[None] = loop.create_future()
    is_abandoned = threading.Event()

    def progress(done: int, total: int) -> None:
        if is_abandoned.is_set():
            raise EmbeddedUnavailable("interrupted")
        loop.call_soon_threadsafe(ground.screen.phase_moved, "jars", f"{done} of {total}")

    def work() -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            try:
                fetch(jars, directory, progress=progress)
            except Exception as error:  # noqa: BLE001  (raised again where it is awaited)
                loop.call_soon_threadsafe(_settle, fetched, error)
            else:
                loop.call_soon_threadsafe(_settle, fetched, None)

    # A thread of its own: the loop's end waits for those of its pool, and a download
    # that hangs would hold up Ctrl-C.
    threading.Thread(target=work, daemon=True, name="jars").start()
    try:
        await fetched
    except asyncio.CancelledError:
        is_abandoned.set()
        raise
    _open_to_roles(ground)


def _settle(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _open_to_roles(ground: Ground) -> None:
    if ground.site.isolation.is_isolated:
        for directory in (ground.options.jar_directory, ground.options.jar_directory.parent):
            directory.chmod(0o755)


async def _provision(ground: Ground, login: KafkaLogin, *, is_exclusive: bool) -> str:
    secrets = ground.site.secrets
    passwords = {principal: secrets.kafka_password(principal) for principal in PRINCIPALS}
    made = await provisioning.provision(login, passwords, is_exclusive=is_exclusive)
    if made.topics_created == len(TOPICS):
        renew_log_epoch(ground.site.home.public)
    kind = "embedded" if is_exclusive else "yours"
    return f"{kind} · {login.bootstrap} · {len(TOPICS)} topics · {len(passwords)} principals"


def _foreign_login(ground: Ground) -> KafkaLogin:
    bootstrap = ground.options.kafka_bootstrap
    require_loopback(bootstrap)
    path = ground.site.home.secrets_of(PROVISIONER) / KAFKA_PASSWORD
    if not path.exists():
        ground.site.secrets.directory(PROVISIONER)
        raise SettingError(
            f"SPARK_KAFKA_BOOTSTRAP: put the password of that broker's user {PROVISIONER} into "
            f"{path}, mode 0400"
        )
    return KafkaLogin(bootstrap, PROVISIONER, ground.site.secrets.kafka_password(PROVISIONER))


async def _migrate(ground: Ground, url: str) -> None:
    with phase(ground.screen, "migrations") as now:
        database = Database(
            url,
            name="spark up",
            settings=DatabaseSettings(),
            metrics=Metrics("up"),
            answer_s_max=WHOLE_TABLES_S_MAX,
        )
        try:
            await database.open()
            applied = await migrate(database)
        finally:
            await database.close()
        now.detail = f"{len(applied)} applied" if applied else "nothing to apply"


def _passfile_url(ground: Ground, principal: str, place: str) -> str:
    secrets = ground.site.secrets
    line = f"*:*:*:*:{secrets.postgres_password(principal)}\n"
    passfile = replace_secret(secrets, principal, PASSFILE, content=line.encode())
    return passfile_url(ROLES[principal], place, passfile)


def _foreign_urls(ground: Ground) -> dict[str, str]:
    bare, password = split_password(ground.options.database_url)
    if password is None:
        return dict.fromkeys(ROLES, bare)
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    urls = {}
    for principal in ROLES:
        line = f"*:*:*:*:{escaped}\n".encode()
        passfile = replace_secret(ground.site.secrets, principal, PASSFILE, content=line)
        urls[principal] = f"{bare}{'&' if '?' in bare else '?'}passfile={quote(str(passfile))}"
    return urls
