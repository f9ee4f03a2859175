"""The broker's ahead-of-time cache: made by a broker of its own, and never in the way."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from spark.embedded import jars, java
from spark.embedded.isolation import UID_RANGE
from spark.embedded.kafka import BROKER, JARS_LOCK, KafkaPorts, KafkaServer
from spark.embedded.kafka_training import train
from spark.embedded.ports import pick_ports
from spark.embedded.reach import obstacle
from spark.embedded.secrets import Secrets
from tests.servers import Process, jar_cache, run


@pytest.fixture
def server(open_directory: Path) -> KafkaServer:
    """A broker with jars and a cache of its own, and under root with a uid of its own."""
    lock = jars.read_lock(JARS_LOCK)
    jars.fetch(lock, jar_cache())
    directory = open_directory / "cache" / "jars"
    directory.mkdir(parents=True)
    for jar in lock:
        (directory / jar.file_name).write_bytes((jar_cache() / jar.file_name).read_bytes())
    binary = java.java_binary()
    uid = UID_RANGE[0]
    is_isolated = os.geteuid() == 0 and obstacle(binary, uid) is None
    secrets = Secrets(open_directory / "secrets", {BROKER: uid} if is_isolated else {})
    client, controller = pick_ports([0, 0])
    return KafkaServer(
        open_directory,
        secrets,
        KafkaPorts(client=client, controller=controller),
        java=binary,
        jars=lock,
        jar_directory=directory,
    )


@pytest.fixture
def process(server: KafkaServer, open_directory: Path) -> Iterator[Process]:
    process = Process(server.command, open_directory / "kafka.log")
    yield process
    process.stop()


def start(server: KafkaServer, process: Process) -> list[str]:
    process.start()
    run(server.wait_ready(process.is_alive))
    return psutil.Process(process.pid).cmdline()


def uses_cache(arguments: list[str]) -> bool:
    return any(argument.startswith("-XX:AOTCache=") for argument in arguments)


def test_a_trained_cache_serves_and_a_bad_one_is_never_in_the_way(
    server: KafkaServer, process: Process
) -> None:
    """A start never fails for the cache: a damaged one is not used, a useless one is dropped."""
    run(server.prepare())
    assert not uses_cache(start(server, process))
    if server.uid is not None:
        assert psutil.Process(process.pid).uids().real == server.uid
    run(train(server, rounds=20))
    assert process.is_alive()
    assert not (server.home / "training").exists()
    process.kill()

    assert uses_cache(start(server, process))
    process.kill()

    trained = server.aot.path.read_bytes()
    server.aot.path.write_bytes(trained[: len(trained) // 2])
    assert not uses_cache(start(server, process))
    process.kill()

    # Whole, but of no use to this Java: it must start all the same.
    foreign = server.home / "foreign"
    foreign.write_bytes(b"another Java's" * 1000)
    server.aot.keep(foreign)
    assert uses_cache(start(server, process))


def test_a_start_that_never_served_with_the_cache_is_the_last_one_with_it(
    server: KafkaServer, open_directory: Path
) -> None:
    """Whatever made the start fail, the next one does without."""
    cached = open_directory / "cached"
    cached.write_bytes(b"classes")
    server.aot.keep(cached)
    assert uses_cache(list(server.command().argv))
    assert not uses_cache(list(server.command().argv))
    assert not server.aot.is_usable()


async def test_training_that_is_cancelled_leaves_nothing(server: KafkaServer) -> None:
    """The supervisor may stop at any time; no process and no file stays behind."""
    before = set(psutil.Process().children(recursive=True))
    await server.prepare()
    work = asyncio.create_task(train(server))
    while not is_training(before):  # noqa: ASYNC110  (another process's start is no event)
        await asyncio.sleep(0.05)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not [child for child in new(before) if child.is_running()]
    assert not (server.home / "training").exists()
    assert not server.aot.is_usable()


def is_training(before: set[psutil.Process]) -> bool:
    return any("AOTCacheOutput" in " ".join(command_of(child)) for child in new(before))


def new(before: set[psutil.Process]) -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True)) - before


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
