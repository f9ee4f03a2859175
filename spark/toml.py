"""
Files that people write, from TOML to values: read, or refused in one line. Pure.
"""

import tomllib
from typing import Any, Final

from spark.errors import SettingError
from spark.quoting import one_line

_REASON_CHARS_MAX: Final = 200


def read_toml(text: str, name: str) -> dict[str, Any]:
    """
    Read a table of tables and values.

    Args:
        text: what stands in the file.
        name: what errors call it.

    Raises:
        SettingError: it is not TOML, or nested or numbered beyond what Python reads.

    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SettingError(f"{name}: nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        # It names the line, and sometimes a key, which is as long as somebody made it.
        raise SettingError(f"{name}: {one_line(str(error), _REASON_CHARS_MAX)}") from None
    except ValueError:
        raise SettingError(f"{name}: a number with too many digits, or no date") from None
