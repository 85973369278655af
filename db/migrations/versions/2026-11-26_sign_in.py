"""Who signs in: passwords, identities of other providers, sessions, and what is under way between mails.

None of it is for the product: only the role `auth_admin` reaches these tables. The person is `app.users`,
whose address is the only one; a row of `auth.users` is how that person signs in.
"""

from alembic import op

revision = "5b1d2c7e9a40"
down_revision = "7a40c1d2e502"
branch_labels = None
depends_on = None

# What auth_admin may do with each table. Consents and events only grow.
TABLES = {
    "users": "SELECT, INSERT, UPDATE, DELETE",
    "identities": "SELECT, INSERT, UPDATE, DELETE",
    "sessions": "SELECT, INSERT, UPDATE, DELETE",
    "refresh_tokens": "SELECT, INSERT, UPDATE, DELETE",
    "signups": "SELECT, INSERT, DELETE",
    "one_time_tokens": "SELECT, INSERT, UPDATE, DELETE",
    "flow_state": "SELECT, INSERT, DELETE",
    "mfa_factors": "SELECT, INSERT, UPDATE, DELETE",
    "mfa_challenges": "SELECT, INSERT, UPDATE, DELETE",
    "consents": "SELECT, INSERT",
    "events": "SELECT, INSERT",
}
KEPT = ("consents", "events")
FUNCTIONS = ("app.now()", "app.today()", "auth.jwt()", "auth.uid()", "auth.role()")
SCHEMAS = ("app", "auth", "extensions", "public")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    _people()
    _under_way()
    _factors()
    _records()
    _access()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table in ("users", "outbox"):
        op.execute(f"DROP POLICY sign_in ON app.{table}")
        op.execute(f"REVOKE ALL ON app.{table} FROM auth_admin")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE auth.{table}")
    op.execute("DROP FUNCTION auth.keep()")
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM auth_admin")
    for schema in SCHEMAS:
        op.execute(f"REVOKE USAGE ON SCHEMA {schema} FROM auth_admin")


