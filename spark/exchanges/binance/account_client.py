"""
Binance over HTTP for the account feed: what the read key may ask of orders and money.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeVar

from spark.clock import Clock
from spark.exchanges.answers import Accepted
from spark.exchanges.binance import wire_account
from spark.exchanges.binance.wire import NAME
from spark.exchanges.binance.wire_answers import Rejected, classify_as, weight_used
from spark.exchanges.binance.wire_orders import ORDER_PATH
from spark.exchanges.http import HttpLink
from spark.exchanges.port import BalanceSeen, FillSeen, OrderSeen, SignedRequest

_T = TypeVar("_T")

#: Questions at a time.
_QUESTIONS_MAX: Final = 2
#: No such order, or one that is so old that it was put away.
_ABSENT: Final = frozenset({-2013, -2026})


class BinanceAccount:
    """The account feed's questions to Binance."""

    def __init__(self, rest_url: str, clock: Clock, *, reply_ms_max: int) -> None:
        self._link = HttpLink(
            NAME, rest_url, clock, connections_max=_QUESTIONS_MAX, reply_ms_max=reply_ms_max
        )
        #: Of the address in this minute, as the last reply said; -1 for nothing said.
        self.weight_used = -1

    async def orders(self, request: SignedRequest) -> tuple[OrderSeen, ...]:
        """Ask for one order, the open ones, or those of a symbol since a time."""
        if request.path == ORDER_PATH:
            return await self._ask(request, wire_account.one_order, where_absent=())
        return await self._ask(request, wire_account.orders)

    async def fills(self, request: SignedRequest) -> tuple[FillSeen, ...]:
        """Ask for trades."""
        return await self._ask(request, wire_account.fills)

    async def balances(self, request: SignedRequest) -> tuple[BalanceSeen, ...]:
        """Ask for balances."""
        return await self._ask(request, wire_account.balances)

    async def fees(self, request: SignedRequest) -> tuple[Decimal, Decimal]:
        """Ask for the commission of a symbol."""
        return await self._ask(request, wire_account.fees)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._link.close()

    async def _ask(
        self,
        request: SignedRequest,
        read: Callable[[object], _T],
        *,
        where_absent: _T | None = None,
    ) -> _T:
        reply = await self._link.ask(request)
        self.weight_used = weight_used(reply.headers)
        match classify_as(read, reply.status, reply.body, retry_after_s=reply.retry_after_s):
            case Accepted(reply=found):
                return found
            case Rejected(code=code) if code in _ABSENT and where_absent is not None:
                return where_absent
            case refusal:
                raise reply.refused(f"{NAME} {request.path}", refusal)
