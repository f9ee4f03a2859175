"""
Java's ahead-of-time cache of the broker: classes and profiles of an earlier run.

It takes a third off a start and much of the slowness off a cold broker, and nothing
may depend on it: Java by itself ignores a cache of other jars or another Java, but
hangs on a damaged one, so its hash is compared before each use.
"""

import hashlib
from contextlib import suppress
from pathlib import Path


class AotCache:
    """
    One cache file and its hash, shared by all stacks of a user.

    Args:
        directory: one that no server's uid may write.
        key: whatever the cache depends on; another key is another file.
    """

    def __init__(self, directory: Path, key: str) -> None:
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        self.path = directory / f"broker-{name}.aot"
        self._hash = directory / f"broker-{name}.sha256"

    def is_usable(self) -> bool:
        """
        Say whether the file is exactly the one that was kept.
        """
        try:
            return self._hash.read_text(encoding="ascii") == _sha256(self.path)
        except (OSError, UnicodeDecodeError):
            return False

    def keep(self, trained: Path) -> None:
        """
        Take a file over from a training run; older caches of other keys go.
        """
        directory = self.path.parent
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.discard()
        for other in directory.glob("broker-*"):
            other.unlink(missing_ok=True)
        fresh = directory / f"{self.path.name}.new"
        fresh.write_bytes(trained.read_bytes())
        fresh.chmod(0o644)
        fresh.replace(self.path)
        self._hash.write_text(_sha256(self.path), encoding="ascii")

    def discard(self) -> None:
        """
        Forget it; the next start is merely slower.
        """
        for path in (self._hash, self.path):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
