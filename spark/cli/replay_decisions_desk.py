"""
What `spark replay decisions` does on a running stack.
"""

from time import monotonic

from spark import topics
from spark.bus.port import Partition
from spark.cli.attach import attach
from spark.cli.progress import Bar
from spark.errors import SettingError
from spark.names import AccountId
from spark.ops.replay_decisions import Outcome, Window, replay_partition


async def replay(account: str, *, since_ns: int, until_ns: int) -> tuple[list[Outcome], float]:
    """
    Make the decisions of one account, or of all, again.

    Returns: what was found in each partition, and how many seconds it took.

    Raises:
        NotRunningError: no stack runs.
        SettingError: there is no such account.

    """
    found = topics.partition_of(AccountId(account)) if account else None
    if account and found is None:
        known = ", ".join(topics.ACCOUNT_PARTITION)
        raise SettingError(f"no account {account!r}; there are: {known}")
    numbers = list(range(topics.ACCOUNT_PARTITIONS)) if found is None else [found]
    attached = attach()
    bus = attached.bus()
    people = attached.keyring().people()
    window = Window(since_ns=since_ns, until_ns=until_ns)
    began = monotonic()
    try:
        ends = await bus.ends([Partition(topics.DECISIONS, number) for number in numbers])
        total, done = sum(ends.values()), 0
        with Bar("deciding again", "decisions") as bar:

            def progress(more: int) -> None:
                nonlocal done
                done += more
                bar.move(done, total)

            outcomes = [
                await replay_partition(bus, people, number, window=window, progress=progress)
                for number in numbers
            ]
    finally:
        await bus.close()
    return outcomes, monotonic() - began
