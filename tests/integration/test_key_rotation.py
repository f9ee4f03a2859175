"""
Keys changed while orders flow: nothing refused for its tag, nothing lost, the old ones refused.

One stack is loaded, all its keys are changed twice by the command line, its stages are
killed in between, and time is made to pass. The topics and the exchange's own ledger
are judged.
"""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import pytest
import pytest_asyncio

from spark import keys, topics
from spark.bench.caps import WIDE_CAPS
from spark.bench.order import PROCESSES
from spark.bus.kafka import KafkaBus
from spark.clock import SystemClock
from spark.embedded.plan import SimulatorOptions
from spark.embedded.throwaway import Throwaway, ThrowawayOptions, throwaway
from spark.events import IntentRefused, OrderClaimed, RequestNotSent, RequestSealed, SigningSkipped
from spark.key_slots import OLD_KEY_NS_MAX, slot_name
from spark.names import AccountId, Action, Reason, Role, Side, StrategyId, Symbol
from spark.producers.intents import IntentWriter, OrderWish
from spark.signing import Tagger, TagKey, find_tag
from tests.aftermath import Aftermath
from tests.gathering import settled
from tests.ordeal import Ordeal, until
from tests.servers import jar_cache

_RATE: Final = 50.0
_STRATEGY: Final = "strategy-demo"
_ABOUT_KEYS: Final = frozenset({Reason.TAG_INVALID, Reason.TAG_MISSING, Reason.SEAL_INVALID})
_STAGES: Final = (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY)
_METHOD: Final = {Action.PLACE: "POST", Action.CANCEL: "DELETE"}
_SHARED: Final = [key.name.rpartition(".")[0] for key in keys.SHARED_KEYS]
pytestmark = [pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True, slots=True)
class Rotated:
    """What was said and what is left."""

    said: list[dict[str, Any]]
    listed: dict[str, Any]
    #: Offset of the intent that was tagged with keys whose time was over.
    forged: int
    left: Aftermath


def command(stack: Throwaway, *words: str) -> dict[str, Any]:
    """Run a command on the stack, and read its one object."""
    done = subprocess.run(
        [sys.executable, "-m", "spark", *words, "--json"],
        env={"PATH": os.environ["PATH"], "SPARK_HOME": str(stack.anchor.root)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = orjson.loads(done.stdout)
    return found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def rotated() -> AsyncIterator[Rotated]:
    """A stack whose keys were changed twice under load."""
    options = ThrowawayOptions(
        jar_directory=jar_cache(),
        processes=tuple(role.value for role in PROCESSES),
        simulator=SimulatorOptions(is_limited=False, market_rate=1.0),
        environment=WIDE_CAPS,
    )
    async with throwaway(options) as stack, aiohttp.ClientSession() as session:
        bus = KafkaBus(stack.login("op-local"))
        try:
            ordeal = Ordeal(stack, bus, session)
            said, listed = await _change(ordeal)
            forged = await _forge(stack)
            left = await settled(ordeal)
        finally:
            await bus.close()
    yield Rotated(said, listed, forged, left)


async def _change(ordeal: Ordeal) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    stack, said = ordeal.stack, []
    async with ordeal.loaded(_RATE):
        words: tuple[str, ...] = ("keys", "rotate", "--all", "--exchange", "binance")
        said += (await asyncio.to_thread(command, stack, *words))["rotated"]
        await ordeal.acked()
        # The log holds records under the old keys, for ever: whoever starts now reads them.
        # The account feed logs in once, and does so with the key of that time.
        for stage in (*_STAGES, Role.ACCOUNT_FEED):
            await ordeal.kill(stage)
        words = ("keys", "rotate", "--all", "--audit")
        said += (await asyncio.to_thread(command, stack, *words))["rotated"]
        await ordeal.acked()
        listed = await asyncio.to_thread(command, stack, "keys", "list")
        _let_time_pass(stack.home.secrets)
        for stage in _STAGES:
            await until(partial(_has_dropped, stack, stage), f"{stage} has one key of each")
        await ordeal.acked()
    return said, listed


def _let_time_pass(secrets: Path) -> None:
    """Date what is new back by as long as an old key lives."""
    for path in secrets.glob("*/*.[23].key"):
        state = path.stat()
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns - OLD_KEY_NS_MAX))


def _has_dropped(stack: Throwaway, stage: str) -> bool:
    lines = stack.home.log_of(stage).read_bytes().splitlines()
    changes = [orjson.loads(line) for line in lines if b'"keys_changed"' in line]
    held = {line["key"]: line["generations"] for line in changes}
    verified = {key.name.rpartition(".")[0] for key in keys.SHARED_KEYS if key.verifier == stage}
    return all(held.get(key) == [3] for key in verified)


async def _forge(stack: Throwaway) -> int:
    """Write an intent as the strategy does, tagged with its second keys, of which it has a copy."""
    epoch = (stack.home.public / keys.LOG_EPOCH).read_text().strip()
    old: dict[str, TagKey] = {
        verifier: TagKey(
            f"{_STRATEGY}:2",
            (
                stack.home.secrets_of(verifier) / slot_name(keys.tag_key(_STRATEGY, verifier), 2)
            ).read_bytes(),
            epoch,
        )
        for verifier in (Role.GUARDRAIL, Role.SIGNER)
    }
    bus = KafkaBus(stack.login(_STRATEGY))
    writer = await bus.writer([topics.INTENTS])
    try:
        intents = IntentWriter(StrategyId(_STRATEGY), writer, Tagger(old), clock=SystemClock())
        wish = OrderWish(
            account=AccountId("binance:main"),
            symbol=Symbol("BTCUSDT"),
            side=Side.BUY,
            quantity=Decimal("0.0002"),
            price=Decimal(50_000),
        )
        (offset,) = await intents.send([intents.place(wish)])
        return offset
    finally:
        await writer.close()
        await bus.close()


