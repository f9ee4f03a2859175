"""
Which requests may leave now. Pure.

`Dispatch`: one queue for each symbol, cancels first. A symbol that is slow fills its own
share of the account's slots and no more; a cancel overtakes the places of its symbol, but
not the place that it cancels.

`StampedDispatch`: one line for the account's key, in the order of the stamps, one request
in flight (R12): an exchange that wants each stamp above the last one takes no request
that another overtook.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from spark.events import CancelApproved, OrderApproved, RequestSealed
from spark.exchanges.port import About, SignedRequest
from spark.names import Action, ClientOrderId, Symbol, TradingMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A request that was opened and verified, waiting for its turn."""

    sealed: RequestSealed
    approval: OrderApproved | CancelApproved
    request: SignedRequest
    #: Its offset on `orders.signed`.
    offset: int
    #: When it was appended there, by the broker's clock.
    appended_ns: int
    #: Monotonic time after which it is too old, whatever the wall clock says.
    too_old_ns: int

    @property
    def is_place(self) -> bool:
        """Tell a place from a cancel."""
        return self.sealed.action is Action.PLACE

    @property
    def mode(self) -> TradingMode:
        """Give the mode that the order was placed in; a cancel's is its target's."""
        return self.sealed.mode

    def about(self) -> About:
        """Say which order the request concerns."""
        approval = self.approval
        if isinstance(approval, OrderApproved):
            return About(
                account=approval.account,
                strategy=approval.strategy,
                intent_id=approval.intent_id,
                client_order_id=approval.client_order_id,
                symbol=approval.symbol,
                side=approval.side,
                quantity=approval.quantity,
                mode=self.mode,
                order_type=approval.order_type,
                time_in_force=approval.time_in_force,
                price=approval.price,
            )
        return About(
            account=approval.account,
            strategy=approval.target_strategy,
            intent_id=approval.target_intent_id,
            client_order_id=approval.client_order_id,
            symbol=approval.symbol,
            side=None,
            quantity=None,
            mode=self.mode,
            cancel_intent_id=approval.intent_id,
        )


@dataclass(slots=True)
class _Queue:
    cancels: deque[Ready] = field(default_factory=deque)
    places: deque[Ready] = field(default_factory=deque)
    in_flight: int = 0


#: Asked of a request before it leaves; who says no keeps it where it waits.
May = Callable[[Ready], bool]


def _always(_: Ready) -> bool:
    return True


