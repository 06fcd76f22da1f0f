"""Settings of the prediction log and its outbox, from the environment of the process that answers.

:func:`read_log_settings` is called once, where a service or a batch begins; what it gives opens the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, SecretStr, field_validator

from quality_gate.errors import UserError
from quality_gate.home import locate
from quality_gate.monitoring.outbox import DEFAULT_MAX_BYTES, Durability, Outbox
from quality_gate.monitoring.shipper import Shipper
from quality_gate.settings_section import Settings, parse_variables

if TYPE_CHECKING:
    from quality_gate.monitoring.database import Database
    from quality_gate.monitoring.prediction_log import PredictionLog

# Which environment variable sets what.
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "QUALITY_GATE_DATABASE_URL": "database_url",
        "QUALITY_GATE_OUTBOX": "outbox",
        "QUALITY_GATE_OUTBOX_DURABILITY": "durability",
        "QUALITY_GATE_OUTBOX_MAX_BYTES": "max_bytes",
        "QUALITY_GATE_LOG_BATCH_ROWS": "batch_rows",
        "QUALITY_GATE_LOG_POLL_SECONDS": "poll_seconds",
        "QUALITY_GATE_LOG_MAX_WAIT_SECONDS": "max_wait_seconds",
    }
)


class PredictionLogSettings(Settings):
    """Where answers are logged, and how.

    Attributes:
        database_url: of the table: ``sqlite:///`` with the path of a file, or ``postgresql://user:password@host/name``.
        outbox: folder on a disk of this machine where answers wait for the database. Processes that share it share the
            database.
        durability: ``power_loss`` answers when the disk has the record; ``process_kill`` when the operating system has,
            which takes microseconds in place of the milliseconds of the disk, and loses the last seconds if the machine
            itself stops.
        max_bytes: how much may wait; beyond it nothing is answered. An answer takes 0.6 to 0.8 kB: a gibibyte is four
            hours at 100 answers a second.
        batch_rows: answers in one transaction. More than a thousand are not faster.
        poll_seconds: how often the shipper looks for new answers.
        max_wait_seconds: longest time between two attempts while the database is away.
    """

    database_url: SecretStr
    outbox: Path
    durability: Durability = "power_loss"
    max_bytes: Annotated[int, Field(ge=2**16)] = DEFAULT_MAX_BYTES
    batch_rows: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    poll_seconds: Annotated[float, Field(gt=0, le=60)] = 0.5
    max_wait_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0

    @field_validator("database_url")
    @classmethod
    def _is_of_a_known_kind(cls, url: SecretStr) -> SecretStr:
        # Whether it can be used is found when the log is opened; that needs SQLAlchemy.
        if not re.match(r"(sqlite|postgres(ql)?(\+psycopg)?)://", url.get_secret_value()):
            raise ValueError("expected sqlite:////folder/file.db or postgresql://user:password@host/database")
        return url

    def open_outbox(self) -> Outbox:
        """The outbox, for this process.

        Raises:
            OutboxUnavailable: its folder cannot be made.
        """
        return Outbox(self.outbox, durability=self.durability, max_bytes=self.max_bytes)

    def open_log(self) -> PredictionLog:
        """The table; imports SQLAlchemy.

        Raises:
            UserError: the URL names no database that can be used.
            LogUnavailable: the database does not answer.
        """
        from quality_gate.monitoring.prediction_log import PredictionLog

        return PredictionLog.open(self.database_url.get_secret_value())

    def open_database(self) -> Database:
        """The database of the table; imports SQLAlchemy.

        Raises:
            UserError: the URL names no database that can be used.
            LogUnavailable: the database does not answer.
        """
        from quality_gate.monitoring.database import Database

        return Database.open(self.database_url.get_secret_value())

    def make_shipper(self) -> Shipper:
        """What brings the outbox into the table; not started."""
        return Shipper(
            self.outbox,
            self.open_log,
            batch_rows=self.batch_rows,
            poll_seconds=self.poll_seconds,
            max_wait_seconds=self.max_wait_seconds,
        )


def read_log_settings(environment: Mapping[str, str] | None = None) -> PredictionLogSettings:
    """The settings that environment variables make; an empty one says nothing.

    Args:
        environment: in place of that of this process. Without ``QUALITY_GATE_DATABASE_URL`` the table is a SQLite file,
            and without ``QUALITY_GATE_OUTBOX`` the outbox a folder, both in the home of all state.

    Raises:
        UserError: a variable holds what is no value of it; the message names it, and never repeats the URL.
    """
    environment = os.environ if environment is None else environment
    values = {field: environment[name] for name, field in VARIABLES.items() if environment.get(name)}
    if not {"database_url", "outbox"} <= set(values):
        home = locate()
        values = {"database_url": f"sqlite:///{home.predictions}", "outbox": str(home.outbox)} | values
    return parse_variables(PredictionLogSettings, values, VARIABLES)


@contextmanager
def log_database() -> Iterator[Database]:
    """The database of the prediction log and of the reviews, as the environment names it.

    Raises:
        UserError: it cannot be used, when it is opened or while the block lasts.
    """
    from quality_gate.monitoring.database import LogUnavailable

    try:
        with closing(read_log_settings().open_database()) as database:
            yield database
    except LogUnavailable as error:
        raise UserError(f"The prediction log cannot be used: {error}; mend that and run again.") from None
