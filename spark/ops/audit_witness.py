"""
Witness: remembers the audit trail's Merkle tree outside the host that writes it.

Reads   signed checkpoints with the heads since the size that it knows, over HTTP
Writes  its own file: each anchor and its receipt, flushed before the receipt leaves
Owns    its Ed25519 key, made on the first start
Fails   closed: what cannot be written gets no receipt; what contradicts what was seen
        is refused for good, with 409 (S14)
"""

import asyncio
import hmac
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark.audit_anchor import LINE_BYTES_MAX, Anchor, make_receipt, read_note
from spark.audit_chain import VerifyAt
from spark.audit_witness import ALARMING, Memory, Objection, Refused, cut_to
from spark.codec import encode
from spark.consumers.auditor_file import AnchorFile, lines_of
from spark.consumers.auditor_witness import CHECKPOINTS
from spark.errors import IntegrityError, MalformedError, SettingError
from spark.events import Receipt
from spark.log import logger
from spark.ops.audit_reader import read_keys
from spark.secret_files import read_secret
from spark.worker.listener import body_of, listening

_KEY: Final = "witness.key"
_PUBLIC: Final = "witness.pub"
_FILE: Final = "witness.jsonl"
_KID_HEX: Final = 16
_STATUS: Final = {Objection.MALFORMED: 400, Objection.UNSIGNED: 403}
_REFUSED: Final = 409
_JSON: Final = "application/json"


class KeysFile:
    """
    The auditor's keys as a file lists them; looked at again when they do not verify something.

    Raises:
        SettingError: there are none in it.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys = read_keys(path)

    def is_signed(self, at_ns: int, signed: bytes, signature: bytes) -> bool:
        """Tell whether the key of that time signed these bytes; a list may only grow."""
        if self._keys.is_signed(at_ns, signed, signature):
            return True
        try:
            found = read_keys(self._path)
        except SettingError as error:
            logger().error("witness_keys_refused", why=str(error))
            return False
        if not found.extends(self._keys):
            logger().error("witness_keys_refused", why="another list than the one it was")
            return False
        self._keys = found
        return found.is_signed(at_ns, signed, signature)


@dataclass(slots=True)
class Desk:
    """One witness: what it knows, and the file that it knows it from."""

    file: AnchorFile
    key: Ed25519PrivateKey
    name: str
    audit: VerifyAt
    wall_ns: Callable[[], int]
    memory: Memory = field(default_factory=Memory)

    def show(self, body: bytes) -> Receipt | Refused:
        """
        Judge what somebody shows, and remember it before saying so. Blocks on the disk.

        Raises:
            OSError: it cannot be remembered; no receipt.

        """
        tree = self.memory.tree
        try:
            note = read_note(body)
        except MalformedError:
            note = None
        if not isinstance(note, Anchor):
            return Refused(why=Objection.MALFORMED, size=tree.size, root=tree.root())
        found = self.memory.judge(note, self.audit)
        if isinstance(found, Refused):
            tell = logger().error if found.why in ALARMING else logger().info
            tell("witness_refused", why=found.why.value, size=found.size)
            return found
        receipt = make_receipt(found, self.name, self.key.sign, at_ns=self.wall_ns())
        self.file.append([cut_to(note, tree.size), receipt])
        self.memory.tree = found
        return receipt


def open_desk(directory: Path, audit: VerifyAt, *, wall_ns: Callable[[], int]) -> Desk:
    """
    Open a witness's directory, or make it with a key of its own.

    Raises:
        SettingError: it cannot be used.
        IntegrityError: its file was changed.

    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = _own_key(directory)
        file = AnchorFile(directory / _FILE)
        file.open()
        memory = _remembered(file.path)
    except OSError as error:
        raise SettingError(f"{error.filename or directory}: {error.strerror}") from None
    name = f"witness:{sha256(key.public_key().public_bytes_raw()).hexdigest()[:_KID_HEX]}"
    return Desk(file, key, name, audit, wall_ns, memory)


def application(desk: Desk, token: bytes = b"") -> web.Application:
    """Serve a witness; with a token, to whoever has it."""
    turn = asyncio.Lock()
    digest = sha256(token.strip()).digest()

    def is_known(request: web.Request) -> bool:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        return not token or hmac.compare_digest(sha256(given).digest(), digest)

    async def show(request: web.Request) -> web.Response:
        if not is_known(request):
            return web.Response(status=401)
        body = await body_of(request)
        async with turn:
            try:
                answer = await asyncio.to_thread(desk.show, body)
            except OSError as error:
                logger().error("witness_cannot_write", why=error.strerror)
                return web.Response(status=503)
        refused = isinstance(answer, Refused)
        status = _STATUS.get(answer.why, _REFUSED) if isinstance(answer, Refused) else 200
        logger().info("witness_shown", refused=refused, size=answer.size)
        return web.Response(body=encode(answer), status=status, content_type=_JSON)

    async def tell(request: web.Request) -> web.Response:
        if not is_known(request):
            return web.Response(status=401)
        tree = desk.memory.tree
        known = {"root": tree.root(), "size": tree.size, "witness": desk.name}
        return web.Response(body=encode(known), content_type=_JSON)

    app = web.Application(client_max_size=LINE_BYTES_MAX)
    app.router.add_post(CHECKPOINTS, show)
    app.router.add_get(CHECKPOINTS, tell)
    return app


async def serve(
    desk: Desk, address: tuple[str, int], *, token: bytes = b"", stop: asyncio.Event,
    told: Callable[[str], None],
) -> None:  # fmt: skip
    """
    Serve until told to stop; `told` is given the address.

    Raises:
        SettingError: the address cannot be taken.

    """
    async with AsyncExitStack() as around:
        around.callback(desk.file.close)
        try:
            listener = listening(application(desk, token), address)
            port = await around.enter_async_context(listener)
        except OSError as error:
            raise SettingError(f"{address[0]}:{address[1]}: {error.strerror}") from None
        told(f"http://{address[0]}:{port}")
        await stop.wait()


def _own_key(directory: Path) -> Ed25519PrivateKey:
    path = directory / _KEY
    if not path.exists():
        fresh = Ed25519PrivateKey.generate()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        with os.fdopen(descriptor, "wb") as file:
            file.write(fresh.private_bytes_raw())
            os.fsync(file.fileno())
    key = Ed25519PrivateKey.from_private_bytes(read_secret(path))
    (directory / _PUBLIC).write_bytes(key.public_key().public_bytes_raw())
    return key


def _remembered(path: Path) -> Memory:
    """Grow the tree anew; every receipt must be for what it is then."""
    memory = Memory()
    for number, line in enumerate(lines_of(path), 1):
        try:
            note = read_note(line)
        except MalformedError as error:
            raise IntegrityError(f"{path}, line {number}: {error}") from None
        if isinstance(note, Anchor):
            memory.tree.extend(note.heads)
        elif (note.size, note.root) != (memory.tree.size, memory.tree.root()):
            raise IntegrityError(f"{path}, line {number}: the receipt is for another tree")
    return memory
