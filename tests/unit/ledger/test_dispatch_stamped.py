"""
The line of an exchange that wants growing stamps: their order, one at a time (R12).
"""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from spark.ledger.dispatch import Ready, StampedDispatch
from tests.unit.ledger.test_dispatch import cancel_of, names, place_of


def stamped(ready: Ready, stamp: int, offset: int | None = None) -> Ready:
    """The same request with this stamp, where it stood on the log in that order."""
    sealed = replace(ready.sealed, stamped_ns=stamp)
    return replace(ready, sealed=sealed, offset=stamp if offset is None else offset)


def line(*requests: Ready, claimed_below: int = 0) -> StampedDispatch:
    dispatch = StampedDispatch(claimed_below)
    for one in requests:
        dispatch.add(one)
    return dispatch


def test_r12_one_request_is_in_flight_whatever_its_symbol() -> None:
    """R12, trap 1: X at 100, Y at 101: Y does not go before X is answered."""
    x, y = stamped(place_of("x", "X"), 100), stamped(place_of("y", "Y"), 101)
    dispatch = line(y, x)
    assert names(dispatch.leave()) == ["x"]
    assert dispatch.places_in_flight == {"x"}
    assert dispatch.leave() == []
    dispatch.done(x)
    assert names(dispatch.leave()) == ["y"]
    assert dispatch.in_flight == 1


def test_r12_a_cancel_overtakes_nobody() -> None:
    """R12, trap 1: its stamp is the last one, so everything before it would be refused."""
    place, cancel = stamped(place_of("p"), 100), stamped(cancel_of("q"), 101)
    dispatch = line(cancel, place)
    assert names(dispatch.leave()) == ["p"]
    dispatch.done(place)
    assert names(dispatch.leave()) == ["xq"]
    assert dispatch.places_in_flight == frozenset()


def test_r12_a_request_that_was_overtaken_is_found() -> None:
    """R12, trap 1, fault S2: by this process or by one before it; it ends as STAMP_OVERTAKEN."""
    early, late = stamped(place_of("e"), 100), stamped(place_of("l"), 101)
    dispatch = line()
    assert not dispatch.is_overtaken(early)
    dispatch.claims(late)
    assert dispatch.is_overtaken(early)
    assert dispatch.is_overtaken(late), "a stamp is used once"
    restarted = line(claimed_below=102)
    assert restarted.is_overtaken(early)
    assert not restarted.is_overtaken(stamped(place_of("n"), 200, offset=102))


def test_r12_who_is_held_back_holds_the_line() -> None:
    """R12: what may not go yet is not passed by what may."""
    place, cancel = stamped(place_of("p"), 100), stamped(cancel_of("q"), 101)
    dispatch = line(place, cancel)
    assert dispatch.leave(lambda ready: not ready.is_place) == []
    assert names(dispatch.leave()) == ["p"]


def test_a_place_that_was_cancelled_in_the_line_leaves_it() -> None:
    """A4: a cancel of what has not left costs no request."""
    one, two = stamped(place_of("a"), 100), stamped(place_of("b"), 101)
    dispatch = line(one, two)
    assert dispatch.drop(one.sealed.client_order_id, one.sealed.symbol) is one
    assert dispatch.drop(one.sealed.client_order_id, one.sealed.symbol) is None
    assert names(dispatch.leave()) == ["b"]


@given(st.permutations(range(1, 9)), st.lists(st.sampled_from(["add", "leave", "done"])))
def test_r12_stamps_never_go_backwards(stamps: list[int], acts: list[str]) -> None:
    """
    R12: however requests arrive, each that is sent has a higher stamp than the one before.

    Fault S2.
    """
    dispatch, flying, sent = line(), list[Ready](), list[int]()
    waiting = [
        stamped(place_of(str(n)) if n % 3 else cancel_of(str(n)), n, offset=n) for n in stamps
    ]
    for act in [*acts, *["add", "leave", "done"] * 10]:
        if act == "add" and waiting:
            dispatch.add(waiting.pop())
        elif act == "leave":
            for ready in dispatch.leave():
                if dispatch.is_overtaken(ready):
                    dispatch.done(ready)
                else:
                    dispatch.claims(ready)
                    flying.append(ready)
                    sent.append(ready.sealed.stamped_ns)
        elif act == "done" and flying:
            dispatch.done(flying.pop())
        assert len(flying) <= 1
    assert sent == sorted(set(sent))