class Dispatch:
    """The queues of one account."""

    def __init__(self, concurrency_max: int) -> None:
        self._most = concurrency_max
        self.limit(None)
        self._queues: dict[Symbol, _Queue] = {}
        self._places_in_flight: set[ClientOrderId] = set()
        self.in_flight = 0

    @property
    def places_in_flight(self) -> frozenset[ClientOrderId]:
        """List the places that left and are not done."""
        return frozenset(self._places_in_flight)

    def limit(self, concurrency_max: int | None) -> None:
        """Lower the number of slots, as a protection may; None gives all of them back."""
        most = self._most if concurrency_max is None else min(self._most, max(1, concurrency_max))
        self._slots_max = most
        # Half for each symbol: one that hangs leaves the other half to the rest.
        self._symbol_max = max(1, most // 2)

    def add(self, ready: Ready) -> None:
        """Queue a request."""
        queue = self._queues.setdefault(ready.sealed.symbol, _Queue())
        (queue.places if ready.is_place else queue.cancels).append(ready)

    def drop(self, target: ClientOrderId, symbol: Symbol) -> Ready | None:
        """Take a place back out of its queue, because it was cancelled before it left."""
        queue = self._queues.get(symbol)
        if queue is None:
            return None
        for ready in queue.places:
            if ready.sealed.client_order_id == target:
                queue.places.remove(ready)
                return ready
        return None

    def leave(self, may: May = _always) -> list[Ready]:
        """Take what may leave now; each is in flight until `done`."""
        leaving: list[Ready] = []
        for queue in self._queues.values():
            while self.in_flight < self._slots_max and queue.in_flight < self._symbol_max:
                ready = self._next(queue, may)
                if ready is None:
                    break
                queue.in_flight += 1
                self.in_flight += 1
                if ready.is_place:
                    self._places_in_flight.add(ready.sealed.client_order_id)
                leaving.append(ready)
        if leaving and len(self._queues) > 1:
            # Round robin: whoever was served goes behind the others.
            first = next(iter(self._queues))
            self._queues[first] = self._queues.pop(first)
        return leaving

    def done(self, ready: Ready) -> None:
        """Give a slot back."""
        self._queues[ready.sealed.symbol].in_flight -= 1
        self.in_flight -= 1
        if ready.is_place:
            self._places_in_flight.discard(ready.sealed.client_order_id)

    def claims(self, ready: Ready) -> None:
        """Take note that it will be sent; in no order that matters here."""

    def is_overtaken(self, ready: Ready) -> bool:  # noqa: ARG002  (as the other one)
        """Tell whether a later stamp has gone; here that is nothing."""
        return False

    def _next(self, queue: _Queue, may: May) -> Ready | None:
        for ready in queue.cancels:
            # A cancel that arrives before its order finds nothing, and the order stays.
            if ready.sealed.client_order_id not in self._places_in_flight and may(ready):
                queue.cancels.remove(ready)
                return ready
        return queue.places.popleft() if queue.places and may(queue.places[0]) else None


class StampedDispatch:
    """
    The line of one account whose exchange wants stamps that grow.

    Args:
        claimed_below: offset behind the last request that an earlier process claimed.

    """

    def __init__(self, claimed_below: int = 0) -> None:
        #: By their stamps; the first one is next.
        self._line: list[Ready] = []
        self._flying: Ready | None = None
        self._claimed_below = claimed_below
        self._claimed_stamp_ns = 0

    @property
    def in_flight(self) -> int:
        """Count what left and is not done: one at most."""
        return int(self._flying is not None)

    @property
    def places_in_flight(self) -> frozenset[ClientOrderId]:
        """List the places that left and are not done."""
        flying = self._flying
        is_place = flying is not None and flying.is_place
        return frozenset({flying.sealed.client_order_id} if flying and is_place else ())

    def limit(self, concurrency_max: int | None) -> None:
        """Lower the number of slots: there is one anyhow."""

    def add(self, ready: Ready) -> None:
        """Queue a request."""
        insort(self._line, ready, key=_stamped)

    def drop(self, target: ClientOrderId, symbol: Symbol) -> Ready | None:
        """Take a place back out of the line, because it was cancelled before it left."""
        for number, ready in enumerate(self._line):
            sealed = ready.sealed
            if ready.is_place and (sealed.client_order_id, sealed.symbol) == (target, symbol):
                return self._line.pop(number)
        return None

    def leave(self, may: May = _always) -> list[Ready]:
        """Take the first of the line, if nothing is in flight and it may leave."""
        if self._flying is not None or not self._line or not may(self._line[0]):
            return []
        self._flying = self._line.pop(0)
        return [self._flying]

    def done(self, ready: Ready) -> None:
        """Let the next one go."""
        assert self._flying is ready, "one request is in flight"
        self._flying = None

    def claims(self, ready: Ready) -> None:
        """Take note that it will be sent: whatever has an earlier stamp is too late now."""
        self._claimed_below = max(self._claimed_below, ready.offset + 1)
        self._claimed_stamp_ns = max(self._claimed_stamp_ns, ready.sealed.stamped_ns)

    def is_overtaken(self, ready: Ready) -> bool:
        """Tell whether a request with a later stamp was sent, by this process or one before."""
        return (
            ready.offset < self._claimed_below or ready.sealed.stamped_ns <= self._claimed_stamp_ns
        )


def _stamped(ready: Ready) -> tuple[int, int]:
    return ready.sealed.stamped_ns, ready.offset


AnyDispatch = Dispatch | StampedDispatch
