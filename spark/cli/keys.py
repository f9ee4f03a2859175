"""
`spark keys`: who holds which key, how old it is, and how it is changed. Never what it is.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.output import JsonOption, print_json, print_line, say

if TYPE_CHECKING:
    from spark.ops.keys_init import Item
    from spark.ops.keys_list import KeyRow

app = typer.Typer(no_args_is_help=True, help="Keys: who holds which, how old; make and change.")

RoleOption = Annotated[
    str, typer.Option(metavar="ROLE", help="This role's own directory alone (production).")
]
DirectoryOption = Annotated[
    Path | None,
    typer.Option("--dir", help="The role's secrets; else SPARK_SECRETS_DIR, else the home's."),
]


@app.command("list")
def list_command(
    *, role: RoleOption = "", directory: DirectoryOption = None, as_json: JsonOption = False
) -> None:
    """
    List names, key ids, holders and ages; of public keys the fingerprint.
    """
    from spark.cli.keys_desk import rows_of

    rows, now_ns = rows_of(role, directory)
    if as_json:
        print_json({"keys": [_row_object(row, now_ns) for row in rows]})
        return
    for row in rows:
        print_line(_row_line(row, now_ns))


@app.command()
def init(
    *,
    role: Annotated[str, typer.Option(metavar="ROLE", help="guardrail, signer, op-local, …")],
    directory: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    Make a role's own keys, as its own user; says what is to be carried where. Overwrites nothing.
    """
    from spark.cli.keys_desk import init_role

    _print_items(init_role(role, directory), as_json=as_json)


@app.command("lock")
def lock_command(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="op-local, op-second, …")],
    directory: DirectoryOption = None,
) -> None:
    """
    Put a person's signing key under a passphrase, which is asked for at each word from then on.
    """
    from spark.cli.keys_desk import lock_person

    path = lock_person(person, directory)
    say(f"{path}: has a passphrase now; nobody can find it, and without it nobody is {person}")


@app.command()
def rotate(
    *,
    pair: Annotated[
        list[str] | None, typer.Option(metavar="WRITER:VERIFIER", help="A tag key; repeatable.")
    ] = None,
    seal: Annotated[
        bool, typer.Option("--seal", help="The key between signer and gateway.")
    ] = False,
    audit: Annotated[
        bool, typer.Option("--audit", help="The auditor's signing key; not one of --all.")
    ] = False,
    exchange: Annotated[
        str, typer.Option(metavar="VENUE", help="Both keys at a simulated exchange.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="Every key that two roles share.")] = False,
    role: RoleOption = "",
    directory: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    Change keys while everything runs: verifiers first, the old one for at most 10 minutes.
    """
    from spark.cli import keys_desk

    if not (pair or seal or audit or exchange or every):
        raise typer.BadParameter("say which: --pair, --seal, --audit, --exchange or --all")
    wanted = keys_desk.chosen(pair or (), has_seal=seal, is_all=every)
    if role:
        items = keys_desk.new_slots(role, directory, wanted) if wanted else []
        items += [keys_desk.new_audit_slot(role, directory)] if audit else []
        _print_items(items, as_json=as_json)
        return
    changed = asyncio.run(keys_desk.rotate_here(wanted, exchange, has_audit=audit))
    if as_json:
        print_json({"rotated": changed})
        return
    for one in changed:
        print_line(f"{one['key']:<34} generation {one['generation']}   old until {one['until']}")
    say(f"{len(changed)} keys changed")
    if audit:
        say(
            "the new audit key signs from then on; every witness needs public/audit.keys.pub before"
        )


def _row_object(row: "KeyRow", now_ns: int) -> dict[str, object]:
    return {
        "holder": row.holder,
        "file": row.file,
        "kid": row.kid or None,
        "age_days": row.age_days(now_ns),
        "since_ns": row.since_ns,
        "old_until_ns": row.until_ns or None,
        "is_unfinished": row.is_unfinished,
        "fingerprint": row.fingerprint or None,
    }


def _row_line(row: "KeyRow", now_ns: int) -> str:
    from spark.cli.keys_desk import clock_text

    notes = [f"{row.age_days(now_ns)} d"]
    notes += [row.kid] if row.kid else []
    notes += [f"sha256:{row.fingerprint}"] if row.fingerprint else []
    notes += [f"old, until {clock_text(row.until_ns)}"] if row.until_ns else []
    notes += ["UNFINISHED: run `spark keys rotate` for it again"] if row.is_unfinished else []
    return f"{row.holder:<16} {row.file:<40} {' · '.join(notes)}"


def _print_items(items: "list[Item]", *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "files": [
                    {"file": item.file, "origin": item.origin.value, "step": item.step or None}
                    for item in items
                ]
            }
        )
        return
    for item in items:
        print_line(f"{item.file:<40} {item.origin.value}")
        if item.step:
            print_line(f"    {item.step}")
