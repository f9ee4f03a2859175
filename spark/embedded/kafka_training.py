"""
Trains the broker's ahead-of-time cache: a broker of its own lives, works and stops.

Takes about 15 s of CPU, once for each user and set of jars, so it is done when the
machine has nothing better to do; nothing waits for it and nothing fails without it.
"""

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from spark.bus.kafka import KafkaBus
from spark.bus.port import Outgoing, Pace, Partition
from spark.embedded.kafka import BROKER, KafkaPorts, KafkaServer
from spark.embedded.ownership import own_directory
from spark.embedded.ports import pick_ports
from spark.embedded.provision import grant_provisioner, provision
from spark.embedded.secrets import Secrets
from spark.embedded.spawn import spawn
from spark.errors import EmbeddedUnavailable
from spark.topics import CONTROL_PULSE, PRINCIPALS, PROVISIONER

#: Records written and read one by one; more of them make better profiles.
_ROUNDS: Final = 1500
_STOP_TIMEOUT_S: Final = 90
_NICE: Final = 19


async def train(server: KafkaServer, *, rounds: int = _ROUNDS) -> None:
    """
    Make the cache that `server.command()` will use from its next start on.

    May be cancelled: the throw-away broker then dies, and nothing is kept.

    Raises: any SparkError of the embedded broker; the running one is not touched.
    """
    home = server.home / "training"
    await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)
    try:
        await asyncio.to_thread(own_directory, home, server.uid)
        await _train(server, home, rounds)
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _train(server: KafkaServer, home: Path, rounds: int) -> None:
    client, controller = pick_ports((0, 0))
    uids = {} if server.uid is None else {BROKER: server.uid}
    trainee = KafkaServer(
        home,
        Secrets(home / "secrets", uids),
        KafkaPorts(client=client, controller=controller),
        java=server.java,
        jars=server.jars,
        jar_directory=server.jar_directory,
    )
    await trainee.prepare()
    output = trainee.home / "trained.aot"
    process = await spawn(trainee.training_command(output), log=home / "log")
    try:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        await trainee.wait_ready(lambda: process.returncode is None)
        await _exercise(trainee, rounds)
        process.terminate()
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        raise EmbeddedUnavailable("the training broker did not stop; no cache was kept") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if not output.is_file() or output.is_symlink():
        raise EmbeddedUnavailable("Java wrote no cache; the broker starts without one")
    await asyncio.to_thread(server.aot.keep, output)


async def _exercise(trainee: KafkaServer, rounds: int) -> None:
    """
    Do what the stack does: provision, write single records and read each at once.
    """
    await grant_provisioner(trainee.login(BROKER))
    passwords = {name: trainee.secrets.kafka_password(name) for name in PRINCIPALS}
    await provision(trainee.login(PROVISIONER), passwords)
    bus = KafkaBus(trainee.login(BROKER))
    partition = Partition(CONTROL_PULSE, 0)
    try:
        reader = await bus.reader({partition: 0}, Pace.HOT)
        writer = await bus.writer([CONTROL_PULSE])
        for number in range(rounds):
            await writer.write([Outgoing(partition, b"training", b"%d" % number)])
            await reader.read(100)
        await reader.close()
        await writer.close()
    finally:
        await bus.close()
