"""
A person's signing key under a passphrase: PKCS #8 in PEM, as openssl writes and reads it, too.

Source: security §3. Without the passphrase whoever has the file, root included, cannot sign as
that person.
"""

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark.errors import SettingError

PASSPHRASE_CHARS_MIN: Final = 12
_PEM: Final = b"-----BEGIN "


def is_locked(content: bytes) -> bool:
    """Tell a key under a passphrase from the 32 bytes of one without."""
    return content.startswith(_PEM)


def lock(content: bytes, passphrase: str) -> bytes:
    """
    Put a key under a passphrase.

    Args:
        content: the key's 32 bytes.

    Raises:
        SettingError: the passphrase is too short.
        ValueError: it is no key.

    """
    if len(passphrase) < PASSPHRASE_CHARS_MIN:
        raise SettingError(f"a passphrase has {PASSPHRASE_CHARS_MIN} characters at least")
    return Ed25519PrivateKey.from_private_bytes(content).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )


def unlock(content: bytes, passphrase: str) -> Ed25519PrivateKey:
    """
    Open a key that is under a passphrase.

    Raises:
        SettingError: the passphrase is another one.
        ValueError: it is no Ed25519 key, or under no passphrase.

    """
    try:
        key = serialization.load_pem_private_key(content, passphrase.encode())
    except ValueError:
        raise SettingError("the passphrase is not the one of this key") from None
    except (TypeError, UnsupportedAlgorithm):
        raise ValueError("no key under a passphrase") from None
    match key:
        case Ed25519PrivateKey():
            return key
        case _:
            raise ValueError("no Ed25519 key")
