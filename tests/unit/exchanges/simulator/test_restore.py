"""
A venue's memory over restarts.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from spark.errors import SettingError
from spark.exchanges.simulator.accounts import Accounts
from spark.exchanges.simulator.ledger import Ledger
from spark.exchanges.simulator.orders import Order
from spark.exchanges.simulator.restore import restore
from spark.exchanges.simulator.venue import Venue
from spark.names import Side
from tests.unit.exchanges.simulator.trading import limit, market, new_account, new_venue


def started(path: Path) -> tuple[Venue, Accounts, Ledger]:
    venue, accounts, ledger = new_venue(), Accounts(), Ledger(path)
    for name in ("one", "two"):
        accounts.by_name[name] = new_account(name)
    restore(venue, accounts, ledger)
    venue.order_listeners.append(ledger)
    venue.funds_listeners.append(ledger)
    return venue, accounts, ledger


def shown(venue: Venue, accounts: Accounts) -> dict[str, object]:
    return {
        "balances": venue.balances(accounts.by_name.values()),
        "earned": venue.clearing.earned,
        "orders": {number: described(order) for number, order in venue.register.orders.items()},
        "open": {name: list(one.open_by_client_id) for name, one in accounts.by_name.items()},
        "bids": [(price, level.total) for price, level in venue.books["BTCUSDT"].bids.walk()],
        "asks": [(price, level.total) for price, level in venue.books["BTCUSDT"].asks.walk()],
    }


def described(order: Order) -> tuple[object, ...]:
    return (
        order.account.name,
        order.terms,
        order.quantity,
        order.status,
        order.executed,
        order.executed_quote,
        order.locked,
        order.fills,
        order.created_ns,
    )


def test_h2_a_venue_that_was_killed_remembers_everything(tmp_path: Path) -> None:
    """Orders, fills, balances and the book are after a restart what they were before it."""
    venue, accounts, ledger = started(tmp_path / "ledger")
    one, two = accounts.by_name["one"], accounts.by_name["two"]
    venue.place(venue.house, limit(Side.SELL, 105, 2, ""))
    venue.place(one, limit(Side.SELL, 101, 3, "sells"))
    venue.move_funds(two, "USDT", Decimal("-0.5"))
    venue.move_funds(two, "EUR", Decimal(7))
    venue.place(two, limit(Side.BUY, 102, 1, "takes"))
    venue.place(two, limit(Side.BUY, 99, 1, "rests"))
    gone = venue.place(two, limit(Side.BUY, 98, 1, "again"))
    venue.cancel(two, gone)
    venue.place(two, limit(Side.BUY, 97, 1, "again"))
    venue.place(two, market(Side.BUY, quote=300, client_id="by-quote"))
    for order in list(venue.house.open_by_client_id.values()):
        venue.cancel(venue.house, order)
    ledger.close()
    before = shown(venue, accounts)
    house = before["balances"].pop("house")  # type: ignore[attr-defined]
    again, accounts, ledger = started(tmp_path / "ledger")
    after = shown(again, accounts)
    # The market's own orders are not in the ledger, so what they lock is free again.
    freed = after["balances"].pop("house")  # type: ignore[attr-defined]
    for asset in house:
        held = Decimal(house[asset]["free"]) + Decimal(house[asset]["locked"])
        assert Decimal(freed[asset]["free"]) == held
    before["asks"] = [level for level in before["asks"] if level[0] != 105]  # type: ignore[attr-defined]
    assert after == before
    new = again.place(accounts.by_name["one"], limit(Side.SELL, 110, 1, "new"))
    assert new.order_id > max(order for order in venue.register.orders)
    ledger.close()


def test_a_ledger_of_other_accounts_is_refused(tmp_path: Path) -> None:
    """Going on with balances that do not fit would make the judge wrong."""
    venue, accounts, ledger = started(tmp_path / "ledger")
    venue.place(accounts.by_name["one"], limit(Side.BUY, 100, 900, "a"))
    ledger.close()
    again = Ledger(tmp_path / "ledger")
    with pytest.raises(SettingError, match="these accounts"):
        restore(new_venue(), Accounts(), again)
    poor = Accounts()
    poor.by_name["one"] = new_account("one", usdt=10)
    with pytest.raises(SettingError, match="these accounts"):
        restore(new_venue(), poor, again)
    again.close()


@pytest.mark.parametrize("line", [b"{}\n", b"1\n", b"x\n", b'{"kind":"fill","order_id":1}\n'])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, line: bytes) -> None:
    """H5: one line says so."""
    (tmp_path / "ledger").write_bytes(line)
    with pytest.raises(SettingError, match="ledger file"):
        started(tmp_path / "ledger")
