"""Alembic's entry: runs the migrations on the connection that `routing.storage.migrate` opened.

There is no offline mode and no autogeneration here: a migration is written by hand and proved by running it, and
tests/routing/test_storage.py compares what it made with all models (also those of desk/, which routing cannot import).
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from routing.storage import MIGRATION_LOCK


def run(connection: Connection) -> None:
    """One transaction for all of it, so that a process that dies in the middle leaves the old schema."""
    context.configure(connection=connection, transactional_ddl=True)
    # The lock comes before Alembic looks which version there is: whoever waited for it looks after the other is done.
    connection = connection.execution_options(writes=True)
    with connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.run_migrations()


run(context.config.attributes["connection"])
