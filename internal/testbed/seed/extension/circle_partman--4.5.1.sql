\echo Use "CREATE EXTENSION circle_partman" to load this file. \quit

-- Configuration that belongs to the user: every row is dumped.
CREATE TABLE @extschema@.part_config (
    parent_table text PRIMARY KEY,
    control text NOT NULL,
    partition_interval text NOT NULL,
    premake integer NOT NULL DEFAULT 4 CHECK (premake > 0),
    retention text,
    retention_keep_table boolean NOT NULL DEFAULT true,
    automatic_maintenance text NOT NULL DEFAULT 'on',
    undo_in_progress boolean NOT NULL DEFAULT false
);
SELECT pg_catalog.pg_extension_config_dump('@extschema@.part_config', '');

CREATE TABLE @extschema@.part_config_sub (
    sub_parent text PRIMARY KEY REFERENCES @extschema@.part_config (parent_table) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    sub_control text NOT NULL,
    sub_partition_interval text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('@extschema@.part_config_sub', '');

-- Settings: the script brings some, the user adds some, and only those are
-- dumped. The sequence is the user's as well.
CREATE TABLE @extschema@.setting (
    id bigserial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    value text,
    built_in boolean NOT NULL DEFAULT false
);
INSERT INTO @extschema@.setting (name, value, built_in) VALUES
    ('job_lock_wait', '60s', true),
    ('template_suffix', '_template', true);
SELECT pg_catalog.pg_extension_config_dump('@extschema@.setting', 'WHERE NOT built_in');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.setting_id_seq', '');

-- Run history: the extension's own, and nobody's to carry over.
CREATE TABLE @extschema@.run_log (
    at timestamptz NOT NULL,
    parent_table text NOT NULL,
    created integer NOT NULL
);

CREATE FUNCTION @extschema@.show_partitions(p_parent_table text)
RETURNS TABLE (partition_schema text, partition_name text)
LANGUAGE sql STABLE
AS $$
    SELECT n.nspname::text, c.relname::text
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE i.inhparent = p_parent_table::regclass
    ORDER BY 1, 2;
$$;

CREATE FUNCTION @extschema@.check_config() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF new.partition_interval::interval <= interval '0' THEN
        RAISE EXCEPTION 'part_config: interval of % must be positive', new.parent_table;
    END IF;
    RETURN new;
END;
$$;

CREATE TRIGGER check_config BEFORE INSERT OR UPDATE ON @extschema@.part_config
    FOR EACH ROW EXECUTE FUNCTION @extschema@.check_config();
