"""
Where the auditor anchors its trail beside the log.
"""

from pathlib import Path

from spark.cli.process import Process
from spark.consumers.auditor_anchors import Anchors, Places
from spark.consumers.auditor_file import AnchorFile
from spark.consumers.auditor_table import AnchorTable
from spark.consumers.auditor_witness import CommandWitness, HttpWitness, Witness
from spark.db.pool import Database
from spark.errors import SettingError
from spark.ops.audit_reader import read_witness
from spark.secret_files import read_secret
from spark.settings import AuditSettings


def anchors_of(process: Process) -> Anchors:
    """Gather the places; the database and the witness may be away, or not there at all."""
    settings, database = process.settings.audit, process.settings.database
    table = None
    if database.url:
        connection = Database(
            database.url, name=process.name, settings=database, metrics=process.metrics
        )
        table = AnchorTable(connection)
    places = Places(
        file=AnchorFile(settings.anchors_file or process.home.anchors_file()),
        table=table,
        witness=witness_of(settings),
    )
    return Anchors(places, process.metrics)


def witness_of(settings: AuditSettings) -> Witness | None:
    """
    Make the way to the witness.

    Raises:
        SettingError: both ways are set, or one of them cannot be used.

    """
    if settings.witness_url and settings.witness_command:
        raise SettingError("SPARK_AUDIT_WITNESS_URL and SPARK_AUDIT_WITNESS_COMMAND: one of both")
    verify = read_witness(settings.witness_key_file)
    if settings.witness_command:
        return CommandWitness(settings.witness_command, verify=verify)
    if settings.witness_url:
        token = _token(settings.witness_token_file)
        return HttpWitness(settings.witness_url, token=token, verify=verify)
    return None


def _token(path: Path | None) -> str:
    return "" if path is None else read_secret(path).decode("ascii", "strict").strip()
