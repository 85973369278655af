"""${message}."""

from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

# It must run under the code that is live now: expand first, backfill in batches, contract later. An index
# on a table with rows is built CONCURRENTLY, inside `with op.get_context().autocommit_block():`.


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    ${upgrades if upgrades else "op.execute()"}


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    ${downgrades if downgrades else "op.execute()"}
