"""
Two persons who look after a drill's stack: they resume, and settle what only persons may.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from spark.bus.port import Bus
from spark.clock import SystemClock
from spark.codec import encode
from spark.embedded.throwaway import Throwaway
from spark.events import HaltName, Proposal, ResolveUnknown
from spark.keyring import Keyring
from spark.ledger.control_state import OUTSIDE
from spark.names import AccountId, ClientOrderId, HaltSource, TradingMode
from spark.ops.control_reader import read_control
from spark.producers.words import Operator, approve, propose, resume_trading
from spark.worker.latch import PREFIX

PERSONS: Final = ("op-local", "op-second")
#: Soon over: of those that live, readers take only so many from one person.
_PROPOSAL_LIFE_NS: Final = 20_000_000_000


class Persons:
    """Both of them, with their keys and their ways to Kafka."""

    def __init__(self, stack: Throwaway, buses: Mapping[str, Bus]) -> None:
        self._stack = stack
        self._buses = buses
        self._operators = {person: _operator(stack, person) for person in PERSONS}

    async def resume(self) -> list[str]:
        """
        Clear everything that is in force, on the log and in the latch.

        Returns: what protections had said meanwhile.

        """
        first = PERSONS[0]
        people = Keyring(first, self._stack.secrets.root / first, self._stack.home.public).people()
        said = await read_control(self._buses[first], people, TradingMode.LIVE)
        halts = said.control.halts_in_force()
        files = {entry: entry.lstat().st_mtime_ns for entry in self._stack.home.kill.iterdir()}
        named = [HaltName(halt=halt.halt, offset=halt.offset) for halt in halts]
        named += [
            HaltName(halt=f"{PREFIX}{entry.name}@{touched_ns}", offset=OUTSIDE)
            for entry, touched_ns in files.items()
        ]
        if not named:
            return []
        await self._agree(resume_trading(self._operators[first], named, reason="drill"))
        for entry in files:
            entry.unlink()
        return [f"{halt.halt}: {halt.reason}" for halt in halts if halt.source != HaltSource.CLI]

    async def resolve(self, account: AccountId, order: ClientOrderId) -> None:
        """Hold an unknown for never placed, because the exchange itself was asked."""
        first = self._operators[PERSONS[0]]
        now_ns = SystemClock().wall_ns()
        await self._agree(
            ResolveUnknown(
                account=account,
                client_order_id=order,
                reason="not in the exchange's own ledger",
                proposed_by=first.person,
                created_ns=now_ns,
                expires_ns=now_ns + _PROPOSAL_LIFE_NS,
                log_epoch=first.log_epoch,
            )
        )

    async def _agree(self, proposal: Proposal) -> None:
        proposal = replace(proposal, expires_ns=proposal.created_ns + _PROPOSAL_LIFE_NS)
        first, second = (self._operators[person] for person in PERSONS)
        await propose(self._buses[first.person], first, proposal)
        await approve(self._buses[second.person], second, encode(proposal))


def _operator(stack: Throwaway, person: str) -> Operator:
    keyring = Keyring(person, stack.secrets.root / person, stack.home.public)
    return Operator(person, keyring.operator_key(), keyring.log_epoch, SystemClock())
