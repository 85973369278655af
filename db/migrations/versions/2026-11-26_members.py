"""Accounts that are disabled or erased, and keys by which programs call the API."""

from alembic import op

revision = "7a40c3d1e003"
down_revision = "7a40c3d1e002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    _accounts()
    _erasure()
    _api_keys()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP TABLE app.api_keys")
    op.execute("DROP FUNCTION app.erase_user(uuid)")
    op.execute(
        "ALTER TABLE app.users DROP COLUMN disabled_at, DROP COLUMN disabled_because, DROP COLUMN erased_at"
    )


def _accounts() -> None:
    op.execute(
        """
        ALTER TABLE app.users
            ADD COLUMN disabled_at timestamptz,
            ADD COLUMN disabled_because text,
            ADD COLUMN erased_at timestamptz,
            ADD CONSTRAINT users_disabled_check CHECK (
                (disabled_at IS NOT NULL OR (disabled_because IS NULL AND erased_at IS NULL))
                AND length(disabled_because) <= 500) NOT VALID
        """
    )
    op.execute("ALTER TABLE app.users VALIDATE CONSTRAINT users_disabled_check")
    op.execute("GRANT UPDATE (disabled_at, disabled_because) ON app.users TO service_role")


def _erasure() -> None:
    # It follows the rules that the tables themselves have: what would go with the account goes, what would
    # lose its reference loses it. The books refer without such a rule; they and the id are what stays.
    op.execute(
        """
        CREATE FUNCTION app.erase_user(gone uuid) RETURNS jsonb LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            reference record;
            address text;
            changed bigint;
            in_pass bigint := 1;
            told jsonb := '{}';
        BEGIN
            SELECT email::text INTO address FROM app.users
            WHERE id = gone AND erased_at IS NULL FOR UPDATE;
            IF address IS NULL THEN
                RETURN NULL;
            END IF;
            -- What goes may leave a note behind (that somebody left a list), so until nothing is left.
            WHILE in_pass > 0 LOOP
                in_pass := 0;
                FOR reference IN
                    SELECT conrelid::regclass AS relation, attname AS name, confdeltype AS rule,
                           conrelid::regclass || '.' || attname AS told_as
                    FROM pg_constraint
                    JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
                    WHERE contype = 'f' AND confrelid = 'app.users'::regclass AND confdeltype IN ('c', 'n')
                    ORDER BY confdeltype, conrelid::regclass::text, attname
                LOOP
                    EXECUTE format(
                        CASE reference.rule
                            WHEN 'c' THEN 'DELETE FROM %s WHERE %I = $1'
                            ELSE 'UPDATE %1$s SET %2$I = NULL WHERE %2$I = $1'
                        END,
                        reference.relation, reference.name
                    ) USING gone;
                    GET DIAGNOSTICS changed = ROW_COUNT;
                    in_pass := in_pass + changed;
                    IF changed > 0 THEN
                        told := told || jsonb_build_object(
                            reference.told_as,
                            changed + coalesce((told ->> reference.told_as)::bigint, 0));
                    END IF;
                END LOOP;
            END LOOP;
            -- What others have written down about the address.
            DELETE FROM app.icp_members WHERE email OPERATOR(extensions.=) address::extensions.citext;
            DELETE FROM app.list_invitations WHERE email OPERATOR(extensions.=) address::extensions.citext;
            UPDATE app.users
            SET email = 'erased-' || gone || '@users.invalid', role = 'member', erased_at = app.now(),
                disabled_at = coalesce(disabled_at, app.now()), disabled_because = NULL
            WHERE id = gone;
            RETURN told;
        END
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION app.erase_user(uuid) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION app.erase_user(uuid) TO service_role")


def _api_keys() -> None:
    op.execute(
        """
        CREATE TABLE app.api_keys (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL,
            name text NOT NULL,
            prefix text NOT NULL,
            key_hash bytea NOT NULL,
            scopes text[] NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            expires_at timestamptz,
            last_used_at timestamptz,
            CONSTRAINT api_keys_pkey PRIMARY KEY (id),
            CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash),
            CONSTRAINT api_keys_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT api_keys_name_check CHECK (length(name) BETWEEN 1 AND 100),
            CONSTRAINT api_keys_hash_check CHECK (octet_length(key_hash) = 32),
            CONSTRAINT api_keys_scopes_check CHECK (
                cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'write', 'spend', 'admin'])
        )
        """
    )
    op.execute("CREATE INDEX api_keys_user_id_idx ON app.api_keys (user_id, created_at)")
    op.execute("ALTER TABLE app.api_keys ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.api_keys FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner_all ON app.api_keys TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute(
        "GRANT SELECT, INSERT (user_id, name, prefix, key_hash, scopes, expires_at),"
        " UPDATE (last_used_at), DELETE ON app.api_keys TO service_role"
    )
    op.execute("CREATE POLICY service ON app.api_keys TO service_role USING (true) WITH CHECK (true)")
