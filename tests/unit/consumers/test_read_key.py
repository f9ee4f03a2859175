"""
A read key that its exchange refuses: kept back for long, and its successor not at all.
"""

from dataclasses import replace

import pytest

from spark.clock import ManualClock
from spark.consumers.read_key import REFUSED_NS, ReadKey
from spark.errors import VenueUnavailable
from spark.exchanges.port import Asked, Question, SignedRequest, unsigned
from tests.made import ACCOUNT, NOW_NS, SECOND_NS

ASKED = Asked(question=Question.BALANCES, account=ACCOUNT)


class Signing:
    """A signer whose key a test changes."""

    key = "first"

    async def ask(self, asked: Asked) -> SignedRequest:
        del asked
        return replace(unsigned(NOW_NS), key=self.key)


async def test_a_refused_key_is_kept_back_for_so_long() -> None:
    """Fault V7: BTCTurk's 50 refusals in a row would take hours; a mended key is found good."""
    clock = ManualClock(NOW_NS)
    key = ReadKey(Signing(), clock)
    key.refused(await key.ask(ASKED))
    clock.advance(REFUSED_NS - 1)
    with pytest.raises(VenueUnavailable, match="refused the read key") as kept:
        await key.ask(ASKED)
    assert not kept.value.is_key_refused, "nothing was sent, so nothing was refused anew"
    clock.advance(1)
    assert (await key.ask(ASKED)).key == "first"
    assert 50 * REFUSED_NS > 4 * 3_600 * SECOND_NS


async def test_a_new_key_is_tried_at_once() -> None:
    """Fault V7: what a person changed needs no restart and no wait."""
    signing = Signing()
    key = ReadKey(signing, ManualClock(NOW_NS))
    key.refused(await key.ask(ASKED))
    signing.key = "second"
    assert (await key.ask(ASKED)).key == "second"
    signing.key = "first"
    with pytest.raises(VenueUnavailable):
        await key.ask(ASKED)
