"""Credits: grants, holds and debts, and a ledger that carries everything else with it.

An entry of the ledger is the only way to move credits. A trigger takes it on: it checks that the entries
continue the balance, moves the balance, the debt and what is left of the grants, and writes the two
projections. Nobody has the right to write these columns otherwise.
"""

from alembic import op

revision = "5b1d2c7e9a30"
down_revision = "8821207f888e"
branch_labels = None
depends_on = None

NEW_TABLES = ("credit_grants", "credit_holds")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    _accounts()
    _grants_and_holds()
    _ledger()
    _functions()
    _access()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for trigger in ("post_on_insert", "keep_on_change", "keep_on_truncate"):
        op.execute(f"DROP TRIGGER {trigger} ON app.credit_ledger")
    for table in NEW_TABLES:
        op.execute(f"DROP TABLE app.{table}")
    for function in ("post_credit_entries", "keep_credit_ledger", "settle_hold_once"):
        op.execute(f"DROP FUNCTION app.{function}()")
    for relation in ("app.users", "public.users"):
        op.execute(f"REVOKE INSERT (id, email, plan_id, role, created_at) ON {relation} FROM service_role")
        op.execute(f"REVOKE UPDATE (email, plan_id, role) ON {relation} FROM service_role")
        op.execute(f"GRANT INSERT, UPDATE ON {relation} TO service_role")
    op.execute("DROP INDEX app.credit_ledger_user_id_idx")
    op.execute("ALTER TABLE app.credit_ledger DROP CONSTRAINT credit_ledger_movement_check")
    op.execute("ALTER TABLE app.credit_ledger DROP CONSTRAINT credit_ledger_kind_check")
    for column in ("owed_delta", "action", "contact_id", "actor_id", "grants", "details"):
        op.execute(f"ALTER TABLE app.credit_ledger DROP COLUMN {column}")
    op.execute(
        """
        ALTER TABLE app.credit_ledger
            ADD CONSTRAINT credit_ledger_delta_check CHECK (delta <> 0 AND balance_after >= 0) NOT VALID,
            ADD CONSTRAINT credit_ledger_kind_check CHECK (
                kind IN ('granted', 'purchased', 'spent', 'reserved', 'voided', 'expired', 'refunded',
                         'adjusted')) NOT VALID
        """
    )
    for column in ("credits_owed", "credits_frozen_at", "credits_frozen_because"):
        op.execute(f"ALTER TABLE app.users DROP COLUMN {column}")
    op.execute("UPDATE app.plans SET features = features - 'rollover_credits'")


def _accounts() -> None:
    op.execute(
        """
        ALTER TABLE app.users
            ADD COLUMN credits_owed integer NOT NULL DEFAULT 0,
            ADD COLUMN credits_frozen_at timestamptz,
            ADD COLUMN credits_frozen_because text,
            -- Whoever owes has nothing, and whoever has something owes nothing.
            ADD CONSTRAINT users_credits_owed_check
                CHECK (credits_owed >= 0 AND (credits_owed = 0 OR credit_balance = 0)),
            ADD CONSTRAINT users_credits_frozen_check
                CHECK ((credits_frozen_at IS NULL) = (credits_frozen_because IS NULL))
        """
    )
    # How much of an old month is carried into the next.
    op.execute(
        """
        UPDATE app.plans SET features = features || jsonb_build_object(
            'rollover_credits', CASE id WHEN 'free' THEN 0 ELSE monthly_credits END)
        """
    )


def _grants_and_holds() -> None:
    op.execute(
        """
        CREATE TABLE app.credit_grants (
            id bigint GENERATED ALWAYS AS IDENTITY,
            user_id uuid NOT NULL,
            source text NOT NULL,
            reference text NOT NULL,
            amount integer NOT NULL,
            remaining integer NOT NULL DEFAULT 0,
            -- Lower is spent first.
            priority smallint NOT NULL,
            expires_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT credit_grants_pkey PRIMARY KEY (id),
            CONSTRAINT credit_grants_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users (id),
            CONSTRAINT credit_grants_reference_key UNIQUE (user_id, reference),
            CONSTRAINT credit_grants_source_check
                CHECK (source IN ('plan', 'rollover', 'gift', 'refund', 'purchase')),
            CONSTRAINT credit_grants_amount_check CHECK (amount > 0 AND remaining BETWEEN 0 AND amount)
        )
        """
    )
    op.execute(
        "CREATE INDEX credit_grants_user_id_idx ON app.credit_grants (user_id, priority, expires_at, id)"
        " WHERE remaining > 0"
    )
    op.execute(
        "CREATE INDEX credit_grants_expires_at_idx ON app.credit_grants (expires_at) WHERE remaining > 0"
    )
    op.execute(
        """
        CREATE TABLE app.credit_holds (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL,
            reference text NOT NULL,
            action text NOT NULL,
            credits integer NOT NULL,
            contact_id integer,
            state text NOT NULL DEFAULT 'reserved',
            expires_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            settled_at timestamptz,
            CONSTRAINT credit_holds_pkey PRIMARY KEY (id),
            CONSTRAINT credit_holds_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users (id),
            CONSTRAINT credit_holds_reference_key UNIQUE (user_id, reference),
            CONSTRAINT credit_holds_credits_check CHECK (credits > 0),
            CONSTRAINT credit_holds_state_check
                CHECK (state IN ('reserved', 'captured', 'voided', 'expired')),
            CONSTRAINT credit_holds_settled_check CHECK ((state = 'reserved') = (settled_at IS NULL))
        )
        """
    )
    op.execute(
        "CREATE INDEX credit_holds_expires_at_idx ON app.credit_holds (expires_at) WHERE state = 'reserved'"
    )


