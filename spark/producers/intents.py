"""
How an intent gets onto the log: composed, tagged for both who check it, appended.

The one way for strategies and for the command line.
"""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spark.bus.port import Outgoing, Partition, Writer
from spark.clock import Clock
from spark.codec import encode, type_name
from spark.errors import RefusedError
from spark.events import CancelOrder, Intent, PlaceOrder
from spark.ids import intent_id
from spark.ledger.fold import Order
from spark.names import AccountId, IntentId, OrderType, Side, StrategyId, Symbol, TimeInForce
from spark.signing import Tagger
from spark.topics import INTENT_BYTES_MAX, INTENTS, partition_of

_ENTROPY_CHARS: Final = 12
_ALPHABET: Final = string.digits + string.ascii_lowercase
_TTL_NS: Final = 5_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderWish:
    """What somebody wants; the intent adds who, when and an id."""

    account: AccountId
    symbol: Symbol
    side: Side
    quantity: Decimal
    #: None for a market order.
    price: Decimal | None
    time_in_force: TimeInForce = TimeInForce.GTC


class IntentWriter:
    """Writes the intents of one strategy or operator."""

    def __init__(
        self, strategy: StrategyId, writer: Writer, tagger: Tagger, *, clock: Clock
    ) -> None:
        self._strategy = strategy
        self._writer = writer
        self._tagger = tagger
        self._clock = clock

    def place(self, wish: OrderWish, *, ttl_ns: int = _TTL_NS) -> PlaceOrder:
        """Compose a place under a fresh id; nothing is sent yet."""
        now_ns = self._clock.wall_ns()
        return PlaceOrder(
            intent_id=_fresh_id(now_ns),
            account=wish.account,
            strategy=self._strategy,
            symbol=wish.symbol,
            side=wish.side,
            order_type=OrderType.MARKET if wish.price is None else OrderType.LIMIT,
            time_in_force=None if wish.price is None else wish.time_in_force,
            quantity=wish.quantity,
            price=wish.price,
            created_ns=now_ns,
            ttl_ns=ttl_ns,
        )

    def cancel(self, order: PlaceOrder | Order, *, ttl_ns: int = _TTL_NS) -> CancelOrder:
        """Compose the cancel of an order: of one's own, or, as an operator, of anybody's."""
        now_ns = self._clock.wall_ns()
        return CancelOrder(
            intent_id=_fresh_id(now_ns),
            account=order.account,
            strategy=self._strategy,
            symbol=order.symbol,
            target_intent_id=order.intent_id,
            target_strategy=order.strategy,
            created_ns=now_ns,
            ttl_ns=ttl_ns,
        )

    async def send(self, intents: Sequence[Intent]) -> list[int]:
        """
        Append intents.

        Returns: the offset of each on its partition of `orders.intents`.

        Raises:
            RefusedError: an account that the table does not have, or too many bytes.
            WriteError: it is unsure whether they stand; the same intents may be
                sent again by a new writer, because their ids are theirs.

        """
        return await self._writer.write([self._outgoing(intent) for intent in intents])

    def _outgoing(self, intent: Intent) -> Outgoing:
        number = partition_of(intent.account)
        if number is None:
            raise RefusedError(f"no account {intent.account}")
        body = encode(intent)
        if len(body) > INTENT_BYTES_MAX:
            raise RefusedError(f"an intent has at most {INTENT_BYTES_MAX} bytes")
        headers = self._tagger.headers(INTENTS, type_name(type(intent)), body)
        return Outgoing(Partition(INTENTS, number), intent.account.encode(), body, headers)


def _fresh_id(now_ns: int) -> IntentId:
    return intent_id(now_ns, "".join(secrets.choice(_ALPHABET) for _ in range(_ENTROPY_CHARS)))
