"""
`spark audit verify --against-venue`: which exchanges are asked, and with whose key (S14).
"""

from collections.abc import Callable
from typing import Final, TypeVar

from spark import keys, topics
from spark.bus.port import Bus
from spark.cli.attach import Attached
from spark.cli.process import check_endpoint
from spark.cli.venue_keys import SaidKeys
from spark.cli.wiring_accounts import account_ends
from spark.clock import SystemClock
from spark.consumers.account_feed_ask import Asker
from spark.embedded.minting import slots_of, trade_id
from spark.embedded.secrets import Secrets
from spark.errors import IntegrityError, SettingError
from spark.exchanges.binance import auth as binance_auth
from spark.exchanges.binance import signer as binance
from spark.exchanges.btcturk import auth as btcturk_auth
from spark.exchanges.btcturk import signer as btcturk
from spark.exchanges.port import OrderSigner
from spark.names import AccountId, Role, Venue, venue_of
from spark.ops.audit_venue import Held, OwnSigner, hold_against
from spark.settings import Settings

_S = TypeVar("_S")
_SHOWN_MAX: Final = 5


async def against_venues(attached: Attached, bus: Bus) -> list[Held]:
    """
    Hold the log against the history of each account's exchange.

    Raises:
        IntegrityError: an exchange tells something else; the first differences, in words.
        SettingError: no key that reads, or an exchange that this build does not talk to.
        VenueUnavailable: an exchange gives no answer.

    """
    places = attached.state.simulators
    venues = tuple(places) or attached.settings.venues.enabled
    found = []
    for account in topics.ACCOUNT_PARTITION:
        venue = Venue(venue_of(account))
        if venue not in venues:
            continue
        held = await _held(attached, bus, account)
        if held.objections:
            more = len(held.objections) - _SHOWN_MAX
            raise IntegrityError(
                f"{account}: the exchange tells another history: "
                + "; ".join(held.objections[:_SHOWN_MAX])
                + (f"; and {more} more" if more > 0 else "")
            )
        found.append(held)
    return found


async def _held(attached: Attached, bus: Bus, account: AccountId) -> Held:
    venue, clock = Venue(venue_of(account)), SystemClock()
    settings = _settings_of(attached, venue)
    ends = account_ends(settings, clock, account)
    signer = OwnSigner(_signer(attached, settings, venue), clock)
    try:
        return await hold_against(bus, account, Asker(ends, signer, clock), symbols=ends.symbols)
    finally:
        await ends.venue.close()
        await ends.stream.close()


def _settings_of(attached: Attached, venue: Venue) -> Settings:
    """Give the settings with the address that the running stack uses."""
    settings, place = attached.settings, attached.state.simulators.get(venue)
    if place is None:
        check_endpoint(settings)
        return settings
    section = settings.btcturk if venue is Venue.BTCTURK else settings.binance
    named = section.model_copy(update={"rest_url": place.url})
    return settings.model_copy(update={venue.value: named})


def _signer(attached: Attached, settings: Settings, venue: Venue) -> OrderSigner:
    """Build what signs questions; with its other key nothing can be placed anywhere."""
    said = SaidKeys(settings)
    if venue is Venue.BTCTURK:
        if said.can_read(venue):
            read = said.btcturk_key(keys.READ_KEY, 1)
        else:
            read = btcturk.BtcturkKey(*_of_simulator(attached, venue, btcturk_auth.SecretKey))
        return btcturk.BtcturkSigner(btcturk.dummy_key(), read)
    if said.can_read(venue):
        key = said.binance_key(keys.READ_KEY, 1)
    else:
        key = binance.BinanceKey(*_of_simulator(attached, venue, binance_auth.SecretKey))
    return binance.BinanceSigner(binance.dummy_key(), key, settings.binance.recv_window_ms)


def _of_simulator(attached: Attached, venue: Venue, make: Callable[[bytes], _S]) -> tuple[str, _S]:
    """Read the stack's own key, where that opens a simulator; a real one's is the signer's."""
    name = venue.value.upper()
    remedy = f"say {name}_READ_API_KEY and {name}_READ_SECRET (or _FILE): a key that only reads"
    if venue not in attached.state.simulators:
        raise SettingError(f"no key for {venue}: {remedy}")
    secrets = Secrets(attached.home.secrets, attached.state.uids)
    try:
        generation = slots_of(secrets, Role.SIGNER, trade_id(venue))[0].generation
        names = keys.exchange_key(venue, keys.READ_KEY, generation)
        api_key, secret = (secrets.read(Role.SIGNER, one).strip() for one in names)
    except SettingError as error:
        raise SettingError(f"{error}; as another user than the stack's, {remedy}") from None
    return api_key.decode(), make(secret)
