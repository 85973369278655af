"""Lists that are described, archived, handed over and shared by invitation, with what happened to them.

What a policy cannot say, because it needs to see more than the one who asks may, is said by functions of
the owner (SECURITY DEFINER): answering an invitation, leaving, handing over, and who is on a list.
"""
# ruff: noqa: S608 - what these statements are put together from are constants of this file

from alembic import op

revision = "8821207f888e"
down_revision = "8821207f888d"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "app.my_list_invitations()",
    "app.list_people(uuid)",
    "app.answer_list_invitation(bytea, text)",
    "app.leave_list(uuid)",
    "app.hand_over_list(uuid, uuid)",
)
TABLES = ("list_invitations", "list_activity")
TRIGGERS = (
    # table, event, transition table(s), function
    ("list_contacts", "INSERT", "NEW TABLE AS changed", "note_listed_contacts"),
    ("list_contacts", "DELETE", "OLD TABLE AS changed", "note_listed_contacts"),
    ("list_organizations", "INSERT", "NEW TABLE AS changed", "note_listed_organizations"),
    ("list_organizations", "DELETE", "OLD TABLE AS changed", "note_listed_organizations"),
    ("list_members", "INSERT", "NEW TABLE AS changed", "note_list_members"),
    ("list_members", "UPDATE", "NEW TABLE AS changed", "note_list_members"),
    ("list_members", "DELETE", "OLD TABLE AS changed", "note_list_members"),
    ("list_invitations", "INSERT", "NEW TABLE AS changed", "send_list_invitations"),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(
        """
        ALTER TABLE app.lists
            ADD COLUMN description text,
            ADD COLUMN archived_at timestamptz,
            ADD CONSTRAINT lists_description_check CHECK (length(description) <= 2000)
        """
    )
    _tables()
    _policies()
    _triggers()
    _limits()
    _membership()
    op.execute("GRANT INSERT (description) ON app.lists TO authenticated")
    op.execute("GRANT UPDATE (description, archived_at) ON app.lists TO authenticated")
    op.execute(
        "CREATE OR REPLACE VIEW public.lists WITH (security_invoker = true) AS SELECT * FROM app.lists"
    )
    op.execute("GRANT INSERT (description) ON public.lists TO authenticated")
    op.execute("GRANT UPDATE (description, archived_at) ON public.lists TO authenticated")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    for table, event, _, function in TRIGGERS:
        op.execute(f"DROP TRIGGER {function}_on_{event.lower()} ON app.{table}")
    for function in sorted({function for *_, function in TRIGGERS}):
        op.execute(f"DROP FUNCTION app.{function}()")
    op.execute("DROP TRIGGER keep_to_plan_on_write ON app.lists")
    op.execute("DROP FUNCTION app.keep_to_plan()")
    for table in TABLES:
        op.execute(f"DROP TABLE app.{table}")
    op.execute("DROP VIEW public.lists")
    op.execute("ALTER TABLE app.lists DROP COLUMN archived_at, DROP COLUMN description")
    op.execute("CREATE VIEW public.lists WITH (security_invoker = true) AS SELECT * FROM app.lists")
    op.execute(
        "GRANT SELECT, INSERT (id, owner_id, name), UPDATE (name), DELETE ON public.lists TO authenticated"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON public.lists TO service_role")


def _tables() -> None:
    op.execute(
        """
        CREATE TABLE app.list_invitations (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            list_id uuid NOT NULL,
            email citext NOT NULL,
            role text NOT NULL,
            token_hash bytea NOT NULL,
            status text NOT NULL DEFAULT 'open',
            invited_by uuid DEFAULT auth.uid(),
            created_at timestamptz NOT NULL DEFAULT app.now(),
            expires_at timestamptz NOT NULL DEFAULT app.now() + interval '14 days',
            answered_at timestamptz,
            CONSTRAINT list_invitations_pkey PRIMARY KEY (id),
            CONSTRAINT list_invitations_list_id_fkey
                FOREIGN KEY (list_id) REFERENCES app.lists (id) ON DELETE CASCADE,
            CONSTRAINT list_invitations_invited_by_fkey
                FOREIGN KEY (invited_by) REFERENCES app.users (id) ON DELETE CASCADE,
            CONSTRAINT list_invitations_token_hash_key UNIQUE (token_hash),
            CONSTRAINT list_invitations_role_check CHECK (role IN ('viewer', 'editor', 'owner')),
            CONSTRAINT list_invitations_status_check
                CHECK (status IN ('open', 'accepted', 'declined', 'revoked')),
            CONSTRAINT list_invitations_email_check CHECK (length(email::text) BETWEEN 3 AND 320)
        )
        """
    )
    op.execute("CREATE INDEX list_invitations_list_id_idx ON app.list_invitations (list_id)")
    op.execute("CREATE INDEX list_invitations_invited_by_idx ON app.list_invitations (invited_by)")
    op.execute(
        "CREATE INDEX list_invitations_email_idx ON app.list_invitations (email) WHERE status = 'open'"
    )
    # One at a time: a second invitation takes the place of the first.
    op.execute(
        "CREATE UNIQUE INDEX list_invitations_open_key ON app.list_invitations (list_id, email)"
        " WHERE status = 'open'"
    )
    op.execute(
        """
        CREATE TABLE app.list_activity (
            id bigint GENERATED ALWAYS AS IDENTITY,
            list_id uuid NOT NULL,
            user_id uuid,
            action text NOT NULL,
            subject_id uuid,
            record_count integer,
            record_ids integer[] NOT NULL DEFAULT '{}',
            role text,
            created_at timestamptz NOT NULL DEFAULT app.now(),
            CONSTRAINT list_activity_pkey PRIMARY KEY (id),
            CONSTRAINT list_activity_list_id_fkey
                FOREIGN KEY (list_id) REFERENCES app.lists (id) ON DELETE CASCADE,
            CONSTRAINT list_activity_user_id_fkey
                FOREIGN KEY (user_id) REFERENCES app.users (id) ON DELETE SET NULL,
            CONSTRAINT list_activity_subject_id_fkey
                FOREIGN KEY (subject_id) REFERENCES app.users (id) ON DELETE SET NULL
        )
        """
    )
    op.execute("CREATE INDEX list_activity_list_id_idx ON app.list_activity (list_id, id)")
    op.execute("CREATE INDEX list_activity_user_id_idx ON app.list_activity (user_id)")
    op.execute("CREATE INDEX list_activity_subject_id_idx ON app.list_activity (subject_id)")


def _policies() -> None:
    for table in TABLES:
        op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner_all ON app.{table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO service_role")
        op.execute(f"CREATE POLICY service ON app.{table} TO service_role USING (true) WITH CHECK (true)")
    editable = "list_id = ANY (ARRAY(SELECT app.my_list_ids('editor')))"
    owned = "list_id = ANY (ARRAY(SELECT app.my_list_ids('owner')))"
    # The hash of a token is nobody's to read.
    op.execute(
        "GRANT SELECT (id, list_id, email, role, status, invited_by, created_at, expires_at, answered_at),"
        " INSERT (id, list_id, email, role, token_hash), UPDATE (status)"
        " ON app.list_invitations TO authenticated"
    )
    op.execute(
        f"CREATE POLICY editors_read ON app.list_invitations FOR SELECT TO authenticated USING ({editable})"
    )
    # Nobody gives away more than they have.
    op.execute(
        "CREATE POLICY editors_invite ON app.list_invitations FOR INSERT TO authenticated"
        f" WITH CHECK ({editable} AND (role <> 'owner' OR {owned}) AND invited_by = (SELECT auth.uid()))"
    )
    op.execute(
        "CREATE POLICY editors_revoke ON app.list_invitations FOR UPDATE TO authenticated"
        f" USING (status = 'open' AND {editable} AND (role <> 'owner' OR {owned}))"
        " WITH CHECK (status = 'revoked')"
    )
    op.execute("GRANT SELECT ON app.list_activity TO authenticated")
    op.execute(
        "CREATE POLICY members_read ON app.list_activity FOR SELECT TO authenticated"
        " USING (list_id = ANY (ARRAY(SELECT app.my_list_ids())))"
    )


def _trigger_function(name: str, body: str) -> None:
    op.execute(
        f"""
        CREATE FUNCTION app.{name}() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            {body}
            RETURN NULL;
        END
        $$
        """
    )
    op.execute(f"REVOKE ALL ON FUNCTION app.{name}() FROM PUBLIC")


def _triggers() -> None:
    # A list that is being deleted takes its records along and needs no word of it: hence the joins.
    for noun in ("contact", "organization"):
        _trigger_function(
            f"note_listed_{noun}s",
            f"""
            INSERT INTO app.list_activity (list_id, user_id, action, record_count, record_ids)
            SELECT touched.list_id, person.id, touched.action, touched.records, touched.ids[1:100]
            FROM (
                SELECT list_id, count(*) AS records,
                       CASE TG_OP WHEN 'INSERT' THEN '{noun}s_added' ELSE '{noun}s_removed' END AS action,
                       array_agg({noun}_id ORDER BY {noun}_id) AS ids
                FROM changed GROUP BY list_id
            ) AS touched
            JOIN app.lists AS list ON list.id = touched.list_id
            LEFT JOIN app.users AS person ON person.id = auth.uid();
            """,
        )
    _trigger_function(
        "note_list_members",
        """
        INSERT INTO app.list_activity (list_id, user_id, action, subject_id, role)
        SELECT changed.list_id, person.id,
               CASE TG_OP WHEN 'INSERT' THEN 'member_joined' WHEN 'UPDATE' THEN 'role_changed'
                          ELSE 'member_left' END,
               changed.user_id, changed.role
        FROM changed
        JOIN app.lists AS list ON list.id = changed.list_id
        JOIN app.users AS subject ON subject.id = changed.user_id
        LEFT JOIN app.users AS person ON person.id = auth.uid();
        """,
    )
    _trigger_function(
        "send_list_invitations",
        """
        INSERT INTO app.outbox (job, payload)
        SELECT 'lists.invite', jsonb_build_object('invitation_id', id) FROM changed;
        PERFORM pg_notify('outbox', '');
        """,
    )
    for table, event, transition, function in TRIGGERS:
        op.execute(
            f"CREATE TRIGGER {function}_on_{event.lower()} AFTER {event} ON app.{table}"
            f" REFERENCING {transition} FOR EACH STATEMENT EXECUTE FUNCTION app.{function}()"
        )


def _limits() -> None:
    # The user's row is the lock: two of the last free place cannot both be taken.
    op.execute(
        """
        CREATE FUNCTION app.keep_to_plan() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            noun CONSTANT text := TG_ARGV[0];
            owner_id CONSTANT uuid := (to_jsonb(NEW) ->> TG_ARGV[1])::uuid;
            plan text;
            allowed integer;
            used integer;
        BEGIN
            IF TG_OP = 'UPDATE' AND to_jsonb(OLD) ->> TG_ARGV[1] = owner_id::text THEN
                RETURN NEW;
            END IF;
            SELECT person.plan_id INTO plan FROM app.users AS person
            WHERE person.id = owner_id FOR NO KEY UPDATE;
            SELECT (features -> 'limits' ->> noun)::integer INTO allowed
            FROM app.plans WHERE plans.id = plan;
            IF allowed IS NULL THEN
                RETURN NEW;
            END IF;
            EXECUTE format('SELECT count(*) FROM %s WHERE %I = $1', TG_RELID::regclass, TG_ARGV[1])
            INTO used USING owner_id;
            IF used >= allowed THEN
                RAISE EXCEPTION USING ERRCODE = 'PT402',
                    MESSAGE = format('The plan %s allows %s %s.', plan, allowed, noun),
                    DETAIL = jsonb_build_object('limit', allowed, 'of', noun, 'plan', plan)::text;
            END IF;
            RETURN NEW;
        END
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION app.keep_to_plan() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER keep_to_plan_on_write BEFORE INSERT OR UPDATE OF owner_id ON app.lists"
        " FOR EACH ROW EXECUTE FUNCTION app.keep_to_plan('lists', 'owner_id')"
    )


def _function(signature: str, returns: str, body: str, *, volatility: str = "VOLATILE") -> None:
    op.execute(
        f"""
        CREATE FUNCTION {signature} RETURNS {returns} LANGUAGE plpgsql {volatility}
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        #variable_conflict use_column
        {body}
        $$
        """
    )


def _membership() -> None:
    _function(
        "app.my_list_invitations()",
        "TABLE (id uuid, list_id uuid, list_name text, role text, invited_by text, created_at timestamptz,"
        " expires_at timestamptz)",
        """
        BEGIN
            RETURN QUERY
            SELECT invitation.id, list.id, list.name, invitation.role, inviter.email::text,
                   invitation.created_at, invitation.expires_at
            FROM app.list_invitations AS invitation
            JOIN app.users AS me ON me.email = invitation.email AND me.id = auth.uid()
            JOIN app.lists AS list ON list.id = invitation.list_id
            LEFT JOIN app.users AS inviter ON inviter.id = invitation.invited_by
            WHERE invitation.status = 'open' AND invitation.expires_at > app.now()
            ORDER BY invitation.created_at DESC;
        END
        """,
        volatility="STABLE",
    )
    _function(
        "app.list_people(wanted uuid)",
        "TABLE (user_id uuid, email text, role text, joined_at timestamptz)",
        """
        BEGIN
            IF wanted NOT IN (SELECT app.my_list_ids()) THEN
                RETURN;
            END IF;
            RETURN QUERY
            SELECT person.id, person.email::text, 'owner'::text, list.created_at
            FROM app.lists AS list JOIN app.users AS person ON person.id = list.owner_id
            WHERE list.id = wanted
            UNION ALL
            SELECT person.id, person.email::text, part.role, part.created_at
            FROM app.list_members AS part
            JOIN app.users AS person ON person.id = part.user_id
            JOIN app.lists AS list ON list.id = part.list_id AND list.owner_id <> part.user_id
            WHERE part.list_id = wanted
            ORDER BY 4, 1;
        END
        """,
        volatility="STABLE",
    )
    _answer()
    _function(
        "app.leave_list(wanted uuid)",
        "text",
        """
        DECLARE
            list app.lists;
            heir uuid;
        BEGIN
            SELECT * INTO list FROM app.lists AS it WHERE it.id = wanted FOR UPDATE;
            IF list.owner_id = auth.uid() THEN
                SELECT part.user_id INTO heir FROM app.list_members AS part
                WHERE part.list_id = wanted AND part.role = 'owner' AND part.user_id <> list.owner_id
                ORDER BY part.created_at, part.user_id LIMIT 1;
                IF heir IS NULL THEN
                    RETURN 'only_owner';
                END IF;
                UPDATE app.lists AS it SET owner_id = heir WHERE it.id = wanted;
                DELETE FROM app.list_members AS part
                WHERE part.list_id = wanted AND part.user_id IN (heir, auth.uid());
                RETURN 'left';
            END IF;
            DELETE FROM app.list_members AS part WHERE part.list_id = wanted AND part.user_id = auth.uid();
            RETURN CASE WHEN FOUND THEN 'left' ELSE 'unknown' END;
        END
        """,
    )
    _function(
        "app.hand_over_list(wanted uuid, heir uuid)",
        "text",
        """
        BEGIN
            PERFORM FROM app.lists AS it WHERE it.id = wanted AND it.owner_id = auth.uid() FOR UPDATE;
            IF NOT FOUND THEN
                RETURN 'not_owner';
            END IF;
            DELETE FROM app.list_members AS part WHERE part.list_id = wanted AND part.user_id = heir;
            IF NOT FOUND THEN
                RETURN 'no_member';
            END IF;
            UPDATE app.lists AS it SET owner_id = heir WHERE it.id = wanted;
            INSERT INTO app.list_members (list_id, user_id, role) VALUES (wanted, auth.uid(), 'editor')
            ON CONFLICT (list_id, user_id) DO UPDATE SET role = 'editor';
            RETURN 'handed_over';
        END
        """,
    )
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO authenticated")


def _answer() -> None:
    # One answer for every token that is not meant for this account, so that none can be told from another.
    # The role of the one who invited is looked at again: what they have lost they can no longer give.
    _function(
        "app.answer_list_invitation(hash bytea, answer text)",
        "TABLE (outcome text, list_id uuid, role text)",
        """
        DECLARE
            invitation app.list_invitations;
            list app.lists;
            inviter_role text;
        BEGIN
            SELECT it.* INTO invitation FROM app.list_invitations AS it
            JOIN app.users AS me ON me.email = it.email AND me.id = auth.uid()
            WHERE it.token_hash = hash FOR UPDATE OF it;
            IF NOT FOUND OR answer NOT IN ('accepted', 'declined') THEN
                RETURN QUERY SELECT 'unknown'::text, NULL::uuid, NULL::text;
                RETURN;
            END IF;
            IF invitation.status <> 'open' OR invitation.expires_at <= app.now() THEN
                RETURN QUERY SELECT CASE invitation.status WHEN 'open' THEN 'expired'
                                                           ELSE invitation.status END,
                                    invitation.list_id, invitation.role;
                RETURN;
            END IF;
            SELECT * INTO list FROM app.lists AS it WHERE it.id = invitation.list_id FOR UPDATE;
            SELECT CASE WHEN list.owner_id = invitation.invited_by THEN 'owner' ELSE
                (SELECT part.role FROM app.list_members AS part
                 WHERE part.list_id = list.id AND part.user_id = invitation.invited_by) END
            INTO inviter_role;
            IF coalesce(inviter_role, 'viewer') = 'viewer'
               OR (invitation.role = 'owner' AND inviter_role <> 'owner') THEN
                UPDATE app.list_invitations AS it SET status = 'revoked', answered_at = app.now()
                WHERE it.id = invitation.id;
                RETURN QUERY SELECT 'revoked'::text, invitation.list_id, invitation.role;
                RETURN;
            END IF;
            UPDATE app.list_invitations AS it SET status = answer, answered_at = app.now()
            WHERE it.id = invitation.id;
            IF answer = 'accepted' AND list.owner_id <> auth.uid() THEN
                INSERT INTO app.list_members AS part (list_id, user_id, role)
                VALUES (list.id, auth.uid(), invitation.role)
                ON CONFLICT (list_id, user_id) DO UPDATE SET role = excluded.role
                WHERE array_position(ARRAY['viewer', 'editor', 'owner'], excluded.role)
                      > array_position(ARRAY['viewer', 'editor', 'owner'], part.role);
            END IF;
            RETURN QUERY SELECT 'answered'::text, invitation.list_id, invitation.role;
        END
        """,
    )
