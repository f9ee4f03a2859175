"""
The command line: where settings are read and parts are wired, and nowhere else.
"""

from spark.cli.app import main

__all__ = ["main"]
