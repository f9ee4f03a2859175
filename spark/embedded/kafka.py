"""
The embedded Kafka broker: one KRaft node on loopback, from jars and a wheel's Java.

    <home>/kafka/server.properties   generated from deploy/kafka/server.properties
                 data/               the log; its existence means: formatted
                 tmp/                native libraries that jars unpack

Passwords reach Java through files alone (S15): `format` reads an argument file
that is removed afterwards, the broker a properties file of mode 0400. Format's
output holds the salted keys of every SCRAM user and is thrown away.
"""

import asyncio
import base64
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark.bus.kafka import KafkaLogin
from spark.embedded.aot import AotCache
from spark.embedded.command import Command
from spark.embedded.jars import Jar, class_path
from spark.embedded.kafka_admin import wait_ready
from spark.embedded.ownership import fill, own_directory, write_owned
from spark.embedded.reach import obstacle
from spark.embedded.secrets import Secrets, remove_secret, write_secret
from spark.errors import AuthorisationError, EmbeddedUnavailable, SettingError
from spark.topics import PROVISIONER

HOST: Final = "127.0.0.1"
BROKER: Final = "broker"
CONTROLLER: Final = "controller"
DEPLOY: Final = Path(__file__).parents[2] / "deploy" / "kafka"
JARS_LOCK: Final = DEPLOY / "jars.lock"
_JAAS: Final = "kafka.jaas"
_FORMAT_TIMEOUT_S: Final = 120
_MIB: Final = 1024 * 1024
#: For indexes that a start makes anew: on a disk with less it would end at once, again and again.
_ROOM_BYTES_MIN: Final = 32 * _MIB
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
    # Kafka unmaps its index files by a call that Java announces to take away some day.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaPorts:
    """Where the broker listens on loopback."""

    client: int
    controller: int


