"""
`spark drill crash`: a stack is killed, stopped and cut off under load, round after round.

After each round the load stops, everything comes to rest, and the jury compares what the
topics say with what the exchanges' own ledgers hold, since the stack began. A stack that
does not come to rest, or is not what it should be, is left and a fresh one goes on; the
round's seed and hurts are said, because they repeat it.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final

from spark.bench.crash.around import Done
from spark.bench.crash.attended import Attended, attended
from spark.bench.crash.hurts import Hurts
from spark.bench.crash.load import Load, beside
from spark.bench.crash.plan import ALL, Hurt, Plan, Round
from spark.bench.crash.plant import plant
from spark.bench.crash.rooms import Rooms
from spark.bench.crash.scene import Scene
from spark.bench.crash.stack import CrashStack
from spark.bench.crash.tally import COUNTS, Tally
from spark.bench.exchange_faults import Bad
from spark.bench.jury.limits import Caps
from spark.bench.jury.panel import Verdict
from spark.embedded.throwaway import Throwaway, ThrowawayOptions
from spark.errors import GateError, SparkError, first_of
from spark.names import Venue

#: Before the first hurt of a round, so that it meets orders.
_WARM_S: Final = 1.5
#: Enough for every stage to have something new to keep: a gateway 1,000 events of one account.
_CALM_S: Final = 20.0
_BLOW_EVERY_S: Final = 4.0
#: Longer than the minute of an exchange: what has spent its part waits for the next one.
_QUIET_S_MAX: Final = 90.0
#: A stack's logs are read from their beginning at each restart.
_ROUNDS_A_STACK: Final = 8
_STARTS_MAX: Final = 3
_S_PER_MIN: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashDrill:
    """One drill's parameters."""

    rounds: int
    seed: int
    venues: tuple[Venue, ...]
    #: No further round is begun after that; none is no end.
    minutes_max: float | None = None
    #: Faults, places and points that are meant; none means all.
    only: frozenset[str] = frozenset()
    #: One round that comes by every place once.
    is_each_once: bool = False
    is_failed_kept: bool = False
    #: A request that Spark did not make, to see the judges find it.
    is_planted: bool = False

    def command(self, rounds: int) -> str:
        """Give the command that repeats it, ended after so many rounds."""
        words = ["spark drill crash", f"--rounds {rounds}", f"--seed {self.seed}"]
        words += ["--each"] * self.is_each_once
        words += [f"--only '{one}'" for one in sorted(self.only)]
        words += ["--planted"] * self.is_planted
        return " ".join(words)


async def drill_crash(
    options: ThrowawayOptions,
    drill: CrashDrill,
    *,
    caps: Caps,
    rooms: Rooms,
    say: Callable[[str], None],
) -> Tally:
    """
    Run the drill, on stacks of its own; an interrupt ends it after the round.

    Args:
        caps: what the stacks are told.
        say: takes lines of progress.

    Raises:
        GateError: no stack could be started, or there is nothing to do.

    """
    run = _Run(options, drill, caps=caps, rooms=rooms, say=say)
    if run.plan.is_empty:
        raise GateError(f"nothing to hurt by {', '.join(sorted(drill.only))}")
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, run.end)
    try:
        while run.may_go_on():
            await run.stack()
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    return run.tally


