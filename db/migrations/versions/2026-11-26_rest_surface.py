"""What clients of `/rest/v1` ask for beside the tables: the vocabularies, and what people do with lists.

The functions are those of `app` under the names that clients call; who may do what is decided there.
"""

from alembic import op

revision = "c41f0d2a7e10"
down_revision = "5b1d2c7e9a40"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "public.my_list_invitations()",
    "public.list_people(uuid)",
    "public.leave_list(uuid)",
    "public.hand_over_list(uuid, uuid)",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("CREATE VIEW public.vocabulary_terms AS SELECT * FROM app.vocabulary_terms")
    op.execute("GRANT SELECT ON public.vocabulary_terms TO authenticated, service_role")
    op.execute(
        """
        CREATE FUNCTION public.my_list_invitations()
        RETURNS TABLE (id uuid, list_id uuid, list_name text, role text, invited_by text,
                       created_at timestamptz, expires_at timestamptz)
        LANGUAGE sql STABLE
        BEGIN ATOMIC
            SELECT * FROM app.my_list_invitations();
        END
        """
    )
    op.execute(
        """
        CREATE FUNCTION public.list_people(list_id uuid)
        RETURNS TABLE (user_id uuid, email text, role text, joined_at timestamptz)
        LANGUAGE sql STABLE
        BEGIN ATOMIC
            SELECT * FROM app.list_people($1);
        END
        """
    )
    op.execute(
        """
        CREATE FUNCTION public.leave_list(list_id uuid) RETURNS text LANGUAGE sql VOLATILE
        BEGIN ATOMIC
            SELECT app.leave_list($1);
        END
        """
    )
    op.execute(
        """
        CREATE FUNCTION public.hand_over_list(list_id uuid, heir uuid) RETURNS text LANGUAGE sql VOLATILE
        BEGIN ATOMIC
            SELECT app.hand_over_list($1, $2);
        END
        """
    )
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO authenticated")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP VIEW public.vocabulary_terms")