def _people() -> None:
    op.execute(
        """
        CREATE TABLE auth.users (
            id uuid NOT NULL,
            password_hash text,
            email_confirmed_at timestamptz,
            -- Confirmed by a mail or a provider, and not merely taken at its word.
            email_is_proven boolean NOT NULL DEFAULT false,
            new_email extensions.citext,
            change_confirmed_by text,
            app_metadata jsonb NOT NULL DEFAULT '{}',
            user_metadata jsonb NOT NULL DEFAULT '{}',
            invited_at timestamptz,
            last_sign_in_at timestamptz,
            banned_until timestamptz,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            updated_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT users_pkey PRIMARY KEY (id),
            CONSTRAINT users_id_fkey FOREIGN KEY (id) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT users_new_email_check CHECK (change_confirmed_by IN ('current', 'new')),
            CONSTRAINT users_metadata_check CHECK (
                jsonb_typeof(app_metadata) = 'object' AND jsonb_typeof(user_metadata) = 'object')
        )
        """
    )
    op.execute(
        """
        CREATE TABLE auth.identities (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL,
            provider text NOT NULL,
            provider_id text NOT NULL,
            identity_data jsonb NOT NULL DEFAULT '{}',
            last_sign_in_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            updated_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT identities_pkey PRIMARY KEY (id),
            CONSTRAINT identities_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE,
            CONSTRAINT identities_provider_key UNIQUE (provider, provider_id)
        )
        """
    )
    op.execute("CREATE INDEX identities_user_id_idx ON auth.identities (user_id)")
    op.execute(
        """
        CREATE TABLE auth.sessions (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL,
            aal text NOT NULL DEFAULT 'aal1',
            amr jsonb NOT NULL DEFAULT '[]',
            address inet,
            user_agent text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            refreshed_at timestamptz NOT NULL DEFAULT app.now(),
            -- Set when a token of it was used again by somebody who should not have it.
            revoked_at timestamptz,
            CONSTRAINT sessions_pkey PRIMARY KEY (id),
            CONSTRAINT sessions_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE,
            CONSTRAINT sessions_aal_check CHECK (aal IN ('aal1', 'aal2'))
        )
        """
    )
    op.execute("CREATE INDEX sessions_user_id_idx ON auth.sessions (user_id)")
    op.execute("CREATE INDEX sessions_refreshed_at_idx ON auth.sessions (refreshed_at)")
    # The tokens themselves are made from the ids under the installation's secret, and stored nowhere.
    op.execute(
        """
        CREATE TABLE auth.refresh_tokens (
            id uuid NOT NULL,
            session_id uuid NOT NULL,
            parent_id uuid,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            used_at timestamptz,
            CONSTRAINT refresh_tokens_pkey PRIMARY KEY (id),
            CONSTRAINT refresh_tokens_session_id_fkey
                FOREIGN KEY (session_id) REFERENCES auth.sessions (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX refresh_tokens_session_id_idx ON auth.refresh_tokens (session_id)")
    # A session is one line of tokens, however many ask at once.
    op.execute(
        "CREATE UNIQUE INDEX refresh_tokens_unused_key ON auth.refresh_tokens (session_id)"
        " WHERE used_at IS NULL"
    )


def _under_way() -> None:
    # Somebody has signed up under an address that nobody has proved yet. It makes no account before that,
    # so that an address with an account and one without are treated alike.
    op.execute(
        """
        CREATE TABLE auth.signups (
            id uuid NOT NULL,
            email extensions.citext NOT NULL,
            password_hash text,
            user_metadata jsonb NOT NULL DEFAULT '{}',
            terms_version text,
            address inet,
            user_agent text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            expires_at timestamptz NOT NULL,
            CONSTRAINT signups_pkey PRIMARY KEY (id)
        )
        """
    )
    op.execute("CREATE INDEX signups_email_idx ON auth.signups (email)")
    op.execute("CREATE INDEX signups_expires_at_idx ON auth.signups (expires_at)")
    op.execute(
        """
        CREATE TABLE auth.one_time_tokens (
            id uuid NOT NULL,
            kind text NOT NULL,
            user_id uuid,
            signup_id uuid,
            email extensions.citext NOT NULL,
            code_attempts integer NOT NULL DEFAULT 0,
            code_challenge text,
            code_challenge_method text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            expires_at timestamptz NOT NULL,
            CONSTRAINT one_time_tokens_pkey PRIMARY KEY (id),
            CONSTRAINT one_time_tokens_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE,
            CONSTRAINT one_time_tokens_signup_id_fkey
                FOREIGN KEY (signup_id) REFERENCES auth.signups (id) ON DELETE CASCADE,
            CONSTRAINT one_time_tokens_whose_check CHECK (num_nonnulls(user_id, signup_id) = 1),
            CONSTRAINT one_time_tokens_kind_check CHECK (
                kind IN ('signup', 'invite', 'magiclink', 'recovery', 'email_change_current',
                         'email_change_new', 'reauthentication'))
        )
        """
    )
    for column in ("user_id", "signup_id", "email", "expires_at"):
        op.execute(f"CREATE INDEX one_time_tokens_{column}_idx ON auth.one_time_tokens ({column})")
    op.execute(
        """
        CREATE TABLE auth.flow_state (
            id uuid NOT NULL,
            step text NOT NULL,
            provider text,
            redirect_to text,
            code_challenge text,
            code_challenge_method text,
            terms_version text,
            user_id uuid,
            method text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            expires_at timestamptz NOT NULL,
            CONSTRAINT flow_state_pkey PRIMARY KEY (id),
            CONSTRAINT flow_state_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE,
            CONSTRAINT flow_state_step_check CHECK (
                (step = 'provider' AND provider IS NOT NULL)
                OR (step = 'code' AND user_id IS NOT NULL AND code_challenge IS NOT NULL))
        )
        """
    )
    op.execute("CREATE INDEX flow_state_user_id_idx ON auth.flow_state (user_id)")
    op.execute("CREATE INDEX flow_state_expires_at_idx ON auth.flow_state (expires_at)")


def _factors() -> None:
    op.execute(
        """
        CREATE TABLE auth.mfa_factors (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL,
            friendly_name text,
            factor_type text NOT NULL DEFAULT 'totp',
            status text NOT NULL DEFAULT 'unverified',
            secret bytea NOT NULL,
            -- The time step of the last code that was taken: each is good once (RFC 6238, 5.2).
            last_step bigint NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            updated_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT mfa_factors_pkey PRIMARY KEY (id),
            CONSTRAINT mfa_factors_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE,
            CONSTRAINT mfa_factors_type_check CHECK (factor_type = 'totp'),
            CONSTRAINT mfa_factors_status_check CHECK (status IN ('unverified', 'verified'))
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX mfa_factors_name_key ON auth.mfa_factors (user_id, friendly_name)")
    op.execute(
        """
        CREATE TABLE auth.mfa_challenges (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            factor_id uuid NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            expires_at timestamptz NOT NULL,
            attempts integer NOT NULL DEFAULT 0,
            CONSTRAINT mfa_challenges_pkey PRIMARY KEY (id),
            CONSTRAINT mfa_challenges_factor_id_fkey
                FOREIGN KEY (factor_id) REFERENCES auth.mfa_factors (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX mfa_challenges_factor_id_idx ON auth.mfa_challenges (factor_id)")


def _records() -> None:
    # They outlive the account they speak of, under its bare id.
    op.execute(
        """
        CREATE TABLE auth.consents (
            id bigint GENERATED ALWAYS AS IDENTITY,
            user_id uuid NOT NULL,
            text_version text NOT NULL,
            address inet,
            user_agent text,
            given_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT consents_pkey PRIMARY KEY (id)
        )
        """
    )
    op.execute("CREATE INDEX consents_user_id_idx ON auth.consents (user_id)")
    op.execute(
        """
        CREATE TABLE auth.events (
            id bigint GENERATED ALWAYS AS IDENTITY,
            user_id uuid NOT NULL,
            action text NOT NULL,
            address inet,
            details jsonb NOT NULL DEFAULT '{}',
            happened_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT events_pkey PRIMARY KEY (id)
        )
        """
    )
    op.execute("CREATE INDEX events_user_id_idx ON auth.events (user_id, id)")
    op.execute(
        """
        CREATE FUNCTION auth.keep() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION auth.keep() FROM PUBLIC")
    for table in KEPT:
        op.execute(
            f"CREATE TRIGGER keep_on_change BEFORE UPDATE OR DELETE ON auth.{table}"
            " FOR EACH ROW EXECUTE FUNCTION auth.keep()"
        )
        op.execute(
            f"CREATE TRIGGER keep_on_truncate BEFORE TRUNCATE ON auth.{table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION auth.keep()"
        )


def _access() -> None:
    for schema in SCHEMAS:
        op.execute(f"GRANT USAGE ON SCHEMA {schema} TO auth_admin")
    for function in FUNCTIONS:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO auth_admin")
    for table, privileges in TABLES.items():
        op.execute(f"ALTER TABLE auth.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE auth.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner_all ON auth.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"GRANT {privileges} ON auth.{table} TO auth_admin")
        op.execute(f"CREATE POLICY sign_in ON auth.{table} TO auth_admin USING (true) WITH CHECK (true)")
    # Of the product it knows who there is, and asks for mail to be sent.
    op.execute("GRANT SELECT ON app.users TO auth_admin")
    op.execute("CREATE POLICY sign_in ON app.users FOR SELECT TO auth_admin USING (true)")
    op.execute("GRANT INSERT ON app.outbox TO auth_admin")
    op.execute("CREATE POLICY sign_in ON app.outbox FOR INSERT TO auth_admin WITH CHECK (true)")
