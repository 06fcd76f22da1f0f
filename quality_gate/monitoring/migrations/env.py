"""Run by Alembic; :mod:`quality_gate.monitoring.schema` hands over the connection, in a transaction of its own."""

from alembic import context

from quality_gate.monitoring.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite can alter a table only by making it anew.
    render_as_batch=True,
)
context.run_migrations()
