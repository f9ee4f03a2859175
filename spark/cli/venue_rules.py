"""
What each exchange is like to the gateway: what requests cost, and in what order they go.

Source: exchanges.md §1.8 and §2.5: Binance counts weight for an address and takes accepted
orders for nothing; BTCTurk counts requests, ten places a second among them.
"""

from typing import Final

from spark.consumers.gateway_manners import VenueRules
from spark.ledger.budget import Rules
from spark.names import Venue
from spark.settings import Settings

_S: Final = 1_000_000_000
#: Weight of a question about one order at Binance.
_BINANCE_QUESTION: Final = 4
_S_PER_MIN: Final = 60


def venue_rules(settings: Settings) -> dict[str, VenueRules]:
    """Put together the rules of every exchange that orders may go to."""
    gateway = settings.gateway
    rules = {
        Venue.BINANCE: VenueRules(
            budget=Rules(
                weight_per_minute=gateway.binance_weight_per_minute_max,
                question_cost=_BINANCE_QUESTION,
                is_success_free=True,
            )
        ),
        Venue.BTCTURK: VenueRules(
            budget=Rules(
                weight_per_minute=gateway.btcturk_requests_per_minute_max,
                order_windows=_btcturk_orders(gateway.btcturk_requests_per_minute_max),
            ),
            is_in_stamp_order=settings.btcturk.stamp_order == "strict",
            # Its lists are searched by the account feed: no question knows our ids.
            has_questions=False,
        ),
    }
    return {venue: rules[venue] for venue in settings.venues.enabled}


def _btcturk_orders(requests_per_minute: int) -> tuple[tuple[int, int], ...]:
    """
    Give (requests, ns) that places, and cancels apart, may not exceed.

    Of 600 a minute they are what is documented: 10 a second, and 300 a minute.
    """
    return (requests_per_minute // _S_PER_MIN, _S), (requests_per_minute // 2, _S_PER_MIN * _S)
