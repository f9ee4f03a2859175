"""
A person's word: composed with sense, signed over its exact bytes, appended once.
"""

import pytest

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Partition
from spark.clock import ManualClock
from spark.codec import decode_as, encode
from spark.errors import RefusedError
from spark.events import HaltName, LimitValues, ProposalSigned
from spark.ledger.control import PROPOSAL_LIFE_NS_MAX, proposal_id
from spark.names import TradingMode
from spark.producers import words
from spark.topics import CONTROL
from tests.keyed import LOG_EPOCH, people, person
from tests.made import ACCOUNT, NOW_NS
from tests.persons import LOCAL, SECOND

HALT = HaltName(halt="kill-1", offset=0)


def operator(name: str = LOCAL) -> words.Operator:
    return words.Operator(name, person(name), LOG_EPOCH, ManualClock(NOW_NS))


async def test_s11_both_persons_sign_the_same_bytes() -> None:
    """S11: the approval is a signature over the proposal as it stands, not over a copy of it."""
    broker = MemoryBroker({CONTROL: 1})
    bus = MemoryBus(broker)
    asked = words.resume_trading(operator(), [HALT], reason="tried")
    first = await words.propose(bus, operator(), asked)
    second = await words.approve(bus, operator(SECOND), encode(asked))
    assert (first.offset, second.offset) == (0, 1)
    assert first.proposal_id == second.proposal_id == proposal_id(encode(asked))
    said = [
        decode_as(ProposalSigned, record.value or b"")
        for record in broker.log(Partition(CONTROL, 0))
    ]
    assert said[0].proposal == said[1].proposal == encode(asked).decode()
    for one, name in zip(said, (LOCAL, SECOND), strict=True):
        assert one.person == name
        assert people().has_signed(name, one.proposal.encode(), one.signature, offset=0)


def test_s11_a_proposal_lives_less_long_than_its_readers_grant() -> None:
    """S11: a person's clock may be minutes ahead of the broker's, and the word still counts."""
    asked = words.set_mode(operator(), ACCOUNT, TradingMode.PAPER, ramp_pct=1, reason="night")
    assert asked.created_ns == NOW_NS
    assert 0 < asked.expires_ns - NOW_NS < PROPOSAL_LIFE_NS_MAX
    assert (asked.proposed_by, asked.log_epoch) == (LOCAL, LOG_EPOCH)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "two\nlines", "bell\x07", "\x1b[2J"])
def test_a_reason_is_said_and_printable(reason: str) -> None:
    """It stays on the log and is shown to whoever approves: neither empty nor a trick."""
    with pytest.raises(RefusedError, match="a reason of 1 to 500"):
        words.set_limits(operator(), ACCOUNT, "", version=1, limits=LimitValues(), reason=reason)


def test_a_resume_names_some_halts_and_not_too_many() -> None:
    """A resume of nothing, or of more than fits into one record, is refused before it is signed."""
    for count in (0, words.HALTS_NAMED_MAX + 1):
        with pytest.raises(RefusedError, match="a resume names 1 to 200 halts"):
            words.resume_trading(operator(), [HALT] * count, reason="tried")


async def test_a_resume_with_the_longest_names_of_files_fits() -> None:
    """As many kills as a latch directory may have, each with a name as long as a file's."""
    bus = MemoryBus(MemoryBroker({CONTROL: 1}))
    many = [HaltName(halt=f"latch:{n:0255}@{NOW_NS}", offset=-1) for n in range(64)]
    asked = words.resume_trading(operator(), many, reason="tried")
    assert (await words.propose(bus, operator(), asked)).offset == 0


async def test_a_word_that_the_topic_would_refuse_is_refused_here() -> None:
    """More bytes than `control` takes are an answer, not a failed produce."""
    bus = MemoryBus(MemoryBroker({CONTROL: 1}))
    many = [HaltName(halt="x" * 400, offset=n) for n in range(words.HALTS_NAMED_MAX)]
    asked = words.resume_trading(operator(), many, reason="tried")
    with pytest.raises(RefusedError, match="name fewer halts"):
        await words.propose(bus, operator(), asked)
    assert (await bus.ends([Partition(CONTROL, 0)]))[Partition(CONTROL, 0)] == 0


def test_s18_an_operator_shows_no_key() -> None:
    """S18: nothing that is printed of a person names their key."""
    assert "key" not in repr(operator()).replace("op-local", "")
