"""
Where the audit trail is anchored beside the log.
"""

from pathlib import Path

from pydantic import Field

from spark.settings.section import Section


class AuditSettings(Section):
    """The auditor's places outside Kafka; the witness's own place is its command's business."""

    #: Append-only file of anchors and receipts; empty means `<home>/anchors/anchors.jsonl`.
    anchors_file: Path | None = Field(default=None, validation_alias="SPARK_AUDIT_ANCHORS_FILE")
    #: Seconds between anchors; at once after a kill, a person's word, and at the end.
    anchor_s: int = Field(default=10, ge=1, le=600, validation_alias="SPARK_AUDIT_ANCHOR_S")
    #: Where a witness outside this host takes checkpoints; empty means that there is none.
    witness_url: str = Field(default="", validation_alias="SPARK_AUDIT_WITNESS_URL")
    #: Or a program that is given each checkpoint on its standard input and prints the receipt.
    witness_command: str = Field(default="", validation_alias="SPARK_AUDIT_WITNESS_COMMAND")
    #: File with the bearer token that the witness asks for; empty means that it asks for none.
    witness_token_file: Path | None = Field(
        default=None, validation_alias="SPARK_AUDIT_WITNESS_TOKEN_FILE"
    )
    #: The witness's public key; with it, a receipt that another signed counts as none, and the
    #: guardrail asks for fresh ones in mode live.
    witness_key_file: Path | None = Field(
        default=None, validation_alias="SPARK_AUDIT_WITNESS_KEY_FILE"
    )
    #: How old the witness's last receipt may be for an order in mode live, seconds.
    receipt_age_s_max: int = Field(
        default=600, ge=60, le=600, validation_alias="SPARK_AUDIT_RECEIPT_AGE_S"
    )
