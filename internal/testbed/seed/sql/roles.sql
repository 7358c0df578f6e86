-- Roles as a grown installation has them. Runs once per server.

CREATE ROLE circle_owner NOLOGIN;
CREATE ROLE circle_reader NOLOGIN;
CREATE ROLE circle_writer NOLOGIN;
CREATE ROLE circle_admin NOLOGIN CREATEDB CREATEROLE;
CREATE ROLE circle_app LOGIN CONNECTION LIMIT 50 VALID UNTIL 'infinity';
CREATE ROLE circle_legacy LOGIN NOINHERIT VALID UNTIL '2031-02-03 04:05:06+00';
CREATE ROLE "Weird ""Role""; DROP" LOGIN;
CREATE ROLE "роль-наблюдатель" NOLOGIN;
CREATE ROLE "role_with_a_name_of_exactly_63_bytes_so_that_nothing_more_fits_" NOLOGIN;

DO $$
BEGIN
    EXECUTE format('ALTER ROLE circle_app PASSWORD %L', current_setting('seed.scram'));
    EXECUTE format('ALTER ROLE circle_legacy PASSWORD %L', current_setting('seed.md5'));
END;
$$;

GRANT circle_reader TO circle_writer;
GRANT circle_reader TO circle_app WITH ADMIN OPTION;
GRANT circle_writer TO circle_app;
GRANT circle_owner TO circle_admin;
GRANT circle_reader TO "Weird ""Role""; DROP", circle_legacy, "роль-наблюдатель";
GRANT pg_monitor TO circle_reader;

ALTER ROLE circle_app SET search_path = awkward, "$user", public;
ALTER ROLE circle_app SET statement_timeout = '90s';
ALTER ROLE circle_app IN DATABASE domain SET work_mem = '8MB';
ALTER ROLE circle_legacy SET "DateStyle" = 'SQL, DMY';
ALTER ROLE "Weird ""Role""; DROP" IN DATABASE conductor_production SET "TimeZone" = 'America/St_Johns';
ALTER ROLE ALL IN DATABASE conductor_production SET lock_timeout = '5min';
ALTER DATABASE conductor_production SET "DateStyle" = 'German, DMY';
ALTER DATABASE contexts_service_production SET "TimeZone" = 'Asia/Kolkata';
ALTER DATABASE contexts_service_production SET bytea_output = 'escape';
ALTER DATABASE contexts_service_production SET extra_float_digits = 0;
ALTER DATABASE cron_service_production SET "IntervalStyle" = 'sql_standard';
ALTER DATABASE cron_service_production SET search_path = public, "no such schema";
ALTER DATABASE cron_service_production CONNECTION LIMIT 120;

ALTER DATABASE domain OWNER TO circle_owner;
REVOKE CONNECT, TEMPORARY ON DATABASE domain FROM PUBLIC;
GRANT CONNECT ON DATABASE domain TO circle_app;
GRANT CONNECT, CREATE ON DATABASE domain TO circle_admin WITH GRANT OPTION;
GRANT TEMPORARY ON DATABASE contexts_service_production TO circle_reader;

COMMENT ON DATABASE conductor_production IS 'ALTER ROLE postgres WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS PASSWORD ''md5x'';';
COMMENT ON DATABASE domain IS E'two\nlines';
COMMENT ON ROLE circle_app IS 'DROP ROLE postgres;';
COMMENT ON ROLE circle_legacy IS 'md5 verifier, kept for an old script';
