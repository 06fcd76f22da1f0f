"""Databases of the prediction log: their addresses, how they are opened, and what is said when they fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from quality_gate.errors import UserError
from quality_gate.monitoring.schema import IMMEDIATE, begin_as_told, migrate


class LogUnavailable(Exception):
    """The database cannot be used now; the message holds no password."""


@dataclass(frozen=True)
class Database:
    """A database whose schema is up to date; safe for several threads.

    Attributes:
        engine: its connections.
        name: what it is called in messages.
    """

    engine: Engine
    name: str

    @classmethod
    def open(cls, url: str) -> Database:
        """Open a database and bring its schema up to date; an empty one gets all tables.

        Args:
            url: ``sqlite:///`` with the path of a file, or ``postgresql://user:password@host/database``.

        Raises:
            UserError: the URL names no database of these kinds, or one that a newer version of this product wrote.
            LogUnavailable: the database does not answer.
        """
        from alembic.util import CommandError

        parsed = parse_url(url)
        name = masked(parsed)
        engine = connect(parsed)
        try:
            with explained(name):
                migrate(engine)
        except CommandError:
            engine.dispose()
            raise UserError(f"{name} was written by a newer version of the product; use that to open it.") from None
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, name)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with.

        Raises:
            LogUnavailable: the database does not answer.
        """
        with explained(self.name), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, committed at its end; on SQLite nobody else writes meanwhile.

        Errors of SQLAlchemy come as they are, for who writes to tell them apart.
        """
        with self.engine.connect().execution_options(**{IMMEDIATE: True}) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def parse_url(url: str) -> URL:
    """The address of a database, with the driver this product uses.

    Raises:
        UserError: it is none of SQLite or PostgreSQL; the message does not repeat it, for it may hold a password.
    """
    try:
        parsed = make_url(url)
        kind = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        kind = ""
    if kind == "postgres":
        kind = "postgresql"
    if kind not in ("sqlite", "postgresql"):
        raise UserError(
            "The URL of the prediction log cannot be read; expected sqlite:////folder/file.db or "
            "postgresql://user:password@host/database, with special characters of the password as %XX."
        )
    if kind == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.database in (None, "", ":memory:"):
        raise UserError("The URL of the prediction log names no file; expected sqlite:////folder/file.db.")
    return parsed.set(drivername="sqlite")


def masked(url: URL) -> str:
    """The address without user, password and options, any of which may be secret."""
    host = url.host or ""
    place = f"{host}:{url.port}" if url.port else host
    return f"{url.get_backend_name()}://{place}/{url.database or ''}"


def connect(url: URL) -> Engine:
    """Connections to the database of an address that :func:`parse_url` gave; none is made yet.

    Raises:
        LogUnavailable: the folder of a SQLite file cannot be made.
    """
    if url.get_backend_name() == "postgresql":
        # A host that is gone must not hold the shipper for the minutes that TCP waits by itself.
        patience = {"connect_timeout": "5", "tcp_user_timeout": "20000", "application_name": "quality-gate"}
        return create_engine(
            url.update_query_dict({name: value for name, value in patience.items() if name not in url.query}),
            pool_pre_ping=True,
            pool_size=2,
            hide_parameters=True,
        )
    assert url.database is not None
    try:
        Path(url.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogUnavailable(f"{masked(url)}: the folder cannot be made ({error.strerror})") from None
    engine = create_engine(url, connect_args={"timeout": 30}, hide_parameters=True)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", begin_as_told)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # SQLAlchemy's event begin says when a transaction begins, not the driver.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    # A row leaves the outbox when it is committed here, so the commit has to survive the loss of power.
    connection.execute("PRAGMA synchronous=FULL")


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Say what a database said, without statement, values and password.

    Raises:
        LogUnavailable: in place of any error of SQLAlchemy.
    """
    try:
        yield
    except SQLAlchemyError as error:
        # Without its cause, whose message holds the statement and whose frames hold the address.
        raise LogUnavailable(f"{name}: {said(error)}") from None


def said(error: SQLAlchemyError) -> str:
    """The first line of what the database said; further ones quote the row."""
    said = str(error.orig) if isinstance(error, DBAPIError) else type(error).__name__
    return said.strip().partition("\n")[0] or type(error).__name__
