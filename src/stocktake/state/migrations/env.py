"""What Alembic runs: the migrations, on the connection that `upgrade` was given."""

from __future__ import annotations

from alembic import context

from stocktake.state.tables import metadata

# SQLite's DDL takes part in a transaction that was begun in words, as ours are.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
