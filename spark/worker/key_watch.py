"""
Takes new keys while a process runs, and drops old ones when their time is over.
"""

import asyncio

from spark.key_slots import LOOK_S, KeyChange
from spark.keyring import Keyring
from spark.log import logger
from spark.metrics import Metrics


async def watch_keys(keyring: Keyring, metrics: Metrics) -> None:
    """
    Look once a second until cancelled, and show which generation is held of each key.

    A key that cannot be read is said once, and tried again at each look.
    """
    refused: dict[str, str] = {}
    while True:
        for change in keyring.refresh():
            _say(change, refused)
        for key, generation in keyring.generations().items():
            metrics.key_generation.labels(key).set(generation)
        await asyncio.sleep(LOOK_S)


def _say(change: KeyChange, refused: dict[str, str]) -> None:
    if not change.fault:
        refused.pop(change.key, None)
        logger().info("keys_changed", key=change.key, generations=list(change.generations))
    elif refused.get(change.key) != change.fault:
        refused[change.key] = change.fault
        logger().error("key_refused", key=change.key, why=change.fault)
