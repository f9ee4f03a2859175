"""Real servers for tests: started once in a session, killed and restarted by tests that want to."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from confluent_kafka.admin import AdminClient, NewTopic

from spark.bus.kafka import KafkaLogin
from spark.embedded import jars, java
from spark.embedded.command import Command
from spark.embedded.kafka import BROKER, JARS_LOCK, KafkaPorts, KafkaServer
from spark.embedded.kafka_admin import create_topics
from spark.embedded.ports import pick_ports
from spark.embedded.postgres import KEEPER, SUPERUSER, PostgresServer
from spark.embedded.provision import grant_provisioner, provision, topic_config
from spark.embedded.roles import provision_roles, role_url
from spark.embedded.secrets import Secrets
from spark.topics import BY_NAME, PRINCIPALS, PROVISIONER, TOPICS

_T = TypeVar("_T")
_PR_SET_PDEATHSIG: Final = 1
_STOP_TIMEOUT_S: Final = 15


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """
    Run a coroutine to its end from a plain fixture, whatever loops the test's thread has.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def jar_cache() -> Path:
    """
    Find the directory that keeps jars from one test run to the next.
    """
    chosen = os.environ.get("SPARK_TEST_CACHE") or os.environ.get("XDG_CACHE_HOME")
    if chosen is None and os.geteuid() == 0:
        # A home of root's is private, and with isolation the broker has a uid of its own.
        chosen = "/var/cache"
    return (Path(chosen) if chosen else Path.home() / ".cache") / "spark" / "jars"


class Process:
    """One child that dies with this process, whatever kills this process."""

    def __init__(self, command: Callable[[], Command], log: Path) -> None:
        self.command = command
        self.log = log
        self.child: subprocess.Popen[bytes] | None = None
        self.stop_signal = signal.SIGTERM

    @property
    def pid(self) -> int:
        assert self.child is not None, "not started"
        return self.child.pid

    def is_alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def start(self) -> None:
        assert not self.is_alive(), "already running"
        command = self.command()
        self.stop_signal = command.stop_signal
        # The signal comes when the *thread* that forked ends, so the main thread forks.
        assert threading.current_thread() is threading.main_thread(), "start from the main thread"
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                command.argv,
                **command.spawn_options(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent  # noqa: PLW1509  (one prctl, no locks)
                if sys.platform == "linux"
                else None,
            )

    def kill(self) -> None:
        assert self.child is not None, "not started"
        self.child.kill()
        self.child.wait()

    def stop(self) -> None:
        if self.child is None:
            return
        self.child.send_signal(self.stop_signal)
        try:
            self.child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()


class RunningPostgres:
    """
    The session's PostgreSQL, with the roles of spark.embedded.roles and no tables.

    `url(principal)` works for every name in ROLES ("migrate", "feed_writer", …).
    """

    def __init__(self, home: Path) -> None:
        (port,) = pick_ports((0,))
        self.secrets = Secrets(home / "secrets")
        self.server = PostgresServer(home, self.secrets, port)
        self.process = Process(self.server.command, home / "postgres.log")
        run(self.server.prepare())

    @property
    def superuser_url(self) -> str:
        return self.server.url(SUPERUSER, self.secrets.postgres_password(KEEPER))

    def url(self, principal: str) -> str:
        return role_url(self.server, principal)

    def start(self) -> None:
        """Start, and wait until it answers a query."""
        self.process.start()
        run(self.server.wait_ready(self.process.is_alive))

    def kill(self) -> None:
        """Kill the postmaster as by kill -9; its children follow by themselves."""
        self.process.kill()

    def stop(self) -> None:
        self.process.stop()

    def provision(self) -> None:
        run(provision_roles(self.server))

    def recreate_database(self) -> None:
        """Empty the database by making it anew; roles stay."""
        run(self.server.query("DROP DATABASE spark WITH (FORCE)", database="postgres"))
        self.provision()


class RunningKafka:
    """
    The session's broker, with the topics, users and ACLs of the table.

    `login(principal)` works for every name in spark.topics.PRINCIPALS, for
    "provisioner" and for "broker", whom the broker lets do everything.
    """

    def __init__(self, home: Path) -> None:
        self.lock = jars.read_lock(JARS_LOCK)
        jars.fetch(self.lock, jar_cache())
        self.server = self.another(home)
        self.secrets = self.server.secrets
        self.process = Process(self._command, home / "kafka.log")
        run(self.server.prepare())

    def another(self, home: Path, jar_directory: Path | None = None) -> KafkaServer:
        """Describe a broker with a home and ports of its own; nothing is started."""
        client, controller = pick_ports((0, 0))
        return KafkaServer(
            home,
            Secrets(home / "secrets"),
            KafkaPorts(client=client, controller=controller),
            java=java.java_binary(),
            jars=self.lock,
            jar_directory=jar_directory or jar_cache(),
        )

    def move(self) -> None:
        """Take other ports for the next start, as if the former ones were taken."""
        self.server = self.another(self.server.home.parent)
        run(self.server.prepare())

    def _command(self) -> Command:
        return self.server.command()

    @property
    def bootstrap(self) -> str:
        return self.server.bootstrap

    def login(self, principal: str) -> KafkaLogin:
        return self.server.login(principal)

    def password(self, principal: str) -> str:
        return self.secrets.kafka_password(principal)

    def start(self) -> None:
        """Start, and wait until every partition has its leader."""
        self.process.start()
        run(self.server.wait_ready(self.process.is_alive))

    def kill(self) -> None:
        """Kill as by kill -9."""
        self.process.kill()

    def stop(self) -> None:
        self.process.stop()

    def provision(self) -> None:
        passwords = {principal: self.password(principal) for principal in PRINCIPALS}
        run(grant_provisioner(self.login(BROKER)))
        run(provision(self.login(PROVISIONER), passwords))

    def recreate_topics(self) -> None:
        """Empty every topic of the table by making it anew; users and ACLs stay."""
        admin = self.admin()
        names = {topic.name for topic in TOPICS}
        for deleted in admin.delete_topics(list(names)).values():
            deleted.result()
        # The controller answers before the broker's own view follows.
        while names & set(admin.list_topics(timeout=10).topics):
            time.sleep(0.01)
        run(provision(self.login(PROVISIONER), {p: self.password(p) for p in PRINCIPALS}))
        run(self.server.wait_ready(self.process.is_alive))

    def recreate_topic(self, name: str) -> None:
        """Put an empty topic in the place of one of the table; rights stay."""
        topic = BY_NAME[name]
        admin = self.admin()
        admin.delete_topics([name])[name].result()
        while name in admin.list_topics(timeout=10).topics:
            time.sleep(0.01)
        create_topics(admin, [NewTopic(name, topic.partitions, 1, config=topic_config(topic))])
        run(self.server.wait_ready(self.process.is_alive))

    def create_topic(self, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Make a topic that only "broker" may use, under a new name."""
        name = f"scratch.{uuid.uuid4().hex[:12]}"
        new = NewTopic(name, partitions, 1, config=dict(config or {}))
        create_topics(self.admin(), [new])
        run(self.server.wait_ready(self.process.is_alive))
        return name

    def admin(self) -> AdminClient:
        """Connect as the super user; hold the client while a request runs."""
        return AdminClient(self.client_options(BROKER))

    def client_options(self, principal: str) -> dict[str, str | int | float | bool]:
        """Give librdkafka's options, for what the bus cannot do."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": principal,
            "sasl.password": self.password(principal),
            "log_level": 0,
        }


def _die_with_parent() -> None:
    with contextlib.suppress(OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
