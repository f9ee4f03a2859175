"""
Gives the auditor's key a successor, which signs ten minutes later (audit_keys.py).

In this order: the new private key, then the list that names it, at the auditor alone, then
the list for everybody. Cut off anywhere, the old key signs on, or the new one has its time
and the next `spark up` publishes the list. Nobody waits for anybody: who signs is a question
of the clock, and who verifies has until then to get the list.
"""

import os
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import keys
from spark.audit_keys import AuditKeys, kid_of, read_audit_keys, succeed
from spark.embedded.minting import write_public
from spark.embedded.secrets import Secrets, remove_secret, replace_secret, write_secret
from spark.errors import IntegrityError, MalformedError, SettingError
from spark.key_slots import OLD_KEY_NS_MAX, slot_name
from spark.names import Role
from spark.secret_files import read_secret


def rotate_audit(secrets: Secrets, public: Path) -> AuditKeys:
    """
    Change the audit key of this machine's stack, running or not; raises as `next_audit_key`.
    """
    directory = secrets.directory(Role.AUDITOR)
    grown = next_audit_key(directory, secrets.uids.get(Role.AUDITOR), now_ns=time.time_ns())
    write_public(public / keys.AUDIT_KEYS, grown.content())
    return grown


def next_audit_key(directory: Path, uid: int | None = None, *, now_ns: int) -> AuditKeys:
    """
    Make the next audit key in the auditor's own directory, and list it.

    Args:
        uid: whose the files are; None is this user.

    Returns: the list with it.

    Raises:
        SettingError: there is no key yet, or the last one does not sign yet.

    """

    def private(generation: int) -> Ed25519PrivateKey:
        content = read_secret(directory / slot_name(keys.AUDIT_PRIVATE, generation), uid)
        return Ed25519PrivateKey.from_private_bytes(content)

    listed = directory / keys.AUDIT_KEYS
    try:
        if listed.exists():
            known = read_audit_keys(read_secret(listed, uid))
        else:
            known = AuditKeys(private(1).public_key())
        if known.generation_at(now_ns) < known.newest:
            raise SettingError(f"{kid_of(known.newest)} does not sign yet; change it after that")
        fresh = directory / slot_name(keys.AUDIT_PRIVATE, known.newest + 1)
        if not os.path.lexists(fresh):
            write_secret(fresh, Ed25519PrivateKey.generate().private_bytes_raw(), uid)
        old, new = private(known.newest), private(known.newest + 1)
        grown = succeed(known, old, new, from_ns=now_ns + OLD_KEY_NS_MAX)
    except (IntegrityError, MalformedError, ValueError) as error:
        raise SettingError(f"{directory}: {error}") from None
    if listed.exists():
        replace_secret(listed, grown.content())
    else:
        write_secret(listed, grown.content(), uid)
    for generation in range(1, known.newest):
        remove_secret(directory / slot_name(keys.AUDIT_PRIVATE, generation))
    return grown
