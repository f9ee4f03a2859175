"""
Shows checkpoints to a witness outside this host: over HTTP, or through a program.

Both take an anchor's canonical bytes and give a receipt, or say why not (S14). What
the witness knows can be asked for by showing it anything: a refusal tells its size.
"""

import asyncio
import shlex
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from typing import Annotated, Final, Protocol, TypeAlias
from urllib.parse import urlsplit

import aiohttp
from pydantic import Field, TypeAdapter, ValidationError

from spark.audit_anchor import Anchor, is_receipt_signed, read_checkpoint
from spark.audit_chain import Verify
from spark.audit_witness import Refused
from spark.codec import encode
from spark.errors import SettingError, WitnessUnavailable
from spark.events import Receipt

#: Under the witness's address.
CHECKPOINTS: Final = "/checkpoints"
_ANSWER_BYTES_MAX: Final = 64 * 1024
_HTTP_S_MAX: Final = 5.0
_COMMAND_S_MAX: Final = 30.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_ANSWERS: Final = frozenset({200, 400, 403, 409})

Answer: TypeAlias = Receipt | Refused
_ADAPTER: Final[TypeAdapter[Answer]] = TypeAdapter(Annotated[Answer, Field(discriminator="type")])


class Witness(Protocol):
    """Somebody outside, who remembers."""

    async def show(self, anchor: Anchor) -> Answer:
        """
        Show a checkpoint; may be repeated.

        Raises:
            WitnessUnavailable: no answer that counts.

        """

    async def close(self) -> None:
        """Let go of it; idempotent."""


class HttpWitness:
    """
    A witness behind a URL.

    Args:
        url: https, or http on loopback.
        token: what it asks for, empty for nothing.
        verify: with its public key; without it any signature is kept as it comes.

    Raises:
        SettingError: a token or a trail would travel in plain text.

    """

    def __init__(self, url: str, *, token: str = "", verify: Verify | None = None) -> None:
        parts = urlsplit(url)
        is_near = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if parts.scheme != "https" and not is_near:
            raise SettingError(
                "SPARK_AUDIT_WITNESS_URL: https://…, or http:// to a loopback address"
            )
        self._url = url.rstrip("/") + CHECKPOINTS
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._verify = verify
        self._session: aiohttp.ClientSession | None = None

    async def show(self, anchor: Anchor) -> Answer:
        """Post it; raises as the port."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_HTTP_S_MAX)
            self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers)
        try:
            async with self._session.post(
                self._url, data=BytesIO(encode(anchor)), allow_redirects=False
            ) as response:
                status = response.status
                body = await response.content.read(_ANSWER_BYTES_MAX)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise WitnessUnavailable(f"witness: {type(error).__name__}") from None
        if status not in _ANSWERS:
            raise WitnessUnavailable(f"witness: HTTP {status}")
        return read_answer(body, anchor, self._verify)

    async def close(self) -> None:
        """Let go of the connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class CommandWitness:
    """A witness behind a program: the anchor on its standard input, the answer printed."""

    def __init__(self, command: str, *, verify: Verify | None = None) -> None:
        self._argv: Sequence[str] = shlex.split(command)
        self._verify = verify

    async def show(self, anchor: Anchor) -> Answer:
        """Run it; raises as the port."""
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv, stdin=pipe, stdout=pipe, stderr=nothing
            )
        except OSError as error:
            raise WitnessUnavailable(f"witness: {error.strerror}") from None
        try:
            async with asyncio.timeout(_COMMAND_S_MAX):
                body, _ = await process.communicate(encode(anchor))
        except TimeoutError:
            raise WitnessUnavailable("witness: its program does not end") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return read_answer(body[:_ANSWER_BYTES_MAX], anchor, self._verify)

    async def close(self) -> None:
        """Nothing to let go of."""


def read_answer(body: bytes, anchor: Anchor, verify: Verify | None) -> Answer:
    """
    Read what a witness says.

    Raises:
        WitnessUnavailable: it is no answer, or a receipt for something else.

    """
    try:
        found = _ADAPTER.validate_json(body.strip())
    except ValidationError:
        raise WitnessUnavailable("witness: neither a receipt nor a refusal") from None
    if isinstance(found, Refused):
        return found
    checkpoint = read_checkpoint(anchor)
    if (found.size, found.root) != (checkpoint.size, checkpoint.root):
        raise WitnessUnavailable("witness: a receipt for something else")
    if verify is not None and not is_receipt_signed(found, verify):
        raise WitnessUnavailable("witness: another key signed its receipt")
    return found
