"""
Alerts in any order, lost, doubled and in great number: killed, and killed until people resume.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import permutations
from pathlib import Path

import aiohttp
import pytest

from spark import topics
from spark.bus.memory import MemoryBus
from spark.bus.port import Outgoing, Partition
from spark.codec import encode
from spark.errors import WriteError
from spark.ledger.control import Control, fold_body
from spark.names import TradingMode
from tests.hooks import Hook, alert, notification, process
from tests.keyed import people
from tests.made import ACCOUNT, NOW_NS
from tests.no_halts import NoHaltsBus
from tests.order_path import memory_log
from tests.persons import LOCAL, SECOND, resume, signed
from tests.worlds import running

_AGAIN = "2026-11-21T08:00:00Z"
_KILLS_AT_ONCE = 20
_FIRING, _RESOLVED, _ANEW = alert(), alert(status="resolved"), alert(startsAt=_AGAIN)


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[Hook]:
    broker = memory_log()
    (tmp_path / "kill.d").mkdir()
    made, ready = process(broker, tmp_path)
    async with aiohttp.ClientSession() as session, running(made.run, ready):
        yield Hook(broker, tmp_path, session)


def control(hook: Hook) -> Control:
    """Fold what stands on the log, as every stage does."""
    folded = Control()
    for topic in (topics.CONTROL, topics.CONTROL_HALT):
        for record in hook.broker.log(Partition(topic, 0)):
            fold_body(
                folded,
                record.value,
                topic=topic,
                offset=record.offset,
                appended_ns=NOW_NS,
                people=people(),
                start_mode=TradingMode.LIVE,
            )
    return folded


async def resumed(hook: Hook) -> None:
    """Let two persons resume after everything that is in force."""
    halts = [(halt.halt, halt.offset) for halt in control(hook).halts_in_force()]
    asked = resume(*halts)
    writer = await MemoryBus(hook.broker).writer([topics.CONTROL])
    place = Partition(topics.CONTROL, 0)
    await writer.write(
        [Outgoing(place, None, encode(signed(asked, person))) for person in (LOCAL, SECOND)]
    )
    await writer.close()


@pytest.mark.parametrize(
    "order",
    list(permutations((_FIRING, _RESOLVED, _ANEW))),
    ids=lambda order: "-".join(one["status"] for one in order),
)
async def test_o2_no_order_of_words_lets_go_of_a_kill(
    hook: Hook, order: Sequence[dict[str, object]]
) -> None:
    """Fault O2: fired, resolved, fired anew, in any order: each that fired kills, none resumes."""
    for one in order:
        before = control(hook).kills(ACCOUNT)
        assert (await hook.post(notification(one)))[0] == 200
        assert set(control(hook).kills(ACCOUNT)) >= set(before)
    assert len(control(hook).kills(ACCOUNT)) == len(hook.files()) == 2


async def test_o2_what_people_resumed_is_not_fired_again_by_a_late_repetition(hook: Hook) -> None:
    """Fault O2, R9: Alertmanager repeats for hours; only what fires anew is another kill."""
    await hook.post(notification(_FIRING))
    await resumed(hook)
    assert control(hook).kills(ACCOUNT) == ()
    for one in (_FIRING, _RESOLVED, _FIRING):
        assert (await hook.post(notification(one)))[0] == 200
    assert control(hook).kills(ACCOUNT) == ()
    await hook.post(notification(_ANEW))
    assert len(control(hook).kills(ACCOUNT)) == 1


async def test_o3_a_storm_kills_and_one_resume_ends_it(hook: Hook) -> None:
    """Fault O3: flapping, and more alerts at once than are told apart: killed all the time."""
    for number in range(30):
        flap = alert(startsAt=f"2026-11-21T07:00:{number:02}Z")
        for one in (flap, {**flap, "status": "resolved"}, flap):
            assert (await hook.post(notification(one)))[0] == 200
            assert control(hook).kills(ACCOUNT)
    many = [alert(labels={"action": "kill", "alertname": f"A{n}"}) for n in range(200)]
    assert (await hook.post(notification(*many)))[0] == 200
    assert len(hook.halts()) == 30 + _KILLS_AT_ONCE
    await resumed(hook)
    assert control(hook).kills(ACCOUNT) == ()


async def test_o2_an_alert_that_the_log_did_not_take_kills_by_file_and_is_said_when_it_comes_again(
    tmp_path: Path,
) -> None:
    """Fault O2, B2: 503 tells the sender to repeat; the process ends, its successor says it."""
    broker = memory_log()
    (tmp_path / "kill.d").mkdir()
    made, ready = process(broker, tmp_path, NoHaltsBus(broker))
    async with aiohttp.ClientSession() as session:
        hook = Hook(broker, tmp_path, session)
        task = asyncio.create_task(made.run(asyncio.Event()))
        await ready.wait()
        answer = await hook.post(notification(_FIRING))
        assert answer == (503, "killed by file; not on the log, come again")
        with pytest.raises(ExceptionGroup) as failed:
            await task
        assert failed.group_contains(WriteError)
        assert hook.halts() == []
        (file,) = hook.files()
        again, ready = process(broker, tmp_path)
        async with running(again.run, ready):
            assert (await hook.post(notification(_FIRING)))[0] == 200
        (said,) = hook.halts()
    assert said.halt == file
