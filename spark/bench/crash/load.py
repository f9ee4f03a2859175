"""
The load of a crash drill: orders at a rate over all exchanges, whatever becomes of the stack.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

from spark.bench.children import child
from spark.embedded.throwaway import Throwaway
from spark.names import Venue

_STRATEGY: Final = "strategy-demo"
#: Intents a second, over all exchanges; a load that is behind catches up.
_RATE: Final = 120.0
_SECONDS_MAX: Final = 3_600
_AGAIN_S: Final = 0.5
_STARTS_MAX: Final = 1_000


class Load:
    """A strategy that never gives up: it ends with its broker, and is started anew."""

    def __init__(
        self, stack: Throwaway, venues: Sequence[Venue], seed: int, *, rate: float = _RATE
    ) -> None:
        self._plan: dict[str, object] = {
            "strategy": _STRATEGY,
            "uid": stack.state.uids.get(_STRATEGY),
            "bootstrap": stack.state.kafka_bootstrap,
            "secrets_dir": str(stack.secrets.root / _STRATEGY),
            "public_dir": str(stack.home.public),
            "rate": rate,
            "seconds": _SECONDS_MAX,
            "trading": list(venues),
        }
        self._seed = seed
        self._log = stack.home.logs / "load.log"

    async def run(self) -> None:
        """Ask for orders until cancelled."""
        for number in count():
            plan = self._plan | {"seed": self._seed * _STARTS_MAX + number}
            async with child("spark.bench.order_load", plan, self._log) as load:
                await load.finished()
            await asyncio.sleep(_AGAIN_S)


@asynccontextmanager
async def beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Have something done while the body runs; what it fails by comes out."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        is_over = task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if is_over:
            task.result()