def _ledger() -> None:
    # Ids of contacts are never used again, so an entry may name one that is gone and tells nothing by it.
    op.execute(
        """
        ALTER TABLE app.credit_ledger
            ADD COLUMN owed_delta integer NOT NULL DEFAULT 0,
            ADD COLUMN action text,
            ADD COLUMN contact_id integer,
            ADD COLUMN actor_id uuid,
            ADD COLUMN grants jsonb NOT NULL DEFAULT '{}',
            ADD COLUMN details jsonb NOT NULL DEFAULT '{}',
            DROP CONSTRAINT credit_ledger_delta_check,
            DROP CONSTRAINT credit_ledger_kind_check,
            ADD CONSTRAINT credit_ledger_kind_check CHECK (
                kind IN ('granted', 'purchased', 'spent', 'reserved', 'captured', 'voided', 'expired',
                         'refunded', 'clawed_back', 'restored', 'repaid', 'adjusted')),
            ADD CONSTRAINT credit_ledger_movement_check CHECK (
                balance_after >= 0 AND CASE
                    WHEN kind IN ('granted', 'purchased', 'voided', 'refunded', 'restored')
                        THEN delta > 0 AND owed_delta = 0
                    WHEN kind IN ('spent', 'reserved', 'expired', 'adjusted')
                        THEN delta < 0 AND owed_delta = 0
                    WHEN kind = 'captured' THEN delta = 0 AND owed_delta = 0
                    WHEN kind = 'repaid' THEN delta < 0 AND owed_delta = delta
                    ELSE delta <= 0 AND owed_delta >= 0 AND owed_delta - delta > 0
                END)
        """
    )
    op.execute("CREATE INDEX credit_ledger_user_id_idx ON app.credit_ledger (user_id, id)")


