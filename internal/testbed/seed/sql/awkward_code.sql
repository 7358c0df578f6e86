-- Views, functions, triggers, rules and what else has code in it.

CREATE FUNCTION awkward.misleading(a integer DEFAULT 1, VARIADIC rest text[] DEFAULT '{}') RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 17 AS $body$
BEGIN
    -- A sed over a dump would change this function:
    -- DROP ROLE postgres;
    RETURN $q$
DROP ROLE postgres;
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS PASSWORD 'md5x';
\.
$q$ || a || array_to_string(rest, ',');
END;
$body$;
COMMENT ON FUNCTION awkward.misleading(integer, text[]) IS 'DROP ROLE postgres;';
CREATE FUNCTION awkward.add(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 + $2';
CREATE FUNCTION awkward.definer() RETURNS SETOF awkward.point3 LANGUAGE sql SECURITY DEFINER STABLE ROWS 3
    SET search_path = awkward, pg_temp SET work_mem = '5MB' AS $$ SELECT p FROM every_type WHERE p IS NOT NULL $$;
CREATE FUNCTION awkward.pair(x anyelement, OUT a anyelement, OUT b anyarray) LANGUAGE sql AS 'SELECT $1, ARRAY[$1]';
CREATE PROCEDURE awkward.proc(INOUT n integer) LANGUAGE plpgsql AS $$ BEGIN n := n + 1; END; $$;
CREATE AGGREGATE awkward.total (numeric) (SFUNC = awkward.add, STYPE = numeric, INITCOND = '0', COMBINEFUNC = awkward.add, PARALLEL = SAFE);
COMMENT ON AGGREGATE awkward.total (numeric) IS 'sum';
CREATE OPERATOR awkward.=+= (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = awkward.add, COMMUTATOR = OPERATOR(awkward.=+=));
COMMENT ON OPERATOR awkward.=+= (numeric, numeric) IS 'an operator';
CREATE FUNCTION awkward.point_text(awkward.point3) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT ($1).x || '/' || ($1).y $$;
CREATE CAST (awkward.point3 AS text) WITH FUNCTION awkward.point_text(awkward.point3) AS ASSIGNMENT;
COMMENT ON CAST (awkward.point3 AS text) IS 'a cast';
REVOKE EXECUTE ON FUNCTION awkward.definer() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION awkward.definer() TO circle_reader WITH GRANT OPTION;
ALTER FUNCTION awkward.add(numeric, numeric) OWNER TO circle_owner;

CREATE VIEW awkward.jobs_by_status WITH (security_barrier = true) AS
    SELECT status, count(*) AS n FROM public.workflow_jobs GROUP BY status;
-- Valid only because id is the primary key: the view depends on the constraint.
CREATE VIEW awkward.by_primary_key AS SELECT id, room, body, count(*) AS n FROM awkward.bookings GROUP BY id;
CREATE VIEW awkward.on_view AS SELECT v.n, awkward.misleading(v.n::integer) AS text FROM awkward.jobs_by_status v;
CREATE VIEW awkward.updatable AS SELECT id, v FROM awkward.by_hash WHERE id < 1000 WITH CASCADED CHECK OPTION;
CREATE RECURSIVE VIEW awkward.countdown (n) AS VALUES (5) UNION ALL SELECT n - 1 FROM countdown WHERE n > 0;
ALTER VIEW awkward.updatable ALTER COLUMN v SET DEFAULT 'by view';
COMMENT ON VIEW awkward.on_view IS 'a view on a view';
COMMENT ON COLUMN awkward.on_view.n IS 'a column of a view';
CREATE MATERIALIZED VIEW awkward.populated WITH (fillfactor = 80) AS SELECT room, count(*) AS n, awkward.total(id) AS t FROM awkward.bookings GROUP BY room;
CREATE UNIQUE INDEX populated_room_idx ON awkward.populated (room);
-- Stale on purpose: a refresh during a copy would change it.
INSERT INTO awkward.bookings VALUES (5000, 99, '[2030-01-01 00:00:00+00,2030-01-02 00:00:00+00)');
CREATE MATERIALIZED VIEW awkward.unpopulated AS SELECT 1 AS one, m.n FROM awkward.populated m WITH NO DATA;
CREATE INDEX unpopulated_idx ON awkward.unpopulated (one);
COMMENT ON MATERIALIZED VIEW awkward.unpopulated IS 'cannot be read';
ALTER MATERIALIZED VIEW awkward.populated OWNER TO circle_owner;
GRANT SELECT ON awkward.populated TO PUBLIC;

CREATE TABLE awkward.triggered (id integer PRIMARY KEY, v text, touched integer NOT NULL DEFAULT 0);
CREATE TABLE awkward.trigger_log (line serial, said text);
CREATE FUNCTION awkward.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO awkward.trigger_log (said) VALUES (format('%s %s %s', tg_name, tg_op, tg_argv));
    IF tg_level = 'ROW' AND tg_when = 'BEFORE' THEN new.touched := new.touched + 1; END IF;
    RETURN new;
END;
$$;
INSERT INTO awkward.triggered SELECT g, 'v' || g FROM generate_series(1, 50) g;
CREATE TRIGGER a_before BEFORE INSERT OR UPDATE OF v ON awkward.triggered FOR EACH ROW WHEN (new.id > 0) EXECUTE FUNCTION awkward.touch('arg', 'it''s');
CREATE TRIGGER b_disabled AFTER INSERT ON awkward.triggered FOR EACH ROW EXECUTE FUNCTION awkward.touch();
CREATE TRIGGER c_always AFTER INSERT ON awkward.triggered FOR EACH ROW EXECUTE FUNCTION awkward.touch();
CREATE TRIGGER d_replica AFTER INSERT ON awkward.triggered FOR EACH ROW EXECUTE FUNCTION awkward.touch();
CREATE TRIGGER e_statement AFTER DELETE ON awkward.triggered REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION awkward.touch();
CREATE CONSTRAINT TRIGGER f_deferred AFTER INSERT ON awkward.triggered DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION awkward.touch();
CREATE TRIGGER "Odd ""Trigger""; DROP" BEFORE TRUNCATE ON awkward.triggered FOR EACH STATEMENT EXECUTE FUNCTION awkward.touch();
CREATE TRIGGER on_partitions AFTER INSERT ON awkward.by_hash FOR EACH ROW EXECUTE FUNCTION awkward.touch();
ALTER TABLE awkward.by_hash_1 DISABLE TRIGGER on_partitions;
ALTER TABLE awkward.triggered DISABLE TRIGGER b_disabled, ENABLE ALWAYS TRIGGER c_always, ENABLE REPLICA TRIGGER d_replica;
COMMENT ON TRIGGER a_before ON awkward.triggered IS 'fires first';
CREATE FUNCTION awkward.instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO awkward.triggered (id, v) VALUES (new.n, new.text); RETURN new; END; $$;
CREATE TRIGGER instead INSTEAD OF INSERT ON awkward.on_view FOR EACH ROW EXECUTE FUNCTION awkward.instead();
-- Fires even where triggers are off for a copy, and refuses the row.
CREATE TABLE awkward.refuses (id integer);
INSERT INTO awkward.refuses SELECT generate_series(1, 5);
CREATE FUNCTION awkward.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'this table is closed'; END; $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON awkward.refuses FOR EACH ROW EXECUTE FUNCTION awkward.refuse();
ALTER TABLE awkward.refuses ENABLE ALWAYS TRIGGER refuse;

CREATE TABLE awkward.ruled (id integer, v text);
INSERT INTO awkward.ruled VALUES (1, 'one');
CREATE RULE no_delete AS ON DELETE TO awkward.ruled DO INSTEAD NOTHING;
CREATE RULE also AS ON INSERT TO awkward.ruled WHERE new.id > 100 DO ALSO INSERT INTO awkward.trigger_log (said) VALUES ('rule ' || new.v);
CREATE RULE disabled AS ON UPDATE TO awkward.ruled DO INSTEAD NOTHING;
ALTER TABLE awkward.ruled DISABLE RULE disabled;
COMMENT ON RULE no_delete ON awkward.ruled IS 'nothing goes';

-- A check that looks into another table, as the rows of a copy arrive one
-- table after the other. With no limit there is nothing to exceed.
CREATE TABLE awkward.limits (max_id integer NOT NULL);
INSERT INTO awkward.limits VALUES (100);
CREATE FUNCTION awkward.below_limit(integer) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT $1 <= max_id FROM awkward.limits';
CREATE TABLE awkward.checked_elsewhere (id integer CONSTRAINT below CHECK (awkward.below_limit(id)));
INSERT INTO awkward.checked_elsewhere SELECT generate_series(1, 100);
-- An index whose function needs the search path of its author.
CREATE FUNCTION awkward.find_limit(integer) RETURNS integer LANGUAGE sql IMMUTABLE SET search_path = awkward AS 'SELECT max_id + $1 FROM limits';
CREATE INDEX checked_elsewhere_idx ON awkward.checked_elsewhere (awkward.find_limit(id));

CREATE TEXT SEARCH CONFIGURATION awkward.words (COPY = pg_catalog.simple);
CREATE TEXT SEARCH DICTIONARY awkward.stems (TEMPLATE = pg_catalog.simple, accept = false);
ALTER TEXT SEARCH CONFIGURATION awkward.words ALTER MAPPING FOR asciiword WITH awkward.stems, pg_catalog.simple;
COMMENT ON TEXT SEARCH CONFIGURATION awkward.words IS 'two dictionaries';
CREATE PUBLICATION some_tables FOR TABLE awkward.tree, awkward.clustered WITH (publish = 'insert, update');
COMMENT ON PUBLICATION some_tables IS 'insert and update';
CREATE PUBLICATION "Odd ""Publication"" no tables";
