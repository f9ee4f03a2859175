"""
A drill's stack as a process of its own, so that its supervisor can be killed, too.

`python -I -m spark.bench.crash.runner PLAN` starts the stack that a file describes and
keeps it until SIGTERM. It is on the drill's leash: a drill that dies leaves nothing.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from spark.embedded.plan import StackOptions
from spark.embedded.screen_plain import PlainScreen
from spark.embedded.stack import Stack
from spark.errors import SparkError

#: What a drill starts.
MODULE: Final = "spark.bench.crash.runner"
OPTIONS: Final = TypeAdapter(StackOptions)


async def _run(options: StackOptions) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    stack = Stack(options, PlainScreen(_say))
    try:
        await stack.start()
        await stop.wait()
    except SparkError as error:
        _say(f"{type(error).__name__}: {error}")
        return int(error.exit_code)
    finally:
        await stack.stop()
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(asyncio.run(_run(OPTIONS.validate_json(Path(sys.argv[1]).read_bytes()))))
