"""
Ends what a killed supervisor left, in its home and in a temporary one beside it.
"""

from spark.embedded.home import Home
from spark.embedded.leftovers import end_leftovers
from spark.embedded.state import StackPhase, read_state


def clear_abandoned(anchor: Home) -> list[str]:
    """
    End leftovers of the last stack that was written down here; the caller holds the lock.

    Returns: the names of those that were found alive.

    Raises:
        EmbeddedUnavailable: one does not end.
        SettingError: a temporary home cannot be removed.

    """
    names = end_leftovers(anchor.run / "children.json")
    last = read_state(anchor)
    if last is None or last.home == anchor.root or last.phase is StackPhase.STOPPED:
        return names
    temporary = Home(last.home)
    names += end_leftovers(temporary.run / "children.json")
    if temporary.is_marked():
        temporary.purge()
    return names
