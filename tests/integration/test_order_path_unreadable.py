"""
A record of `control.halt` that no stage can read: obeyed as a kill until people resume it.
"""

from collections.abc import AsyncIterator

import pytest

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.codec import encode
from spark.events import (
    IntentRefused,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    RequestSealed,
    SigningSkipped,
)
from spark.names import Reason, Role
from spark.ops.audit_explain import explain
from spark.ops.replay_decisions import Window, replay_partition
from tests import keyed
from tests.halting import (
    PARTS,
    codes,
    confirmations,
    confirmed,
    heard,
    resumed,
)
from tests.held_path import Firsts, held_path
from tests.order_path import OrderPath, served
from tests.persons import halted

_NEWER = encode(halted("kill-of-tomorrow"))


@pytest.fixture
def firsts() -> Firsts:
    return {}


@pytest.fixture
async def path(firsts: Firsts) -> AsyncIterator[OrderPath]:
    async with held_path(firsts) as made:
        yield made


@pytest.mark.parametrize(
    "body",
    [
        _NEWER.replace(b'"v":1', b'"v":2'),
        _NEWER.replace(b'"v":1', b'"urgent":true,"v":1'),
        b"rubbish",
    ],
    ids=["v2", "unknown field", "rubbish"],
)
async def test_k9_a_kill_that_nobody_here_can_read_is_obeyed_until_people_resume_it(
    path: OrderPath, firsts: Firsts, body: bytes
) -> None:
    """Fault K9, S10: nothing is approved, signed or sent after it, over restarts; cancels pass."""
    resting = path.order()
    await path.ask(resting)
    await path.hear(resting, OrderAcked)
    held = firsts[Role.GATEWAY]
    held.hold()
    signed_before, approved_before = path.order(), path.order()
    await path.ask(signed_before)
    await path.hear(signed_before, RequestSealed, topics.SIGNED)
    await held.is_waiting.wait()
    await path.stage(Role.SIGNER).end()
    await path.ask(approved_before)
    await path.hear(approved_before, OrderApproved, topics.DECISIONS)
    (offset,) = await path.write(Outgoing(Partition(topics.CONTROL_HALT, 0), None, body))
    kill = f"unreadable-control.halt-{offset}"
    await path.start(Role.SIGNER).is_up()
    skipped = await path.hear(approved_before, SigningSkipped, topics.SIGNED)
    assert [(one.code, one.found) for one in skipped.reasons] == [(Reason.KILL_SWITCH_ACTIVE, kill)]
    await path.tape.until(lambda: Role.SIGNER in confirmations(path, kill))
    held.release()
    assert codes(await path.ended(signed_before)) == [Reason.KILL_SWITCH_ACTIVE]
    await confirmed(path, kill)
    for role in PARTS:
        await path.restart(role)
    late = path.order()
    await path.ask(late, path.cancel(resting))
    refused = await path.hear(late, IntentRefused, topics.DECISIONS)
    assert (Reason.KILL_SWITCH_ACTIVE, kill) in [(one.code, one.found) for one in refused.reasons]
    await path.hear(resting, OrderCancelled)
    assert len(await path.requests()) == 1
    await heard(path, await resumed(path, (kill, offset)))
    await served(path)


async def test_k9_replay_and_explanation_read_it_as_the_stages_did(path: OrderPath) -> None:
    """Fault K9, R15: decisions made under it are made again, and an order's life tells of it."""
    resting = path.order()
    await path.ask(resting)
    await path.hear(resting, OrderAcked)
    (offset,) = await path.write(Outgoing(Partition(topics.CONTROL_HALT, 0), None, b"rubbish"))
    await confirmed(path, f"unreadable-control.halt-{offset}")
    late = path.order()
    await path.ask(late, path.cancel(resting))
    await path.hear(late, IntentRefused, topics.DECISIONS)
    await path.hear(resting, OrderCancelled)
    await path.tape.catch_up()
    bus = path.bus_of("broker")
    try:
        outcome = await replay_partition(
            bus, keyed.people(), 0, window=Window(), progress=lambda _: None
        )
        life = await explain(bus, resting.intent_id)
    finally:
        await bus.close()
    assert outcome.first is None
    assert outcome.identical == outcome.decisions == 3
    assert life is not None
    (told,) = [one for one in life.told if one.place == f"{topics.CONTROL_HALT}/0@{offset}"]
    assert told.words == (
        "every account killed by somebody (unreadable): a record that this version cannot read"
    )
