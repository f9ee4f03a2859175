"""
The embedded Kafka broker: one KRaft node on loopback, from jars and a wheel's Java.

    <home>/kafka/server.properties   generated at each start from deploy/kafka/server.properties
                 data/               the log; its existence means: formatted
                 tmp/                native libraries that jars unpack

Passwords reach Java through files alone (S15): `format` reads an argument file
that is removed afterwards, the broker a properties file of mode 0400. Format's
output holds the salted keys of every SCRAM user and is thrown away.
"""

import asyncio
import base64
import os
import signal
import subprocess
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from spark.embedded.command import Command
from spark.embedded.jars import Jar, class_path
from spark.embedded.secrets import Secrets, remove_secret, write_secret
from spark.errors import EmbeddedUnavailable, SettingError

HOST: Final = "127.0.0.1"
BROKER: Final = "broker"
CONTROLLER: Final = "controller"
PROVISIONER: Final = "provisioner"
DEPLOY: Final = Path(__file__).parents[2] / "deploy" / "kafka"
JARS_LOCK: Final = DEPLOY / "jars.lock"
_JAAS: Final = "kafka.jaas"
_FORMAT_TIMEOUT_S: Final = 120
#: `${file:path:key}` ends at a brace or colon, a properties file escapes by backslash.
_PATH_FORBIDDEN: Final = frozenset('{}:\\"\n\r')

_JVM: Final = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:MaxDirectMemorySize=128m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:ParallelGCThreads=2",
    "-XX:ConcGCThreads=1",
    # Nobody on this host looks into the broker's memory (S15), and no file betrays it.
    "-XX:+DisableAttachMechanism",
    "-XX:-UsePerfData",
    "-XX:-CreateCoredumpOnCrash",
    # A broker that is out of memory is worth less than a restarted one.
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)


class _AtTemplate(Template):
    """`@{word}`: Kafka's own `${…}` stays as it is."""

    delimiter = "@"


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaPorts:
    """Where the broker listens on loopback."""

    client: int
    controller: int


class KafkaServer:
    """
    One broker: prepare it once, then let a supervisor start its command.

    Args:
        home: the stack's directory; with a uid, one that this uid can reach.
        jars: the lock; the files are in `jar_directory` (jars.fetch).
        uid: the broker's own, or None to share that of this process.
    """

    def __init__(
        self,
        home: Path,
        secrets: Secrets,
        ports: KafkaPorts,
        *,
        java: Path,
        jars: Sequence[Jar],
        jar_directory: Path,
    ) -> None:
        self.home = home.absolute() / "kafka"
        self.secrets = secrets
        self.ports = ports
        self.java = java
        self.jars = tuple(jars)
        self.jar_directory = jar_directory.absolute()
        self.uid = secrets.uids.get(BROKER)
        if _PATH_FORBIDDEN & set(f"{self.home}{secrets.root}"):
            raise SettingError(f"{home}: Kafka cannot use a path with any of {{ }} : \\ or quotes")

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{HOST}:{self.ports.client}"

    @property
    def _data(self) -> Path:
        return self.home / "data"

    @property
    def _properties(self) -> Path:
        return self.home / "server.properties"

    async def prepare(self) -> None:
        """
        Make everything that the broker starts from; harmless to repeat, and keeps the data.

        Raises:
            IntegrityError: a jar is not the one in the lock.
            EmbeddedUnavailable: formatting failed, for example for want of disk space.
        """
        await asyncio.to_thread(self._prepare)

    def command(self) -> Command:
        """
        Say how to start the broker; hashes every jar, so call it at each start.

        Raises: IntegrityError when a jar is not the one in the lock.
        """
        return self._java("kafka.Kafka", str(self._properties))

    def _prepare(self) -> None:
        for directory in (self.home, self.home / "tmp"):
            make_owned_directory(directory, self.uid)
        self._write_jaas()
        if not self._data.exists():
            self._format()
        _write_owned(self._properties, self._render(self._data), self.uid)

    def _write_jaas(self) -> None:
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        broker = self.secrets.kafka_password(BROKER)
        controller = self.secrets.kafka_password(CONTROLLER)
        text = (
            f'broker={scram} username="{BROKER}" password="{broker}";\n'
            f'controller={plain} username="{CONTROLLER}" password="{controller}"'
            f' user_{CONTROLLER}="{controller}";\n'
        )
        self.secrets.write(BROKER, _JAAS, text.encode())

    def _render(self, data: Path) -> str:
        template = (DEPLOY / "server.properties").read_text(encoding="utf-8")
        return _AtTemplate(template).substitute(
            host=HOST,
            advertised=HOST,
            client_port=self.ports.client,
            controller_port=self.ports.controller,
            data=data,
            jaas=self.secrets.root / BROKER / _JAAS,
        )

    def _format(self) -> None:
        """
        Format into a directory of another name first: a torn format never counts as data.
        """
        fresh = self.home / f"data.{uuid.uuid4().hex}"
        make_owned_directory(fresh, self.uid)
        properties = self.home / "format.properties"
        _write_owned(properties, self._render(fresh), self.uid)
        arguments = self.secrets.directory(BROKER) / "format.arguments"
        remove_secret(arguments)
        write_secret(arguments, self._format_arguments(properties), self.uid)
        try:
            self._run_format(self._java("kafka.tools.StorageTool", f"@{arguments}"))
        finally:
            remove_secret(arguments)
            properties.unlink()
        fresh.rename(self._data)

    def _format_arguments(self, properties: Path) -> bytes:
        users = [
            f"--add-scram=SCRAM-SHA-512=[name={name},password={self.secrets.kafka_password(name)}]"
            for name in (BROKER, PROVISIONER)
        ]
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        words = ["format", f"--cluster-id={cluster}", f"--config={properties}", "--standalone"]
        return "\n".join([*words, *users]).encode()

    def _run_format(self, command: Command) -> None:
        try:
            done = subprocess.run(
                command.argv,
                **command.spawn_options(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_FORMAT_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmbeddedUnavailable(f"Java did not run: {error}") from None
        if done.returncode != 0:
            # Only Java's exception lines: whatever else it printed may hold credentials.
            lines = done.stderr.decode(errors="replace").splitlines()
            cause = next((line for line in lines if "xception" in line), "see the disk space")
            raise EmbeddedUnavailable(f"formatting {self.home} failed: {cause.strip()}")

    def _java(self, main: str, *arguments: str) -> Command:
        path = class_path(self.jars, self.jar_directory)
        options = [
            f"-Djava.io.tmpdir={self.home / 'tmp'}",
            f"-Dlog4j2.configurationFile={(DEPLOY / 'log4j2.yaml').as_uri()}",
        ]
        return Command(
            argv=(str(self.java), *_JVM, *options, "-cp", path, main, *arguments),
            env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
            cwd=self.home,
            uid=self.uid,
            stop_signal=signal.SIGTERM,
        )


def make_owned_directory(path: Path, uid: int | None) -> None:
    """
    Make a directory of mode 0700 for a server, or give it to the uid it has now.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if uid is not None and path.stat().st_uid != uid:
            os.chown(path, uid, uid, follow_symlinks=False)
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}; choose another home") from None


def _write_owned(path: Path, text: str, uid: int | None) -> None:
    fresh = path.with_name(f"{path.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        if uid is not None:
            os.fchown(file.fileno(), uid, uid)
    fresh.replace(path)
