"""
What is said and heard of kills on an order path.
"""

from typing import Final

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.clock import SystemClock
from spark.codec import encode
from spark.events import (
    Event,
    HaltConfirmed,
    IntentRefused,
    ProcessPulsed,
    RequestNotSent,
    SigningSkipped,
)
from spark.names import Reason, Role
from tests.order_path import OrderPath
from tests.persons import LOCAL, SECOND, resume, signed

#: Who obeys kills.
PARTS: Final = (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY)


async def say(path: OrderPath, topic: str, *said: Event) -> list[int]:
    """Append what people or protections say; gives the offsets."""
    return await path.write(*(Outgoing(Partition(topic, 0), None, encode(one)) for one in said))


async def resumed(path: OrderPath, *halts: tuple[str, int]) -> int:
    """Let two persons resume after these halts; gives the offset of the second signature."""
    now_ns = SystemClock().wall_ns()
    asked = resume(*halts, created_ns=now_ns, expires_ns=now_ns + 600 * 10**9)
    return (await say(path, topics.CONTROL, signed(asked, LOCAL), signed(asked, SECOND)))[1]


def confirmations(path: OrderPath, halt: str, stage: str = "halted") -> dict[str, HaltConfirmed]:
    """List the first confirmation of each role for a kill."""
    found: dict[str, HaltConfirmed] = {}
    for one in path.tape.on(topics.CONTROL_CONFIRMED, HaltConfirmed):
        if one.stage == stage and halt in one.halts:
            found.setdefault(one.role, one)
    return found


async def confirmed(path: OrderPath, halt: str, stage: str = "halted") -> dict[str, HaltConfirmed]:
    """Wait for everybody's confirmation."""
    await path.tape.until(lambda: set(confirmations(path, halt, stage)) == set(PARTS))
    return confirmations(path, halt, stage)


async def heard(path: OrderPath, offset: int) -> None:
    """Wait until every part has read people's words up to an offset."""

    def have_read() -> bool:
        pulses = path.tape.on(topics.CONTROL_PULSE, ProcessPulsed)
        latest = {pulse.role: pulse.positions.get("control/0", 0) for pulse in pulses}
        return all(latest.get(role, 0) > offset for role in PARTS)

    await path.tape.until(have_read)


def codes(event: IntentRefused | SigningSkipped | RequestNotSent) -> list[Reason]:
    """Name the reasons of a refusal."""
    return [one.code for one in event.reasons]
