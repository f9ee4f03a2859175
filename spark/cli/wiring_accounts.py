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
from spark.exchanges.port import Question
from spark.ledger.budget import Rules
from spark.names import AccountId, Venue, venue_of

if TYPE_CHECKING:
    from spark.consumers.account_feed_ask import AccountEnds

#: Of all symbols at once, where the question can be asked so.
_BINANCE_COSTS: Final = {
    Question.ORDER: 4,
    Question.OPEN_ORDERS: 80,
    Question.ORDERS: 20,
    Question.FILLS: 20,
    Question.BALANCES: 20,
    Question.FEES: 20,
    Question.LOGIN: 2,
}
#: Weight a minute of the 6,000 that an address has; the gateway's part is a setting of its own.
_BINANCE_PER_MINUTE: Final = 2_400
#: Requests a minute; questions take half of it, and no kind of them has less than that.
_BTCTURK_PER_MINUTE: Final = 200


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
            number: _ends(process, account)
            for account, number in topics.ACCOUNT_PARTITION.items()
            if number in process.partitions and venue_of(account) in enabled
        },
        period_s=float(settings.account.reconcile_period_s),
        instance=process.instance,
        ready=process.ready,
    )
    await AccountFeed(wiring).run(stop)


def _ends(process: Process, account: AccountId) -> "AccountEnds":
    from spark.consumers.account_feed_ask import AccountEnds

    settings, venue = process.settings, Venue(venue_of(account))
    is_binance = venue is Venue.BINANCE
    weight = _BINANCE_PER_MINUTE if is_binance else _BTCTURK_PER_MINUTE
    return AccountEnds(
        account=account,
        venue=account_venue(process, venue),
        stream=private_stream(process, venue),
        symbols=followed(settings, venue),
        costs=_BINANCE_COSTS if is_binance else {},
        budget=Rules(weight_per_minute=weight),
        pages_by_id=is_binance,
        has_fees=is_binance,
    )
