"""
`python -m spark.exchanges.simulator [VENUE]`: one exchange's simulator by itself.
"""

import argparse
import sys
from pathlib import Path

from spark.exchanges.simulator.options import MARKET_STEPS_PER_S, Options
from spark.exchanges.simulator.server import VENUES, serve
from spark.names import Venue


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    speed = float(text)
    if speed <= 0:
        raise ValueError
    return speed


def _symbols(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _habit(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m spark.exchanges.simulator",
        description="An exchange on loopback, with a ledger and faults on demand.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("venue", nargs="?", type=Venue, choices=VENUES, default=Venue.BINANCE, help="which one")
    add("--host", default="127.0.0.1", help="loopback address to bind")
    add("--port", type=int, default=0, help="REST and streams; 0 picks a free one")
    add("--admin-port", type=int, default=0, help="judges' port; 0 picks a free one")
    add("--admin-token-file", type=Path, help="bearer token of the judges' port, mode 0400")
    add("--keys-file", type=Path, required=True, help="API keys and balances, mode 0400")
    add("--limits", choices=("real", "off"), default="real", help="rate limits")
    add("--seed", type=int, default=42, help="of the self-made market")
    add("--symbols", type=_symbols, default=(), help="on offer; the venue's usual ones if none")
    add("--market-rate", type=float, default=MARKET_STEPS_PER_S,
        help="acts of the market per symbol and second; 0 keeps it still")  # fmt: skip
    add("--replay", type=Path, action="append", default=[],
        help="recorded frames, repeatable; Binance only")  # fmt: skip
    add("--speed", type=_speed, default=1.0, help="times the recorded pace, or max")
    add("--ready-file", type=Path, help="written as JSON when the ports are open")
    add("--ledger-file", type=Path, help="append-only JSON lines")
    add("--habit", type=_habit, action="append", default=[], metavar="NAME=VALUE",
        help="what the venue does where nobody is sure, repeatable")  # fmt: skip
    return parser


def main(arguments: list[str]) -> int:
    """Run a simulator with command-line options; return the exit code."""
    given = _parser().parse_args(arguments)
    return serve(
        Options(
            keys_file=given.keys_file,
            venue=given.venue,
            host=given.host,
            port=given.port,
            admin_port=given.admin_port,
            is_limited=given.limits == "real",
            seed=given.seed,
            symbols=given.symbols,
            market_steps_per_s=given.market_rate,
            replay=tuple(given.replay),
            speed=given.speed,
            ready_file=given.ready_file,
            ledger_file=given.ledger_file,
            admin_token_file=given.admin_token_file,
            habits=tuple(given.habit),
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
