"""
A breaker off the log: as the gateway folds it, and as a command shows it.
"""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from spark import topics
from spark.consumers.gateway_resume import GatewayPast
from spark.events import BreakerChanged, Event, PartitionFenced
from spark.names import BreakerState, Role
from spark.ops.breaker_reader import Breakers
from tests import keyed
from tests.hops import stood, written
from tests.made import ACCOUNT, NOW_NS

_TAGGER = keyed.tagger(Role.GATEWAY)


def fence() -> PartitionFenced:
    return PartitionFenced(role="gateway", instance="i", topic_ids={}, settings={}, fenced_ns=1)


def change(state: BreakerState, epoch: int) -> BreakerChanged:
    return BreakerChanged(
        epoch=epoch, account=ACCOUNT, state=state, cause="failures", evidence={}, at_ns=NOW_NS
    )


def folded(events: Sequence[Event]) -> tuple[BreakerState, BreakerState]:
    """Fold a log in both ways: the gateway's, and the command's."""
    past, breakers = GatewayPast(), Breakers()
    for offset, event in enumerate(events):
        record = stood(written(event, topics.EVENTS, _TAGGER), offset)
        past.fold(record)
        breakers.take(record)
    latest = breakers.latest.get(ACCOUNT)
    return past.breaker, BreakerState.CLOSED if latest is None else latest.state


def test_r4_a_gateway_that_was_replaced_says_nothing_of_the_breaker() -> None:
    """R4, A4: a change counts in the epoch of the last fence before it, and then for ever."""
    opened: list[Event] = [fence(), change(BreakerState.OPEN, 0), fence()]
    assert folded(opened) == (BreakerState.OPEN, BreakerState.OPEN)
    zombie = [*opened, change(BreakerState.CLOSED, 0)]
    assert folded(zombie) == (BreakerState.OPEN, BreakerState.OPEN)
    own = [*opened, change(BreakerState.CLOSED, 2)]
    assert folded(own) == (BreakerState.CLOSED, BreakerState.CLOSED)


_EVENTS = st.lists(
    st.one_of(
        st.builds(fence), st.builds(change, st.sampled_from(BreakerState), st.integers(0, 6))
    ),
    max_size=8,
)


@given(_EVENTS)
def test_a4_what_is_shown_is_what_the_next_gateway_starts_with(events: list[Event]) -> None:
    """A4: inspectable: both readers agree on any log."""
    kept, shown = folded([fence(), *events])
    assert kept is shown
