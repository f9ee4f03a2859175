"""
Who has to confirm a kill, who has, and what is said where somebody has not.
"""

from pathlib import Path

import pytest

from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.bus.port import Outgoing, Partition
from spark.clock import ManualClock
from spark.codec import encode
from spark.errors import BusUnavailable, RefusedError, SettingError
from spark.events import Event, HaltConfirmed, ProcessPulsed
from spark.names import HaltSource
from spark.ops.kill import Confirmations, Holder, pull, say_and_wait
from spark.producers.kills import Kill, new_kill, pull_latch
from spark.topics import BY_NAME, CONTROL_CONFIRMED, CONTROL_PULSE
from tests.hops import stood
from tests.made import ACCOUNT, NOW_NS

_TOPIC = {"guardrail": "orders.decisions", "signer": "orders.signed", "gateway": "orders.events"}
_MS = 1_000_000


def kill(account: str = "") -> Kill:
    return new_kill(
        "why", by="op-local", source=HaltSource.CLI, clock=ManualClock(NOW_NS), account=account
    )


def pulsed(role: str, instance: str = "1", epoch: int = 0, **epochs: int) -> ProcessPulsed:
    return ProcessPulsed(
        role=role,
        instance=instance,
        state="ready",
        epochs=epochs or {f"{_TOPIC[role]}/0": epoch},
        positions={},
        halts=(),
        at_ns=NOW_NS,
    )


def confirmed(
    role: str, halt: str, stage: str = "halted", *, instance: str = "1", epoch: int = 0
) -> HaltConfirmed:
    return HaltConfirmed(
        role=role,
        instance=instance,
        epochs={f"{_TOPIC[role]}/0": epoch},
        halts=(halt,),
        stage="halted" if stage == "halted" else "drained",
        in_flight=(),
        at_ns=NOW_NS,
    )


def take(at: Confirmations, *events: Event, after_ms: int = 0) -> Confirmations:
    for event in events:
        topic = CONTROL_CONFIRMED if isinstance(event, HaltConfirmed) else CONTROL_PULSE
        out = Outgoing(Partition(topic, 0), None, encode(event))
        at.take(stood(out, 0, NOW_NS + after_ms * _MS))
    return at


def everybody(at: Confirmations, stage: str, halt: str) -> None:
    take(at, *(confirmed(role, halt, stage) for role in _TOPIC), after_ms=30)


def test_s6_a_confirmation_counts_where_only_those_may_write_who_let_orders_through() -> None:
    """S6, R10: a strategy that says on control.pulse that all have stopped convinces nobody."""
    mine = kill()
    at = take(Confirmations(mine), *(pulsed(role) for role in _TOPIC))
    for role in _TOPIC:
        for stage in ("halted", "drained"):
            body = encode(confirmed(role, mine.halt, stage))
            at.take(stood(Outgoing(Partition(CONTROL_PULSE, 0), None, body), 0, NOW_NS))
    assert (at.are_halted, at.is_complete) == (False, False)
    assert BY_NAME[CONTROL_CONFIRMED].writers == set(_TOPIC)


def test_r10_everybody_who_holds_a_latest_fence_is_asked() -> None:
    """R10: halted, then drained, of all three; by the file's name or by the record's."""
    mine = kill()
    at = take(Confirmations(mine), *(pulsed(role) for role in _TOPIC))
    found = [(at.are_halted, at.is_complete)]
    everybody(at, "halted", f"latch:{mine.halt}@123")
    found.append((at.are_halted, at.is_complete))
    everybody(at, "drained", mine.halt)
    found.append((at.are_halted, at.is_complete))
    assert found == [(False, False), (True, False), (True, True)]
    assert at.confirmed()[Holder("gateway", "1")].halted_ms == 30


def test_r10_an_older_instance_cannot_confirm_for_its_successor() -> None:
    """R10: the holder of the latest fence, and nobody else."""
    mine = kill()
    at = take(Confirmations(mine), *(pulsed(role) for role in _TOPIC))
    take(at, pulsed("gateway", "2", epoch=40))
    for stage in ("halted", "drained"):
        everybody(at, stage, mine.halt)
    assert not at.is_complete
    assert set(at.confirmed()) == {
        Holder("guardrail", "1"),
        Holder("signer", "1"),
        Holder("gateway", "2"),
    }
    for stage in ("halted", "drained"):
        take(at, confirmed("gateway", mine.halt, stage, instance="2", epoch=40))
    assert at.is_complete


def test_r10_another_kills_confirmation_is_none_for_this_one() -> None:
    """R10: a name that begins alike is another name."""
    mine = kill()
    at = take(Confirmations(mine), *(pulsed(role) for role in _TOPIC))
    for other in ("other", f"{mine.halt}x", f"latch:{mine.halt}", f"latch:x{mine.halt}@1"):
        everybody(at, "halted", other)
    assert not at.are_halted


def test_s2_a_role_speaks_for_its_own_topic_alone() -> None:
    """S2: a strategy that pulses as if it held the gateway's partition is not asked instead."""
    mine = kill()
    at = take(Confirmations(mine), *(pulsed(role) for role in _TOPIC))
    take(at, pulsed("auditor", "9", **{"orders.events/0": 10**9}))
    assert Holder("gateway", "1") in at.confirmed()
    assert all(holder.role in _TOPIC for holder in at.confirmed())


def test_a_topic_that_nobody_holds_is_said_so() -> None:
    """R10: a gateway that was never seen is unconfirmed, not unneeded."""
    at = take(Confirmations(kill()), pulsed("guardrail"), pulsed("signer"))
    assert at.unheld() == ("orders.events",)
    assert not at.is_complete


async def test_b2_with_kafka_down_the_file_stands_and_nobody_is_said_to_have_confirmed(
    tmp_path: Path,
) -> None:
    """B2: a broker that is not there costs the words, never the kill."""
    bus = KafkaBus(KafkaLogin("127.0.0.1:1", "op-local", "x"))
    report = pull(tmp_path, kill())
    await say_and_wait(bus, report, wait_s=5)
    assert report.latch is not None
    assert report.latch.exists()
    assert report.offset is None
    assert report.kafka_down
    assert report.unconfirmed == ["gateway", "guardrail", "signer"]
    with pytest.raises(BusUnavailable, match="nothing is killed"):
        await say_and_wait(bus, pull(tmp_path, kill(ACCOUNT)), wait_s=5)
    assert len(list(tmp_path.iterdir())) == 1
    await bus.close()


def test_a_latch_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    """S10: a kill that nobody would see must not look like one."""
    with pytest.raises(SettingError, match="latch file"):
        pull_latch(tmp_path / "missing", kill())


@pytest.mark.parametrize(
    ("reason", "account"),
    [("", ""), ("  ", ""), ("x" * 501, ""), ("a\nb", ""), ("\x1b[2J", ""), ("x", "nobody:main")],
)
def test_a_kill_without_sense_is_refused(reason: str, account: str) -> None:
    """A reason stays on the log and is read on terminals; an account has to exist."""
    with pytest.raises(RefusedError):
        new_kill(
            reason,
            by="op-local",
            source=HaltSource.CLI,
            clock=ManualClock(NOW_NS),
            account=account,
        )
