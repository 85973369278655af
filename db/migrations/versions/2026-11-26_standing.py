"""Whether somebody may still act: the account, and the session that a token belongs to, in one look.

Asked by the statement that a request makes anyway, so that signing out, a new password and a disabled account
hold with the next request and cost no round trip.
"""

from alembic import op

revision = "5b1d2c7e9a41"
down_revision = "6f0c52d81ab3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    # It reads for the caller what no role of the API may read. A token without a session (an operator's, a
    # key's, another issuer's) is as good as its account. Without an account there is no row, and it is NULL.
    op.execute(
        """
        CREATE FUNCTION auth.standing() RETURNS text
        LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
        BEGIN ATOMIC
            SELECT CASE
                WHEN me.disabled_at IS NOT NULL OR sign_in.banned_until > app.now() THEN 'disabled'
                WHEN auth.jwt() ->> 'session_id' IS NULL OR EXISTS (
                    SELECT FROM auth.sessions AS mine
                    WHERE mine.id = (auth.jwt() ->> 'session_id')::uuid
                      AND mine.user_id = me.id AND mine.revoked_at IS NULL)
                THEN 'good'
                ELSE 'signed_out' END
            FROM app.users AS me LEFT JOIN auth.users AS sign_in ON sign_in.id = me.id
            WHERE me.id = auth.uid();
        END
        """
    )
    op.execute("REVOKE ALL ON FUNCTION auth.standing() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION auth.standing() TO authenticated")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP FUNCTION auth.standing()")
