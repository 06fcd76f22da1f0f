"""The table of predictions, and how a database is brought to it.

The schema changes by Alembic revisions in ``migrations/versions``, written by hand; a test compares what they make with
:data:`PREDICTIONS` on every database.
"""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Dialect,
    Double,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    Uuid,
    text,
)

MIGRATIONS = Path(__file__).resolve().parent / "migrations"

# Any number will do that nobody else locks in the same database.
_MIGRATION_LOCK = 7_204_518_336_127

# Execution option of a connection to SQLite: its transactions take the lock for writing at their beginning. One that
# reads first would be refused the lock if another process has written since.
IMMEDIATE = "quality_gate_immediate"


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC that stays one: SQLite keeps no time zone and would give back a time without."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time in UTC; without its zone where the database keeps none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time with its zone, UTC whatever that of the database's session is."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


# Of the few rows that are for review, an index of their own.
FOR_REVIEW = "review_reason IS NOT NULL"

METADATA = MetaData()
PREDICTIONS = Table(
    "predictions",
    METADATA,
    Column("id", Uuid(), primary_key=True),
    Column("time", UtcTime(), nullable=False),
    Column("image_sha256", String(64), nullable=False),
    Column("image_name", String(255), nullable=False),
    Column("gate", String(255), nullable=False),
    Column("model_version", String(255), nullable=False),
    Column("label", String(255), nullable=False),
    Column("probabilities", JSON(), nullable=False),
    Column("confidence", Double(), nullable=False),
    Column("decision", String(16), nullable=False),
    Column("threshold", Double()),
    Column("latency_ms", Double(), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("width", Integer(), nullable=False),
    Column("height", Integer(), nullable=False),
    Column("file_size_kb", Double(), nullable=False),
    Column("brightness", Double(), nullable=False),
    Column("contrast", Double(), nullable=False),
    Column("red_mean", Double(), nullable=False),
    Column("green_mean", Double(), nullable=False),
    Column("blue_mean", Double(), nullable=False),
    Column("sharpness", Double(), nullable=False),
    Column("review_reason", String(16)),
    Column("review_share", Double()),
    Column("features", LargeBinary()),
    # The id makes the order of equal times certain, which reading in pages needs.
    Index("ix_predictions_time", "time", "id"),
    Index("ix_predictions_gate", "gate", "time", "id"),
    Index("ix_predictions_model", "gate", "model_version", "time", "id"),
    *(
        Index(name, *columns, sqlite_where=text(FOR_REVIEW), postgresql_where=text(FOR_REVIEW))
        for name, columns in (
            ("ix_predictions_review", ("gate", "time", "id")),
            ("ix_predictions_photo", ("gate", "image_sha256")),
        )
    ),
)
# What people said of photos; never changed, only added to. The number makes the order of equal times certain.
REVIEWS = Table(
    "reviews",
    METADATA,
    Column("number", Integer(), primary_key=True),
    Column("id", Uuid(), nullable=False, unique=True),
    Column("time", UtcTime(), nullable=False),
    Column("gate", String(255), nullable=False),
    Column("image_sha256", String(64), nullable=False),
    Column("reviewer", String(64), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("label", String(255)),
    Column("source", String(16), nullable=False),
    Index("ix_reviews_photo", "gate", "image_sha256"),
)
# Reviews that their reviewers took back.
REVIEW_UNDOS = Table(
    "review_undos",
    METADATA,
    Column("review_id", Uuid(), primary_key=True),
    Column("time", UtcTime(), nullable=False),
)
# Who looks at a photo now.
REVIEW_LEASES = Table(
    "review_leases",
    METADATA,
    Column("gate", String(255), primary_key=True),
    Column("image_sha256", String(64), primary_key=True),
    Column("reviewer", String(64), nullable=False),
    Column("desk", Uuid(), nullable=False),
    Column("until", UtcTime(), nullable=False),
)


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema of a database to a revision, in one transaction; several processes may do so at once.

    Raises:
        CommandError: of Alembic: the database is at a revision that this version does not know.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    # A % has a meaning in options.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect().execution_options(**{IMMEDIATE: True}) as connection, connection.begin():
        _lock(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def begin_as_told(connection: Connection) -> None:
    """Begin a transaction on SQLite; for the event ``begin``.

    Python's driver would begin one only before the first change of a row, and leave a migration half done if the
    process is killed.
    """
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(IMMEDIATE) else "BEGIN")


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
