"""
An error forced at every line that holds a key or a signature: nothing of them is printed (S18).
"""

import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Final, Self

import orjson
import pytest
import structlog

import spark
from spark import keys, log
from spark.consumers.gateway_intake import Opened
from spark.embedded.minting import mint_keys, mint_simulator_keys
from spark.embedded.secrets import Secrets
from spark.events import OrderApproved
from spark.exchanges.btcturk.signer import BtcturkSigner
from spark.exchanges.port import Asked, Question
from spark.key_slots import slot_name
from spark.keyring import Keyring
from spark.names import ClientOrderId, Role, Symbol
from spark.ops.secret_scan import Searcher, forms_of, secrets_below
from tests import keyed
from tests.hops import Chain, intent_written, opened
from tests.made import ACCOUNT, NOW_NS, SYMBOL, place
from tests.simulated_venue import FULL, READ

if TYPE_CHECKING:
    from _typeshed import TraceFunction

_ROOT: Final = Path(spark.__file__).parent
#: Where a key, or what was signed with one, passes by.
_TRACED: Final = frozenset(
    str(_ROOT / name)
    for name in (
        "key_slots.py",
        "keyring.py",
        "secret_files.py",
        "signing.py",
        "consumers/signer.py",
        "consumers/gateway_intake.py",
        "exchanges/binance/auth.py",
        "exchanges/binance/signer.py",
        "exchanges/binance/wire_orders.py",
        "exchanges/btcturk/auth.py",
        "exchanges/btcturk/signer.py",
    )
)
Line = tuple[str, int]


class _ForcedError(Exception):
    pass


class Forcing:
    """Raises at one line, the first time that it is reached; without one it only takes notes."""

    def __init__(self, at: Line | None = None) -> None:
        self._at = at
        self.seen: dict[Line, None] = {}

    def __enter__(self) -> Self:
        sys.settrace(self._call)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, _event: str, _given: object) -> "TraceFunction | None":
        return self._line if frame.f_code.co_filename in _TRACED else None

    def _line(self, frame: FrameType, event: str, _given: object) -> "TraceFunction":
        line = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line":
            if line == self._at:
                sys.settrace(None)
                raise _ForcedError(f"forced at {line[1]}")
            self.seen[line] = None
        return self._line


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Secrets:
    # Nothing is registered: what is printed must be clean without the filter, too.
    monkeypatch.setattr(log, "_forms", {})
    monkeypatch.setattr("spark.secret_files.register_secret", lambda _: None)
    (tmp_path / "public").mkdir()
    made = Secrets(tmp_path / "secrets")
    mint_keys(made, tmp_path / "public")
    mint_simulator_keys(made)
    return made


def ring(secrets: Secrets, role: str) -> Keyring:
    return Keyring(role, secrets.root / role, secrets.root.parent / "public")


def read_and_change(secrets: Secrets) -> None:
    """Read every key as signer and gateway do, and take a new one; repeats itself."""
    fresh = secrets.root / Role.GATEWAY / slot_name(keys.SEAL, 2)
    fresh.unlink(missing_ok=True)
    gateway, signer = ring(secrets, Role.GATEWAY), ring(secrets, Role.SIGNER)
    gateway.checker([Role.SIGNER, Role.GUARDRAIL])
    seal = gateway.seal()
    signer.tagger([Role.GATEWAY])
    signer.seal()
    for kind in (keys.TRADE_KEY, keys.READ_KEY):
        signer.binance_key(kind)
        signer.btcturk_key(kind)
    fresh.write_bytes(bytes(range(32)))
    fresh.chmod(0o400)
    (change,) = gateway.refresh()
    if change.fault:
        raise _ForcedError(change.fault)
    seal.seal(bytes(12), b"plain", b"bound")


def sign_and_open() -> Opened:
    """Sign one approved order, and open it again; the chain before it is not judged."""
    chain = Chain()
    decision = chain.decide(intent_written(place("one")))
    assert isinstance(decision, OrderApproved)
    _, out = chain.sign(decision)
    found = opened(out)
    assert isinstance(found, Opened), found
    return found


