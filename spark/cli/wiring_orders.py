"""
The order path's processes: settings, keys and ports become guardrail, signer and gateway.
"""

import asyncio
import os
import secrets
from typing import TYPE_CHECKING, Final

from spark import topics
from spark.cli.process import Process, check_endpoint, ns_of, signing_path, stage_wiring
from spark.cli.venues import dummy_signers, order_signers, order_venue
from spark.names import Role, Venue, venue_of
from spark.settings import Settings
from spark.worker.crew import Crew

if TYPE_CHECKING:
    from spark.exchanges.port import Question

#: Basis points of the whole.
_BPS: Final = 10_000


async def guardrail(process: Process, stop: asyncio.Event) -> None:
    """Run the guardrail."""
    from spark.cli.start_values import start_of
    from spark.consumers.guardrail import Guardrail
    from spark.worker.loop import TransformLoop

    guardrail = Guardrail(
        start_of(process.settings), process.keyring.people(process.settings.process.operators_file)
    )
    writers = topics.BY_NAME[topics.INTENTS].writers
    verifiers = (Role.SIGNER, Role.GATEWAY)
    await TransformLoop(guardrail, stage_wiring(process, writers, verifiers)).run(stop)


async def signer(process: Process, stop: asyncio.Event) -> None:
    """Run the signer, with its socket."""
    from spark.consumers.signer import Signer, SignerKeys, SignerRules
    from spark.consumers.signing_socket import SigningSocket, read_stamps
    from spark.ledger.ceilings import read_ceilings
    from spark.worker.loaded import check_loaded
    from spark.worker.loop import TransformLoop

    settings, keyring = process.settings, process.keyring
    venues = order_signers(process)
    signer = Signer(
        SignerKeys(
            venues=venues,
            dummies=dummy_signers(process),
            seal=keyring.seal(),
            strategies=keyring.checker(topics.BY_NAME[topics.INTENTS].writers),
            log_epoch=keyring.log_epoch,
            entropy=secrets.token_bytes,
        ),
        SignerRules(
            mode=settings.trading.mode_in_force,
            endpoint=settings.trading.endpoint,
            signature_life_ns=ns_of(settings.limits.signature_life_s),
            ceilings=read_ceilings(settings.signer.ceilings),
            people=process.halts.people,
        ),
    )
    writer = await process.bus.writer([topics.CONTROL_KEYS])
    questions = SigningSocket(
        path=signing_path(process.home),
        venues=venues,
        writer=writer,
        clock=process.clock,
        latest_clock=signer.latest_clock,
        uids=_who_may_ask(settings),
        stamps=await read_stamps(process.bus),
    )
    wiring = stage_wiring(process, {Role.GUARDRAIL}, (Role.GATEWAY,))
    check_loaded()
    try:
        async with questions.served(), Crew() as group:
            check = group.create_task(_check_when_ready(process))
            await TransformLoop(signer, wiring).run(stop)
            check.cancel()
    finally:
        await writer.close()


async def _check_when_ready(process: Process) -> None:
    from spark.worker.loaded import check_loaded

    await process.ready.wait()
    check_loaded()


async def gateway(process: Process, stop: asyncio.Event) -> None:
    """Run the gateway."""
    from spark.cli.venue_rules import venue_rules
    from spark.consumers.gateway import Gateway, GatewayWiring
    from spark.consumers.gateway_intake import GatewayKeys
    from spark.consumers.gateway_market import PaperRules
    from spark.consumers.signing_socket import SigningClient

    settings, keyring = process.settings, process.keyring
    check_endpoint(settings)
    enabled = settings.venues.enabled
    ways = {venue: order_venue(process, venue) for venue in enabled}
    wiring = GatewayWiring(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        halts=process.halts,
        checker=keyring.checker({Role.SIGNER}),
        keys=GatewayKeys(
            seal=keyring.seal(),
            guardrail=keyring.checker({Role.GUARDRAIL}),
            log_epoch=keyring.log_epoch,
        ),
        signer=SigningClient(signing_path(process.home)),
        accounts={
            number: (account, ways[Venue(venue_of(account))])
            for account, number in topics.ACCOUNT_PARTITION.items()
            if number in process.partitions and venue_of(account) in ways
        },
        rules=venue_rules(settings),
        mode=settings.trading.mode_in_force,
        endpoint=settings.trading.endpoint,
        concurrency_max=settings.gateway.concurrency_max,
        lease_ns_max=ns_of(settings.gateway.lease_s),
        paper=PaperRules(
            fee_rate=settings.gateway.paper_fee_bps / _BPS,
            book_age_ns_max=ns_of(settings.gateway.paper_book_age_s),
        ),
        instance=process.instance,
        ready=process.ready,
        state_dir=process.home.state_of(process.name),
    )
    await Gateway(wiring).run(stop)


def _who_may_ask(settings: Settings) -> "dict[int, frozenset[Question]]":
    from spark.consumers.signing_socket import ALL_QUESTIONS, GATEWAY_QUESTIONS

    section = settings.signer
    if not section.client_uids and not section.account_uids:
        # One user for all roles: nobody can be told from anybody.
        return {os.geteuid(): ALL_QUESTIONS}
    gateways = dict.fromkeys(section.client_uids, GATEWAY_QUESTIONS)
    return gateways | dict.fromkeys(section.account_uids, ALL_QUESTIONS)
