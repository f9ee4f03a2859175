"""
Dead letters and their cap.
"""

from hashlib import sha256

from spark.bus.port import Partition
from spark.codec import decode_as
from spark.events import DeadLettered
from spark.names import Reason
from spark.topics import BY_NAME, INTENTS
from spark.worker.contract import Fault
from spark.worker.quarantine import Quarantine
from tests.made import NOW_NS, SECOND_NS

ORIGIN = Partition(INTENTS, 0)
FAULT = Fault(reason=Reason.MALFORMED, detail="record: json_invalid")
CAP = 600


def letters(quarantine: Quarantine, count: int, now_ns: int = NOW_NS) -> int:
    """Bury so many; count the letters that are written."""
    made = [
        quarantine.letter(ORIGIN, offset, b"x", fault=FAULT, now_ns=now_ns)
        for offset in range(count)
    ]
    return sum(letter is not None for letter in made)


def test_a_letter_says_where_why_and_of_what() -> None:
    """The bytes stay on their topic; the letter leads back to them."""
    letter = Quarantine("guardrail").letter(ORIGIN, 7, b"bad", fault=FAULT, now_ns=NOW_NS)
    assert letter is not None
    assert letter.partition == Partition("dlq.guardrail", 0)
    assert decode_as(DeadLettered, letter.value) == DeadLettered(
        role="guardrail",
        topic=INTENTS,
        partition=0,
        offset=7,
        reason=Reason.MALFORMED,
        detail="record: json_invalid",
        bytes_len=3,
        sha256=sha256(b"bad").hexdigest(),
        at_ns=NOW_NS,
    )


def test_r20_a_flood_mutes_the_letters_and_not_the_stage() -> None:
    """R20: past the cap of a minute nothing is written and nothing is raised."""
    quarantine = Quarantine("guardrail")
    assert letters(quarantine, CAP + 100) == CAP
    assert letters(quarantine, 100) == 0


def test_r20_the_next_minute_is_heard_again() -> None:
    """R20: the cap is of a minute, so a flood that ends leaves nothing muted."""
    quarantine = Quarantine("guardrail")
    minute = NOW_NS - NOW_NS % (60 * SECOND_NS)
    assert letters(quarantine, CAP + 1, minute) == CAP
    assert letters(quarantine, 1, minute + 59 * SECOND_NS) == 0
    assert letters(quarantine, CAP + 1, minute + 60 * SECOND_NS) == CAP


def test_a_minute_of_letters_fits_its_topics_batches() -> None:
    """A letter is far below its topic's limit, whatever the input was."""
    letter = Quarantine("guardrail").letter(ORIGIN, 7, b"x" * 10**6, fault=FAULT, now_ns=NOW_NS)
    assert letter is not None
    assert len(letter.value) * 100 < BY_NAME["dlq.guardrail"].message_bytes_max
