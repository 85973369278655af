"""One mechanism for every Idempotency-Key: a claim before the work, the answer with its status after it.

Exports kept keys of their own, which no released version has handed out.
"""

from alembic import op

revision = "7a40c1d2e501"
down_revision = "8821207f8891"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        ALTER TABLE app.idempotency_keys
            ADD COLUMN reference uuid NOT NULL DEFAULT gen_random_uuid(),
            ADD COLUMN status smallint,
            ADD COLUMN claimed_until timestamptz,
            ALTER COLUMN response DROP NOT NULL
        """
    )
    op.execute("UPDATE app.idempotency_keys SET status = 200")
    op.execute(
        """
        ALTER TABLE app.idempotency_keys
            ADD CONSTRAINT idempotency_keys_answer_check CHECK (
                (response IS NULL) = (status IS NULL) AND (response IS NULL) = (claimed_until IS NOT NULL))
        """
    )
    op.execute("ALTER TABLE app.exports DROP COLUMN idempotency_key, DROP COLUMN body_hash")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("ALTER TABLE app.exports ADD COLUMN idempotency_key text, ADD COLUMN body_hash bytea")
    op.execute(
        "CREATE UNIQUE INDEX exports_idempotency_key ON app.exports (user_id, idempotency_key)"
        " WHERE idempotency_key IS NOT NULL"
    )
    op.execute("GRANT INSERT (idempotency_key, body_hash) ON app.exports TO authenticated")
    op.execute("DELETE FROM app.idempotency_keys WHERE response IS NULL")
    op.execute(
        """
        ALTER TABLE app.idempotency_keys
            DROP COLUMN reference, DROP COLUMN status, DROP COLUMN claimed_until,
            ALTER COLUMN response SET NOT NULL
        """
    )
