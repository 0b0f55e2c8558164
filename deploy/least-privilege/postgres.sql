-- Penstock's own user for each day. The owner of the tables makes and changes them, with `penstock migrate`, before
-- a new version starts; this user can neither.
--
--   psql -v ON_ERROR_STOP=1 -f postgres.sql "postgres://owner@…/penstock"
CREATE ROLE penstock_app LOGIN PASSWORD 'change-me';
GRANT USAGE ON SCHEMA public TO penstock_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO penstock_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO penstock_app;
