"""
`spark simulate`: an exchange simulator by itself, in the foreground.
"""

import typer

from spark.names import Venue

app = typer.Typer(no_args_is_help=True, help="Run an exchange simulator by itself.")
_ANY_OPTION = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command("binance", context_settings=_ANY_OPTION, add_help_option=False)
def binance(context: typer.Context) -> None:
    """
    Simulate Binance spot on loopback; `spark simulate binance --help` lists its options.
    """
    _simulate(Venue.BINANCE, context.args)


@app.command("btcturk", context_settings=_ANY_OPTION, add_help_option=False)
def btcturk(context: typer.Context) -> None:
    """
    Simulate BTCTurk on loopback; `spark simulate btcturk --help` lists its options.
    """
    _simulate(Venue.BTCTURK, context.args)


def _simulate(venue: Venue, arguments: list[str]) -> None:
    from spark.errors import SettingError
    from spark.exchanges.simulator.__main__ import main
    from spark.names import Endpoint
    from spark.settings import read_settings

    if read_settings().trading.endpoint is Endpoint.REAL:
        raise SettingError(
            "SPARK_ENDPOINT=real: a simulator does not run where orders go to a real exchange; "
            "unset it here"
        )
    raise typer.Exit(main([venue, *arguments]))
