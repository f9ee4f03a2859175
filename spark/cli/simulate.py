"""
`spark simulate`: an exchange simulator by itself, in the foreground.
"""

import typer

app = typer.Typer(no_args_is_help=True, help="Run an exchange simulator by itself.")


@app.command(
    "binance",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def binance(context: typer.Context) -> None:
    """
    Simulate Binance spot on loopback; `spark simulate binance --help` lists its options.
    """
    from spark.exchanges.simulator.__main__ import main

    raise typer.Exit(main(list(context.args)))
