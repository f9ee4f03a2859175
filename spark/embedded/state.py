"""
`<home>/run/stack.json`: where a running stack is, for the command line. No secrets.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

from spark.embedded.child import ChildStatus
from spark.embedded.home import Home
from spark.embedded.identity import ProcessIdentity
from spark.errors import NotRunningError
from spark.names import Endpoint, TradingMode, Venue

_FILE: Final = "stack.json"
_MODE: Final = 0o644
#: Filled up with spaces: several times what a stack of everything takes with every detail.
_RESERVE_BYTES: Final = 32 * 1024
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class StackPhase(StrEnum):
    """What a supervisor is doing."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorAddress:
    """Where one exchange's simulator is."""

    url: str
    stream_url: str
    admin_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """One stack, as its supervisor last wrote it."""

    version: int = 1
    name: str
    phase: StackPhase
    supervisor: ProcessIdentity
    started_ns: int
    #: Where data, logs and secrets are; another place than this file's for an ephemeral stack.
    home: Path
    mode: TradingMode
    endpoint: Endpoint
    #: Why all roles share one uid; empty where each has its own.
    isolation_reason: str
    uids: dict[str, int]
    kafka_bootstrap: str
    is_kafka_embedded: bool
    #: Without user and password.
    database_url: str
    is_database_embedded: bool
    #: By exchange; empty where the exchanges are somebody else's.
    simulators: Mapping[Venue, SimulatorAddress] = field(default_factory=dict)
    #: Ports in use, by server, so that the next start prefers them.
    ports: dict[str, int]
    #: Servers and processes, as the supervisor sees them.
    children: tuple[ChildStatus, ...] = ()

    @property
    def simulator_url(self) -> str:
        """Give the address of Binance's simulator; empty where there is none."""
        found = self.simulators.get(Venue.BINANCE)
        return "" if found is None else found.url

    @property
    def simulator_admin_url(self) -> str:
        """Give the address of the judges of Binance's simulator; empty where there is none."""
        found = self.simulators.get(Venue.BINANCE)
        return "" if found is None else found.admin_url

    @property
    def is_isolated(self) -> bool:
        """Say whether each role has its own uid."""
        return bool(self.uids)


_ADAPTER: Final = TypeAdapter(StackState)


def write_state(anchor: Home, state: StackState) -> None:
    """
    Write the file whole; a reader finds the old one or the new one.

    On a full disk it is written over the old one, so that nobody is called ready who is not.

    Raises:
        OSError: it cannot be written at all.

    """
    path = anchor.run / _FILE
    part = path.with_name(f".{_FILE}.part")
    content = orjson.dumps(state, default=str, option=orjson.OPT_NON_STR_KEYS).ljust(_RESERVE_BYTES)
    try:
        part.write_bytes(content)
        part.chmod(_MODE)
        part.replace(path)
    except OSError as error:
        size = path.stat().st_size
        # What does not fit into the old one would be cut where the disk ends.
        if error.errno not in _FULL or len(content) > size:
            raise
        with path.open("r+b", buffering=0) as file:
            file.write(content.ljust(size))


def read_state(anchor: Home) -> StackState | None:
    """
    Read what the last supervisor wrote, whether it lives or not.

    Returns: None when there is no such file, or it is not one of this version.
    """
    try:
        return _ADAPTER.validate_json((anchor.run / _FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def find_stack(anchor: Home) -> StackState:
    """
    Find the running stack of a home.

    Raises:
        NotRunningError: there is none.

    """
    state = read_state(anchor)
    if state is None or not state.supervisor.is_alive():
        raise NotRunningError(f"no stack runs in {anchor.root}; start one with `spark up`")
    return state
