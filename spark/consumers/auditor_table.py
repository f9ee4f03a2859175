"""
Anchors and receipts as rows of `audit_anchors`, which nobody can change (S13).
"""

from spark.audit_anchor import Anchor, read_checkpoint
from spark.codec import encode
from spark.db.pool import Database
from spark.events import Receipt

#: Whose row it is where no witness stands behind it.
_NOBODY = ""


class AnchorTable:
    """The table, opened when it is first needed: the auditor waits for no database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_open = False

    async def size(self) -> int:
        """
        Ask how many links the table knows of.

        Raises: as `Database.open` and `Database.transaction`.
        """
        if not self._is_open:
            await self._database.reopen()
            self._is_open = True
        async with self._database.transaction() as transaction:
            rows = await transaction.fetch("audit_anchored")
        return int(rows[0][0])

    async def add(self, anchors: list[Anchor], receipts: list[Receipt]) -> None:
        """
        Add rows; one that is there stays as it is.

        Raises: as `Database.transaction`.
        """
        async with self._database.transaction() as transaction:
            for anchor in anchors:
                checkpoint = read_checkpoint(anchor)
                await transaction.execute(
                    "audit_anchor_add",
                    {
                        "size": checkpoint.size,
                        "witness": _NOBODY,
                        "root": checkpoint.root,
                        "head": checkpoint.head,
                        "lines": checkpoint.lines,
                        "record": anchor.offset,
                        "body": anchor.checkpoint,
                    },
                )
            for receipt in receipts:
                await transaction.execute(
                    "audit_anchor_add",
                    {
                        "size": receipt.size,
                        "witness": receipt.witness,
                        "root": receipt.root,
                        "head": None,
                        "lines": None,
                        "record": None,
                        "body": encode(receipt).decode(),
                    },
                )

    async def close(self) -> None:
        """Let go of it."""
        await self._database.close()