def _functions() -> None:
    _function(
        "post_credit_entries",
        """
        DECLARE
            moved bigint;
        BEGIN
            IF EXISTS (
                SELECT FROM posted
                WHERE delta <> coalesce((SELECT sum(value::integer) FROM jsonb_each_text(grants)), 0)
            ) THEN
                RAISE EXCEPTION 'an entry of the ledger does not add up over its grants'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_ledger_grants_check';
            END IF;
            IF EXISTS (
                SELECT FROM posted JOIN app.users ON users.id = posted.user_id
                WHERE posted.kind IN ('spent', 'reserved') AND users.credits_frozen_at IS NOT NULL
            ) THEN
                RAISE EXCEPTION 'this account may not spend'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_ledger_frozen_check';
            END IF;
            IF EXISTS (
                SELECT FROM (
                    SELECT balance_after - delta AS before,
                           lag(balance_after) OVER (PARTITION BY user_id ORDER BY id) AS left_before
                    FROM posted
                ) AS chained
                WHERE left_before IS NOT NULL AND before <> left_before
            ) THEN
                RAISE EXCEPTION 'entries of the ledger do not follow each other'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_ledger_chain_check';
            END IF;

            UPDATE app.users
            SET credit_balance = due.after, credits_owed = users.credits_owed + due.owed
            FROM (
                SELECT user_id, sum(owed_delta) AS owed,
                       (array_agg(balance_after - delta ORDER BY id))[1] AS before,
                       (array_agg(balance_after ORDER BY id DESC))[1] AS after
                FROM posted GROUP BY user_id
            ) AS due
            WHERE users.id = due.user_id AND users.credit_balance = due.before;
            GET DIAGNOSTICS moved = ROW_COUNT;
            IF moved <> (SELECT count(DISTINCT user_id) FROM posted) THEN
                RAISE EXCEPTION 'an entry of the ledger does not continue the balance'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_ledger_chain_check';
            END IF;

            UPDATE app.credit_grants
            SET remaining = credit_grants.remaining + due.change
            FROM (
                SELECT posted.user_id, part.key::bigint AS id, sum(part.value::integer) AS change
                FROM posted CROSS JOIN jsonb_each_text(posted.grants) AS part
                GROUP BY 1, 2
            ) AS due
            WHERE credit_grants.id = due.id AND credit_grants.user_id = due.user_id;
            GET DIAGNOSTICS moved = ROW_COUNT;
            IF moved <> (
                SELECT count(DISTINCT key) FROM posted CROSS JOIN jsonb_each_text(posted.grants)
            ) THEN
                RAISE EXCEPTION 'an entry of the ledger names a grant of nobody or of somebody else'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_ledger_grants_check';
            END IF;

            INSERT INTO app.transactions (user_id, type, credits_used, contact_id, created_at)
            SELECT user_id, coalesce(action, kind),
                   CASE kind WHEN 'captured' THEN (details ->> 'credits')::integer ELSE -delta END,
                   (SELECT contacts.id FROM app.contacts
                    WHERE contacts.id = posted.contact_id FOR KEY SHARE),
                   created_at
            FROM posted WHERE kind IN ('spent', 'captured', 'refunded') ORDER BY id;

            INSERT INTO app.credit_purchases
                (user_id, stripe_charge_id, credits_added, amount_cents, created_at)
            SELECT user_id, details ->> 'stripe_charge_id', delta, (details ->> 'amount_cents')::integer,
                   created_at
            FROM posted WHERE kind = 'purchased' ORDER BY id;
            RETURN NULL;
        END
        """,
        definer=True,
    )
    op.execute(
        "CREATE TRIGGER post_on_insert AFTER INSERT ON app.credit_ledger REFERENCING NEW TABLE AS posted"
        " FOR EACH STATEMENT EXECUTE FUNCTION app.post_credit_entries()"
    )
    # An empty ledger may be truncated: nothing is lost by it.
    _function(
        "keep_credit_ledger",
        """
        BEGIN
            IF TG_OP = 'TRUNCATE' AND NOT EXISTS (SELECT FROM app.credit_ledger) THEN
                RETURN NULL;
            END IF;
            RAISE EXCEPTION 'the ledger only grows: correct it by another entry'
                USING ERRCODE = 'restrict_violation';
        END
        """,
    )
    op.execute(
        "CREATE TRIGGER keep_on_change BEFORE UPDATE OR DELETE ON app.credit_ledger"
        " FOR EACH ROW EXECUTE FUNCTION app.keep_credit_ledger()"
    )
    op.execute(
        "CREATE TRIGGER keep_on_truncate BEFORE TRUNCATE ON app.credit_ledger"
        " FOR EACH STATEMENT EXECUTE FUNCTION app.keep_credit_ledger()"
    )
    _function(
        "settle_hold_once",
        """
        BEGIN
            IF OLD.state <> 'reserved' THEN
                RAISE EXCEPTION 'a hold that is % stays so', OLD.state USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END
        """,
    )
    op.execute(
        "CREATE TRIGGER settle_once_on_update BEFORE UPDATE ON app.credit_holds"
        " FOR EACH ROW EXECUTE FUNCTION app.settle_hold_once()"
    )


def _function(name: str, body: str, *, definer: bool = False) -> None:
    rights = "SECURITY DEFINER" if definer else ""
    op.execute(
        f"""
        CREATE FUNCTION app.{name}() RETURNS trigger LANGUAGE plpgsql
        {rights} SET search_path = pg_catalog, pg_temp AS $$ {body} $$
        """
    )
    op.execute(f"REVOKE ALL ON FUNCTION app.{name}() FROM PUBLIC")


def _access() -> None:
    for table in NEW_TABLES:
        op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")
    op.execute(
        """
        GRANT SELECT, INSERT (user_id, source, reference, amount, priority, expires_at)
            ON app.credit_grants TO service_role
        """
    )
    op.execute(
        """
        GRANT SELECT, INSERT (user_id, reference, action, credits, contact_id, expires_at),
              UPDATE (state, settled_at)
            ON app.credit_holds TO service_role
        """
    )
    # From here on a balance follows from the ledger alone, whoever asks.
    for relation, updated in (
        ("app.users", "email, plan_id, role, credits_frozen_at, credits_frozen_because"),
        ("public.users", "email, plan_id, role"),
    ):
        op.execute(f"REVOKE INSERT, UPDATE ON {relation} FROM service_role")
        op.execute(f"GRANT INSERT (id, email, plan_id, role, created_at) ON {relation} TO service_role")
        op.execute(f"GRANT UPDATE ({updated}) ON {relation} TO service_role")
