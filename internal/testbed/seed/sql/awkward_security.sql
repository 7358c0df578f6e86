-- Who may do what; and large objects, which have all of that too.

CREATE TABLE awkward.secrets (id integer PRIMARY KEY, owner name NOT NULL, body text, hidden text);
INSERT INTO awkward.secrets SELECT g, (ARRAY['circle_app', 'circle_legacy', 'nobody'])[1 + g % 3], 'body ' || g, 'hidden ' || g FROM generate_series(1, 60) g;
ALTER TABLE awkward.secrets ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON awkward.secrets FOR SELECT TO circle_app, "Weird ""Role""; DROP" USING (owner = current_user);
CREATE POLICY never ON awkward.secrets AS RESTRICTIVE FOR ALL TO PUBLIC USING (id > 0) WITH CHECK (id < 1000000);
COMMENT ON POLICY own ON awkward.secrets IS 'one''s own';
-- Forced: not even its owner sees every row.
CREATE TABLE awkward.forced (id integer PRIMARY KEY, v text);
INSERT INTO awkward.forced SELECT g, 'f' || g FROM generate_series(1, 30) g;
ALTER TABLE awkward.forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY half ON awkward.forced USING (id % 2 = 0);
ALTER TABLE awkward.forced OWNER TO circle_owner;
CREATE TABLE awkward.policies_off (id integer);
INSERT INTO awkward.policies_off VALUES (1);
CREATE POLICY sleeping ON awkward.policies_off USING (false);

GRANT SELECT ON awkward.every_type TO circle_reader WITH GRANT OPTION;
GRANT INSERT, UPDATE ON awkward.every_type TO circle_writer;
GRANT SELECT (id, owner), UPDATE (body) ON awkward.secrets TO circle_app;
GRANT SELECT (id) ON awkward.secrets TO PUBLIC;
GRANT REFERENCES (id) ON awkward.tree TO circle_writer WITH GRANT OPTION;
GRANT ALL ON awkward.statements TO PUBLIC;
GRANT TRIGGER, TRUNCATE ON awkward.statements TO "роль-наблюдатель";
REVOKE ALL ON awkward.refuses FROM CURRENT_USER; -- the owner itself has nothing
GRANT USAGE, UPDATE ON SEQUENCE awkward.used TO circle_writer;
GRANT SELECT ON SEQUENCE awkward.cycling TO PUBLIC;
-- Granted on by somebody who is not the owner.
SET ROLE circle_reader;
GRANT SELECT ON awkward.every_type TO circle_legacy;
RESET ROLE;

ALTER DEFAULT PRIVILEGES IN SCHEMA awkward GRANT SELECT ON TABLES TO circle_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA awkward GRANT USAGE ON SEQUENCES TO circle_writer WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE circle_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE circle_owner IN SCHEMA awkward GRANT ALL ON TABLES TO circle_app;
ALTER DEFAULT PRIVILEGES FOR ROLE circle_owner GRANT USAGE ON SCHEMAS TO circle_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE "Weird ""Role""; DROP" GRANT USAGE ON TYPES TO circle_writer;

-- Made by oid, so that they are the same for every run.
SELECT lo_from_bytea(770001, '\x00ff5c2e0a');
SELECT lo_from_bytea(770002, '');
SELECT lo_from_bytea(770003, (SELECT string_agg(decode(md5(current_setting('seed.salt') || i), 'hex'), '') FROM generate_series(1, 131072) i));
SELECT lo_from_bytea(770004 + g, decode(md5(g::text), 'hex')) FROM generate_series(0, 19) g;
-- With a hole in it: three pages are not there at all.
SELECT lo_create(770100); SELECT lo_put(770100, 8192, '\x0102');
ALTER LARGE OBJECT 770003 OWNER TO circle_owner;
GRANT SELECT ON LARGE OBJECT 770001 TO PUBLIC;
GRANT SELECT, UPDATE ON LARGE OBJECT 770003 TO circle_app WITH GRANT OPTION;
COMMENT ON LARGE OBJECT 770001 IS 'DROP ROLE postgres;';
CREATE TABLE awkward.attachments (id integer PRIMARY KEY, data oid NOT NULL);
INSERT INTO awkward.attachments SELECT g, 770004 + g FROM generate_series(0, 19) g;
