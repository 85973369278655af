"""Plans and users, and what a user keeps: lists, unlocks, hidden records, profiles, the money's books."""

from alembic import op

revision = "5b1d2c7e9a02"
down_revision = "5b1d2c7e9a01"
branch_labels = None
depends_on = None

TABLES = (
    "suppressions",
    "visibility_versions",
    "hidden_companies",
    "hidden_contacts",
    "icp_profiles",
    "email_validation_logs",
    "email_finder_logs",
    "credit_ledger",
    "credit_purchases",
    "transactions",
    "unlocks",
    "list_organizations",
    "list_contacts",
    "list_members",
    "lists",
    "users",
    "plans",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    _accounts()
    _lists()
    _credits()
    _logs()
    _profiles_and_visibility()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table in TABLES:
        op.execute(f"DROP TABLE app.{table}")


def _accounts() -> None:
    op.execute(
        """
        CREATE TABLE app.plans (
            id text NOT NULL,
            name text NOT NULL,
            monthly_credits integer NOT NULL,
            features jsonb NOT NULL DEFAULT '{}',
            price_cents integer NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT plans_pkey PRIMARY KEY (id),
            CONSTRAINT plans_amounts_check CHECK (monthly_credits >= 0 AND price_cents >= 0)
        )
        """
    )
    # A limit that a plan does not name does not exist for it. `search_depth` is how many results of one
    # search can be paged through.
    op.execute(
        """
        INSERT INTO app.plans (id, name, monthly_credits, price_cents, features) VALUES
        ('free', 'Free', 50, 0,
         '{"limits": {"lists": 3, "icps": 1, "export_rows": 100, "search_depth": 1000, "alerts": 0}}'),
        ('pro', 'Pro', 1000, 4900,
         '{"limits": {"lists": 100, "icps": 25, "export_rows": 10000, "search_depth": 50000, "alerts": 25}}'),
        ('team', 'Team', 5000, 14900,
         '{"limits": {"lists": 1000, "icps": 250, "export_rows": 100000, "alerts": 250}}')
        """
    )
    op.execute(
        """
        CREATE TABLE app.users (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            email citext NOT NULL,
            plan_id text NOT NULL DEFAULT 'free',
            credit_balance integer NOT NULL DEFAULT 0,
            role text NOT NULL DEFAULT 'member',
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT users_pkey PRIMARY KEY (id),
            CONSTRAINT users_email_key UNIQUE (email),
            CONSTRAINT users_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES app.plans (id),
            CONSTRAINT users_credit_balance_check CHECK (credit_balance >= 0),
            CONSTRAINT users_role_check CHECK (role IN ('member', 'admin')),
            CONSTRAINT users_email_check CHECK (length(email::text) BETWEEN 3 AND 320)
        )
        """
    )


def _lists() -> None:
    op.execute(
        """
        CREATE TABLE app.lists (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            owner_id uuid NOT NULL,
            name text NOT NULL,
            is_shared boolean NOT NULL DEFAULT false,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT lists_pkey PRIMARY KEY (id),
            CONSTRAINT lists_owner_id_fkey
                FOREIGN KEY (owner_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT lists_name_check CHECK (length(name) BETWEEN 1 AND 200)
        )
        """
    )
    op.execute("CREATE INDEX lists_owner_id_idx ON app.lists (owner_id)")
    op.execute(
        """
        CREATE TABLE app.list_members (
            list_id uuid NOT NULL,
            user_id uuid NOT NULL,
            role text NOT NULL DEFAULT 'viewer',
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT list_members_pkey PRIMARY KEY (list_id, user_id),
            CONSTRAINT list_members_list_id_fkey
                FOREIGN KEY (list_id) REFERENCES app.lists (id) ON DELETE CASCADE,
            CONSTRAINT list_members_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT list_members_role_check CHECK (role IN ('viewer', 'editor', 'owner'))
        )
        """
    )
    op.execute("CREATE INDEX list_members_user_id_idx ON app.list_members (user_id)")
    for noun in ("contact", "organization"):
        op.execute(
            f"""
            CREATE TABLE app.list_{noun}s (
                list_id uuid NOT NULL,
                {noun}_id integer NOT NULL,
                added_by uuid,
                added_at timestamptz NOT NULL DEFAULT app.now(),
                CONSTRAINT list_{noun}s_pkey PRIMARY KEY (list_id, {noun}_id),
                CONSTRAINT list_{noun}s_list_id_fkey
                    FOREIGN KEY (list_id) REFERENCES app.lists (id) ON DELETE CASCADE,
                CONSTRAINT list_{noun}s_{noun}_id_fkey
                    FOREIGN KEY ({noun}_id) REFERENCES app.{noun}s (id) ON DELETE CASCADE,
                CONSTRAINT list_{noun}s_added_by_fkey
                    FOREIGN KEY (added_by) REFERENCES app.users (id) ON DELETE SET NULL
            )
            """
        )
        op.execute(f"CREATE INDEX list_{noun}s_{noun}_id_idx ON app.list_{noun}s ({noun}_id)")
        op.execute(f"CREATE INDEX list_{noun}s_added_by_idx ON app.list_{noun}s (added_by)")


def _credits() -> None:
    op.execute(
        """
        CREATE TABLE app.unlocks (
            user_id uuid NOT NULL,
            contact_id integer NOT NULL,
            field text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT unlocks_pkey PRIMARY KEY (user_id, contact_id, field),
            CONSTRAINT unlocks_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT unlocks_contact_id_fkey
                FOREIGN KEY (contact_id) REFERENCES app.contacts (id) ON DELETE CASCADE,
            CONSTRAINT unlocks_field_check CHECK (field IN ('email', 'phone'))
        )
        """
    )
    op.execute("CREATE INDEX unlocks_contact_id_idx ON app.unlocks (contact_id)")
    op.execute(
        """
        CREATE TABLE app.transactions (
            id bigint GENERATED ALWAYS AS IDENTITY,
            user_id uuid NOT NULL,
            type text NOT NULL,
            credits_used integer NOT NULL,
            contact_id integer,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT transactions_pkey PRIMARY KEY (id),
            CONSTRAINT transactions_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users (id),
            CONSTRAINT transactions_contact_id_fkey
                FOREIGN KEY (contact_id) REFERENCES app.contacts (id) ON DELETE SET NULL
        )
        """
    )
    op.execute("CREATE INDEX transactions_user_id_idx ON app.transactions (user_id, id)")
    op.execute(
        "CREATE INDEX transactions_contact_id_idx ON app.transactions (contact_id)"
        " WHERE contact_id IS NOT NULL"
    )
    op.execute(
        """
        CREATE TABLE app.credit_purchases (
            id bigint GENERATED ALWAYS AS IDENTITY,
            user_id uuid NOT NULL,
            stripe_charge_id text,
            credits_added integer NOT NULL,
            amount_cents integer NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT credit_purchases_pkey PRIMARY KEY (id),
            CONSTRAINT credit_purchases_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users (id),
            CONSTRAINT credit_purchases_stripe_charge_id_key UNIQUE (stripe_charge_id)
        )
        """
    )
    op.execute("CREATE INDEX credit_purchases_user_id_idx ON app.credit_purchases (user_id, id)")
    op.execute(
        """
        CREATE TABLE app.credit_ledger (
            id bigint GENERATED ALWAYS AS IDENTITY,
            user_id uuid NOT NULL,
            delta integer NOT NULL,
            kind text NOT NULL,
            reference text NOT NULL,
            balance_after integer NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT credit_ledger_pkey PRIMARY KEY (id),
            CONSTRAINT credit_ledger_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users (id),
            -- A retry of the same thing finds its first entry here.
            CONSTRAINT credit_ledger_entry_key UNIQUE (user_id, kind, reference),
            CONSTRAINT credit_ledger_delta_check CHECK (delta <> 0 AND balance_after >= 0),
            CONSTRAINT credit_ledger_kind_check CHECK (
                kind IN ('granted', 'purchased', 'spent', 'reserved', 'voided', 'expired', 'refunded',
                         'adjusted'))
        )
        """
    )


def _logs() -> None:
    op.execute(
        """
        CREATE TABLE app.email_finder_logs (
            id bigint GENERATED ALWAYS AS IDENTITY,
            user_id uuid NOT NULL,
            contact_id integer,
            input_data jsonb NOT NULL DEFAULT '{}',
            output_email text,
            status text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT email_finder_logs_pkey PRIMARY KEY (id),
            CONSTRAINT email_finder_logs_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT email_finder_logs_contact_id_fkey
                FOREIGN KEY (contact_id) REFERENCES app.contacts (id) ON DELETE SET NULL
        )
        """
    )
    op.execute("CREATE INDEX email_finder_logs_user_id_idx ON app.email_finder_logs (user_id, id)")
    op.execute(
        "CREATE INDEX email_finder_logs_contact_id_idx ON app.email_finder_logs (contact_id)"
        " WHERE contact_id IS NOT NULL"
    )
    op.execute(
        """
        CREATE TABLE app.email_validation_logs (
            id bigint GENERATED ALWAYS AS IDENTITY,
            user_id uuid NOT NULL,
            email text NOT NULL,
            smtp_result jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT email_validation_logs_pkey PRIMARY KEY (id),
            CONSTRAINT email_validation_logs_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX email_validation_logs_user_id_idx ON app.email_validation_logs (user_id, id)")


def _profiles_and_visibility() -> None:
    op.execute(
        """
        CREATE TABLE app.icp_profiles (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL,
            name text NOT NULL,
            filters jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT icp_profiles_pkey PRIMARY KEY (id),
            CONSTRAINT icp_profiles_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT icp_profiles_name_check CHECK (length(name) BETWEEN 1 AND 200)
        )
        """
    )
    op.execute("CREATE INDEX icp_profiles_user_id_idx ON app.icp_profiles (user_id)")
    for table, noun in (("hidden_contacts", "contact"), ("hidden_companies", "organization")):
        op.execute(
            f"""
            CREATE TABLE app.{table} (
                user_id uuid NOT NULL,
                {noun}_id integer NOT NULL,
                hidden_at timestamptz NOT NULL DEFAULT app.now(),
                CONSTRAINT {table}_pkey PRIMARY KEY (user_id, {noun}_id),
                CONSTRAINT {table}_user_id_fkey
                    FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
                CONSTRAINT {table}_{noun}_id_fkey
                    FOREIGN KEY ({noun}_id) REFERENCES app.{noun}s (id) ON DELETE CASCADE
            )
            """
        )
        # Without it every deleted record would scan the hidden records of all users.
        op.execute(f"CREATE INDEX {table}_{noun}_id_idx ON app.{table} ({noun}_id)")
    op.execute(
        """
        CREATE TABLE app.visibility_versions (
            user_id uuid NOT NULL,
            version bigint NOT NULL,
            CONSTRAINT visibility_versions_pkey PRIMARY KEY (user_id),
            CONSTRAINT visibility_versions_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE
        )
        """
    )
    op.execute(
        """
        CREATE TABLE app.suppressions (
            kind text NOT NULL,
            keyed_hash bytea NOT NULL,
            reason text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT suppressions_pkey PRIMARY KEY (kind, keyed_hash),
            CONSTRAINT suppressions_kind_check CHECK (kind IN ('email', 'domain', 'phone', 'linkedin'))
        )
        """
    )
