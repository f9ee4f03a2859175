"""
BTCTurk's money: nothing appears or vanishes, whatever is charged to whom; and books by chain.
"""

from decimal import Decimal
from typing import TypeAlias

import orjson
from hypothesis import given
from hypothesis import strategies as st

from spark.clock import ManualClock
from spark.exchanges.simulator.accounts import Account, Balance
from spark.exchanges.simulator.btcturk.chain import Chain, Window
from spark.exchanges.simulator.btcturk.tariff import HELD_RATE, OfTheQuote, fee_and_tax, shares
from spark.exchanges.simulator.clearing import Pair
from spark.exchanges.simulator.orders import ZERO, Kind, Order, Terms
from spark.exchanges.simulator.venue import EngineRefusal, Venue
from spark.names import Side, TimeInForce

_STEP = Decimal("0.00000001")
#: Who, what, side, price, quantity.
_Action: TypeAlias = tuple[str, str, Side, int, Decimal]
_ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["one", "two", "house"]),
        st.sampled_from(["limit", "market", "cancel"]),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(2_000_000, 2_000_010),
        st.integers(1, 50_000_000).map(lambda steps: steps * _STEP),
    ),
    max_size=50,
)


def _venue() -> Venue:
    return Venue(
        [Pair("BTCTRY", "BTC", "TRY", _STEP)],
        clock=ManualClock(1_700_000_000_000_000_000),
        tariff=OfTheQuote(),
        is_client_id_unique=False,
    )


def _act(venue: Venue, account: Account, action: _Action) -> Order | None:
    _, what, side, price, quantity = action
    if what == "cancel":
        alive = list(account.resting.values())
        return venue.cancel(account, alive[price % len(alive)]) if alive else None
    is_spending = what == "market" and side is Side.BUY
    return venue.place(
        account,
        Terms(
            symbol="BTCTRY",
            side=side,
            kind=Kind.LIMIT if what == "limit" else Kind.MARKET,
            time_in_force=TimeInForce.GTC,
            # One id for all: the venue takes it as often as it comes.
            client_id="same",
            quantity=None if is_spending else quantity,
            price=Decimal(price) if what == "limit" else None,
            quote_quantity=Decimal(price) if is_spending else None,
        ),
    )


@given(_ACTIONS)
def test_fees_of_the_quote_conserve_money(actions: list[_Action]) -> None:
    """Balances and what was earned add up to the start; locks equal what open orders hold."""
    venue = _venue()
    accounts = {
        name: Account(
            name, {"TRY": Balance(free=Decimal(3_000_000)), "BTC": Balance(free=Decimal(2))}
        )
        for name in ("one", "two")
    }
    everyone = [*accounts.values(), venue.house]
    for action in actions:
        account = accounts.get(action[0], venue.house)
        try:
            _act(venue, account, action)
        except EngineRefusal:
            continue
        for asset, at_first in (("TRY", 6_000_000), ("BTC", 4)):
            held = sum((_all(one, asset) for one in everyone), ZERO)
            assert held + venue.clearing.earned.get(asset, ZERO) == at_first
        assert set(venue.clearing.earned) <= {"TRY"}
        for one in accounts.values():
            _check_locks(one)


def _all(account: Account, asset: str) -> Decimal:
    balance = account.balance(asset)
    return balance.free + balance.locked


def _check_locks(account: Account) -> None:
    resting = list(account.resting.values())
    buys = [one for one in resting if one.terms.side is Side.BUY]
    for order in buys:
        assert order.terms.price is not None
        assert order.locked == order.terms.price * order.remaining * (1 + HELD_RATE)
    sells = [one.remaining for one in resting if one.terms.side is Side.SELL]
    assert account.balance("TRY").locked == sum((one.locked for one in buys), ZERO)
    assert account.balance("BTC").locked == sum(sells, ZERO)
    assert account.balance("TRY").free >= 0
    assert account.balance("BTC").free >= 0
    for fill in (fill for fills in account.fills.values() for fill in fills):
        assert sum(shares(fill), ZERO) == fill.commission
        assert fill.commission_asset == "TRY"


@given(st.decimals(0, 10**9, places=8), st.booleans())
def test_a_lock_covers_every_charge(quote: Decimal, is_maker: bool) -> None:
    """Whatever the rounding: what is held beyond the quote pays fee and tax."""
    fee, tax = fee_and_tax(quote, is_maker=is_maker)
    assert quote + fee + tax <= OfTheQuote().held(quote)
    assert fee >= tax >= 0


def test_a_buy_of_fifty_thousand_needs_what_the_venue_says() -> None:
    """The documents' example, at the rates of their day: 0.15 % and a fifth of it in tax."""
    assert Decimal(50_000) * (1 + Decimal("0.0015") * Decimal("1.2")) == 50_090
    assert OfTheQuote().held(Decimal(50_000)) == Decimal(50_054)


_SIDE = st.dictionaries(
    st.integers(1, 30).map(Decimal), st.integers(1, 9).map(Decimal), max_size=12
)
_WINDOWS = st.lists(st.builds(Window, _SIDE, _SIDE), min_size=1, max_size=8)


@given(_WINDOWS)
def test_a_chain_of_differences_is_the_book(windows: list[Window]) -> None:
    """Whole, then differences: applied by their kinds they are the book at each step."""
    chain = Chain("obdiff", "BTCTRY", first_number=7)
    first = orjson.loads(chain.whole(windows[0]))[1]
    number = first["CS"]
    told = {name: {row["P"]: row["A"] for row in first[name]} for name in ("BO", "AO")}
    for window in windows[1:]:
        text = chain.difference(window)
        if text is not None:
            model = orjson.loads(text)[1]
            assert model["CS"] == number + 1
            number += 1
            for name, levels in told.items():
                for row in model[name]:
                    assert (row["CP"] == 1) is (row["P"] not in levels)
                    if row["CP"] == 3:
                        assert levels.pop(row["P"]) == row["A"]
                    else:
                        levels[row["P"]] = row["A"]
        for name, side in (("BO", window.bids), ("AO", window.asks)):
            assert told[name] == {str(price): str(amount) for price, amount in side.items()}
