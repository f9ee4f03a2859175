"""
The one table of Spark's own keys: their file names and who holds them (S2, S15).

keyring.py reads by it, embedded/minting.py makes by it. A file's name says whom it
is for; its bytes stand in the secrets directory of each holder and nowhere else.
"""

from dataclasses import dataclass
from typing import Final

from spark.names import Role
from spark.topics import BY_NAME, INTENTS

KEY_BYTES: Final = 32
SEAL: Final = f"seal.{Role.SIGNER}.{Role.GATEWAY}.key"
AUDIT_PRIVATE: Final = "audit.ed25519"
#: How the names of files end that are no secret, wherever they lie.
PUBLIC_SUFFIX: Final = ".pub"
#: The first one, in the public directory, which every role may read.
AUDIT_PUBLIC: Final = "audit.ed25519.pub"
#: With the auditor and in the public directory, once its key has a successor (audit_keys.py).
AUDIT_KEYS: Final = "audit.keys.pub"
#: In the public directory: whose signatures count (people.py); its owner alone may write it.
OPERATORS: Final = "operators.toml"
#: What an alert's sender shows to the webhook; its holder tells it to them.
ALERT_TOKEN: Final = "alerts.token"  # noqa: S105  (a file's name)
LOG_EPOCH: Final = "log_epoch"
#: A person's signing key, in the directory of that person alone (S11).
OPERATOR_PRIVATE: Final = "operator.ed25519"
#: The signer's two exchange keys (S4): places and cancels, queries and logins.
TRADE_KEY: Final = ""
READ_KEY: Final = "read."


@dataclass(frozen=True, slots=True)
class SharedKey:
    """32 random bytes that exactly these principals hold."""

    name: str
    #: Who writes with it, and who verifies or opens with it.
    holders: tuple[str, str]

    @property
    def writer(self) -> str:
        """Who switches to a new one last."""
        return self.holders[0]

    @property
    def verifier(self) -> str:
        """Who holds a new one first, and the old one for a while."""
        return self.holders[1]


def tag_key(writer: str, verifier: str) -> str:
    """Name the file of the key with which `writer` proves itself to `verifier`."""
    return f"tag.{writer}.{verifier}.key"


def person_public(person: str) -> str:
    """Name the file of a person's public key, as text for the list of who may sign."""
    return f"{person}.ed25519.pub"


def exchange_key(venue: str, kind: str, generation: int = 1) -> tuple[str, str]:
    """
    Name the two files of an exchange key: its public id and its secret.

    Args:
        venue: `binance`.
        kind: TRADE_KEY or READ_KEY.
        generation: both keys of an exchange change together.

    """
    slot = f"{generation}." if generation > 1 else ""
    return f"{venue}.{kind}{slot}api_key", f"{venue}.{kind}{slot}secret"


def _pair(writer: str, verifier: str) -> SharedKey:
    return SharedKey(tag_key(writer, verifier), (writer, verifier))


#: Who proves what it writes to whom. The signer distrusts the guardrail, so an
#: intent is tagged for both (S3).
TAG_KEYS: Final[tuple[SharedKey, ...]] = (
    *(
        _pair(writer, verifier)
        for writer in sorted(BY_NAME[INTENTS].writers)
        for verifier in (Role.GUARDRAIL, Role.SIGNER)
    ),
    _pair(Role.GUARDRAIL, Role.SIGNER),
    _pair(Role.GUARDRAIL, Role.GATEWAY),
    _pair(Role.SIGNER, Role.GATEWAY),
)
SHARED_KEYS: Final[tuple[SharedKey, ...]] = (
    *TAG_KEYS,
    SharedKey(SEAL, (Role.SIGNER, Role.GATEWAY)),
)


def shared_keys_of(principal: str) -> frozenset[str]:
    """List the shared keys that a principal holds."""
    return frozenset(key.name for key in SHARED_KEYS if principal in key.holders)
