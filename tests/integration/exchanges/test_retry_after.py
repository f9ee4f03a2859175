"""
`Retry-After` on any status, at every exchange, is a pause: read once, honoured everywhere.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.clock import SystemClock
from spark.errors import VenueUnavailable
from spark.events import OrderRejected
from spark.exchanges.binance.account_client import BinanceAccount
from spark.exchanges.btcturk.client import BtcturkAccount
from spark.exchanges.http import RETRY_AFTER_S_MAX, seconds_away
from spark.exchanges.port import AccountVenue, Answer, SignedRequest
from spark.names import AccountId, Venue
from tests.contract.venue_scenes import REPLY_MS_MAX, orders_of, public_of, signer_of
from tests.venues import about, approved

_DATE: Final = "Wed, 21 Oct 2026 07:28:00 GMT"
_LATER: Final = "Wed, 21 Oct 2026 07:29:30 GMT"
_VENUES: Final = [Venue.BINANCE, Venue.BTCTURK]
_REFUSAL: Final = {
    Venue.BINANCE: '{"code":-2010,"msg":"Account has insufficient balance for requested action."}',
    Venue.BTCTURK: '{"success":false,"message":"BALANCE_NOT_ENOUGH","code":1121,"data":null}',
}


@asynccontextmanager
async def answering(head: str, body: str = "", *, cut: int = 0) -> AsyncIterator[str]:
    """Answer each request with this, or with less of the body than was promised."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while asked := await reader.readuntil(b"\r\n\r\n"):
                sent = re.search(rb"Content-Length: (\d+)", asked)
                await reader.readexactly(int(sent[1]) if sent else 0)
                length = len(body) + cut
                writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}".encode())
                if cut:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def asking(venue: Venue, url: str) -> AccountVenue:
    make = BinanceAccount if venue is Venue.BINANCE else BtcturkAccount
    return make(url, SystemClock(), reply_ms_max=REPLY_MS_MAX)


def question() -> SignedRequest:
    return SignedRequest(
        method="GET", path="/x", query="", headers={}, body="", stamp_ns=0, final_after_ns=0
    )


@pytest.mark.parametrize("venue", _VENUES)
@pytest.mark.parametrize(
    ("head", "cut", "cause", "seconds"),
    [
        ("503 Service Unavailable\r\nRetry-After: 30", 0, "server_error", 30),
        (f"503 S\r\nDate: {_DATE}\r\nRetry-After: {_LATER}", 0, "server_error", 90),
        ("403 Forbidden\r\nRetry-After: 60", 0, "firewall", 60),
        ("307 Elsewhere\r\nLocation: /y\r\nRetry-After: 2", 0, "unexpected_status", 2),
        ("200 OK\r\nRetry-After: 5", 0, "unreadable", 5),
        ("503 S\r\nRetry-After: 7", 9, "connection_lost", 7),
        ("503 Service Unavailable", 0, "server_error", 0),
    ],
    ids=["503", "date", "firewall", "redirect", "unreadable", "cut", "none"],
)
async def test_a4_an_unknown_comes_with_its_pause(
    venue: Venue, head: str, *, cut: int, cause: str, seconds: int
) -> None:
    """
    A4: whose pause it is was not said, so it is everybody's; A8: the unknown stays one.

    Fault V4.
    """
    order = approved(AccountId(f"{venue}:main"), "one")
    request = signer_of(venue).place(order, 1_800_000_000_000_000_000)
    async with answering(head, cut=cut) as url:
        orders = orders_of(venue, url)
        placed = await orders.place(request, about(order), lambda: True)
        cancelled = await orders.cancel(request, about(order), lambda: True)
        await orders.close()
    for outcome in (placed, cancelled):
        assert (outcome.answer, outcome.cause, outcome.evidence) == (Answer.UNKNOWN, cause, ())
        assert (outcome.retry_after_s, outcome.is_address_limited) == (seconds, seconds > 0)


@pytest.mark.parametrize("venue", _VENUES)
async def test_a4_a_refusal_of_another_kind_comes_with_its_pause(venue: Venue) -> None:
    """A4: the refusal is what it is, and nothing more goes until the pause is over."""
    order = approved(AccountId(f"{venue}:main"), "one")
    request = signer_of(venue).place(order, 1_800_000_000_000_000_000)
    async with answering("400 Bad Request\r\nRetry-After: 4", _REFUSAL[venue]) as url:
        orders = orders_of(venue, url)
        outcome = await orders.place(request, about(order), lambda: True)
        await orders.close()
    (refused,) = outcome.evidence
    assert isinstance(refused, OrderRejected)
    assert refused.code in {"INSUFFICIENT_BALANCE", "BALANCE_NOT_ENOUGH"}
    assert (outcome.retry_after_s, outcome.is_address_limited) == (4, True)


@pytest.mark.parametrize("venue", _VENUES)
@pytest.mark.parametrize("cut", [0, 9])
async def test_a4_a_question_without_an_answer_comes_with_its_pause(venue: Venue, cut: int) -> None:
    """A4: public and private questions alike."""
    async with answering("503 S\r\nRetry-After: 30", cut=cut) as url:
        account, public = asking(venue, url), public_of(venue, url)
        with pytest.raises(VenueUnavailable) as private:
            await account.balances(question())
        with pytest.raises(VenueUnavailable) as open_to_all:
            await public.clock()
        await account.close()
        await public.close()
    for error in (private.value, open_to_all.value):
        assert (error.retry_after_s, error.is_address_limited) == (30, True)


@pytest.mark.parametrize("venue", _VENUES)
async def test_a4_a_refused_question_comes_with_its_pause(venue: Venue) -> None:
    """A4: on a documented refusal, too."""
    async with answering("400 Bad Request\r\nRetry-After: 4", _REFUSAL[venue]) as url:
        account = asking(venue, url)
        with pytest.raises(VenueUnavailable, match=r"(BALANCE|ENOUGH), HTTP 400") as caught:
            await account.balances(question())
        await account.close()
    assert (caught.value.retry_after_s, caught.value.is_address_limited) == (4, True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 7 "}, 7),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "x"}, 0),
        ({"Retry-After": "-1"}, 0),
        ({"Retry-After": "٣"}, 0),
        ({"Retry-After": "9" * 5_000}, RETRY_AFTER_S_MAX),
        ({"Retry-After": _LATER, "Date": _DATE}, 90),
        ({"Retry-After": _DATE, "Date": _LATER}, 0),
        ({"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT", "Date": _DATE}, RETRY_AFTER_S_MAX),
        ({"Retry-After": "Wed, 21 Oct 2026 07:29:30 -0000", "Date": _DATE}, 90),
        # Without its own date a reply's date says nothing: the clocks may differ.
        ({"Retry-After": _LATER}, 0),
        ({"Retry-After": _LATER, "Date": "yesterday"}, 0),
    ],
)
def test_a4_the_header_is_read_to_the_letter(headers: Mapping[str, str], seconds: int) -> None:
    """
    A4: seconds or a date; what cannot be read asks for nothing, what is absurd for the most.

    Fault V3.
    """
    assert seconds_away(headers) == seconds


@given(said=st.text(max_size=60), date=st.text(max_size=60))
def test_a4_any_header_is_a_number_of_seconds(said: str, date: str) -> None:
    """A4: nothing that a header can hold raises."""
    for own in (date, _DATE):
        assert 0 <= seconds_away({"Retry-After": said, "Date": own}) <= RETRY_AFTER_S_MAX