async def test_s2_nothing_is_refused_for_its_key_while_keys_change(rotated: Rotated) -> None:
    """S2, R6: two changes under load, each stage killed in between: no tag and no seal fails."""
    events = rotated.left.decisions() + rotated.left.signed() + rotated.left.events()
    refused = [
        event
        for _, event in events
        if isinstance(event, IntentRefused | SigningSkipped | RequestNotSent)
        and _ABOUT_KEYS & {reason.code for reason in event.reasons}
    ]
    # The forged one, which the signer skips, and which ends without a request.
    assert len(refused) == 3
    sources = {event.stamp.src_offset for event in refused if isinstance(event, IntentRefused)}
    assert sources == {rotated.forged}


async def test_s2_an_old_key_is_refused_when_its_time_is_over(rotated: Rotated) -> None:
    """S2, §3: ten minutes after its successor came, the second key proves nobody."""
    (decision,) = (
        event for _, event in rotated.left.decisions() if event.stamp.src_offset == rotated.forged
    )
    assert isinstance(decision, IntentRefused)
    assert [reason.code for reason in decision.reasons] == [Reason.TAG_INVALID]


async def test_s2_every_generation_was_in_use(rotated: Rotated) -> None:
    """S2, §3: the key id says which generation: all three of tags and seal stand in the log."""
    for name, tag, writer in (
        (topics.INTENTS, "tag.guardrail", _STRATEGY),
        (topics.DECISIONS, "tag.signer", "guardrail"),
        (topics.DECISIONS, "tag.gateway", "guardrail"),
        (topics.SIGNED, "tag.gateway", "signer"),
    ):
        records = [record for record in rotated.left.of(name) if record.headers]
        tagged = [one for one in records if any(key == tag for key, _ in one.headers)]
        kids = Counter(find_tag(record.headers, tag)[0] for record in tagged)
        assert kids.keys() == {f"{writer}:{n}" for n in (1, 2, 3)}, name
    seals = {e.seal_kid for _, e in rotated.left.signed() if isinstance(e, RequestSealed)}
    assert seals == {"seal:1", "seal:2", "seal:3"}


async def test_no_intent_is_lost_while_keys_change(rotated: Rotated) -> None:
    """R2, R6: each intent has a decision, a signed record, a claim or an end; no second order."""
    left = rotated.left
    assert [e.stamp.src_offset for _, e in left.decisions()] == [
        r.offset for r, _ in left.intents()
    ]
    assert [e.stamp.seq for _, e in left.signed()] == [e.stamp.seq for _, e in left.decisions()]
    said = {
        event.origin.offset
        for _, event in left.events()
        if isinstance(event, OrderClaimed | RequestNotSent)
    }
    assert said == {record.offset for record, _ in left.signed()}
    placed = Counter(states[0]["client_order_id"] for states in left.orders().values())
    assert max(placed.values()) == 1
    assert len(placed) > 100, "the load reached the exchange"
    assert left.halted == []


async def test_s4_the_exchange_sees_the_new_key_and_refuses_none(rotated: Rotated) -> None:
    """
    S4: two slots at the exchange: it knows the new keys first, the old go when unused.

    Fault V7.
    """
    requests = [line for line in rotated.left.ledger if line["kind"] == "request"]
    used = [line["key_id"] for line in requests if line["key_id"]]
    assert set(used) >= {"trade-1", "trade-2", "read-2"}
    # In the order in which they were signed: eight at a time may overtake each other on the way.
    arrived = {(line["method"], line["client_order_id"]): line["key_id"] for line in requests}
    sealed = [one for _, one in rotated.left.signed() if isinstance(one, RequestSealed)]
    ways = [(_METHOD[one.action], one.client_order_id) for one in sealed]
    trades = [arrived[way] for way in ways if way in arrived]
    assert set(trades) == {"trade-1", "trade-2"}
    assert trades == sorted(trades), "no request under the old key after the first under the new"
    assert [line for line in requests if line["status"] == 401] == []


async def test_s18_the_list_of_keys_says_what_is_safe_to_say(rotated: Rotated) -> None:
    """S2, S18: names, ids, ages; the old generation with its end; of public keys a fingerprint."""
    changed = Counter(one["key"] for one in rotated.said)
    assert changed == Counter([*_SHARED, *_SHARED, "binance", "audit"])
    rows = rotated.listed["keys"]
    gateway = {row["kid"]: row for row in rows if row["holder"] == "gateway" and row["kid"]}
    assert {"guardrail:3", "guardrail:2", "signer:3", "seal:3", "seal:2"} <= gateway.keys()
    assert gateway["guardrail:2"]["old_until_ns"] > gateway["guardrail:2"]["since_ns"]
    assert gateway["guardrail:3"]["old_until_ns"] is None
    assert not any(row["is_unfinished"] for row in rows)
    # Whoever writes keeps nothing old.
    kids = {row["kid"] for row in rows if row["holder"] == "guardrail"}
    assert "guardrail:3" in kids
    assert "guardrail:2" not in kids
    assert {row["kid"] for row in rows if row["holder"] == "auditor"} >= {"audit:1", "audit:2"}
    public = [row for row in rows if row["fingerprint"]]
    assert [row["kid"] for row in public if row["file"] == keys.AUDIT_KEYS] == ["audit:2"]
    assert {row["holder"] for row in public} == {"public"}
