"""
The runbook's generated pages: `python -m spark.ops.pages` writes them anew.

Run it after a change of a table of rights, of spark/metrics.py, of what sets a metric, or of
the table in spark/ledger/orders.py, and read the difference; a test holds pages and code
together.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from spark.ops import access_page, metrics_page, states_page

DIRECTORY: Final = Path(__file__).parents[2] / "runbook"
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "access.md": access_page.page,
    "metrics.md": metrics_page.page,
    "order-states.md": states_page.page,
}


def main(directory: Path = DIRECTORY) -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (directory / name).write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{', '.join(PAGES)} in {directory}\n")


if __name__ == "__main__":
    main()
