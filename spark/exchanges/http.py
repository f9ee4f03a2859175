"""
HTTP to an exchange: sends a request once, and says what came back of it.

No redirect is followed, nothing is sent again by the client, and the last check runs
with the connection in hand, right before the first byte (facts: protocol.md, "easy to
get wrong"). Errors carry a class and a status, never a URL: the URL is signed (S18).
"""

import socket
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from yarl import URL

from spark.clock import Clock
from spark.errors import VenueUnavailable
from spark.exchanges.answers import OK, RateLimited
from spark.exchanges.port import LastCheck, NotSentError, Outcome, SignedRequest
from spark.exchanges.proof import Times
from spark.exchanges.refusals import Subject, subject_of

_CONNECT_S_MAX: Final = 3.0
_KEEPALIVE_S: Final = 60.0
#: A peer that drips bytes begins its silence anew with each; this many silences are all it gets.
_SILENCES_MAX: Final = 3
RATE_LIMITED: Final = frozenset({418, 429})
RETRY_AFTER: Final = "Retry-After"
_DATE: Final = "Date"
#: The longest ban that any exchange documents; who wants more of us says so again by then.
RETRY_AFTER_S_MAX: Final = 3 * 86_400
#: More digits than that are noise, yet still mean: wait long.
_RETRY_AFTER_DIGITS_MAX: Final = 9
_DATE_LENGTH_MAX: Final = 40


class Refused(Protocol):
    """An answer that is of no use, and can be said in an error: never a message, never a body."""

    @property
    def words(self) -> str:
        """Give its token or its doubt, and its status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of a request that left."""

    #: 0 where nothing came back whole.
    status: int
    #: Neither is for showing: what stands there is not ours (S18).
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    #: Why nothing did: `timeout` or `connection_lost`; empty where it did.
    cause: str
    #: First byte out and reply in, by our clock.
    sent_ns: int
    answered_ns: int

    @property
    def retry_after_s(self) -> int:
        """Give how long the exchange asks to stay away; 0 where it asks for nothing."""
        return seconds_away(self.headers)

    @property
    def times(self) -> Times:
        """Give when it left and when it was answered."""
        return Times(self.sent_ns, self.answered_ns)

    def heeded(self, outcome: Outcome) -> Outcome:
        """Add what the headers ask for, whatever the status, to what the content proves (A4)."""
        wait_s = self.retry_after_s
        if wait_s == 0 or outcome.retry_after_s:
            return outcome
        # Whose pause it is was not said, so it is everybody's.
        return replace(outcome, retry_after_s=wait_s, is_address_limited=True)

    def refused(self, what: str, refusal: Refused) -> VenueUnavailable:
        """Make the error of a question that was refused; raised by whoever asked."""
        error = unavailable(f"{what}: {refusal.words}", self.headers)
        if isinstance(refusal, RateLimited):
            error.is_address_limited = refusal.is_address_limited
        # Only a documented refusal has one.
        token = getattr(refusal, "token", "")
        error.is_key_refused = subject_of(token, self.status) is Subject.KEY
        return error


@dataclass(slots=True)
class _Flight:
    """One request on its way; `sent_ns` is 0 until its first byte."""

    check: LastCheck
    clock: Clock
    has_body: bool
    sent_ns: int = 0

    def may_leave(self) -> bool:
        """Ask the last check; the first byte follows at once."""
        if not self.check():
            return False
        self.sent_ns = self.clock.wall_ns()
        return True


_flight: ContextVar[_Flight | None] = ContextVar("flight", default=None)