class _Run:
    """The drill at work."""

    def __init__(
        self,
        options: ThrowawayOptions,
        drill: CrashDrill,
        *,
        caps: Caps,
        rooms: Rooms,
        say: Callable[[str], None],
    ) -> None:
        self._options = options
        self._drill = drill
        self._caps = caps
        self._rooms = rooms
        self._say = say
        self._began = time.monotonic()
        self._is_ending = False
        self.plan = Plan(drill.seed, drill.venues, drill.only)
        self.tally = Tally(drill.seed)

    def end(self) -> None:
        """Begin no further round."""
        self._say("ending after this round")
        self._is_ending = True

    def may_go_on(self) -> bool:
        """Tell whether another round is to be begun."""
        passed_s = time.monotonic() - self._began
        minutes = self._drill.minutes_max
        is_late = minutes is not None and passed_s > minutes * _S_PER_MIN
        return self.tally.rounds < self._drill.rounds and not (is_late or self._is_ending)

    async def stack(self) -> None:
        """Hurt one stack for some rounds."""
        crash_stack = CrashStack(self._options)
        failures = len(self.tally.failures)
        try:
            stack = await self._started(crash_stack)
            async with attended(crash_stack, stack, self._drill.venues, caps=self._caps) as around:
                work = _Work(around, Hurts(around.scene, self._rooms))
                for _ in range(_ROUNDS_A_STACK):
                    if not self.may_go_on() or not await self._round(work):
                        break
                self.tally.intents += work.verdict.intents if work.verdict else 0
                self.tally.orders += work.verdict.orders if work.verdict else 0
                self.tally.fills += work.verdict.fills if work.verdict else 0
                self.tally.resolved_by_persons += len(work.around.minding.resolved)
                self.tally.protections.update(
                    one.partition("-")[0] for one in work.around.minding.protections
                )
        finally:
            await crash_stack.stop()
            if self._drill.is_failed_kept and len(self.tally.failures) > failures:
                self._say(f"kept: {crash_stack.root}")
            else:
                crash_stack.remove()

    async def _started(self, crash_stack: CrashStack) -> Throwaway:
        """Start a stack, on a busy machine at the second or third try."""
        for _ in range(_STARTS_MAX - 1):
            try:
                return await crash_stack.start()
            except GateError as error:
                self._say(str(error))
                await crash_stack.stop()
        return await crash_stack.start()

    async def _round(self, work: "_Work") -> bool:
        """
        Do one round.

        Returns: whether the stack may go on.

        """
        drill = self._drill
        plan = self.plan.each_once() if drill.is_each_once else self.plan.next()
        self.tally.rounds += 1
        dones: list[Done] = []
        began = time.monotonic()
        failure = ""
        minding = asyncio.create_task(work.around.mind())
        try:
            await self._hurt(work, plan, dones)
            quiet = await work.around.judge.quiet(_QUIET_S_MAX)
            if drill.is_planted:
                await plant(work.around.scene.stack, next(iter(work.around.judge.cases.values())))
                await work.around.judge.read_ledgers()
            rested_s = time.monotonic() - began
            work.verdict = await work.around.judge.verdict()
            failure = "; ".join(work.verdict.details)
            self._say(_line(plan, dones, work.verdict, seconds=rested_s, is_quiet=quiet))
        except* SparkError as group:
            first = first_of(group)
            failure = f"{type(first).__name__}: {first}"
        finally:
            has_left = minding.done()
            minding.cancel()
            (why,) = await asyncio.gather(minding, return_exceptions=True)
        if has_left:
            failure = f"the drill's persons left: {why!r}; {failure}"
        self._count(work, dones)
        if failure:
            self._fail(plan, failure, work.verdict)
        return not failure

    async def _hurt(self, work: "_Work", plan: Round, dones: list[Done]) -> None:
        scene = work.around.scene
        seed = self._drill.seed * 1_000 + plan.number
        async with AsyncExitStack() as around:
            around.push_async_callback(work.hurts.disarm)
            load = Load(scene.stack, self._drill.venues, seed)
            await around.enter_async_context(beside(load.run()))
            await around.enter_async_context(beside(self._misbehave(scene, seed)))
            await asyncio.sleep(_WARM_S)
            async with asyncio.TaskGroup() as lanes:
                lanes.create_task(self._lane(work, plan.on_the_way, dones))
                lanes.create_task(self._lane(work, plan.beside, dones))
            await self._lane(work, plan.to_all, dones)
            resting = [
                asyncio.create_task(self._lane(work, [hurt], dones)) for hurt in plan.at_rest
            ]
            # A state is kept when its owner has done something and then nothing.
            await asyncio.sleep(_CALM_S if resting else 0)
        await asyncio.gather(*resting)

    async def _lane(self, work: "_Work", plan: Sequence[Hurt], dones: list[Done]) -> None:
        for hurt in plan:
            began = time.monotonic()
            try:
                done = await work.hurts.do(hurt)
            except SparkError as error:
                raise GateError(f"{hurt.told()}: {error}") from None
            dones.append(done)
            self._say(f"  {_told(done)}, {time.monotonic() - began:.1f} s")

    async def _misbehave(self, scene: Scene, seed: int) -> None:
        """Have the exchanges misbehave, on and on."""
        bad = Bad(seed, tuple(scene.judges), every_s=_BLOW_EVERY_S)
        while True:
            blow = bad.next()
            await asyncio.sleep(blow.after_s)
            with suppress(SparkError):
                await scene.judges[Venue(blow.venue)].arm(blow.fault)
                self.tally.blows += 1

    def _count(self, work: "_Work", dones: Sequence[Done]) -> None:
        """Add up what a round did; what it led to is known only now."""
        tally, fates = self.tally, work.around.scene.watch.fates
        for done in dones:
            hurt = done.hurt
            row = tally.row(hurt.fault, hurt.place)
            row.times += bool(done.at_ms)
            row.kills += len(done.killed)
            row.missed += bool(done.missed)
            if done.missed and not done.is_skipped:
                tally.missed[f"{hurt.fault}: {hurt.place}"] = done.missed
            tally.kills.update(done.killed)
            if done.is_skipped:
                tally.skipped[f"{hurt.fault}: {hurt.place}"] = done.missed
            for at_ms in done.at_ms:
                row.fates.update(fates.at(at_ms))
            row.restart_ms += [one.took_ms for one in done.restarts]
            for one in done.restarts:
                name = ALL if hurt.place == ALL else one.name
                tally.restart_ms.setdefault(name, []).append(one.took_ms)
        fates.forget()

    def _fail(self, plan: Round, failure: str, verdict: Verdict | None) -> None:
        if verdict is not None:
            self.tally.counts.update({name: getattr(verdict, name) for name in COUNTS})
        hurts = ", ".join(hurt.told() for hurt in plan.hurts)
        self.tally.failures.append(
            f"seed {self._drill.seed}, round {plan.number}: {failure} [{hurts}]"
        )
        self._say(f"FAILED {self.tally.failures[-1]}")


@dataclass(slots=True)
class _Work:
    """One stack, what is done to it, and what was found last."""

    around: Attended
    hurts: Hurts
    verdict: Verdict | None = None


def _line(
    plan: Round, dones: Sequence[Done], verdict: Verdict, *, seconds: float, is_quiet: bool
) -> str:
    kills = sum(len(done.killed) for done in dones)
    return (
        f"round {plan.number}: {len(dones)} hurts, {kills} kills, {verdict.intents} intents, "
        f"{verdict.orders} orders, {seconds:.0f} s{'' if is_quiet else ', NOT AT REST'}"
    )


def _told(done: Done) -> str:
    """Say what became of a hurt."""
    took = "".join(f", {name} again in {ms:.0f} ms" for name, ms in done.restarts)
    return f"{done.hurt.told()}{took}{f', not done: {done.missed}' if done.missed else ''}"
