"""
Forgeries with a principal's own credentials: each ends at the broker, or at the tag (H3, S6).

What the broker can see it refuses: another's topic, a group, a transaction, a topic of one's
own. What it cannot see, because a strategy may write intents, ends at the guardrail.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson
import pytest
from confluent_kafka import Producer

from spark import topics
from spark.bus.kafka import KafkaBus
from spark.bus.kafka_attempts import ALLOWED, REFUSED, attempts
from spark.bus.kafka_tries import CLUSTER, GROUP, TOPIC, TRANSACTION
from spark.bus.port import Outgoing, Partition
from spark.codec import encode
from spark.errors import AuthorisationError, SparkError
from spark.events import HaltConfirmed, IntentRefused, OrderAcked, PlaceOrder
from spark.names import AccountId, Reason, Role, StrategyId
from spark.topics import ACCOUNT_PARTITION, BY_NAME, TOPICS, writable_by
from tests import keyed
from tests.hops import intent_written
from tests.order_path import STRATEGY, OrderPath, order_path
from tests.servers import RunningKafka
from tests.surroundings import auditor_pulsed

_EXAMPLES: Final = Path(__file__).parents[2] / "schemas" / "examples"
#: Who is forged for, and what: the kinds of records that stand on a topic.
_FORGERS: Final = (STRATEGY, Role.WEBHOOK.value, Role.GATEWAY.value, Role.GUARDRAIL.value)


@pytest.fixture
async def path(kafka_server: RunningKafka) -> AsyncIterator[OrderPath]:
    kafka_server.recreate_topics()
    async with order_path(lambda who: KafkaBus(kafka_server.login(who))) as made:
        await made.up()
        yield made


def examples(kinds: Sequence[str]) -> list[bytes]:
    """A good record of each kind, as its own writer would write it."""
    files = sorted(file for file in _EXAMPLES.glob("*.jsonl") if file.name.split(".")[0] in kinds)
    assert len(files) >= len(kinds)
    return [file.read_bytes().splitlines()[0] for file in files]


async def ends(server: RunningKafka) -> dict[Partition, int]:
    bus = KafkaBus(server.login("broker"))
    try:
        return await bus.ends(
            [Partition(topic.name, n) for topic in TOPICS for n in range(topic.partitions)]
        )
    finally:
        await bus.close()


@pytest.mark.parametrize("forger", _FORGERS)
async def test_the_broker_takes_no_record_for_anothers_topic(
    kafka_server: RunningKafka, forger: str
) -> None:
    """
    H3, S6, S17: approvals, sealed requests, order and account events, words, halts, equity, audit.

    A good record of every kind on every topic that the forger has no right to write: the broker
    refuses each, and not one offset moves.

    Fault K12.
    """
    before = await ends(kafka_server)
    forbidden = [topic for topic in TOPICS if topic.name not in writable_by(forger)]
    tried = 0
    for topic in forbidden:
        bus = KafkaBus(kafka_server.login(forger))
        writer = await bus.writer([topic.name])
        try:
            for body in examples(topic.events):
                with pytest.raises(SparkError) as caught:
                    await writer.write([Outgoing(Partition(topic.name, 0), b"forged", body)])
                assert isinstance(caught.value, AuthorisationError), (topic.name, caught.value)
                tried += 1
        finally:
            await writer.close()
            await bus.close()
    assert tried > len(forbidden)
    assert await ends(kafka_server) == before


async def test_a_strategy_makes_no_group_transaction_topic_or_right(
    kafka_server: RunningKafka,
) -> None:
    """
    S17: another's group name, any TransactionalId, a new topic, an ACL row, a user: refused.

    Fault K6.
    """
    tries = [
        (GROUP, "join", Role.GUARDRAIL.value),
        (GROUP, "commit", Role.SIGNER.value),
        (GROUP, "join", f"{STRATEGY}.more"),
        (GROUP, "delete", Role.GATEWAY.value),
        (TRANSACTION, "begin", STRATEGY),
        (TRANSACTION, "write", STRATEGY),
        (TOPIC, "create", "orders.mine"),
        (TOPIC, "delete", topics.CONTROL_HALT),
        (TOPIC, "delete records", topics.AUDIT),
        (TOPIC, "alter configs", topics.INTENTS),
        (TOPIC, "alter", topics.INTENTS),
        (CLUSTER, "delete acls", "1"),
        (CLUSTER, "alter users", "1"),
    ]
    async with attempts(kafka_server.login(STRATEGY)) as own:
        for kind, operation, name in tries:
            found = await own.attempt(kind, operation, [name])
            assert found == {name: REFUSED}, (kind, operation)
        # The very same request for what it may: the refusals above are no accident.
        assert await own.attempt(GROUP, "join", [STRATEGY]) == {STRATEGY: ALLOWED}


async def test_what_the_broker_cannot_see_ends_at_the_guardrail(
    path: OrderPath, kafka_server: RunningKafka
) -> None:
    """
    S1, S2: other accounts, other names, missing tags, stolen tags; then a good order goes out.

    Written with the strategy's own password and keys, on the topic that it may write.
    """
    good = path.order()
    whole = intent_written(good)
    other = replace(path.order(), strategy=StrategyId("op-local"))
    elsewhere = ACCOUNT_PARTITION[AccountId("btcturk:main")]
    forged: list[tuple[str, Outgoing, Reason]] = [
        ("another's name", _tagged(other), Reason.STRATEGY_MISMATCH),
        ("another account's partition", intent_written(path.order(), partition=elsewhere),
         Reason.WRONG_PARTITION),
        ("an account in this one's partition",
         _tagged(replace(path.order(), account=AccountId("btcturk:main"))),
         Reason.WRONG_PARTITION),
        ("no such account", _tagged(replace(path.order(), account=AccountId("binance:other"))),
         Reason.ACCOUNT_UNKNOWN),
        ("no tag for the signer", whole._replace(headers=_for(whole, Role.GUARDRAIL)),
         Reason.TAG_MISSING),
        ("no tag for the guardrail", whole._replace(headers=_for(whole, Role.SIGNER)),
         Reason.TAG_MISSING),
        ("the tags of another order", _tagged(path.order())._replace(headers=whole.headers),
         Reason.TAG_INVALID),
        ("a key made up", intent_written(path.order(), by="gateway"), Reason.TAG_INVALID),
    ]  # fmt: skip
    bus = KafkaBus(kafka_server.login(STRATEGY))
    writer = await bus.writer([topics.INTENTS])
    try:
        for name, record, reason in forged:
            (offset,) = await writer.write([record])
            number = record.partition.number
            refused = await path.tape.until(
                lambda n=number, o=offset: [  # type: ignore[misc]
                    one
                    for record, one in path.tape.records[topics.DECISIONS]
                    if isinstance(one, IntentRefused)
                    and (record.partition.number, one.stamp.src_offset) == (n, o)
                ]
            )
            assert refused[0].reasons[0].code is reason, name
        await path.ask(good)
        await path.hear(good, OrderAcked)
    finally:
        await writer.close()
        await bus.close()
    assert len(await path.placed()) == 1


async def test_a_strategy_chooses_no_time(path: OrderPath, kafka_server: RunningKafka) -> None:
    """
    S1: a record stamped three days ago by its writer is counted by the broker's clock.

    Fault K13.
    """
    order = path.order()
    record = intent_written(order)
    producer = Producer(kafka_server.client_options(STRATEGY))
    producer.produce(
        topics.INTENTS,
        record.value,
        partition=0,
        timestamp=order.created_ns // 1_000_000 - 3 * 24 * 3_600_000,
        headers=list(record.headers),
    )
    assert producer.flush(20) == 0
    await path.hear(order, OrderAcked)
    (found,) = [
        record
        for record, event in path.tape.records[topics.INTENTS]
        if isinstance(event, PlaceOrder) and event.intent_id == order.intent_id
    ]
    assert abs(found.timestamp_ms - order.created_ns // 1_000_000) < 60_000


async def test_a_forged_confirmation_lets_nothing_through(
    path: OrderPath, kafka_server: RunningKafka
) -> None:
    """S6, S9: whatever a strategy claims on control.pulse, a kill holds and nobody moves."""
    halt = path.latch("OPS")
    bus = KafkaBus(kafka_server.login(STRATEGY))
    writer = await bus.writer([topics.CONTROL_PULSE])
    claims = [
        HaltConfirmed(
            role=role.value,
            instance="forged",
            stage=stage,
            halts=(halt,),
            epochs={},
            in_flight=(),
            at_ns=0,
        )
        for role in (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY)
        for stage in ("halted", "drained")
    ]
    bodies = [encode(one) for one in claims]
    bodies.append(encode(auditor_pulsed(2**62)))
    try:
        await writer.write(
            [Outgoing(Partition(topics.CONTROL_PULSE, 0), None, body) for body in bodies]
        )
        order = path.order()
        await path.ask(order)
        refused = await path.decided(order)
    finally:
        await writer.close()
        await bus.close()
    assert isinstance(refused, IntentRefused)
    assert Reason.KILL_SWITCH_ACTIVE in {one.code for one in refused.reasons}
    assert await path.placed() == []


def test_every_topic_that_a_stage_acts_on_has_one_writer_or_a_tag() -> None:
    """S2, S6, fault A3: what many may write is proven by tag or signature, or only stops things."""
    shared = {topic.name for topic in TOPICS if len(topic.writers) > 1}
    assert shared - {topics.INTENTS, topics.CONTROL, topics.CONTROL_HALT} <= {
        topics.CONTROL_PULSE,
        topics.CONTROL_STARTS,
        topics.CONTROL_CONFIRMED,
    }
    assert not BY_NAME[topics.CONTROL_CONFIRMED].writers & (topics.STRATEGIES | topics.OPERATORS)
    assert BY_NAME[topics.AUDIT_PULSE].writers == {Role.AUDITOR}


def _tagged(order: PlaceOrder) -> Outgoing:
    """As the strategy tags whatever it likes to say, in its usual partition."""
    body = encode(order)
    tagger = keyed.tagger(STRATEGY, Role.GUARDRAIL, Role.SIGNER)
    headers = tagger.headers(topics.INTENTS, "place_order", body)
    return Outgoing(Partition(topics.INTENTS, 0), order.account.encode(), body, headers)


def _for(record: Outgoing, verifier: Role) -> tuple[tuple[str, bytes], ...]:
    return tuple(header for header in record.headers if header[0].endswith(f".{verifier}"))


def test_examples_are_readable() -> None:
    """What is forged above is good in form: it is refused for its writer alone."""
    kinds = {kind for topic in TOPICS for kind in topic.events}
    assert {orjson.loads(body)["type"] for body in examples(sorted(kinds))} == kinds
