"""
Opens the gateway's accounts: what is kept and what the log says become a desk at work.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spark import topics
from spark.bus.port import Bus, Partition
from spark.clock import Clock
from spark.consumers.gateway_away import AwayFile
from spark.consumers.gateway_desk import Desk
from spark.consumers.gateway_intake import GatewayKeys, Permit
from spark.consumers.gateway_lane import Lane
from spark.consumers.gateway_manners import Address, Manners, VenueRules
from spark.consumers.gateway_market import PaperRules
from spark.consumers.gateway_news import read_news
from spark.consumers.gateway_resume import GatewayPast, read_past
from spark.consumers.signing_socket import SigningClient
from spark.exchanges.paper.market import PaperMarket
from spark.exchanges.paper.venue import PaperVenue
from spark.exchanges.port import OrderVenue
from spark.ledger.breaker import Breaker
from spark.ledger.budget import Budget
from spark.ledger.dispatch import AnyDispatch, Dispatch, StampedDispatch
from spark.ledger.lease import Lease
from spark.metrics import Metrics
from spark.names import AccountId, Endpoint, Role, TradingMode, Venue, venue_of
from spark.signing import TagChecker
from spark.worker.cache import StateCache, Unkept
from spark.worker.halts import Halts
from spark.worker.inbox import Inbox
from spark.worker.tenure import Tenure


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayWiring:
    """What the gateway is given by the command line."""

    bus: Bus
    clock: Clock
    metrics: Metrics
    halts: Halts
    #: Verifies the signer's tags on records.
    checker: TagChecker
    keys: GatewayKeys
    #: Has questions about unsettled orders signed.
    signer: SigningClient
    #: By partition: the account and the way to its exchange.
    accounts: Mapping[int, tuple[AccountId, OrderVenue]]
    #: By exchange: what it is like.
    rules: Mapping[str, VenueRules]
    mode: TradingMode
    endpoint: Endpoint
    #: Requests in flight for each account.
    concurrency_max: int
    instance: str
    #: For how long a pulse of the guardrail lets places go (S9).
    lease_ns_max: int
    #: Set once the log is folded and requests are being served.
    ready: asyncio.Event
    #: Where states are kept between runs; None keeps none.
    state_dir: Path | None = None
    paper: PaperRules = field(default_factory=PaperRules)


class Opening:
    """Makes desks; accounts of one exchange share its address."""

    def __init__(
        self,
        wiring: GatewayWiring,
        markets: Mapping[Venue, PaperMarket],
        wake: Callable[[], None],
    ) -> None:
        self._wiring = wiring
        self._markets = markets
        self._wake = wake
        self._addresses = {
            venue: Address(Budget(rules.budget)) for venue, rules in wiring.rules.items()
        }

    async def desk(self, number: int, tenure: Tenure, ids: dict[str, str]) -> Desk:
        """
        Fold what one account's past says.

        Raises:
            PositionError: the log is not what it was; a person has to look.

        """
        wiring = self._wiring
        account, venue = wiring.accounts[number]
        cache: StateCache[GatewayPast] | None = None
        away = AwayFile(None)
        if wiring.state_dir is not None:
            cache = StateCache(wiring.state_dir / f"{Role.GATEWAY}.{number}.state", GatewayPast)
            away = AwayFile(wiring.state_dir / f"{Role.GATEWAY}.{number}.away")
        kept = None if cache is None else await cache.load(wiring.bus, ids)
        source = Partition(topics.SIGNED, number)
        lane_of = (source, tenure.partition)
        past = await read_past(wiring.bus, lane_of, fence=tenure.epoch, kept=kept)
        past.orders.epoch = tenure.epoch
        # After the own log: evidence is about orders that are known from there.
        feed = Partition(topics.ACCOUNT_EVENTS, number)
        news = await read_news(wiring.bus, feed, past.orders, kept=kept)
        paper = PaperVenue(
            self._markets[Venue(venue_of(account))],
            past.orders,
            # The desk is not there yet; its orders' evidence goes through it later.
            say=lambda events: desk.say(events),  # noqa: PLW0108
            rate=wiring.paper.fee_rate,
            clock=wiring.clock,
        )
        desk = Desk(
            lane=self._lane(account, source, tenure.epoch, past=past),
            tenure=tenure,
            venue=venue,
            paper=paper,
            rules=wiring.rules[venue_of(account)],
            news=news,
            away=away,
            clock=wiring.clock,
            metrics=wiring.metrics,
            wake=self._wake,
            cache=cache,
            topic_ids=ids,
            unkept=Unkept.below(tenure.epoch, tenure.partition, kept),
        )
        away.restore(desk.lane.manners, desk.now())
        desk.pending.extend(news.missed)
        return desk

    def _lane(
        self, account: AccountId, source: Partition, epoch: int, *, past: GatewayPast
    ) -> Lane:
        wiring = self._wiring
        return Lane(
            account=account,
            epoch=epoch,
            inbox=Inbox(
                source,
                position=past.origin.done_below,
                lineage=past.lineage(source),
                checker=wiring.checker,
                bytes_max=topics.BY_NAME[topics.SIGNED].message_bytes_max,
            ),
            orders=past.orders,
            dispatch=self._dispatch(account, past),
            manners=Manners(
                account=account,
                epoch=epoch,
                address=self._addresses[venue_of(account)],
                breaker=Breaker(state=past.breaker, since_ns=past.breaker_since_ns),
            ),
            keys=wiring.keys,
            permit=Permit(
                mode=wiring.mode,
                endpoint=wiring.endpoint,
                epochs={source.number: epoch},
                control=wiring.halts.control,
                kills=wiring.halts.kills,
            ),
            lease=Lease(f"{topics.DECISIONS}/{source.number}", wiring.lease_ns_max),
            handled=past.handled,
            claimed_below=past.claimed_below,
        )

    def _dispatch(self, account: AccountId, past: GatewayPast) -> AnyDispatch:
        if self._wiring.rules[venue_of(account)].is_in_stamp_order:
            return StampedDispatch(past.claimed_below)
        return Dispatch(self._wiring.concurrency_max)
