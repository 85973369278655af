-- Three companies, five people, two users and what they keep: what every test of this face asks about.
INSERT INTO app.users (id, email, plan_id, credit_balance, created_at) VALUES
    ('aaaaaaaa-0000-4000-8000-000000000001', 'Ann@Example.com', 'pro', 0, '2026-01-01T00:00:00Z'),
    ('bbbbbbbb-0000-4000-8000-000000000002', 'bob@example.com', 'free', 0, '2026-01-02T00:00:00Z');
INSERT INTO app.organizations
    (id, name, name_key, name_sort, domain, country, industries, technologies, keywords, employees_min,
     employees_max, founded_year, funding_date, enrichment, created_at, updated_at, last_refreshed_at)
    OVERRIDING SYSTEM VALUE VALUES
    (1, 'Acme GmbH', 'acme', 'acme gmbh', 'acme.example', 'DE', '{software}', '{python,react}',
     '{saas,crm}', 51, 200, 1999, '2020-05-17', '{"score": 7, "tags": ["a", "b"], "ceo": {"name": "Zoe"}}',
     '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
    (2, 'Globex, Inc.', 'globex', 'globex inc', 'globex.example', 'US', '{retail}', '{java}',
     '{}', 1001, 5000, 2010, NULL, '{"score": 12, "tags": []}',
     '2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z'),
    (3, 'Initech "I"', 'initech', 'initech i', NULL, NULL, '{}', '{}',
     '{}', NULL, NULL, NULL, NULL, '{}',
     '2026-01-03T00:00:00Z', '2026-01-03T00:00:00Z', '2026-01-03T00:00:00Z');
INSERT INTO app.contacts
    (id, organization_id, first_name, last_name, full_name, name_terms, name_sort, name_search, email, phone,
     title, title_normalized, title_terms, seniority, departments, country, enrichment, created_at,
     updated_at, last_refreshed_at)
    OVERRIDING SYSTEM VALUE VALUES
    (1, 1, 'Anna', 'Müller', 'Anna Müller', '{anna,muller}', 'muller anna', 'anna muller',
     'anna@acme.example', '+493012345', 'VP Sales', 'vp sales', '{sales,vp}', 'vp', '{sales}', 'DE',
     '{"skills": ["law"], "level": 3}',
     '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
    (2, 1, 'Bernd', 'Bauer', 'Bernd Bauer', '{bauer,bernd}', 'bauer bernd', 'bernd bauer',
     NULL, NULL, 'CTO', 'cto', '{cto}', 'c_suite', '{engineering}', 'DE', '{}',
     '2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z'),
    (3, 2, 'Cleo', 'Clark', 'Cleo Clark', '{clark,cleo}', 'clark cleo', 'cleo clark',
     'cleo@globex.example', '+12125550100', 'VP Sales', 'vp sales', '{sales,vp}', 'vp',
     '{sales,marketing}', 'US', '{"skills": []}',
     '2026-01-03T00:00:00Z', '2026-01-03T00:00:00Z', '2026-01-03T00:00:00Z'),
    (4, 2, 'Dana', 'Diaz', 'Dana Diaz', '{dana,diaz}', 'diaz dana', 'dana diaz',
     NULL, NULL, NULL, NULL, '{}', NULL, '{}', NULL, '{}',
     '2026-01-04T00:00:00Z', '2026-01-04T00:00:00Z', '2026-01-04T00:00:00Z'),
    (5, NULL, 'Ed', 'Eng', 'Ed Eng', '{ed,eng}', 'eng ed', 'ed eng',
     'ed@nowhere.example', NULL, 'Engineer', 'engineer', '{engineer}', 'senior', '{engineering}', 'US',
     '{}', '2026-01-05T00:00:00Z', '2026-01-05T00:00:00Z', '2026-01-05T00:00:00Z');
INSERT INTO app.employment_history
    (id, contact_id, organization_id, company, company_key, title, start_date, end_date, is_past, source_id,
     source_key, created_at)
    OVERRIDING SYSTEM VALUE VALUES
    (11, 1, 3, 'Initech', 'initech', 'Engineer', '2010-01-01', '2015-06-30', true, NULL, NULL,
     '2026-01-01T00:00:00Z'),
    (12, 1, 1, 'Acme GmbH', 'acme', 'VP Sales', '2015-07-01', NULL, false, NULL, NULL,
     '2026-01-01T00:00:00Z'),
    (13, 3, 2, 'Globex', 'globex', 'Clerk', '2001-02-03', '2004-05-06', true, NULL, NULL,
     '2026-01-01T00:00:00Z');
INSERT INTO app.lists (id, owner_id, name, description, created_at) VALUES
    ('11111111-0000-4000-8000-000000000001', 'aaaaaaaa-0000-4000-8000-000000000001', 'Prospects', 'for spring', '2026-01-01T00:00:00Z'),
    ('11111111-0000-4000-8000-000000000002', 'bbbbbbbb-0000-4000-8000-000000000002', 'Shared', NULL, '2026-01-02T00:00:00Z'),
    ('11111111-0000-4000-8000-000000000003', 'bbbbbbbb-0000-4000-8000-000000000002', 'Bobs own', NULL, '2026-01-03T00:00:00Z');
INSERT INTO app.list_members (list_id, user_id, role, created_at)
    VALUES ('11111111-0000-4000-8000-000000000002', 'aaaaaaaa-0000-4000-8000-000000000001', 'viewer', '2026-01-02T00:00:00Z');
INSERT INTO app.list_contacts (list_id, contact_id, added_by, added_at) VALUES
    ('11111111-0000-4000-8000-000000000001', 1, 'aaaaaaaa-0000-4000-8000-000000000001', '2026-01-01T00:00:00Z'),
    ('11111111-0000-4000-8000-000000000001', 3, 'aaaaaaaa-0000-4000-8000-000000000001', '2026-01-02T00:00:00Z'),
    ('11111111-0000-4000-8000-000000000002', 2, 'bbbbbbbb-0000-4000-8000-000000000002', '2026-01-03T00:00:00Z'),
    ('11111111-0000-4000-8000-000000000003', 4, 'bbbbbbbb-0000-4000-8000-000000000002', '2026-01-04T00:00:00Z');
INSERT INTO app.unlocks (user_id, contact_id, field, created_at) VALUES
    ('aaaaaaaa-0000-4000-8000-000000000001', 1, 'email', '2026-01-01T00:00:00Z'), ('aaaaaaaa-0000-4000-8000-000000000001', 1, 'phone', '2026-01-01T00:00:00Z'),
    ('bbbbbbbb-0000-4000-8000-000000000002', 3, 'email', '2026-01-01T00:00:00Z');
INSERT INTO app.hidden_contacts (user_id, contact_id, hidden_at) VALUES
    ('aaaaaaaa-0000-4000-8000-000000000001', 5, '2026-01-01T00:00:00Z'), ('bbbbbbbb-0000-4000-8000-000000000002', 1, '2026-01-01T00:00:00Z');
INSERT INTO app.icp_profiles (id, user_id, name, filters, entity, tags, created_at, updated_at) VALUES
    ('22222222-0000-4000-8000-000000000001', 'aaaaaaaa-0000-4000-8000-000000000001', 'German VPs', '{"q": "vp", "limit": 10}', 'contacts',
     '{dach,vp}', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
    ('22222222-0000-4000-8000-000000000002', 'bbbbbbbb-0000-4000-8000-000000000002', 'Bob''s', '{}', 'contacts', '{}',
     '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z');
INSERT INTO app.transactions (id, user_id, type, credits_used, contact_id, created_at)
    OVERRIDING SYSTEM VALUE VALUES
    (1, 'aaaaaaaa-0000-4000-8000-000000000001', 'unlock', 1, 1, '2026-01-01T00:00:00Z'), (2, 'bbbbbbbb-0000-4000-8000-000000000002', 'unlock', 1, 3, '2026-01-01T00:00:00Z');
INSERT INTO app.email_finder_logs (id, user_id, contact_id, input_data, output_email, status, created_at)
    OVERRIDING SYSTEM VALUE VALUES
    (1, 'aaaaaaaa-0000-4000-8000-000000000001', 1, '{"domain": "acme.example", "names": ["Anna", "Müller"], "tries": 2}',
     'anna@acme.example', 'found', '2026-01-01T00:00:00Z');
INSERT INTO app.vocabulary_terms (kind, code, display_name, created_at) VALUES
    ('technology', 'python', 'Python', '2026-01-01T00:00:00Z'),
    ('industry', 'software', 'Software', '2026-01-01T00:00:00Z');
