"""
Makes a home ready for a stack: nothing left of an earlier one, uids, directories, keys.
"""

import asyncio
import compileall
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from spark.embedded.abandoned import clear_abandoned
from spark.embedded.home import Home
from spark.embedded.isolation import Isolation, plan_isolation
from spark.embedded.kafka import BROKER
from spark.embedded.minting import mint_keys, mint_simulator_keys
from spark.embedded.ownership import own_directory
from spark.embedded.plan import Ports, StackOptions
from spark.embedded.ports import pick_ports
from spark.embedded.processes import SIMULATORS
from spark.embedded.replay import remove_request
from spark.embedded.secrets import Secrets
from spark.embedded.state import read_state
from spark.errors import EmbeddedUnavailable
from spark.names import Role, Venue
from spark.topics import OPERATORS, PRINCIPALS

_PACKAGE: Final = Path(__file__).parents[1]
_MIB: Final = 1024 * 1024
#: Jars, a formatted log, a database cluster, and room to run into an alarm rather than a wall.
FREE_BYTES_MIN: Final = 512 * _MIB
#: Who has a process, and so a uid. Operators are people: their files belong to whoever started.
SEPARATED: Final = (PRINCIPALS - OPERATORS) | {BROKER, *SIMULATORS.values()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A home that is ready."""

    home: Home
    secrets: Secrets
    isolation: Isolation
    ports: Ports

    @property
    def uids(self) -> Mapping[str, int]:
        """Each principal's uid, empty without isolation."""
        return self.isolation.uids

    def simulator_ports(self, venue: Venue) -> tuple[int, int]:
        """Give an exchange's port and that of its judges."""
        if venue is Venue.BTCTURK:
            return self.ports.btcturk_simulator, self.ports.btcturk_simulator_admin
        return self.ports.simulator, self.ports.simulator_admin


async def prepare_site(options: StackOptions) -> tuple[Site, list[str]]:
    """
    Prepare everything that has to be there before the first child.

    Returns: the site, and the names of leftovers that were ended.

    Raises:
        SettingError: the home cannot be used.
        EmbeddedUnavailable: no disk space, no free port, or a leftover that does not end.
        IntegrityError: the holders of a key hold different bytes.

    """
    return await asyncio.to_thread(_prepare, options)


def _prepare(options: StackOptions) -> tuple[Site, list[str]]:
    home = Home(options.home)
    ended = clear_abandoned(Home(options.anchor))
    require_space(home.root)
    require_space(options.jar_directory)
    isolation = plan_isolation(SEPARATED, home.uids)
    home.make(is_shared=isolation.is_isolated)
    simulators = {SIMULATORS[venue] for venue in options.venues}
    for principal in sorted({*options.processes, *simulators}):
        home.make_for(principal, isolation.uids.get(principal))
    for name in sorted(simulators):
        own_directory(home.data_of(name), isolation.uids.get(name))
    if (uid := isolation.uids.get(Role.WEBHOOK)) is not None:
        # An alert may pull the latch, and so may the sentinel, which is in this group too
        # (children.py); who pulled it is its owner, and none removes another's.
        os.chown(home.kill, -1, uid)
    remove_request(home)
    secrets = Secrets(home.secrets, isolation.uids)
    mint_keys(secrets, home.public)
    mint_simulator_keys(secrets)
    # A role cannot write byte code beside the source, and would compile at each start.
    compileall.compile_dir(_PACKAGE, quiet=2, workers=1)
    site = Site(home=home, secrets=secrets, isolation=isolation, ports=choose_ports(options))
    return site, ended


def choose_ports(options: StackOptions) -> Ports:
    """Prefer the ports of the last start, then the usual ones, and take free ones."""
    last = read_state(Home(options.anchor))
    wanted = options.ports if last is None else _merged(options.ports, last.ports)
    names = Ports.__dataclass_fields__
    picked = pick_ports([getattr(wanted, name) for name in names])
    return Ports(**dict(zip(names, picked, strict=True)))


def require_space(path: Path) -> None:
    """
    Refuse to start where the disk would be full at once.

    Raises:
        EmbeddedUnavailable: too little is free.

    """
    place = next(parent for parent in (path, *path.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < FREE_BYTES_MIN:
        raise EmbeddedUnavailable(
            f"{place} has {free // _MIB} MiB free and a stack needs {FREE_BYTES_MIN // _MIB}: "
            "free some, or set SPARK_HOME to another disk"
        )


def _merged(wanted: Ports, last: Mapping[str, int]) -> Ports:
    # 0 was said: any port, not the last one.
    known = {name: port for name, port in last.items() if getattr(wanted, name, 0) != 0}
    return replace(wanted, **known)
