-- Sequences, constraints, indexes, statistics.

CREATE SEQUENCE awkward.never_used START 77;
CREATE SEQUENCE awkward.used;                 SELECT nextval('awkward.used'), nextval('awkward.used');
CREATE SEQUENCE awkward.set_not_called;       SELECT setval('awkward.set_not_called', 42, false);
CREATE SEQUENCE awkward.downward INCREMENT -3 MINVALUE -1000 MAXVALUE -1 START -1; SELECT nextval('awkward.downward'), nextval('awkward.downward');
CREATE SEQUENCE awkward.cycling AS smallint MINVALUE 5 MAXVALUE 9 CYCLE CACHE 20; SELECT setval('awkward.cycling', 9);
CREATE SEQUENCE awkward.at_the_end MAXVALUE 3; SELECT setval('awkward.at_the_end', 3);
CREATE SEQUENCE awkward.big START 9000000000000000000; SELECT nextval('awkward.big');
CREATE TABLE awkward.ids (id integer);
CREATE SEQUENCE awkward."Odd Sequence""; DROP" OWNED BY awkward.ids.id; SELECT nextval('awkward."Odd Sequence""; DROP"');
COMMENT ON SEQUENCE awkward.used IS 'advanced';
ALTER SEQUENCE awkward.big OWNER TO circle_owner;

CREATE TABLE awkward.tree (id integer PRIMARY KEY, parent_id integer REFERENCES awkward.tree DEFERRABLE INITIALLY DEFERRED, name awkward.slug UNIQUE DEFERRABLE);
INSERT INTO awkward.tree VALUES (1, 2, 'a'), (2, 3, 'b'), (3, 1, 'c'), (4, 4, 'd'), (5, NULL, NULL);
SET CONSTRAINTS ALL IMMEDIATE;

CREATE TABLE awkward.chicken (id integer PRIMARY KEY, egg_id integer NOT NULL);
CREATE TABLE awkward.egg (id integer PRIMARY KEY, chicken_id integer NOT NULL REFERENCES awkward.chicken ON UPDATE CASCADE ON DELETE SET DEFAULT);
INSERT INTO awkward.chicken VALUES (1, 10), (2, 20);
INSERT INTO awkward.egg VALUES (10, 1), (20, 2);
ALTER TABLE awkward.chicken ADD CONSTRAINT laid FOREIGN KEY (egg_id) REFERENCES awkward.egg DEFERRABLE;
COMMENT ON CONSTRAINT laid ON awkward.chicken IS 'which was first?';

-- Constraints that the rows do not meet: they came later, NOT VALID.
CREATE TABLE awkward.not_valid (id integer, ref integer, amount integer);
INSERT INTO awkward.not_valid VALUES (1, 999, -5), (2, 1, 5);
ALTER TABLE awkward.not_valid ADD CONSTRAINT amount_positive CHECK (amount > 0) NOT VALID;
ALTER TABLE awkward.not_valid ADD CONSTRAINT ref_known FOREIGN KEY (ref) REFERENCES awkward.tree (id) NOT VALID;
ALTER DOMAIN awkward.slug ADD CONSTRAINT not_long CHECK (length(VALUE) < 2) NOT VALID;

CREATE TABLE awkward.to_partitioned (id integer REFERENCES awkward.by_hash (id) MATCH FULL);
INSERT INTO awkward.to_partitioned SELECT g FROM generate_series(1, 100) g;

CREATE TABLE awkward.bookings (
    id integer PRIMARY KEY, room integer NOT NULL, during tstzrange NOT NULL, cancelled boolean NOT NULL DEFAULT false,
    place point, tags text[], doc jsonb, body text,
    CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&) WHERE (NOT cancelled) DEFERRABLE
);
INSERT INTO awkward.bookings
SELECT g, g % 5, tstzrange(timestamptz '2024-01-01 00:00:00+00' + g * interval '2 hours', timestamptz '2024-01-01 01:30:00+00' + g * interval '2 hours'),
       g % 10 = 0, point(g % 90, g % 180), ARRAY['t' || g % 7, 'u' || g % 3], jsonb_build_object('g', g % 50), 'body ' || md5(g::text)
FROM generate_series(1, 2000) g;
CREATE INDEX bookings_place_idx ON awkward.bookings USING gist (place);
CREATE INDEX bookings_tags_idx ON awkward.bookings USING gin (tags) WITH (fastupdate = off);
CREATE INDEX bookings_doc_idx ON awkward.bookings USING gin (doc jsonb_path_ops);
CREATE INDEX bookings_brin_idx ON awkward.bookings USING brin (id) WITH (pages_per_range = 8);
CREATE INDEX bookings_hash_idx ON awkward.bookings USING hash (body);
CREATE INDEX bookings_spgist_idx ON awkward.bookings USING spgist (during);
CREATE INDEX bookings_partial_idx ON awkward.bookings (room) WHERE cancelled;
CREATE INDEX bookings_expression_idx ON awkward.bookings (lower(body), (room + 1) DESC NULLS LAST);
CREATE UNIQUE INDEX bookings_include_idx ON awkward.bookings (room, id) INCLUDE (body, tags);
CREATE INDEX bookings_ops_idx ON awkward.bookings (body COLLATE "C" text_pattern_ops) WITH (fillfactor = 61);
CREATE INDEX "Odd ""Index""; DROP" ON awkward.bookings (body COLLATE awkward.plain);
ALTER INDEX awkward.bookings_expression_idx ALTER COLUMN 2 SET STATISTICS 55;
COMMENT ON INDEX awkward.bookings_brin_idx IS 'small';
CREATE STATISTICS awkward.bookings_stats (ndistinct, dependencies, mcv) ON room, cancelled FROM awkward.bookings;
COMMENT ON STATISTICS awkward.bookings_stats IS 'dependent';

CREATE TABLE awkward.clustered (id integer, k integer);
INSERT INTO awkward.clustered SELECT g, 100 - g FROM generate_series(1, 100) g;
CREATE UNIQUE INDEX clustered_k_idx ON awkward.clustered (k);
ALTER TABLE awkward.clustered ALTER k SET NOT NULL;
ALTER TABLE awkward.clustered CLUSTER ON clustered_k_idx;
ALTER TABLE awkward.clustered REPLICA IDENTITY USING INDEX clustered_k_idx;
ALTER TABLE awkward.tree REPLICA IDENTITY FULL;
ALTER TABLE awkward.egg REPLICA IDENTITY NOTHING;
ALTER TABLE awkward.clustered ALTER id SET (n_distinct = -0.5);
