"""
Exchange simulators: a venue that behaves, and misbehaves, like the real one.

The core knows no wire format: book, matching, accounts, venue, ledger, faults.
Each venue's wire is a package of its own (binance/). Nothing here uses Spark's
own adapters, so that a fault in those cannot hide behind the same fault here.
"""
