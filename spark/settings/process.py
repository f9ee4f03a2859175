"""
Servers, and where one process finds its things.
"""

from pathlib import Path

from pydantic import AliasChoices, Field

from spark.settings.section import Section


class KafkaSettings(Section):
    """Which cluster; as whom is the role's own business."""

    #: `host:port[,host:port…]`; empty means the running embedded stack's.
    bootstrap: str = Field(default="", validation_alias="SPARK_KAFKA_BOOTSTRAP")


class DatabaseSettings(Section):
    """Which PostgreSQL; empty means the running embedded stack's."""

    url: str = Field(default="", validation_alias="DATABASE_URL", repr=False)
    #: Connections of one process.
    pool_max: int = Field(default=10, ge=1, le=100, validation_alias="SPARK_DB_POOL_MAX")
    #: Seconds after which an idle connection is closed.
    idle_s_max: int = Field(default=10, ge=1, le=3600, validation_alias="SPARK_DB_IDLE_S")


class ProcessSettings(Section):
    """Where one process finds its things."""

    #: State of one stack: data, logs, run files, secrets.
    home: Path | None = Field(default=None, validation_alias="SPARK_HOME")
    #: Name of the stack under the default home.
    name: str = Field(default="dev", pattern=r"^[a-z0-9-]{1,32}$", validation_alias="SPARK_NAME")
    #: Bases of the default home and of the jar cache, where the desktop standard puts them.
    xdg_state_home: Path | None = Field(default=None, validation_alias="XDG_STATE_HOME")
    xdg_cache_home: Path | None = Field(default=None, validation_alias="XDG_CACHE_HOME")
    #: This role's own secrets; empty means `<home>/secrets/<role>`.
    secrets_dir: Path | None = Field(default=None, validation_alias="SPARK_SECRETS_DIR")
    #: Whose signatures count (S11); empty means `<home>/public/operators.toml`.
    operators_file: Path | None = Field(default=None, validation_alias="SPARK_OPERATORS_FILE")
    #: Advisories in the OSV form, for `spark doctor`; empty means that none are compared.
    advisories_dir: Path | None = Field(default=None, validation_alias="SPARK_ADVISORIES_DIR")
    #: Directory whose files are kills (design §5); empty means `<home>/kill.d`.
    latch_dir: Path | None = Field(default=None, validation_alias="SPARK_LATCH_DIR")
    #: Port of /healthz and /metrics; 0 lets the system pick.
    ops_port: int = Field(default=0, ge=0, le=65_535, validation_alias="SPARK_OPS_PORT")
    #: Port on which the webhook takes alerts, on loopback; 0 lets the system pick.
    webhook_port: int = Field(default=0, ge=0, le=65_535, validation_alias="SPARK_WEBHOOK_PORT")
    log_format: str = Field(
        default="json",
        pattern="^(json|console)$",
        validation_alias=AliasChoices("SPARK_LOG_FORMAT"),
    )
