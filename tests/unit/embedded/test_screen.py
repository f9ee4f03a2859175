"""Both screens, told the same story."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.screen import Opening, Screen, Summary, phase
from spark.embedded.screen_live import LiveScreen
from spark.embedded.screen_plain import PlainScreen
from spark.embedded.screen_stream import PatientStream, Progress, choose_screen
from spark.embedded.screen_text import closing, title
from spark.embedded.view import Latency, OrderLine, StackView
from spark.errors import EmbeddedUnavailable

_OPENING = Opening(version="1.2.3", name="dev", mode="live", endpoint="sim", home="/var/x")
_SUMMARY = Summary(
    seconds=75.0,
    mode="live",
    orders=12,
    acked=11,
    place_ack_ms_p50=8.25,
    feed_rows=1000,
    feed_to_db_ms_p50=None,
    restarts=1,
    stop_s=1.5,
    is_data_kept=True,
    home="/var/x",
)


def _child(state: ChildState, **more: object) -> ChildStatus:
    fields: dict[str, object] = {"pid": 77, "restarts": 0, "ready_after_s": 0.8, "detail": ""}
    return ChildStatus(name="gateway", state=state, **{**fields, **more})  # type: ignore[arg-type]


def _view() -> StackView:
    return StackView(
        uptime_s=12.0,
        children=(_child(ChildState.READY),),
        place_ack=Latency(p50_ms=8.25, p95_ms=14.0, p99_ms=1200.0, in_window=500, total=900),
        feed_to_db=Latency(p50_ms=1.0, p95_ms=2.0, p99_ms=3.0, in_window=3, total=3),
        lag_records={"gateway": 1234},
        is_killed=False,
        blocks={"notional_exceeded": 2},
        decisions={"order_approved": 900},
        rows_written=3,
        records_audited=4000,
        orders=(
            OrderLine(
                at_ns=1_700_000_000_000_000_000,
                text="buy 1 BTCUSDT @ 60000",
                state="submitted",
                hops=(("guard", 3.0), ("ack", 12.0)),
                place_ack_ms=12.0,
            ),
        ),
    )


def _tell(screen: Screen) -> None:
    screen.opened(_OPENING)
    screen.isolation_known("started as an ordinary user")
    with phase(screen, "kafka") as now:
        now.moved("starting")
        now.detail = "embedded"
    screen.running([("Logs", "/var/x/logs")])
    screen.ticked(_view())
    screen.child_changed(_child(ChildState.PAUSING, detail="was ended by SIGKILL after 2.0 s"))
    screen.child_changed(_child(ChildState.READY, restarts=1))
    halt = ("epoch 7 was expected", "the log was cut")
    screen.child_changed(_child(ChildState.HALTED, detail="exited with 7", last_lines=halt))
    screen.ticked(_view())
    screen.stopping(["gateway"])
    screen.closed(_SUMMARY)


def _plain() -> str:
    lines: list[str] = []
    _tell(PlainScreen(lines.append))
    return "\n".join(lines)


def _live() -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, height=50, highlight=False)
    _tell(LiveScreen(console))
    return stream.getvalue()


@pytest.mark.parametrize("show", [_plain, _live])
@pytest.mark.parametrize(
    "words",
    [
        "mode LIVE on endpoint sim (nothing here can reach a real exchange)",
        "NO ISOLATION: started as an ordinary user",
        "embedded",
        "/var/x/logs",
        "gateway was ended by SIGKILL after 2.0 s; starting it again",
        "gateway works again, 0.8 s after its start",
        "gateway exited with 7 and is left alone: a person has to look",
        "epoch 7 was expected",
        "the log was cut",
        "8.2 ms",
        "— (n=3)",
        "buy 1 BTCUSDT @ 60000",
        "guard+3 ack+12",
        "stopping gateway",
        "ran 1 min 15 s in mode LIVE · orders 12, acknowledged 11, Place→ACK p50 8.2 ms",
        "data kept in /var/x",
    ],
)
def test_both_screens_say_the_same(show: Callable[[], str], words: str) -> None:
    """
    Whoever reads a log file misses nothing that a terminal shows.
    """
    assert words in show()


def test_lines_hold_no_escape_code() -> None:
    """
    Off a terminal a start can be searched with grep.
    """
    assert "\x1b" not in _plain()


def test_a_quantile_of_few_observations_is_not_shown() -> None:
    """
    Three observations have no P99; their number is shown instead.
    """
    text = _live()
    assert "3.0 ms" not in text
    assert "— (n=3)" in text


def test_a_failed_phase_says_why_and_passes_the_error_on() -> None:
    """
    The reason stands where the phase stands, and the command still fails.
    """
    lines: list[str] = []
    with (
        pytest.raises(EmbeddedUnavailable),
        phase(PlainScreen(lines.append), "jars"),
    ):
        raise EmbeddedUnavailable("no network")
    assert lines == ["jars: failed after 0.0 s: no network"]


def test_a_stream_whose_reader_has_gone_is_written_to_no_more() -> None:
    """
    A stack does not die with the terminal that it was started in.
    """

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

    stream = PatientStream(Gone())
    assert stream.write("x") == 1
    stream.flush()


def test_what_an_encoding_lacks_is_replaced() -> None:
    """
    An ASCII log loses an arrow, not the line.
    """
    raw = io.BytesIO()
    stream = PatientStream(io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    stream.write("Place→ACK")
    assert raw.getvalue() == b"Place?ACK"


@pytest.mark.parametrize("progress", [Progress.AUTO, Progress.PLAIN])
def test_a_pipe_gets_lines(progress: Progress) -> None:
    """
    Nothing moves a cursor that is not there.
    """
    stream = io.StringIO()
    choose_screen(stream, progress).noted("x")
    assert stream.getvalue() == "x\n"


def test_no_progress_is_silence() -> None:
    """
    Whoever asked for nothing gets nothing.
    """
    stream = io.StringIO()
    choose_screen(stream, Progress.NONE).noted("x")
    assert not stream.getvalue()


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("live", "nothing here can reach a real exchange"),
        ("paper", "orders are filled on paper from the live book, nothing is sent"),
        ("shadow", "orders are guarded, signed and measured, nothing is sent"),
    ],
)
def test_the_title_says_what_the_mode_does(mode: str, said: str) -> None:
    """B1: whoever looks knows what becomes of an order here."""
    text = title(replace(_OPENING, mode=mode))
    assert f"mode {mode.upper()} on endpoint sim ({said})" in text


def test_the_last_line_says_how_far_orders_went() -> None:
    """H1: in shadow nothing is acknowledged; the number counts what was sealed."""
    line, _ = closing(replace(_SUMMARY, mode="shadow"))
    assert "in mode SHADOW · orders 12, sealed, not sent 11, Place→ACK p50" in line
