"""
An account's read key, as who asks with it sees it: questions signed, and whether it is refused.

A key that the exchange refuses is not sent again for long. Questions go on being signed, so
that a new key is tried with at once; what is signed with the old one stays here.
"""

from typing import Final, Protocol

from spark.clock import Clock
from spark.errors import VenueUnavailable
from spark.exchanges.port import Asked, SignedRequest

_NS_PER_S: Final = 1_000_000_000
#: BTCTurk shuts out an address after 50 unauthorised requests in a row: so they take hours, and
#: a key that a person mended at the exchange is found to be good within minutes.
REFUSED_NS: Final = 300 * _NS_PER_S


class Signs(Protocol):
    """Has questions signed; the signer's socket does (signing_socket.py)."""

    async def ask(self, asked: Asked) -> SignedRequest:
        """
        Have a question signed.

        Raises:
            VenueUnavailable: not now.

        """


class ReadKey:
    """One account's."""

    def __init__(self, signer: Signs, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock
        #: Of the key that was refused last; see `SignedRequest.key`.
        self._refused = ""
        #: Monotonic time before which it is not sent again.
        self._until_ns = 0

    async def ask(self, asked: Asked) -> SignedRequest:
        """
        Have a question signed.

        Raises:
            VenueUnavailable: not now, or with a key that was refused not long ago.

        """
        request = await self._signer.ask(asked)
        if request.key == self._refused and self._clock.monotonic_ns() < self._until_ns:
            raise VenueUnavailable("the exchange refused the read key: mend it, or change it")
        return request

    def refused(self, request: SignedRequest) -> None:
        """Take note that the exchange refused a request for its key."""
        self._refused = request.key
        self._until_ns = self._clock.monotonic_ns() + REFUSED_NS
