"""
`spark audit explain`: an order's whole life in words, with every reason.
"""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from spark.cli.output import JsonOption, print_json, print_line

if TYPE_CHECKING:
    from spark.ops.audit_explain import Life

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000


def explain(
    intent_id: Annotated[str, typer.Argument(help="An intent's id, or a client order id.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """
    Tell an order's whole life: who wanted what, what was decided on what, what became of it.
    """
    from spark.cli.audit_desk import explain_intent

    life = asyncio.run(explain_intent(intent_id))
    if as_json:
        print_json(asdict(life))
        return
    for line in life_lines(life):
        print_line(line)


def life_lines(life: "Life") -> list[str]:
    """Write a life as lines: time since the first record, since the one before, words."""
    from datetime import UTC, datetime

    first = life.told[0].appended_ns
    at = datetime.fromtimestamp(first // _NS_PER_S, UTC)
    named = f" · {life.client_order_id}" if life.client_order_id else ""
    lines = [f"intent {life.intent_id}{named} · {life.account} · since {at:%Y-%m-%d %H:%M:%S} UTC"]
    before = first
    for one in life.told:
        since = (one.appended_ns - first) // _NS_PER_MS
        step = (one.appended_ns - before) // _NS_PER_MS
        lines.append(f"{since:>8} ms  +{step:<6} {one.words}")
        lines += [f"{'':>20}  {text}" for text in one.under]
        lines.append(f"{'':>20}  [{one.kind} {one.place}]")
        before = one.appended_ns
    lines += life.unknowns
    if life.state:
        lines.append(f"now: {life.state}")
    return lines
