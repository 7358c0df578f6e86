-- What only a superuser can make. A managed target cannot take these.

CREATE ROLE circle_bypass NOLOGIN BYPASSRLS;
CREATE ROLE circle_replica LOGIN REPLICATION;
CREATE ROLE circle_super NOLOGIN SUPERUSER;

CREATE FUNCTION awkward.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE DEBUG 'ddl %', tg_tag; END; $$;
CREATE EVENT TRIGGER watch_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION awkward.on_ddl();
CREATE EVENT TRIGGER watch_disabled ON sql_drop EXECUTE FUNCTION awkward.on_ddl();
ALTER EVENT TRIGGER watch_disabled DISABLE;
COMMENT ON EVENT TRIGGER watch_ddl IS 'superuser only';

CREATE PUBLICATION all_tables FOR ALL TABLES;
CREATE FUNCTION awkward.leakproof(integer) RETURNS integer LANGUAGE sql IMMUTABLE LEAKPROOF AS 'SELECT $1';
CREATE OPERATOR CLASS awkward.int_ops FOR TYPE integer USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer);
-- A foreign key that is not enforced any more.
CREATE TABLE awkward.unenforced (id integer REFERENCES awkward.tree (id));
ALTER TABLE awkward.unenforced DISABLE TRIGGER ALL;
INSERT INTO awkward.unenforced VALUES (1);
ALTER ROLE circle_replica SET log_statement = 'ddl';
ALTER ROLE ALL SET log_min_duration_statement = '1h';
-- A setting that no loaded library knows: only a superuser may store one.
ALTER ROLE circle_app SET fixture.note = E'tab\t, quote '' and "double"';
