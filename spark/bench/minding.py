"""
What persons do while a drill runs: resume what protections stopped, settle what only they may.

An unknown at BTCTurk that never arrived there has no evidence, and never will: persons
look into the exchange's own ledger, after a while, and say so.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from spark.bench.exchange_judge import Ledger, Told
from spark.bench.persons import Persons
from spark.names import AccountId, Venue, venue_of


class Minded(Protocol):
    """One account, as both sides tell of it."""

    @property
    def account(self) -> AccountId:
        """Which."""

    @property
    def told(self) -> Told:
        """What Spark's topics say."""

    @property
    def ledger(self) -> Ledger:
        """What the exchange holds, as far as it was read."""

    async def read_ledger(self) -> None:
        """Read it to its end of now."""


@dataclass(slots=True)
class Minding:
    """Two persons at work."""

    persons: Persons
    #: They look at an unknown no sooner: by then evidence would have come.
    patience_s: float
    resolved: set[str] = field(default_factory=set)
    #: What protections had said, each resumed.
    protections: list[str] = field(default_factory=list)
    #: When each unknown was first seen, by our own clock.
    _since: dict[tuple[str, str], float] = field(default_factory=dict)

    async def look(self, accounts: Iterable[Minded]) -> None:
        """Look once at everything."""
        self.protections += await self.persons.resume()
        for one in accounts:
            # Elsewhere the exchange's denial is final after a while, and nobody need look.
            if venue_of(one.account) == Venue.BTCTURK:
                await self._look_at_unknowns(one)

    async def _look_at_unknowns(self, one: Minded) -> None:
        now_s = time.monotonic()
        unknown = {(str(one.account), key) for key in one.told.orders.unknown}
        others = {known: at for known, at in self._since.items() if known[0] != one.account}
        self._since = others | {known: self._since.get(known, now_s) for known in unknown}
        old = {
            key
            for account, key in unknown
            if now_s - self._since[account, key] > self.patience_s and key not in self.resolved
        }
        if not old:
            return
        await one.read_ledger()
        for key in sorted(old & one.told.orders.unknown - one.ledger.orders.keys()):
            await self.persons.resolve(one.account, key)
            self.resolved.add(key)
