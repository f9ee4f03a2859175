"""
`spark order`: place, cancel, show and list orders, as the operator of this machine.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.durations import parse_duration
from spark.cli.exit_codes import ExitCode
from spark.cli.output import JsonOption, print_json, print_line
from spark.names import OrderState, Reason, Side, TimeInForce

if TYPE_CHECKING:
    from spark.ops.order_view import OrderRow

app = typer.Typer(no_args_is_help=True, help="Place, cancel, show and list orders.")

_MS_PER_NS = 1e-6
_DEFAULT_ACCOUNT = "binance:main"
#: Spark's own no, in contrast to the exchange's.
_REFUSALS = frozenset({"intent_refused", "signing_skipped", "request_not_sent"})

AccountOption = Annotated[str, typer.Option(help="Trading account.")]
TimeoutOption = Annotated[
    float, typer.Option(parser=parse_duration, metavar="SPAN", help="How long to wait.")
]
WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for the exchange's answer.")
]
IntentArgument = Annotated[str, typer.Argument(metavar="INTENT_ID")]


@app.command()
def place(
    symbol: Annotated[str, typer.Argument(help="BTCUSDT, …")],
    side: Annotated[Side, typer.Argument()],
    quantity: Annotated[str, typer.Argument(help="In the base asset.")],
    *,
    limit: Annotated[str, typer.Option(metavar="PRICE", help="Limit price.")] = "",
    market: Annotated[bool, typer.Option("--market", help="At the market's price.")] = False,
    time_in_force: Annotated[TimeInForce, typer.Option(help="Of a limit order.")] = TimeInForce.GTC,
    account: AccountOption = _DEFAULT_ACCOUNT,
    ttl: Annotated[
        float, typer.Option(parser=parse_duration, metavar="SPAN", help="Life of the intent.")
    ] = "5s",  # type: ignore[assignment]
    wait: WaitOption = True,
    timeout: TimeoutOption = "10s",  # type: ignore[assignment]
    as_json: JsonOption = False,
) -> None:
    """
    Place an order and show its way, hop by hop.
    """
    from spark.cli.order_desk import Placing, place_order

    if market == bool(limit):
        raise typer.BadParameter("say either --limit PRICE or --market")
    placing = Placing.of(
        symbol=symbol,
        side=side,
        quantity=quantity,
        limit=limit,
        time_in_force=time_in_force,
        account=account,
        ttl_s=ttl,
    )
    row = asyncio.run(place_order(placing, wait_s=timeout if wait else 0.0))
    _end(row, as_json=as_json, is_awaited=wait)


@app.command()
def cancel(
    intent_id: IntentArgument,
    *,
    wait: WaitOption = True,
    timeout: TimeoutOption = "10s",  # type: ignore[assignment]
    as_json: JsonOption = False,
) -> None:
    """
    Cancel an order, a strategy's too; a kill stops no cancel.
    """
    from spark.cli.order_desk import cancel_order

    row = asyncio.run(cancel_order(intent_id, wait_s=timeout if wait else 0.0))
    _end(row, as_json=as_json, is_awaited=wait)


@app.command()
def show(intent_id: IntentArgument, *, as_json: JsonOption = False) -> None:
    """
    Tell one order's story.
    """
    from spark.cli.order_desk import find_order

    row = asyncio.run(find_order(intent_id))
    if as_json:
        print_json(row_object(row))
    else:
        _print_story(row)


@app.command("list")
def list_orders(
    *,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000)] = 20,
    as_json: JsonOption = False,
) -> None:
    """
    List the latest orders and cancels, newest first.
    """
    from spark.cli.order_desk import latest_orders

    rows = asyncio.run(latest_orders(count))
    if as_json:
        print_json({"orders": [row_object(row) for row in rows]})
        return
    for row in rows:
        print_line(row_line(row))


def row_line(row: "OrderRow") -> str:
    """Write an order in one line."""
    what = row.target_intent_id if row.action == "cancel" else f"{row.quantity} {row.symbol}"
    price = f"@ {row.price}" if row.price else ""
    took = "" if row.place_ack_ms is None else f"{row.place_ack_ms:.0f} ms"
    head = f"{row.intent_id}  {row.strategy:<14} {row.action:<6} {row.side:<4} {what} {price}"
    return f"{head:<86} {row.mode or '-':<8} {outcome(row):<18} {took:>8}".rstrip()


def outcome(row: "OrderRow") -> str:
    """Say what became of an order or a cancel in one word."""
    if row.action != "cancel":
        return row.state.value
    if row.reasons:
        return "refused"
    return row.hops[-1].kind if row.is_settled else "pending"


def row_object(row: "OrderRow") -> dict[str, object]:
    """Turn a story into what `--json` prints."""
    first_ns = row.hops[0].appended_ns
    return {
        "intent_id": row.intent_id,
        "action": str(row.action),
        "account": row.account,
        "strategy": row.strategy,
        "symbol": row.symbol,
        "side": row.side,
        "order_type": row.order_type,
        "quantity": row.quantity,
        "price": row.price or None,
        "filled": row.filled,
        "client_order_id": row.client_order_id or None,
        "exchange_order_id": row.exchange_order_id or None,
        "target_intent_id": row.target_intent_id or None,
        "mode": row.mode or None,
        "state": outcome(row),
        "reasons": [
            {"code": str(reason.code), "found": reason.found, "limit": reason.limit}
            for reason in row.reasons
        ],
        "place_ack_ms": row.place_ack_ms,
        "hops": [
            {
                "kind": hop.kind,
                "topic": hop.topic,
                "offset": hop.offset,
                "appended_ns": hop.appended_ns,
                "after_ms": (hop.appended_ns - first_ns) * _MS_PER_NS,
                "detail": hop.detail,
            }
            for hop in row.hops
        ],
    }


def _print_story(row: "OrderRow") -> None:
    print_line(f"intent {row.intent_id}  {row.action}  {row.strategy}  {row.account}")
    first_ns = row.hops[0].appended_ns
    for hop in row.hops:
        after_ms = (hop.appended_ns - first_ns) * _MS_PER_NS
        print_line(f"  +{after_ms:>6.0f} ms  {hop.kind:<18} {hop.detail}".rstrip())
    took = "" if row.place_ack_ms is None else f" · Place→ACK {row.place_ack_ms:.0f} ms"
    mode = f" · {row.mode}" if row.mode else ""
    print_line(f"{outcome(row)}{took}{mode}")
    for reason in row.reasons:
        limit = "" if reason.limit is None else f", limit {reason.limit}"
        print_line(f"  {reason.code}: found {reason.found}{limit}")


def _end(row: "OrderRow", *, as_json: bool, is_awaited: bool) -> None:
    if as_json:
        print_json(row_object(row))
    else:
        _print_story(row)
    raise typer.Exit(_code(row, is_awaited=is_awaited))


def _code(row: "OrderRow", *, is_awaited: bool) -> ExitCode:
    kinds = {hop.kind for hop in row.hops}
    # A shadow order ends where it should: nobody refused it.
    is_shadow = any(reason.code is Reason.SHADOW_MODE for reason in row.reasons)
    if kinds & _REFUSALS and not is_shadow:
        return ExitCode.REFUSED
    if kinds & {"order_rejected", "cancel_rejected"}:
        return ExitCode.ERROR
    if row.state is OrderState.UNKNOWN or (is_awaited and not row.is_settled):
        return ExitCode.UNAVAILABLE
    return ExitCode.OK
