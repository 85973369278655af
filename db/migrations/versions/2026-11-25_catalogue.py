"""The catalogue: companies, people, their past jobs, and where every word about them came from.

Every column that an index holds is limited to what a B-tree entry can carry, so that a monstrous value
is refused by a named constraint and not by an index in the middle of a load.
"""

from alembic import op

revision = "5b1d2c7e9a01"
down_revision = None
branch_labels = None
depends_on = None

SENIORITIES = """
    'owner', 'founder', 'c_suite', 'partner', 'vp', 'head', 'director', 'manager', 'senior', 'entry', 'intern'
"""
EMAIL_STATUSES = "'valid', 'invalid', 'accept_all', 'webmail', 'disposable', 'unknown'"
FUNDING_STAGES = """
    'pre_seed', 'seed', 'angel', 'series_a', 'series_b', 'series_c', 'series_d', 'series_e', 'series_f',
    'series_g', 'series_h', 'series_i', 'series_j', 'series_unknown', 'equity_crowdfunding',
    'product_crowdfunding', 'convertible_note', 'debt_financing', 'grant', 'non_equity_assistance',
    'corporate_round', 'private_equity', 'secondary_market', 'initial_coin_offering', 'ipo',
    'post_ipo_equity', 'post_ipo_debt', 'post_ipo_secondary', 'm_and_a', 'undisclosed'
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    _schemas_and_clock()
    _organizations()
    _contacts()
    _employment_history()
    _sources()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table in (
        "vocabulary_terms",
        "organization_sources",
        "contact_sources",
        "employment_history",
        "contacts",
        "organizations",
        "sources",
    ):
        op.execute(f"DROP TABLE app.{table}")
    op.execute("DROP FUNCTION app.today()")
    op.execute("DROP FUNCTION app.now()")
    op.execute("DROP FUNCTION auth.uid()")
    op.execute("DROP FUNCTION auth.role()")
    op.execute("DROP FUNCTION auth.jwt()")
    op.execute("DROP SCHEMA auth")
    # The extensions and their schema stay: on a shared installation others may use them.


def _schemas_and_clock() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS extensions")
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA extensions")
    op.execute("CREATE EXTENSION IF NOT EXISTS citext SCHEMA extensions")
    op.execute("CREATE EXTENSION IF NOT EXISTS fuzzystrmatch SCHEMA extensions")
    op.execute("CREATE SCHEMA auth")
    # After a transaction with SET LOCAL the setting reads '' and not NULL, hence nullif.
    op.execute(
        """
        CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
        RETURN nullif(current_setting('request.jwt.claims', true), '')::jsonb
        """
    )
    op.execute(
        """
        CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
        RETURN nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '')::uuid
        """
    )
    op.execute(
        """
        CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
        RETURN nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
        """
    )
    # The product's clock. A test moves it by `app.clock_offset`, an interval; nobody else sets that.
    op.execute(
        """
        CREATE FUNCTION app.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
        RETURN pg_catalog.now()
               + coalesce(nullif(current_setting('app.clock_offset', true), ''), '0')::interval
        """
    )
    op.execute(
        """
        CREATE FUNCTION app.today() RETURNS date LANGUAGE sql STABLE PARALLEL SAFE
        RETURN ((pg_catalog.now()
                 + coalesce(nullif(current_setting('app.clock_offset', true), ''), '0')::interval)
                AT TIME ZONE 'UTC')::date
        """
    )


def _organizations() -> None:
    op.execute(
        f"""
        CREATE TABLE app.organizations (
            id integer GENERATED ALWAYS AS IDENTITY,
            name text NOT NULL,
            name_key text NOT NULL,
            name_sort text COLLATE "C" NOT NULL,
            website text,
            domain text,
            aliases text[] NOT NULL DEFAULT '{{}}',
            alias_keys text[] NOT NULL DEFAULT '{{}}',
            linkedin_url text,
            phone text,
            industry text,
            industries text[] NOT NULL DEFAULT '{{}}',
            naics text,
            employees_min integer,
            employees_max integer,
            headcount_bands text[] NOT NULL DEFAULT '{{}}',
            revenue_min bigint,
            revenue_max bigint,
            revenue_currency text,
            technologies text[] NOT NULL DEFAULT '{{}}',
            keywords text[] NOT NULL DEFAULT '{{}}',
            funding_stage text,
            funding_amount bigint,
            funding_currency text,
            funding_date date,
            founded_year integer,
            country text,
            region text,
            city text,
            city_name text,
            location_raw text,
            latitude double precision,
            longitude double precision,
            description text,
            enrichment jsonb NOT NULL DEFAULT '{{}}',
            provenance jsonb NOT NULL DEFAULT '{{}}',
            last_refreshed_at timestamptz NOT NULL DEFAULT app.now(),
            created_at timestamptz NOT NULL DEFAULT app.now(),
            updated_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT organizations_pkey PRIMARY KEY (id),
            CONSTRAINT organizations_funding_stage_check CHECK (funding_stage IN ({FUNDING_STAGES})),
            CONSTRAINT organizations_employees_check
                CHECK (employees_min >= 0 AND employees_min <= employees_max),
            CONSTRAINT organizations_revenue_check CHECK (revenue_min <= revenue_max),
            CONSTRAINT organizations_currency_check
                CHECK (length(revenue_currency) = 3 AND length(funding_currency) = 3),
            CONSTRAINT organizations_country_check CHECK (length(country) = 2),
            CONSTRAINT organizations_point_check
                CHECK (abs(latitude) <= 90 AND abs(longitude) <= 180
                       AND (latitude IS NULL) = (longitude IS NULL)),
            CONSTRAINT organizations_length_check
                CHECK (octet_length(name_key) <= 2000 AND octet_length(name_sort) <= 2000
                       AND octet_length(domain) <= 255 AND octet_length(region) <= 100
                       AND octet_length(city) <= 100)
        )
        """
    )
    for name, definition in (
        ("domain", "(domain)"),
        ("name_key", "(name_key)"),
        ("name_key_trgm", "USING gin (name_key gin_trgm_ops)"),
        ("name_sort", "(name_sort, id)"),
        ("alias_keys", "USING gin (alias_keys)"),
        ("industries", "USING gin (industries)"),
        ("technologies", "USING gin (technologies)"),
        ("keywords", "USING gin (keywords)"),
        ("headcount_bands", "USING gin (headcount_bands)"),
        ("employees", "(employees_min, employees_max)"),
        ("country", "(country)"),
        ("region", "(region)"),
        ("city", "(city)"),
        ("founded_year", "(founded_year)"),
    ):
        op.execute(f"CREATE INDEX organizations_{name}_idx ON app.organizations {definition}")


def _contacts() -> None:
    op.execute(
        f"""
        CREATE TABLE app.contacts (
            id integer GENERATED ALWAYS AS IDENTITY,
            organization_id integer,
            first_name text,
            middle_name text,
            last_name text,
            full_name text,
            name_terms text[] NOT NULL DEFAULT '{{}}',
            name_sort text COLLATE "C",
            name_search text,
            email text,
            phone text,
            linkedin_url text,
            email_hash bytea,
            phone_hash bytea,
            linkedin_hash bytea,
            title text,
            title_normalized text COLLATE "C",
            title_terms text[] NOT NULL DEFAULT '{{}}',
            seniority text,
            departments text[] NOT NULL DEFAULT '{{}}',
            country text,
            region text,
            city text,
            city_name text,
            location_raw text,
            latitude double precision,
            longitude double precision,
            email_status text,
            email_verified_at timestamptz,
            has_email boolean GENERATED ALWAYS AS (email IS NOT NULL) STORED,
            has_phone boolean GENERATED ALWAYS AS (phone IS NOT NULL) STORED,
            position_started_on date,
            enrichment jsonb NOT NULL DEFAULT '{{}}',
            provenance jsonb NOT NULL DEFAULT '{{}}',
            last_refreshed_at timestamptz NOT NULL DEFAULT app.now(),
            created_at timestamptz NOT NULL DEFAULT app.now(),
            updated_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT contacts_pkey PRIMARY KEY (id),
            CONSTRAINT contacts_organization_id_fkey
                FOREIGN KEY (organization_id) REFERENCES app.organizations (id) ON DELETE SET NULL,
            CONSTRAINT contacts_seniority_check CHECK (seniority IN ({SENIORITIES})),
            CONSTRAINT contacts_email_status_check CHECK (email_status IN ({EMAIL_STATUSES})),
            CONSTRAINT contacts_country_check CHECK (length(country) = 2),
            CONSTRAINT contacts_point_check
                CHECK (abs(latitude) <= 90 AND abs(longitude) <= 180
                       AND (latitude IS NULL) = (longitude IS NULL)),
            CONSTRAINT contacts_length_check
                CHECK (octet_length(name_sort) <= 2000 AND octet_length(email) <= 320
                       AND octet_length(linkedin_url) <= 2000 AND octet_length(title_normalized) <= 2000
                       AND octet_length(region) <= 100 AND octet_length(city) <= 100)
        )
        """
    )
    for name, definition in (
        ("organization_id", "(organization_id)"),
        ("country_seniority", "(country, seniority)"),
        ("region", "(region)"),
        ("city", "(city)"),
        ("departments", "USING gin (departments)"),
        ("title_terms", "USING gin (title_terms)"),
        ("title_normalized", "(title_normalized)"),
        ("name_terms", "USING gin (name_terms)"),
        ("name_search_trgm", "USING gin (name_search gin_trgm_ops)"),
        ("name_sort", "(name_sort, id)"),
        ("last_refreshed_at", "(last_refreshed_at DESC, id)"),
        # Two people may share an address (info@…), so it identifies nobody by itself.
        ("email", "(lower(email))"),
        ("email_hash", "(email_hash)"),
        ("linkedin_url", "(linkedin_url)"),
    ):
        op.execute(f"CREATE INDEX contacts_{name}_idx ON app.contacts {definition}")


def _employment_history() -> None:
    op.execute(
        """
        CREATE TABLE app.sources (
            id smallint GENERATED ALWAYS AS IDENTITY,
            name text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT sources_pkey PRIMARY KEY (id),
            CONSTRAINT sources_name_key UNIQUE (name)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE app.employment_history (
            id integer GENERATED ALWAYS AS IDENTITY,
            contact_id integer NOT NULL,
            organization_id integer,
            company text,
            company_key text,
            title text,
            title_normalized text,
            title_terms text[] NOT NULL DEFAULT '{}',
            start_date date,
            end_date date,
            is_past boolean NOT NULL DEFAULT false,
            source_id smallint,
            source_key text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT employment_history_pkey PRIMARY KEY (id),
            CONSTRAINT employment_history_contact_id_fkey
                FOREIGN KEY (contact_id) REFERENCES app.contacts (id) ON DELETE CASCADE,
            CONSTRAINT employment_history_organization_id_fkey
                FOREIGN KEY (organization_id) REFERENCES app.organizations (id) ON DELETE SET NULL,
            CONSTRAINT employment_history_source_id_fkey
                FOREIGN KEY (source_id) REFERENCES app.sources (id),
            -- Also the index by which a person's jobs are found.
            CONSTRAINT employment_history_position_key
                UNIQUE NULLS NOT DISTINCT (contact_id, company_key, title, start_date),
            CONSTRAINT employment_history_length_check
                CHECK (octet_length(company_key) <= 1200 AND octet_length(title) <= 1200)
        )
        """
    )
    for name, definition in (
        ("organization_id", "(organization_id) WHERE organization_id IS NOT NULL"),
        ("title_terms", "USING gin (title_terms) WHERE is_past"),
        ("company_key", "(company_key) WHERE is_past"),
    ):
        op.execute(f"CREATE INDEX employment_history_{name}_idx ON app.employment_history {definition}")


def _sources() -> None:
    for noun in ("contact", "organization"):
        op.execute(
            f"""
            CREATE TABLE app.{noun}_sources (
                {noun}_id integer NOT NULL,
                source_id smallint NOT NULL,
                source_key text NOT NULL,
                "values" jsonb NOT NULL DEFAULT '{{}}',
                raw jsonb NOT NULL DEFAULT '{{}}',
                since jsonb NOT NULL DEFAULT '{{}}',
                superseded jsonb NOT NULL DEFAULT '[]',
                values_hash bytea,
                first_seen date NOT NULL DEFAULT app.today(),
                last_seen date NOT NULL DEFAULT app.today(),
                CONSTRAINT {noun}_sources_pkey PRIMARY KEY (source_id, source_key),
                CONSTRAINT {noun}_sources_{noun}_id_fkey
                    FOREIGN KEY ({noun}_id) REFERENCES app.{noun}s (id) ON DELETE CASCADE,
                CONSTRAINT {noun}_sources_source_id_fkey
                    FOREIGN KEY (source_id) REFERENCES app.sources (id),
                CONSTRAINT {noun}_sources_length_check CHECK (octet_length(source_key) <= 2000)
            )
            """
        )
        op.execute(f"CREATE INDEX {noun}_sources_{noun}_id_idx ON app.{noun}_sources ({noun}_id)")
    op.execute(
        """
        CREATE TABLE app.vocabulary_terms (
            kind text NOT NULL,
            code text NOT NULL,
            display_name text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT vocabulary_terms_pkey PRIMARY KEY (kind, code),
            CONSTRAINT vocabulary_terms_kind_check CHECK (kind IN ('industry', 'technology', 'keyword')),
            CONSTRAINT vocabulary_terms_length_check CHECK (octet_length(code) <= 1000)
        )
        """
    )
