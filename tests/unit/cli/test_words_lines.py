"""
Proposals in words: nothing that moves a cursor, nothing that reads as what it is not.
"""

import pytest

from spark.cli.words_desk import Sight
from spark.cli.words_lines import halt_line, printable, proposal_lines, span
from spark.events import Event, LimitValues
from spark.ledger.control import fold_control
from spark.names import TradingMode
from spark.ops.control_reader import ControlLog
from spark.topics import CONTROL_HALT
from tests.keyed import people
from tests.made import NOW_NS, SECOND_NS
from tests.persons import demoted, halted, resume, set_mode


@pytest.mark.parametrize("text", ["\x1b[2Jnothing", "two\nlines", "bell\x07", "rtl\u202e"])
def test_what_others_wrote_moves_no_cursor(text: str) -> None:
    """A reason cannot repaint the screen on which somebody decides."""
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) > len(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (-1, "0 s"),
        (119 * SECOND_NS, "119 s"),
        (120 * SECOND_NS, "2 min"),
        (7200 * SECOND_NS, "2 h"),
        (172_800 * SECOND_NS, "2 d"),
    ],
)
def test_a_span_has_one_unit(ns: int, text: str) -> None:
    """Two significant digits tell enough of how long something waits."""
    assert span(ns) == text


def test_a_resume_says_what_each_halt_is() -> None:
    """Who approves sees whose kill it is and why; an unknown one stands out."""
    log = ControlLog(people(), TradingMode.LIVE)
    halts: list[Event] = [halted(reason="smoke"), demoted(orders_per_minute_max=1)]
    for offset, one in enumerate(halts):
        fold_control(
            log.control,
            one,
            topic=CONTROL_HALT,
            offset=offset,
            appended_ns=NOW_NS,
            people=log.people,
            start_mode=TradingMode.LIVE,
        )
    seen = Sight(log, {}, None, TradingMode.LIVE, NOW_NS + 3 * SECOND_NS)
    asked = resume(("kill-1", 0), ("demotion-1", 1), ("latch:try@17", -1), ("kill-9", 9))
    head, kill, demotion, latch, unknown, reason = proposal_lines(asked, seen, LimitValues())
    assert "4 halt(s)" in head
    assert kill.strip() == "kill kill-1@0 of every account; op-local by cli, 3 s ago: smoke"
    assert "demotion to mode paper, orders a minute 1" in demotion
    assert "latch:try@17, outside the log" in latch
    assert "kill-9@9, WHICH IS NOT ON THE LOG" in unknown
    assert reason == "reason: tried"
    assert halt_line(log.control.halts["kill-1@0"], NOW_NS).startswith("kill kill-1@0")
    (line, _) = proposal_lines(set_mode(TradingMode.LIVE, 5), seen, LimitValues())
    assert line == "mode of binance:main: live → live, ramp not said → 5 %"
