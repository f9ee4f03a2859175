"""
At start a role looks whether the broker grants it exactly what the table says (S17).

More than the table means that somebody widened an ACL: the process ends and says
so, before it has written a record.
"""

from typing import Final

from spark import topics as table
from spark.bus.port import Bus
from spark.errors import AuthorisationError

#: Any right on a topic carries the right to describe it.
_ALONG: Final = frozenset({"describe", "describe_configs"})


async def check_authority(bus: Bus, principal: str) -> None:
    """
    Compare this principal's rights on every topic with the table.

    Raises:
        AuthorisationError: a right is missing, or there is one too many.

    """
    readable, writable = table.readable_by(principal), table.writable_by(principal)
    found = await bus.topics([topic.name for topic in table.TOPICS])
    for topic in table.TOPICS:
        wanted = {"read"} if topic.name in readable else set()
        wanted |= {"write"} if topic.name in writable else set()
        state = found.get(topic.name)
        granted = set(state.operations) - _ALONG if state is not None else set()
        if granted != wanted:
            raise AuthorisationError(
                f"{principal} may {_words(granted)} {topic.name}, the table says {_words(wanted)}; "
                "`spark doctor` shows the difference"
            )


def _words(operations: set[str]) -> str:
    return " and ".join(sorted(operations)) or "nothing on"
