"""
Who is loaded into a process that holds exchange keys: this list, and nobody else (S16).

A wheel that somebody slipped in, a plug-in that a library finds by itself, a start-up
hook: each would run with the keys. So the signer looks before it reads its first
input, and once more when it is ready, and does not start with a stranger.
"""

import re
import sys
from collections.abc import Iterable
from typing import Final

from spark.errors import SettingError

#: Top-level names, besides Python's own library: what requirements.txt pins for the signer.
ALLOWED: Final = frozenset(
    {
        "__main__",
        "__mp_main__",
        "_cffi_backend",
        "_openssl",
        "aiohappyeyeballs",
        "aiohttp",
        "aiokafka",
        "aiosignal",
        "annotated_doc",
        "annotated_types",
        "async_timeout",
        "attr",
        "attrs",
        "cramjam",
        "cryptography",
        "cython_runtime",
        "dotenv",
        "frozenlist",
        "idna",
        "multidict",
        "orjson",
        "packaging",
        "prometheus_client",
        "propcache",
        "pydantic",
        "pydantic_core",
        "pydantic_settings",
        "pygments",
        "rich",
        "shellingham",
        "spark",
        "structlog",
        "typer",
        "typing_extensions",
        "typing_inspection",
        "uvloop",
        "yarl",
    }
)
#: Made by Cython and by Python's own build, under names with versions in them.
_GENERATED: Final = re.compile(r"_cython_\d+(_\w+)*|_sysconfigdata_\w*[\w-]*")


def strangers(names: Iterable[str]) -> list[str]:
    """List top-level names that are neither Python's own nor allowed."""
    tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - ALLOWED
    return sorted(name for name in tops if not _GENERATED.fullmatch(name))


def check_loaded() -> None:
    """
    Refuse to go on among strangers.

    Raises:
        SettingError: naming them, and how the process is meant to be started.

    """
    found = strangers(sys.modules)
    if found:
        raise SettingError(
            f"loaded beside what the signer needs: {', '.join(found)}; start it as "
            "`spark up` does, by spark/embedded/closed.py, from a clean environment"
        )
