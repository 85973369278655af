"""What the machinery keeps: uploads, the outbox, and the queue and books of the search index."""

from alembic import op

revision = "5b1d2c7e9a03"
down_revision = "5b1d2c7e9a02"
branch_labels = None
depends_on = None

TABLES = (
    "dead_letters",
    "indices",
    "company_fanout",
    "search_dirty",
    "outbox",
    "import_rejects",
    "import_chunks",
    "imports",
)

# Rows live for seconds, so a queue is mostly dead rows: vacuum it by their number, without pauses. The
# free space in a page lets a claim update its rows in place, without touching an index.
QUEUE_STORAGE = """
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    _imports()
    _outbox()
    _queues()
    _indices()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("DROP SEQUENCE app.index_token")
    for table in TABLES:
        op.execute(f"DROP TABLE app.{table}")


def _imports() -> None:
    op.execute(
        """
        CREATE TABLE app.imports (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            user_id uuid,
            entity text NOT NULL,
            source text NOT NULL,
            filename text,
            options jsonb NOT NULL DEFAULT '{}',
            status text NOT NULL DEFAULT 'uploaded',
            counts jsonb NOT NULL DEFAULT '{}',
            progress jsonb NOT NULL DEFAULT '{}',
            error text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            started_at timestamptz,
            finished_at timestamptz,
            CONSTRAINT imports_pkey PRIMARY KEY (id),
            CONSTRAINT imports_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE SET NULL,
            CONSTRAINT imports_entity_check CHECK (entity IN ('contacts', 'organizations', 'employment')),
            CONSTRAINT imports_status_check CHECK (status IN ('uploaded', 'running', 'done', 'failed'))
        )
        """
    )
    op.execute("CREATE INDEX imports_user_id_idx ON app.imports (user_id)")
    op.execute("CREATE INDEX imports_created_at_idx ON app.imports (created_at, id)")
    op.execute(
        """
        CREATE TABLE app.import_chunks (
            import_id uuid NOT NULL,
            seq integer NOT NULL,
            data bytea NOT NULL,
            CONSTRAINT import_chunks_pkey PRIMARY KEY (import_id, seq),
            CONSTRAINT import_chunks_import_id_fkey
                FOREIGN KEY (import_id) REFERENCES app.imports (id) ON DELETE CASCADE
        )
        """
    )
    # An uploaded piece is compressed already or not worth the time.
    op.execute("ALTER TABLE app.import_chunks ALTER COLUMN data SET STORAGE EXTERNAL")
    op.execute(
        """
        CREATE TABLE app.import_rejects (
            id bigint GENERATED ALWAYS AS IDENTITY,
            import_id uuid NOT NULL,
            line integer NOT NULL,
            "column" text,
            value text,
            reason text NOT NULL,
            original text,
            is_row boolean NOT NULL,
            CONSTRAINT import_rejects_pkey PRIMARY KEY (id),
            CONSTRAINT import_rejects_import_id_fkey
                FOREIGN KEY (import_id) REFERENCES app.imports (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX import_rejects_import_id_idx ON app.import_rejects (import_id, line)")


def _outbox() -> None:
    op.execute(
        """
        CREATE TABLE app.outbox (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            job text NOT NULL,
            payload jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT app.now(),
            dispatched_at timestamptz,
            attempts integer NOT NULL DEFAULT 0,
            last_error text,
            CONSTRAINT outbox_pkey PRIMARY KEY (id)
        )
        """
    )
    op.execute("CREATE INDEX outbox_waiting_idx ON app.outbox (created_at) WHERE dispatched_at IS NULL")


def _queues() -> None:
    op.execute(
        f"""
        CREATE TABLE app.search_dirty (
            seq bigint GENERATED ALWAYS AS IDENTITY,
            entity "char" NOT NULL,
            id integer NOT NULL,
            priority smallint NOT NULL DEFAULT 0,
            queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            claimed_by uuid,
            claimed_until timestamptz,
            CONSTRAINT search_dirty_pkey PRIMARY KEY (seq),
            CONSTRAINT search_dirty_entity_check CHECK (entity IN ('c', 'o'))
        ) WITH ({QUEUE_STORAGE})
        """
    )
    op.execute("CREATE INDEX search_dirty_order_idx ON app.search_dirty (priority, seq)")
    op.execute(
        f"""
        CREATE TABLE app.company_fanout (
            seq bigint GENERATED ALWAYS AS IDENTITY,
            organization_id integer NOT NULL,
            last_contact_id integer NOT NULL DEFAULT 0,
            claimed_by uuid,
            claimed_until timestamptz,
            CONSTRAINT company_fanout_pkey PRIMARY KEY (seq)
        ) WITH ({QUEUE_STORAGE})
        """
    )


def _indices() -> None:
    # A cached block of tokens would let a later claim draw a lower one.
    op.execute("CREATE SEQUENCE app.index_token CACHE 1")
    op.execute(
        """
        CREATE TABLE app.indices (
            index_name text NOT NULL,
            entity text NOT NULL,
            schema_hash text NOT NULL,
            state text NOT NULL DEFAULT 'building',
            last_id integer NOT NULL DEFAULT 0,
            rows_done bigint NOT NULL DEFAULT 0,
            rows_total bigint NOT NULL DEFAULT 0,
            started_at timestamptz NOT NULL DEFAULT app.now(),
            finished_at timestamptz,
            CONSTRAINT indices_pkey PRIMARY KEY (index_name),
            CONSTRAINT indices_entity_check CHECK (entity IN ('contacts', 'organizations')),
            CONSTRAINT indices_state_check CHECK (state IN ('building', 'live', 'old'))
        )
        """
    )
    op.execute(
        """
        CREATE TABLE app.dead_letters (
            entity text NOT NULL,
            id integer NOT NULL,
            document jsonb,
            reason text NOT NULL,
            attempts integer NOT NULL DEFAULT 1,
            first_at timestamptz NOT NULL DEFAULT app.now(),
            last_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT dead_letters_pkey PRIMARY KEY (entity, id),
            CONSTRAINT dead_letters_entity_check CHECK (entity IN ('contacts', 'organizations'))
        )
        """
    )
