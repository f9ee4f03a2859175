"""Numbers for roles, and the sentence that says why there are none (S7)."""

import os
from pathlib import Path

import pytest

from spark.embedded.isolation import UID_RANGE, assign_uids, plan_isolation
from spark.embedded.reach import obstacle
from spark.errors import SettingError

OTHER_UID = UID_RANGE[0]


def test_every_principal_gets_a_number_of_its_own() -> None:
    """S7: one uid per role."""
    names = [f"strategy-{number}" for number in range(200)]
    uids = assign_uids(names, {}, taken={UID_RANGE[5]})
    assert set(uids) == set(names)
    assert len(set(uids.values())) == len(names)
    assert set(uids.values()) <= set(UID_RANGE) - {UID_RANGE[5]}


def test_a_number_once_given_stays() -> None:
    """Data on disk belongs to the number, so a new principal moves nobody."""
    before = assign_uids(["signer", "gateway"], {})
    after = assign_uids(["auditor", "signer", "gateway"], before)
    assert {name: after[name] for name in before} == before


def test_numbers_run_out_with_one_line() -> None:
    """Everything has a limit, and says so."""
    with pytest.raises(SettingError, match="no uid left"):
        assign_uids([f"strategy-{number}" for number in range(len(UID_RANGE) + 1)], {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root is not an ordinary user")
def test_an_ordinary_user_cannot_isolate(tmp_path: Path) -> None:
    """S7: under a single uid the reason is one sentence for every screen."""
    found = plan_isolation(["signer"], tmp_path / "uids.json")
    assert not found.is_isolated
    assert "only root" in found.reason


@pytest.mark.skipif(os.geteuid() != 0, reason="asks what root would do")
@pytest.mark.parametrize(
    "text", ["{", "[]", '{"signer": "1"}', '{"signer": 0}', "\udcff", "[" * 9_000]
)
def test_a_damaged_register_is_not_guessed_at(tmp_path: Path, text: str) -> None:
    """H5: a register that names uid 0, or is no register, stops the start with a reason."""
    (tmp_path / "uids.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(SettingError, match="damaged"):
        plan_isolation(["signer"], tmp_path / "uids.json")


def test_the_topmost_private_directory_is_named(open_directory: Path) -> None:
    """The reason names the directory that a person would have to open."""
    closed = open_directory / "closed"
    secret = closed / "deep" / "file"
    secret.parent.mkdir(parents=True)
    secret.touch()
    for path, mode in ((closed, 0o711), (secret.parent, 0o711), (secret, 0o644)):
        path.chmod(mode)
    assert obstacle(secret, OTHER_UID) is None
    closed.chmod(0o700)
    assert obstacle(secret, OTHER_UID) == closed
    assert obstacle(secret, os.geteuid()) is None
    closed.chmod(0o711)
    secret.chmod(0o600)
    assert obstacle(secret, OTHER_UID) == secret