class _CheckedRequest(aiohttp.ClientRequest):
    """Asks the last check with the connection in hand; aiohttp writes right after it."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        flight = _flight.get()
        if flight is not None:
            # aiohttp repeats a DELETE on a connection that was closed under it;
            # whether the first one arrived is then for evidence to say.
            if flight.sent_ns:
                raise aiohttp.ServerDisconnectedError
            if not flight.has_body and not flight.may_leave():
                raise NotSentError
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        # The head waits for the body, which a task of its own writes: only here do both go.
        flight = _flight.get()
        denial: BaseException | None = None
        try:
            if flight is not None and not flight.may_leave():
                denial = NotSentError()
        except Exception as error:  # noqa: BLE001  (whoever sends hears of it, not this task)
            denial = error
        if denial is not None:
            assert conn.protocol is not None
            conn.protocol.set_exception(denial)
            return
        await super().write_bytes(writer, conn, content_length)


def _session(connections_max: int, reply_ms_max: int) -> aiohttp.ClientSession:
    reply_s_max = reply_ms_max / 1000
    return aiohttp.ClientSession(
        # IPv4: what API keys are bound to, and one address to count limits on.
        connector=aiohttp.TCPConnector(
            limit=connections_max,
            keepalive_timeout=_KEEPALIVE_S,
            family=socket.AF_INET,
            ttl_dns_cache=300,
        ),
        request_class=_CheckedRequest,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=_CONNECT_S_MAX + _SILENCES_MAX * reply_s_max,
            sock_connect=_CONNECT_S_MAX,
            sock_read=reply_s_max,
        ),
    )


class HttpLink:
    """Keep-alive connections to one host of an exchange."""

    def __init__(
        self, venue: str, url: str, clock: Clock, *, connections_max: int, reply_ms_max: int
    ) -> None:
        #: As errors name it.
        self.venue = venue
        self._url = url.rstrip("/")
        self._clock = clock
        self._session = _session(connections_max, reply_ms_max)

    async def send_once(self, request: SignedRequest, check: LastCheck) -> Reply:
        """
        Send a signed request, once.

        Raises:
            NotSentError: not a byte left.

        """
        flight = _Flight(check, self._clock, bool(request.body))
        token = _flight.set(flight)
        query = f"?{request.query}" if request.query else ""
        headers: Mapping[str, str] = {}
        try:
            async with self._session.request(
                request.method,
                URL(f"{self._url}{request.path}{query}", encoded=True),
                data=request.body.encode() if request.body else None,
                headers=request.headers,
                allow_redirects=False,
            ) as response:
                # A body that is lost takes what the head asked for with it no more.
                headers = response.headers
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if not flight.sent_ns:
                raise NotSentError from None
            cause = "timeout" if isinstance(error, TimeoutError) else "connection_lost"
            return self._reply(0, b"", headers, flight=flight, cause=cause)
        finally:
            _flight.reset(token)
        return self._reply(response.status, body, headers, flight=flight)

    async def ask(self, request: SignedRequest) -> Reply:
        """
        Send a signed question, which changes nothing there.

        Raises:
            VenueUnavailable: no reply; ask again with a new signature.

        """
        try:
            reply = await self.send_once(request, lambda: True)
        except NotSentError:
            raise VenueUnavailable(f"{self.venue} cannot be reached") from None
        if reply.cause:
            raise unavailable(f"{self.venue} {request.path}: {reply.cause}", reply.headers)
        return reply

    async def get(self, path: str) -> bytes:
        """
        Ask a public question.

        Args:
            path: with its query, percent-encoded.

        Raises:
            VenueUnavailable: no reply, or another than 200.

        """
        # Repeated by nobody here, as any other: each costs of what the exchange allows.
        token = _flight.set(_Flight(lambda: True, self._clock, has_body=False))
        headers: Mapping[str, str] = {}
        try:
            async with self._session.get(
                URL(self._url + path, encoded=True), allow_redirects=False
            ) as response:
                headers = response.headers
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unavailable(f"{self.venue} {path}: {type(error).__name__}", headers) from None
        finally:
            _flight.reset(token)
        if response.status != OK:
            raise unavailable(
                f"{self.venue} {path}: HTTP {response.status}",
                headers,
                is_limited=response.status in RATE_LIMITED,
            )
        return body

    async def close(self) -> None:
        """Let go of the connections; idempotent."""
        await self._session.close()

    def _reply(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str],
        *,
        flight: _Flight,
        cause: str = "",
    ) -> Reply:
        return Reply(
            status=status,
            body=body,
            headers=headers,
            cause=cause,
            sent_ns=flight.sent_ns,
            answered_ns=self._clock.wall_ns(),
        )


def unavailable(
    words: str, headers: Mapping[str, str], *, is_limited: bool = False
) -> VenueUnavailable:
    """Make the error of a question without a usable answer, with what the headers ask for (A4)."""
    wait_s = seconds_away(headers)
    # Whose pause it is was not said, so it is everybody's.
    is_address_limited = is_limited or wait_s > 0
    return VenueUnavailable(words, retry_after_s=wait_s, is_address_limited=is_address_limited)


def seconds_away(headers: Mapping[str, str]) -> int:
    """
    Read how long an exchange asks to stay away, in whole seconds.

    Returns: 0 where it asks for nothing that can be read.

    Source: RFC 9110 §10.2.3: a number of seconds, or a date, which is compared with the
    date of the reply itself, because the exchange's clock is not ours.
    """
    said = headers.get(RETRY_AFTER, "").strip()
    if said.isascii() and said.isdigit():
        return min(int(said[:_RETRY_AFTER_DIGITS_MAX]), RETRY_AFTER_S_MAX)
    until_s, now_s = _date_s(said), _date_s(headers.get(_DATE, ""))
    if until_s is None or now_s is None:
        return 0
    return min(max(0, until_s - now_s), RETRY_AFTER_S_MAX)


def _date_s(written: str) -> int | None:
    """Read a date as seconds since 1970; None where it is none."""
    try:
        read = parsedate_to_datetime(written[:_DATE_LENGTH_MAX])
    except (ValueError, OverflowError):
        return None
    return int(read.replace(tzinfo=read.tzinfo or UTC).timestamp())
