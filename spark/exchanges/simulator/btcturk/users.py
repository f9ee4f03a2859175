"""
What an account hears of itself once logged in: matches, its orders, that balances changed.

Reads   changes of clients' orders, fills, deposits and withdrawals
Writes  to the sockets of the account they belong to
Owns    the accounts' public numbers
Fails   never
"""

from typing import Final

from spark.exchanges.simulator.accounts import Account, Movement
from spark.exchanges.simulator.btcturk import frames
from spark.exchanges.simulator.btcturk.habits import Habits
from spark.exchanges.simulator.btcturk.streams import Streams
from spark.exchanges.simulator.btcturk.symbols import Rules
from spark.exchanges.simulator.orders import Fill, Kind, Order, Status

_FIRST_USER: Final = 900_001


class Users:
    """Hears of every client's order."""

    def __init__(self, streams: Streams, rules: dict[str, Rules], habits: Habits) -> None:
        self._streams = streams
        self._rules = rules
        self._habits = habits
        self._numbers: dict[str, int] = {}

    def order_changed(self, order: Order) -> None:
        """Tell of an order that came, shrank or went."""
        number = self._model_of(order)
        user = self._user(order.account)

        def make() -> list[bytes]:
            rules = self._rules[order.terms.symbol]
            if number is None:
                return [frames.balance_updated(user)]
            told = frames.order_changed(number, order, rules, user=user)
            return [told, frames.balance_updated(user)]

        self._streams.tell(order.account, make)

    def filled(self, order: Order, fill: Fill) -> None:
        """Tell of a match, and of the transaction that it is."""
        user = self._user(order.account)

        def make() -> list[bytes]:
            rules = self._rules[fill.symbol]
            told = [frames.match(order, fill, rules, user=user)]
            if self._habits.is_trade_told:
                told.append(frames.user_trade(order, fill, rules))
            return told

        self._streams.tell(order.account, make)

    def funds_moved(self, account: Account, movement: Movement) -> None:
        """Tell that balances changed."""
        del movement
        user = self._user(account)
        self._streams.tell(account, lambda: [frames.balance_updated(user)])

    def _model_of(self, order: Order) -> int | None:
        match order.status:
            case Status.OPEN:
                return frames.INSERTED if order.terms.kind is Kind.LIMIT else None
            case Status.PARTLY_FILLED:
                return frames.UPDATED
            case Status.FILLED:
                return frames.DELETED if self._habits.is_fill_deleted else None
        return frames.DELETED

    def _user(self, account: Account) -> int:
        return self._numbers.setdefault(account.name, _FIRST_USER + len(self._numbers))
