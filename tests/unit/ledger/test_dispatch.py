"""
Who may leave now: bulkheads by symbol, cancels first, a cancel behind its own place.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.consumers.gateway_intake import Opened
from spark.ledger.dispatch import Dispatch, Ready
from spark.names import Action, ClientOrderId, Symbol
from tests.hops import Chain, intent_written, opened
from tests.made import NOW_NS, place


def _model() -> Ready:
    chain = Chain()
    _, out = chain.sign(chain.decide(intent_written(place())))
    found = opened(out)
    assert isinstance(found, Opened)
    return Ready(
        sealed=found.sealed,
        approval=found.approval,
        request=found.request,
        offset=0,
        appended_ns=NOW_NS,
        too_old_ns=0,
    )


MODEL = _model()


def ready(name: str, symbol: str = "A", *, action: Action = Action.PLACE) -> Ready:
    """A request for the order of this name; only what dispatch looks at is true."""
    sealed = replace(
        MODEL.sealed, symbol=Symbol(symbol), client_order_id=ClientOrderId(name), action=action
    )
    return replace(MODEL, sealed=sealed)


def place_of(name: str, symbol: str = "A") -> Ready:
    return ready(name, symbol)


def cancel_of(name: str, symbol: str = "A") -> Ready:
    return ready(name, symbol, action=Action.CANCEL)


def names(leaving: list[Ready]) -> list[str]:
    return [
        one.sealed.client_order_id if one.is_place else f"x{one.sealed.client_order_id}"
        for one in leaving
    ]


def queued(concurrency: int, *requests: Ready) -> Dispatch:
    dispatch = Dispatch(concurrency)
    for one in requests:
        dispatch.add(one)
    return dispatch


def test_places_of_a_symbol_leave_in_their_order() -> None:
    """First in, first out, as far as there are slots."""
    dispatch = queued(8, *[place_of(f"{n}") for n in range(3)])
    assert names(dispatch.leave()) == ["0", "1", "2"]
    assert dispatch.in_flight == 3


def test_a_symbol_that_hangs_leaves_half_the_slots_to_the_others() -> None:
    """A4, bulkheads: however many wait on one symbol, another one goes out at once."""
    dispatch = queued(4, *[place_of(f"a{n}") for n in range(9)])
    assert names(dispatch.leave()) == ["a0", "a1"]
    dispatch.add(place_of("b0", "B"))
    assert names(dispatch.leave()) == ["b0"]
    assert dispatch.leave() == []


def test_no_more_leave_than_there_are_slots() -> None:
    """A4: concurrency is bounded for the account, whatever the symbols."""
    requests = [place_of(f"{symbol}{n}", symbol) for symbol in "ABCDE" for n in range(5)]
    dispatch = queued(4, *requests)
    assert len(dispatch.leave()) == 4
    assert dispatch.in_flight == 4


def test_one_slot_serves_every_symbol_in_turn() -> None:
    """With the narrowest concurrency nobody starves."""
    dispatch = queued(1, *[place_of(f"{s}{n}", s) for s in "ABC" for n in range(2)])
    served = []
    while leaving := dispatch.leave():
        served += names(leaving)
        dispatch.done(leaving[0])
    assert sorted(served) == ["A0", "A1", "B0", "B1", "C0", "C1"]
    assert {name[0] for name in served[:3]} == {"A", "B", "C"}


def test_cancels_overtake_places_of_their_symbol() -> None:
    """A cancel takes risk away: it never waits behind new orders."""
    dispatch = queued(1, place_of("new"), cancel_of("old"))
    assert names(dispatch.leave()) == ["xold"]


def test_a_cancel_waits_for_the_place_that_it_cancels() -> None:
    """A cancel that arrives before its order would find nothing, and the order would stay."""
    dispatch = queued(8, place_of("one"))
    (first,) = dispatch.leave()
    dispatch.add(cancel_of("one"))
    dispatch.add(cancel_of("other"))
    assert names(dispatch.leave()) == ["xother"]
    dispatch.done(first)
    assert names(dispatch.leave()) == ["xone"]


def test_a_cancelled_place_that_has_not_left_is_taken_out() -> None:
    """The order is dropped before a byte was sent; its neighbours stay."""
    dispatch = queued(1, place_of("0"), place_of("1"), place_of("2"))
    (first,) = dispatch.leave()
    dropped = dispatch.drop(ClientOrderId("1"), Symbol("A"))
    assert dropped is not None
    assert names([dropped]) == ["1"]
    assert dispatch.drop(ClientOrderId("1"), Symbol("A")) is None
    dispatch.done(first)
    assert names(dispatch.leave()) == ["2"]


@pytest.mark.parametrize(("name", "symbol"), [("gone", "A"), ("one", "B"), ("one", "C")])
def test_nothing_else_can_be_dropped(name: str, symbol: str) -> None:
    """What has left, or never was, is not in a queue."""
    dispatch = queued(1, place_of("one"), place_of("b", "B"))
    dispatch.leave()
    assert dispatch.drop(ClientOrderId(name), Symbol(symbol)) is None


@given(
    st.integers(1, 8),
    st.lists(
        st.tuples(st.sampled_from(["place", "cancel", "done", "leave"]), st.integers(0, 9)),
        max_size=60,
    ),
)
def test_every_request_leaves_once_and_bounds_always_hold(
    concurrency: int, acts: list[tuple[str, int]]
) -> None:
    """Nothing is lost, doubled or stuck; no cancel leaves while its place is in flight."""
    dispatch = Dispatch(concurrency)
    added: list[str] = []
    left: list[str] = []
    flying: list[Ready] = []

    def leave() -> None:
        for one in dispatch.leave():
            target = one.sealed.client_order_id
            if not one.is_place:
                places = [f.sealed.client_order_id for f in flying if f.is_place]
                assert target not in places
            flying.append(one)
            left.extend(names([one]))
        by_symbol = [one.sealed.symbol for one in flying]
        assert len(flying) == dispatch.in_flight <= concurrency
        assert all(by_symbol.count(s) <= max(1, concurrency // 2) for s in by_symbol)

    for number, (act, choice) in enumerate(acts):
        symbol = "ABC"[choice % 3]
        if act == "place":
            one = place_of(f"{symbol}{number}", symbol)
        elif act == "cancel" and added:
            target = added[choice % len(added)].lstrip("x")
            one = cancel_of(target, target[0])
        elif act == "done" and flying:
            dispatch.done(flying.pop(choice % len(flying)))
            continue
        else:
            leave()
            continue
        dispatch.add(one)
        added.extend(names([one]))
    for _ in range(2 * len(added) + 1):
        leave()
        while flying:
            dispatch.done(flying.pop())
    assert sorted(left) == sorted(added)


def test_a_protection_lowers_the_slots_and_gives_them_back() -> None:
    """B10: one request at a time while it is in force; what is in flight is not taken back."""
    dispatch = Dispatch(8)
    for name in "abcdefgh":
        dispatch.add(ready(name, name))
    dispatch.limit(2)
    first = dispatch.leave()
    assert len(first) == 2
    dispatch.limit(1)
    dispatch.done(first[0])
    assert dispatch.leave() == []
    dispatch.done(first[1])
    assert len(dispatch.leave()) == 1
    dispatch.limit(None)
    assert len(dispatch.leave()) == 5
