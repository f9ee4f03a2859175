"""
A successor of the audit key: made, listed, published, and what a cut-off leaves.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import keys
from spark.embedded import minting, rotation_audit
from spark.embedded.minting import mint_keys
from spark.embedded.rotation_audit import next_audit_key, rotate_audit
from spark.embedded.secrets import Secrets
from spark.errors import IntegrityError, SettingError
from spark.key_slots import OLD_KEY_NS_MAX
from spark.keyring import Keyring
from spark.names import Role
from spark.ops.audit_reader import keys_in
from spark.ops.keys_list import list_keys
from spark.ops.secret_scan import secrets_below

NOW_NS = 1_790_000_000_000_000_000
SECOND = "audit.2.ed25519"


class Stack:
    """A stack's keys."""

    def __init__(self, root: Path) -> None:
        self.secrets, self.public = Secrets(root / "secrets"), root / "public"
        self.public.mkdir()
        self.own = self.secrets.directory(Role.AUDITOR)
        mint_keys(self.secrets, self.public)

    def files(self) -> set[str]:
        """List what the auditor holds of its signing key."""
        return {path.name for path in self.own.glob("audit.*")}

    def signing(self, at_ns: int) -> str:
        """Say who signs then, proved with what is public."""
        ring = Keyring(Role.AUDITOR, self.own, self.public)
        kid, sign = ring.audit_signer().at(at_ns)
        assert keys_in(self.public).is_signed(at_ns, b"head", sign(b"head"))
        return kid


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set what time it is."""

    def set_to(now_ns: int) -> None:
        for module in (minting, rotation_audit):
            monkeypatch.setattr(module.time, "time_ns", lambda: now_ns)

    set_to(NOW_NS)
    return set_to


@pytest.fixture
def stack(tmp_path: Path, clock: Callable[[int], None]) -> Stack:
    del clock
    return Stack(tmp_path)


def test_s14_the_new_key_signs_ten_minutes_later(stack: Stack) -> None:
    """§3: until then whoever verifies can get the list; the first public key stays."""
    first = (stack.public / keys.AUDIT_PUBLIC).read_bytes()
    known = rotate_audit(stack.secrets, stack.public)
    assert known.newest == 2
    turn_ns = NOW_NS + OLD_KEY_NS_MAX
    assert [stack.signing(at_ns) for at_ns in (NOW_NS, turn_ns - 1, turn_ns)] == [
        "audit:1", "audit:1", "audit:2",
    ]  # fmt: skip
    assert (stack.public / keys.AUDIT_PUBLIC).read_bytes() == first
    assert (stack.own / SECOND).stat().st_mode & 0o777 == 0o400
    with pytest.raises(SettingError, match="audit:2 does not sign yet"):
        rotate_audit(stack.secrets, stack.public)


def test_what_is_over_goes_and_what_signs_stays(stack: Stack, clock: Callable[[int], None]) -> None:
    """§3: the old key stays as long as it signs; the next start and the next change drop it."""
    rotate_audit(stack.secrets, stack.public)
    both = {keys.AUDIT_PRIVATE, SECOND, keys.AUDIT_KEYS}
    mint_keys(stack.secrets, stack.public)
    assert stack.files() == both
    clock(NOW_NS + OLD_KEY_NS_MAX)
    mint_keys(stack.secrets, stack.public)
    assert stack.files() == both - {keys.AUDIT_PRIVATE}
    rotate_audit(stack.secrets, stack.public)
    clock(NOW_NS + 3 * OLD_KEY_NS_MAX)
    rotate_audit(stack.secrets, stack.public)
    assert stack.files() == {"audit.3.ed25519", "audit.4.ed25519", keys.AUDIT_KEYS}
    assert stack.signing(NOW_NS + 3 * OLD_KEY_NS_MAX) == "audit:3"


def test_a_change_that_was_cut_off_goes_on_from_there(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the list the old key signs on; after it the next start publishes the list."""

    class CutOffError(Exception):
        pass

    def cut(*_: object) -> None:
        raise CutOffError

    for name in ("succeed", "write_public"):
        with monkeypatch.context() as cutting:
            cutting.setattr(rotation_audit, name, lambda *_, **__: cut())
            with pytest.raises(CutOffError):
                rotate_audit(stack.secrets, stack.public)
        made = (stack.own / SECOND).read_bytes()
        mint_keys(stack.secrets, stack.public)
        assert stack.signing(NOW_NS) == "audit:1"
        assert (stack.own / SECOND).read_bytes() == made
    assert stack.signing(NOW_NS + OLD_KEY_NS_MAX) == "audit:2"


@pytest.mark.parametrize("harm", ["gone", "another"])
def test_a_listed_key_that_is_not_there_ends_the_start(stack: Stack, harm: str) -> None:
    """A new key in its place would make the list untrue: a person puts it back."""
    rotate_audit(stack.secrets, stack.public)
    (stack.own / SECOND).unlink()
    if harm == "another":
        fresh = Ed25519PrivateKey.generate().private_bytes_raw()
        stack.secrets.write(Role.AUDITOR, SECOND, fresh)
    with pytest.raises(IntegrityError, match="lacks audit:2"):
        mint_keys(stack.secrets, stack.public)


def test_a_list_that_was_changed_makes_no_successor(stack: Stack) -> None:
    """The reason names the directory; nothing is written."""
    rotate_audit(stack.secrets, stack.public)
    listed = stack.own / keys.AUDIT_KEYS
    content = listed.read_bytes()
    listed.chmod(0o600)
    listed.write_bytes(content.replace(b'"from_ns":1', b'"from_ns":2'))
    listed.chmod(0o400)
    with pytest.raises(SettingError, match="not signed by both keys"):
        next_audit_key(stack.own, now_ns=NOW_NS + 2 * OLD_KEY_NS_MAX)
    assert "audit.3.ed25519" not in stack.files()


def test_s18_the_list_is_no_secret_and_is_shown_as_what_it_says(stack: Stack) -> None:
    """S18: names and ids; the fingerprint is that of the newest key."""
    rotate_audit(stack.secrets, stack.public)
    rows = list_keys([("auditor", stack.own)], stack.public)
    held = {row.file: row.kid for row in rows if row.file.endswith(".ed25519")}
    assert held == {keys.AUDIT_PRIVATE: "audit:1", SECOND: "audit:2"}
    (listed,) = (row for row in rows if row.file == keys.AUDIT_KEYS)
    assert (listed.holder, listed.kid) == ("public", "audit:2")
    assert listed.fingerprint
    assert f"auditor/{SECOND}" in secrets_below(stack.secrets.root)
    assert f"auditor/{keys.AUDIT_KEYS}" not in secrets_below(stack.secrets.root)