def ask(secrets: Secrets) -> None:
    """Sign questions of both exchanges with the keys of a stack."""
    signer = ring(secrets, Role.SIGNER)
    turk = BtcturkSigner(signer.btcturk_key(keys.TRADE_KEY), signer.btcturk_key(keys.READ_KEY))
    none = ClientOrderId("")
    asked = Asked(
        question=Question.OPEN_ORDERS, account=ACCOUNT, symbol=SYMBOL, client_order_id=none
    )
    login = Asked(question=Question.LOGIN, account=ACCOUNT, symbol=Symbol(""), client_order_id=none)
    for one in (turk, keyed.venue_signer()):
        for question in (asked, login):
            one.ask(question, NOW_NS)


def printed(error: BaseException) -> Iterator[str]:
    """All that Spark prints of an error: a bug's end, a line of the log, a reason."""
    yield "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        yield str(seen)
        yield repr(seen)
        seen = seen.__cause__ or seen.__context__
    shown = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    yield orjson.dumps(shown((type(error), error, error.__traceback__)), default=repr).decode()


def judged(scene: Callable[[], object], searcher: Searcher) -> int:
    """Force an error at each line of a scene; give how many lines there were."""
    with Forcing() as calm:
        scene()
    raised = 0
    for line in calm.seen:
        said: list[str] = []
        try:
            with Forcing(line):
                result = scene()
        except Exception as error:  # noqa: BLE001  (whatever it has become on its way)
            raised += 1
            said += printed(error)
        else:
            # Swallowed by a stage, as a reason.
            said.append(repr(result))
        for text in said:
            hits = searcher.search(f"{Path(line[0]).name}:{line[1]}", text.encode())
            assert hits == [], hits
    assert raised > len(calm.seen) // 2
    return len(calm.seen)


def test_s18_no_line_that_reads_keys_prints_one(secrets: Secrets) -> None:
    """S15, S18: files into keyed objects, and their change: an error anywhere shows no byte."""
    searcher = Searcher(secrets_below(secrets.root) | {"fresh": bytes(range(32))})
    assert judged(lambda: read_and_change(secrets), searcher) > 80


def test_s18_no_line_that_signs_or_opens_prints_a_key_or_a_signature() -> None:
    """
    S18: signer and gateway: neither keys nor the signed request are in what is printed.

    Fault X1.
    """
    found = sign_and_open()
    signature = found.request.query.rpartition("signature=")[2]
    assert len(signature) == 64
    used = {
        "seal": keyed.key_bytes("seal"),
        "exchange": FULL[1].encode(),
        "signature": signature.encode(),
        **{
            f"{writer}>{verifier}": keyed.key_bytes(f"{writer}>{verifier}")
            for writer, verifier in (key.holders for key in keys.TAG_KEYS)
        },
    }

    def scene() -> None:
        sign_and_open()

    assert judged(scene, Searcher(used)) > 150


def test_s18_no_line_that_signs_a_question_prints_a_key(secrets: Secrets) -> None:
    """S4, S18: the read keys of both exchanges, and logins."""
    searcher = Searcher(secrets_below(secrets.root) | {"read": READ[1].encode()})
    assert judged(lambda: ask(secrets), searcher) > 40


def test_s18_the_search_sees_what_it_looks_for(secrets: Secrets) -> None:
    """S18: a leak in any form, or half of one, is found: this check can fail."""
    known = secrets_below(secrets.root)
    searcher = Searcher(known)
    name, secret = next((n, s) for n, s in known.items() if n.endswith(keys.SEAL))
    for form, text in forms_of(secret):
        half = len(text) // 2
        for part in (text, text[:half], text[half:]):
            (hit, *_) = searcher.search("somewhere", b"before " + part + b" after")
            assert hit.place == "somewhere"
            assert hit.secret.endswith(keys.SEAL), (form, name)
    assert searcher.search("somewhere", b"nothing of interest") == []
    leaky = _ForcedError(f"key {secret.hex()}")
    assert any(searcher.search("error", text.encode()) for text in printed(leaky))
