"""
What looks after the others, and the demo.
"""

import asyncio
from typing import Final

from spark.cli.process import Process
from spark.names import Role, StrategyId

_MS_PER_S: Final = 1_000


async def auditor(process: Process, stop: asyncio.Event) -> None:
    """Run the auditor."""
    from spark.cli.wiring_audit import anchors_of
    from spark.consumers.auditor import Auditor, AuditorWiring

    wiring = AuditorWiring(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        signer=process.keyring.audit_signer(),
        instance=process.instance,
        ready=process.ready,
        state_dir=process.home.state_of(process.name),
        anchors=anchors_of(process),
        anchor_s=process.settings.audit.anchor_s,
    )
    await Auditor(wiring).run(stop)


async def sentinel(process: Process, stop: asyncio.Event) -> None:
    """Run the sentinel."""
    from spark.cli.start_values import sentinel_rules
    from spark.consumers.sentinel import Sentinel, SentinelWiring

    protection = process.settings.protection
    for gate, bound_ms in (
        ("place_ack", protection.place_ack_ms_gate),
        ("feed_db", protection.feed_db_ms_gate),
    ):
        process.metrics.gate.labels(gate).set(bound_ms / _MS_PER_S)
    wiring = SentinelWiring(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        halts=process.halts,
        latch_dir=process.settings.process.latch_dir or process.home.kill,
        rules=sentinel_rules(process.settings),
        instance=process.instance,
        ready=process.ready,
        state_dir=process.home.state_of(process.name),
    )
    await Sentinel(wiring).run(stop)


async def webhook(process: Process, stop: asyncio.Event) -> None:
    """Run the webhook."""
    from spark.producers.webhook import Token, Webhook

    section = process.settings.process
    webhook = Webhook(
        bus=process.bus,
        clock=process.clock,
        latch_dir=section.latch_dir or process.home.kill,
        token=process.keyring.alert_token(Token),
        instance=process.instance,
        port=section.webhook_port,
        run_dir=process.home.run_of(process.name),
        ready=process.ready,
    )
    await webhook.run(stop)


async def strategy_demo(process: Process, stop: asyncio.Event) -> None:
    """Run the demo."""
    from spark.strategies.demo import run as run_demo

    process.ready.set()
    tagger = process.keyring.tagger((Role.GUARDRAIL, Role.SIGNER))
    await run_demo(
        process.bus,
        tagger,
        process.clock,
        strategy=StrategyId(process.name),
        venues=process.settings.venues.enabled,
        stop=stop,
    )
