"""
The floor under the order path: the same hops without Spark's code.

`python -m spark.bench.floor` is one link of a raw aiokafka chain: it forwards
records from one topic to the next, or sends an HTTP order for each and forwards
after the answer, or feeds the chain at a rate. It shares nothing with Spark but
the broker and the exchange, so that the benchmark's ratio is against what the
client libraries cost by themselves. Reads one JSON object on standard input.

Source: the chain of facts measured for the design, kafka.md §9.2.
"""

import asyncio
import hashlib
import hmac
import json
import signal
import sys
import time
from typing import Any

import aiohttp
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

_FETCH_WAIT_MS = 50
_FEED_BYTES = 400
#: Requests in flight, as the gateway's default.
_IN_FLIGHT_MAX = 8


def _connection(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "bootstrap_servers": config["bootstrap"],
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": config["username"],
        "sasl_plain_password": config["password"],
    }


async def _producer(config: dict[str, Any]) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(
        **_connection(config), enable_idempotence=True, acks="all", linger_ms=0
    )
    await producer.start()
    return producer


async def _consumer(config: dict[str, Any]) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        **_connection(config),
        group_id=None,
        enable_auto_commit=False,
        fetch_max_wait_ms=_FETCH_WAIT_MS,
    )
    await consumer.start()
    partition = TopicPartition(config["source"], 0)
    consumer.assign([partition])
    await consumer.seek_to_end(partition)
    return consumer


async def _forward(config: dict[str, Any], stop: asyncio.Event) -> None:
    """Forward each record as it comes."""
    producer, consumer = await _producer(config), await _consumer(config)
    _say("ready")
    while not stop.is_set():
        for batch in (await consumer.getmany(timeout_ms=200)).values():
            pending = [await producer.send(config["target"], r.value, key=r.key) for r in batch]
            for future in pending:
                await future
    await consumer.stop()
    await producer.stop()


async def _place(config: dict[str, Any], stop: asyncio.Event) -> None:
    """Send an order for each record, then forward it."""
    producer, consumer = await _producer(config), await _consumer(config)
    free = asyncio.Semaphore(_IN_FLIGHT_MAX)
    tasks: set[asyncio.Task[None]] = set()
    connector = aiohttp.TCPConnector(limit=_IN_FLIGHT_MAX)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(key: bytes, value: bytes) -> None:
            async with session.post(_order_url(config, value.decode()), headers=headers) as reply:
                await reply.read()
            await (await producer.send(config["target"], value, key=key))
            free.release()

        headers = {"X-MBX-APIKEY": config["api_key"]}
        _say("ready")
        while not stop.is_set():
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                for record in batch:
                    await free.acquire()
                    task = asyncio.create_task(one(record.key, record.value))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
    await consumer.stop()
    await producer.stop()


def _order_url(config: dict[str, Any], value: str) -> str:
    number = int(value.split(":", 1)[0])
    price = 50_000 + number % 1_000
    query = (
        f"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.0002&price={price}"
        f"&newClientOrderId=floor{config['run']}x{number}&recvWindow=5000"
        f"&timestamp={time.time_ns() // 1_000_000}"
    )
    signature = hmac.new(config["secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
    return f"{config['rest_url']}/api/v3/order?{query}&signature={signature}"


async def _feed(config: dict[str, Any], stop: asyncio.Event) -> None:
    """Feed the chain at a rate."""
    producer = await _producer(config)
    total, rate = int(config["rate"] * config["seconds"]), config["rate"]
    filler = "x" * _FEED_BYTES
    began, sent = time.monotonic(), 0
    while sent < total and not stop.is_set():
        due = min(total, int((time.monotonic() - began) * rate) + 1)
        pending = []
        for number in range(sent, due):
            key = str(number).encode()
            value = f"{number}:{filler}".encode()
            pending.append(await producer.send(config["target"], value, key=key))
        sent = due
        for future in pending:
            await future
        await asyncio.sleep(max(0.0, (sent + 1) / rate - (time.monotonic() - began)))
    _say(str(sent / (time.monotonic() - began)))
    await producer.stop()


def _say(line: str) -> None:
    """Answer the benchmark, which waits for the line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _main() -> None:
    config: dict[str, Any] = json.loads(sys.stdin.readline())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await {"forward": _forward, "place": _place, "feed": _feed}[config["kind"]](config, stop)


if __name__ == "__main__":
    uvloop.run(_main())
