"""
The account feed: each account's ways to its exchange, and what questions cost there.

Source: exchanges.md §1.8 and §2.3: Binance counts weight for an address, BTCTurk requests of
each kind, the rarest 120 a minute.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from spark import topics
from spark.cli.process import Process, check_endpoint, signing_path
from spark.cli.venues import account_venue, followed, private_stream
from spark.clock import Clock
from spark.exchanges.port import Asked
from spark.names import AccountId, Venue, venue_of
from spark.settings import Settings

if TYPE_CHECKING:
    from spark.consumers.account_feed_ask import AccountEnds

#: Weight a minute of the 6,000 that an address has. The gateway's part is a setting of its own;
#: feed and venue watch need some 500.
_BINANCE_PER_MINUTE: Final = 2_400
#: Requests a minute; no kind of question has less than that.
_BTCTURK_PER_MINUTE: Final = 100


async def account_feed(process: Process, stop: asyncio.Event) -> None:
    """Run the account feed."""
    from spark.consumers.account_feed import AccountFeed, AccountFeedWiring
    from spark.consumers.signing_socket import SigningClient

    settings = process.settings
    check_endpoint(settings)
    enabled = set(settings.venues.enabled)
    wiring = AccountFeedWiring(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        halts=process.halts,
        signer=SigningClient(signing_path(process.home)),
        accounts={
            number: account_ends(process.settings, process.clock, account)
            for account, number in topics.ACCOUNT_PARTITION.items()
            if number in process.partitions and venue_of(account) in enabled
        },
        period_s=float(settings.account.reconcile_period_s),
        instance=process.instance,
        ready=process.ready,
        state_dir=process.home.state_of(process.name),
    )
    await AccountFeed(wiring).run(stop)


def account_ends(settings: Settings, clock: Clock, account: AccountId) -> "AccountEnds":
    """Build the ways to an account's exchange; nothing is opened yet."""
    from spark.consumers.account_feed_ask import AccountEnds
    from spark.exchanges.binance.wire_account import weight_of

    venue = Venue(venue_of(account))
    is_binance = venue is Venue.BINANCE
    weight = _BINANCE_PER_MINUTE if is_binance else _BTCTURK_PER_MINUTE
    return AccountEnds(
        account=account,
        venue=account_venue(settings, clock, venue),
        stream=private_stream(settings, clock, venue),
        symbols=followed(settings, venue),
        cost_of=weight_of if is_binance else _one_request,
        weight_per_minute=weight,
        pages_by_id=is_binance,
        has_fees=is_binance,
    )


def _one_request(asked: Asked) -> int:
    del asked
    return 1
