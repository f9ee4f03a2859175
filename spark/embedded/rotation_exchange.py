"""
Changes both keys at a simulated exchange while orders flow (S4).

The exchange learns the new ones, then the signer gets them and says that it signs
with them; the old ones go when the last request that they signed is over. At a real
exchange a person does the exchange's part (runbook/keys.md).
"""

import asyncio
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from urllib.parse import urlsplit

from spark import keys
from spark.embedded.home import Home
from spark.embedded.minting import (
    SIMULATOR_ADMIN_TOKEN,
    add_exchange_keys,
    fresh_exchange_keys,
    slots_of,
    tell_simulator,
    trade_id,
)
from spark.embedded.ops_client import OpsAddress, ask
from spark.embedded.processes import SIMULATORS
from spark.embedded.rotation import all_hold
from spark.embedded.secrets import Secrets, remove_secret
from spark.embedded.state import StackState
from spark.errors import EmbeddedUnavailable, SettingError
from spark.key_slots import label_of
from spark.names import Role, Venue

_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRotation:
    """A stack whose simulated exchange is to get other keys."""

    anchor: Home
    home: Home
    state: StackState
    secrets: Secrets
    venue: Venue
    #: How long a request may live after it was signed, seconds.
    life_s: float

    async def run(self) -> tuple[int, int]:
        """
        Change the keys; returns when the old ones are deleted.

        Returns: the new generation, and when the old one ended.

        Raises:
            SettingError: this stack has no simulator of the exchange.
            EmbeddedUnavailable: exchange or signer did not take the new keys; the old
                ones still count.

        """
        if self.venue not in self.state.simulators:
            raise SettingError(f"this stack has no simulator of {self.venue}; see runbook/keys.md")
        slots = slots_of(self.secrets, Role.SIGNER, trade_id(self.venue))
        generation, fresh = slots[0].generation + 1, fresh_exchange_keys(self.venue)
        tell_simulator(self.secrets, self.venue, (generation, fresh))
        await self._exchange_reads()
        add_exchange_keys(self.secrets, self.venue, generation, fresh=fresh)
        held = {label_of(trade_id(self.venue)): generation}
        await all_hold(self.anchor, self.home, {Role.SIGNER: held})
        await asyncio.sleep(self.life_s)
        self._forget_old()
        tell_simulator(self.secrets, self.venue)
        await self._exchange_reads()
        return generation, time.time_ns()

    async def _exchange_reads(self) -> None:
        """Have the exchange read its file of keys again."""
        port = urlsplit(self.state.simulators[self.venue].admin_url).port
        token = self.secrets.read(SIMULATORS[self.venue], SIMULATOR_ADMIN_TOKEN).decode()
        answer = await ask(OpsAddress(0, port, None), "/keys", token=token)
        if answer is None or answer[0] != _OK:
            raise EmbeddedUnavailable(f"the simulator of {self.venue} did not take the keys")

    def _forget_old(self) -> None:
        for _, slot in pairwise(slots_of(self.secrets, Role.SIGNER, trade_id(self.venue))):
            # The trade key's id last, as it was written last.
            for kind in (keys.READ_KEY, keys.TRADE_KEY):
                for name in reversed(keys.exchange_key(self.venue, kind, slot.generation)):
                    remove_secret(self.secrets.directory(Role.SIGNER) / name)