class KafkaServer:
    """
    One broker: prepare it once, then let a supervisor start its command.

    Args:
        home: the stack's directory.
        secrets: where it says a uid for "broker", the broker runs as that.
        jars: the lock; the files are in `jar_directory` (jars.fetch).
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
        self.aot = AotCache(self.jar_directory.parent / "aot", self._aot_key())
        self._is_aot_on_trial = False
        for path in (self.home, secrets.root, self.jar_directory):
            if _PATH_FORBIDDEN & set(str(path)):
                raise SettingError(f"{path}: Kafka cannot use a path with {{ }} : \\ or quotes")

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{HOST}:{self.ports.client}"

    def login(self, principal: str) -> KafkaLogin:
        """
        Give a principal's login; "broker" may do everything, "provisioner" administrate.
        """
        return KafkaLogin(self.bootstrap, principal, self.secrets.kafka_password(principal))

    async def prepare(self) -> None:
        """
        Make everything that the broker starts from; harmless to repeat, and keeps the data.

        Raises:
            IntegrityError: a jar is not the one in the lock.
            SettingError: a place that the broker's uid cannot reach.
            EmbeddedUnavailable: formatting failed, for example for want of disk space.
        """
        await asyncio.to_thread(self._prepare)

    def command(self) -> Command:
        """
        Say how to start the broker; hashes every jar, so call it at each start, in a thread.

        Raises:
            IntegrityError: a jar is not the one in the lock.
            EmbeddedUnavailable: its disk is full.
        """
        _require_room(self._data)
        if self._is_aot_on_trial:
            # The last start with it never served; whatever the cause, do without.
            self.aot.discard()
        self._is_aot_on_trial = self.aot.is_usable()
        options = [f"-XX:AOTCache={self.aot.path}"] if self._is_aot_on_trial else []
        return self._java(options, "kafka.Kafka", str(self._properties))

    def training_command(self, output: Path) -> Command:
        """
        Say how to start the broker so that it writes an ahead-of-time cache as it stops.
        """
        return self._java([f"-XX:AOTCacheOutput={output}"], "kafka.Kafka", str(self._properties))

    async def wait_ready(
        self, is_alive: Callable[[], bool] = lambda: True, *, timeout_s: float = 60
    ) -> None:
        """
        Wait until the broker serves.

        Raises:
            BusUnavailable: it did not become ready in time, or died.
            EmbeddedUnavailable: something else answers on its port.
        """
        try:
            await wait_ready(self.login(BROKER), is_alive, timeout_s=timeout_s)
        except AuthorisationError:
            raise EmbeddedUnavailable(
                f"the Kafka at {self.bootstrap} does not know the passwords of {self.home}: "
                "it is another one, or the secrets were replaced"
            ) from None
        self._is_aot_on_trial = False

    @property
    def _data(self) -> Path:
        return self.home / "data"

    @property
    def _properties(self) -> Path:
        return self.home / "server.properties"

    def _prepare(self) -> None:
        own_directory(self.home, self.uid)
        own_directory(self.home / "tmp", self.uid)
        self._check_reach()
        self._write_jaas()
        if not self._data.exists():
            self._format()
        write_owned(self._properties, self._render(self._data), self.uid)

    def _check_reach(self) -> None:
        if self.uid is None:
            return
        for needed in (self.java, self.jar_directory, JARS_LOCK):
            if (wall := obstacle(needed, self.uid)) is not None:
                raise SettingError(f"the broker's uid {self.uid} cannot read {needed}: see {wall}")

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
        text = fill(
            DEPLOY / "server.properties",
            host=HOST,
            client_port=self.ports.client,
            controller_port=self.ports.controller,
            data=data,
            jaas=self.secrets.root / BROKER / _JAAS,
        )
        # Java reads properties as Latin-1, and a home may have any name.
        return re.sub(r"[^\x00-\x7f]", lambda found: _escaped(found[0]), text)

    def _format(self) -> None:
        """
        Format into a directory of another name first: a torn format never counts as data.
        """
        for torn in self.home.glob("data.*"):
            shutil.rmtree(torn)
        fresh = self.home / f"data.{uuid.uuid4().hex}"
        own_directory(fresh, self.uid)
        properties = self.home / "format.properties"
        write_owned(properties, self._render(fresh), self.uid)
        arguments = self.secrets.directory(BROKER) / "format.arguments"
        remove_secret(arguments)
        write_secret(arguments, self._format_arguments(properties), self.uid)
        try:
            _run_format(self._java([], "kafka.tools.StorageTool", f"@{arguments}"))
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

    def _java(self, options: Sequence[str], main: str, *arguments: str) -> Command:
        path = class_path(self.jars, self.jar_directory)
        places = [
            f"-Djava.io.tmpdir={self.home / 'tmp'}",
            f"-Dlog4j2.configurationFile={(DEPLOY / 'log4j2.yaml').as_uri()}",
        ]
        return Command(
            argv=(str(self.java), *_JVM, *options, *places, "-cp", path, main, *arguments),
            env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
            cwd=self.home,
            uid=self.uid,
            stop_signal=signal.SIGTERM,
        )

    def _aot_key(self) -> str:
        release = self.java.parents[1] / "release"
        runtime = release.read_text(encoding="utf-8") if release.is_file() else str(self.java)
        hashes = [jar.sha256 for jar in self.jars]
        return "\n".join([runtime, *_JVM, str(self.jar_directory), *hashes])


def _require_room(data: Path) -> None:
    # Java would say of it: "a fault occurred in an unsafe memory access operation".
    try:
        free = shutil.disk_usage(data).free
    except FileNotFoundError:
        return  # nothing was ever written there
    if free < _ROOM_BYTES_MIN:
        raise EmbeddedUnavailable(
            f"the disk is full: {free // _MIB} MiB left for {data}, "
            f"a start takes {_ROOM_BYTES_MIN // _MIB}; make room, and remove nothing in there"
        )


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _run_format(command: Command) -> None:
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
        cause = next((line for line in lines if "xception" in line), "no reason given")
        raise EmbeddedUnavailable(f"formatting Kafka's log failed: {cause.strip()}")
