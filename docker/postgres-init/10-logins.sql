-- Run once by the image of PostgreSQL, over an empty data folder: the two logins and the database.
-- The owner migrates (`leadfuel db`); the app owns nothing, inherits nothing, and takes one of the roles
-- anon, authenticated and service_role for the length of a transaction. The migrations make these three.

\set owner_password `cat /run/secrets/leadfuel_owner_password`
\set app_password `cat /run/secrets/leadfuel_app_password`

CREATE ROLE leadfuel_owner LOGIN CREATEROLE PASSWORD :'owner_password';
CREATE ROLE leadfuel_app LOGIN NOINHERIT PASSWORD :'app_password';
GRANT leadfuel_app TO leadfuel_owner WITH ADMIN OPTION, INHERIT FALSE, SET FALSE;

CREATE DATABASE leadfuel OWNER leadfuel_owner;
REVOKE ALL ON DATABASE leadfuel FROM PUBLIC;
GRANT CONNECT ON DATABASE leadfuel TO leadfuel_app;

-- What takes how long, for the operator: SELECT … FROM pg_stat_statements.
CREATE EXTENSION pg_stat_statements;
