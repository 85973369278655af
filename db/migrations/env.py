"""Alembic's entry: runs the migrations on the connection that `db.migrate` hands over."""

from alembic import context
from sqlalchemy import Connection

from db.models import metadata


def run() -> None:
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema="app",
        include_schemas=True,
        include_name=_is_ours,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name in {"app", "auth"}


run()
