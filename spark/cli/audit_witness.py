"""
`spark audit witness`: remembers the audit trail outside the host that writes it.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from spark.cli.output import say

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def witness(
    *,
    directory: Annotated[Path, typer.Option(help="Its key and what it has seen; made if new.")],
    key: Annotated[Path, typer.Option(help="The auditor's public keys; may grow meanwhile.")],
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 is any.")] = 8790,
    token_file: Annotated[
        Path | None, typer.Option(help="The bearer token that it asks for.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Judge what stands on standard input, print, end.")
    ] = False,
) -> None:
    """
    Give receipts for checkpoints that grow out of what was seen before, and refuse all others.

    Run it on another machine than the stack's. `--once` is for SPARK_AUDIT_WITNESS_COMMAND.
    """
    from spark.audit_anchor import LINE_BYTES_MAX
    from spark.codec import encode
    from spark.log import set_up
    from spark.ops.audit_witness import KeysFile, open_desk, serve
    from spark.secret_files import read_secret
    from spark.worker import supervise

    if host not in _LOOPBACK and token_file is None:
        raise typer.BadParameter(
            "--host beyond loopback needs --token-file, and TLS in front of it"
        )
    set_up("witness", "json")
    desk = open_desk(directory, KeysFile(key).is_signed, wall_ns=time.time_ns)
    if once:
        sys.stdout.buffer.write(encode(desk.show(sys.stdin.buffer.read(LINE_BYTES_MAX))) + b"\n")
        return
    token = b"" if token_file is None else read_secret(token_file)

    def told(address: str) -> None:
        say(f"{desk.name} at {address}, {desk.memory.tree.size} links known")

    async def work(stop: asyncio.Event) -> None:
        await serve(desk, (host, port), token=token, stop=stop, told=told)

    raise typer.Exit(supervise.run(work))
