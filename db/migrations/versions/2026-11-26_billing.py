"""Billing: packs and prices, what was ordered and paid, subscriptions, and the inbox of Stripe's events.

All of it is the service's own. What Stripe tells is kept without names, addresses and cards.
"""

from alembic import op

revision = "7a40c1d2e502"
down_revision = "6c1f0e9a4d11"
branch_labels = None
depends_on = None

TABLES = (
    "billing_cursors",
    "billing_events",
    "plan_changes",
    "billing_payments",
    "billing_checkouts",
    "billing_subscriptions",
    "billing_customers",
    "billing_prices",
    "credit_packs",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    _catalogue()
    _people()
    _payments()
    _inbox()
    for table in TABLES:
        op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO service_role")
        op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table in TABLES:
        op.execute(f"DROP TABLE app.{table}")
    op.execute("UPDATE app.plans SET features = features - 'trial_days' - 'trial_credits'")


def _catalogue() -> None:
    op.execute(
        """
        CREATE TABLE app.credit_packs (
            id text NOT NULL,
            name text NOT NULL,
            credits integer NOT NULL,
            price_cents integer NOT NULL,
            is_active boolean NOT NULL DEFAULT true,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT credit_packs_pkey PRIMARY KEY (id),
            CONSTRAINT credit_packs_amounts_check CHECK (credits > 0 AND price_cents > 0)
        )
        """
    )
    op.execute(
        """
        INSERT INTO app.credit_packs (id, name, credits, price_cents) VALUES
        ('pack-100', '100 credits', 100, 1900),
        ('pack-500', '500 credits', 500, 7900),
        ('pack-2000', '2,000 credits', 2000, 24900)
        """
    )
    op.execute(
        """
        UPDATE app.plans SET features = features || '{"trial_days": 14, "trial_credits": 100}'
        WHERE id = 'pro'
        """
    )
    # Prices of the past stay: subscriptions go on under them.
    op.execute(
        """
        CREATE TABLE app.billing_prices (
            price_id text NOT NULL,
            plan_id text,
            pack_id text,
            amount_cents integer NOT NULL,
            currency text NOT NULL,
            is_active boolean NOT NULL DEFAULT true,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT billing_prices_pkey PRIMARY KEY (price_id),
            CONSTRAINT billing_prices_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES app.plans (id),
            CONSTRAINT billing_prices_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES app.credit_packs (id),
            CONSTRAINT billing_prices_one_check CHECK ((plan_id IS NULL) <> (pack_id IS NULL))
        )
        """
    )
    for noun in ("plan", "pack"):
        op.execute(
            f"CREATE UNIQUE INDEX billing_prices_{noun}_key ON app.billing_prices ({noun}_id)"
            f" WHERE is_active AND {noun}_id IS NOT NULL"
        )


def _people() -> None:
    op.execute(
        """
        CREATE TABLE app.billing_customers (
            customer_id text NOT NULL,
            user_id uuid NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            deleted_at timestamptz,
            CONSTRAINT billing_customers_pkey PRIMARY KEY (customer_id),
            CONSTRAINT billing_customers_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE
        )
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX billing_customers_user_key ON app.billing_customers (user_id)"
        " WHERE deleted_at IS NULL"
    )
    op.execute("CREATE INDEX billing_customers_user_id_idx ON app.billing_customers (user_id)")
    op.execute(
        """
        CREATE TABLE app.billing_subscriptions (
            id text NOT NULL,
            user_id uuid NOT NULL,
            customer_id text NOT NULL,
            plan_id text NOT NULL,
            price_id text NOT NULL,
            item_id text NOT NULL,
            status text NOT NULL,
            cancel_at_period_end boolean NOT NULL,
            period_start timestamptz,
            period_end timestamptz,
            trial_end timestamptz,
            -- When the state was asked for: an answer to an earlier question changes nothing.
            read_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            ended_at timestamptz,
            CONSTRAINT billing_subscriptions_pkey PRIMARY KEY (id),
            CONSTRAINT billing_subscriptions_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT billing_subscriptions_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES app.plans (id)
        )
        """
    )
    op.execute("CREATE INDEX billing_subscriptions_user_id_idx ON app.billing_subscriptions (user_id)")
    op.execute("CREATE INDEX billing_subscriptions_plan_id_idx ON app.billing_subscriptions (plan_id)")
    op.execute(
        """
        CREATE TABLE app.plan_changes (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL,
            subscription_id text NOT NULL,
            kind text NOT NULL,
            from_plan text NOT NULL,
            to_plan text NOT NULL,
            -- Of an upgrade: the credits of the rest of the period.
            credits integer NOT NULL DEFAULT 0,
            invoice_id text,
            state text NOT NULL DEFAULT 'asked',
            effective_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            settled_at timestamptz,
            CONSTRAINT plan_changes_pkey PRIMARY KEY (id),
            CONSTRAINT plan_changes_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT plan_changes_from_plan_fkey FOREIGN KEY (from_plan) REFERENCES app.plans (id),
            CONSTRAINT plan_changes_to_plan_fkey FOREIGN KEY (to_plan) REFERENCES app.plans (id),
            CONSTRAINT plan_changes_kind_check CHECK (kind IN ('upgrade', 'downgrade')),
            CONSTRAINT plan_changes_state_check CHECK (state IN ('asked', 'done', 'dropped')),
            CONSTRAINT plan_changes_credits_check CHECK (credits >= 0)
        )
        """
    )
    # One change of a subscription at a time.
    op.execute(
        "CREATE UNIQUE INDEX plan_changes_asked_key ON app.plan_changes (subscription_id)"
        " WHERE state = 'asked'"
    )
    op.execute("CREATE INDEX plan_changes_user_id_idx ON app.plan_changes (user_id)")
    op.execute("CREATE INDEX plan_changes_from_plan_idx ON app.plan_changes (from_plan)")
    op.execute("CREATE INDEX plan_changes_to_plan_idx ON app.plan_changes (to_plan)")


def _payments() -> None:
    op.execute(
        """
        CREATE TABLE app.billing_checkouts (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL,
            pack_id text,
            plan_id text,
            price_id text NOT NULL,
            credits integer NOT NULL,
            amount_cents integer NOT NULL,
            currency text NOT NULL,
            session_id text,
            state text NOT NULL DEFAULT 'open',
            created_at timestamptz NOT NULL DEFAULT app.now(),
            settled_at timestamptz,
            CONSTRAINT billing_checkouts_pkey PRIMARY KEY (id),
            CONSTRAINT billing_checkouts_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT billing_checkouts_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES app.credit_packs (id),
            CONSTRAINT billing_checkouts_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES app.plans (id),
            CONSTRAINT billing_checkouts_session_id_key UNIQUE (session_id),
            CONSTRAINT billing_checkouts_one_check CHECK ((plan_id IS NULL) <> (pack_id IS NULL)),
            CONSTRAINT billing_checkouts_state_check
                CHECK (state IN ('open', 'waiting', 'paid', 'failed', 'expired'))
        )
        """
    )
    op.execute("CREATE INDEX billing_checkouts_user_id_idx ON app.billing_checkouts (user_id, created_at)")
    op.execute("CREATE INDEX billing_checkouts_pack_id_idx ON app.billing_checkouts (pack_id)")
    op.execute("CREATE INDEX billing_checkouts_plan_id_idx ON app.billing_checkouts (plan_id)")
    # A payment is known by its intent, whichever of purchase, refund and dispute is heard of first.
    op.execute(
        """
        CREATE TABLE app.billing_payments (
            id text NOT NULL,
            user_id uuid NOT NULL,
            credits integer,
            amount_cents integer,
            currency text,
            charge_id text,
            reference text,
            refunded_cents integer NOT NULL DEFAULT 0,
            disputed_cents integer NOT NULL DEFAULT 0,
            returns_read_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT billing_payments_pkey PRIMARY KEY (id),
            CONSTRAINT billing_payments_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users (id),
            CONSTRAINT billing_payments_amounts_check CHECK (
                credits >= 0 AND amount_cents >= 0 AND refunded_cents >= 0 AND disputed_cents >= 0)
        )
        """
    )
    op.execute("CREATE INDEX billing_payments_user_id_idx ON app.billing_payments (user_id)")
    op.execute(
        "CREATE INDEX billing_payments_charge_id_idx ON app.billing_payments (charge_id)"
        " WHERE charge_id IS NOT NULL"
    )


def _inbox() -> None:
    op.execute(
        """
        CREATE TABLE app.billing_events (
            id text NOT NULL,
            type text NOT NULL,
            object_id text,
            api_version text,
            livemode boolean NOT NULL,
            happened_at timestamptz NOT NULL,
            payload jsonb NOT NULL,
            origin text NOT NULL DEFAULT 'webhook',
            state text NOT NULL DEFAULT 'waiting',
            reason text,
            attempts integer NOT NULL DEFAULT 0,
            received_at timestamptz NOT NULL DEFAULT app.now(),
            settled_at timestamptz,
            CONSTRAINT billing_events_pkey PRIMARY KEY (id),
            CONSTRAINT billing_events_origin_check CHECK (origin IN ('webhook', 'catch_up')),
            CONSTRAINT billing_events_state_check
                CHECK (state IN ('waiting', 'done', 'ignored', 'parked', 'dismissed')),
            CONSTRAINT billing_events_settled_check CHECK ((state = 'waiting') = (settled_at IS NULL))
        )
        """
    )
    op.execute("CREATE INDEX billing_events_received_at_idx ON app.billing_events (received_at, id)")
    op.execute(
        "CREATE INDEX billing_events_open_idx ON app.billing_events (state, received_at)"
        " WHERE state IN ('waiting', 'parked')"
    )
    # How far the catch-up has read, and how many deliveries were refused.
    op.execute(
        """
        CREATE TABLE app.billing_cursors (
            name text NOT NULL,
            at timestamptz NOT NULL DEFAULT app.now(),
            count bigint NOT NULL DEFAULT 0,
            CONSTRAINT billing_cursors_pkey PRIMARY KEY (name)
        )
        """
    )
