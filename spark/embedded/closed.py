"""
Starts a Spark module where nothing is loaded but what somebody imports (S16).

    python -I -S closed.py DIRECTORY[:DIRECTORY…] MODULE WORD…

Python's own start runs every `.pth` file of every installed wheel, and each may run
code. So it is told to do without (`-S`), and the packages' directories are put at the
end of the path by hand: nothing of theirs runs unless it is imported, and nothing of
theirs stands before Python's own library.
"""

import os
import runpy
import sys
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Run a module as if by `python -m`, with the words that follow its name."""
    directories, module, *words = arguments
    if not (sys.flags.isolated and sys.flags.no_site):
        sys.exit("closed.py: start it with python -I -S")
    sys.path += [str(Path(__file__).resolve().parents[2]), *directories.split(os.pathsep)]
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
