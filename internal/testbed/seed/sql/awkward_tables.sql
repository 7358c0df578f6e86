-- Shapes of tables: partitions, inheritance, columns that come and go, names.

CREATE TABLE awkward.by_range (id bigint NOT NULL, at timestamptz NOT NULL, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE awkward.by_range_2023 PARTITION OF awkward.by_range FOR VALUES FROM ('2023-01-01 00:00:00+00') TO ('2024-01-01 00:00:00+00');
CREATE TABLE awkward.by_range_2024 PARTITION OF awkward.by_range FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2025-01-01 00:00:00+00') PARTITION BY RANGE (id);
CREATE TABLE awkward.by_range_2024_low PARTITION OF awkward.by_range_2024 FOR VALUES FROM (MINVALUE) TO (1200);
CREATE TABLE awkward.by_range_2024_rest PARTITION OF awkward.by_range_2024 DEFAULT;
CREATE TABLE awkward.by_range_rest PARTITION OF awkward.by_range DEFAULT;
-- Attached later, with its columns in another order and one that is gone.
CREATE TABLE awkward.by_range_2025 (gone integer, v text, at timestamptz NOT NULL, id bigint NOT NULL);
ALTER TABLE awkward.by_range_2025 DROP COLUMN gone;
ALTER TABLE awkward.by_range ATTACH PARTITION awkward.by_range_2025 FOR VALUES FROM ('2025-01-01 00:00:00+00') TO (MAXVALUE);
CREATE INDEX by_range_v_idx ON awkward.by_range (v);
CREATE INDEX by_range_only_idx ON ONLY awkward.by_range (at); -- invalid: not on its partitions
INSERT INTO awkward.by_range
SELECT g, timestamptz '2022-06-01 00:00:00+00' + g * interval '13 hours', CASE WHEN g % 4 <> 0 THEN chr((97 + g % 4)::int) END
FROM generate_series(1, 3000) g;

CREATE TABLE awkward.by_list (v text COLLATE "C", n integer) PARTITION BY LIST (v);
CREATE TABLE awkward.by_list_ab PARTITION OF awkward.by_list FOR VALUES IN ('a', 'b', NULL);
CREATE TABLE awkward."by_list_odd; DROP" PARTITION OF awkward.by_list FOR VALUES IN ('it''s', '');
CREATE TABLE awkward.by_list_rest PARTITION OF awkward.by_list DEFAULT;
INSERT INTO awkward.by_list SELECT (ARRAY['a', 'b', NULL, 'it''s', '', 'z', 'ü'])[1 + g % 7], g FROM generate_series(1, 700) g;

CREATE TABLE awkward.by_hash (id integer PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE awkward.by_hash_0 PARTITION OF awkward.by_hash FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE awkward.by_hash_1 PARTITION OF awkward.by_hash FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE awkward.by_hash_2 PARTITION OF awkward.by_hash FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE awkward.by_hash_3 PARTITION OF awkward.by_hash FOR VALUES WITH (MODULUS 8, REMAINDER 3);
CREATE TABLE awkward.by_hash_7 PARTITION OF awkward.by_hash FOR VALUES WITH (MODULUS 8, REMAINDER 7);
INSERT INTO awkward.by_hash SELECT g, md5(g::text) FROM generate_series(1, 2000) g;

-- The enum's own hash decides where a row goes, and it differs between servers.
CREATE TABLE awkward.by_enum_hash (m awkward.mood, n integer) PARTITION BY HASH (m);
CREATE TABLE awkward.by_enum_hash_0 PARTITION OF awkward.by_enum_hash FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE awkward.by_enum_hash_1 PARTITION OF awkward.by_enum_hash FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO awkward.by_enum_hash SELECT (enum_range(NULL::awkward.mood))[1 + g % 6], g FROM generate_series(1, 600) g;

CREATE TABLE awkward.no_partitions (id integer) PARTITION BY LIST (id);

CREATE TABLE awkward.parent (id integer, name text DEFAULT 'p', CONSTRAINT name_set CHECK (name <> '') , CONSTRAINT own_only CHECK (id < 1000) NO INHERIT);
CREATE TABLE awkward.other_parent (extra boolean, name text);
CREATE TABLE awkward.child (own text, name text DEFAULT 'c', id integer) INHERITS (awkward.parent);
CREATE TABLE awkward.two_parents (z integer) INHERITS (awkward.parent, awkward.other_parent);
CREATE TABLE awkward.joined_later (name text, id integer, late text, CONSTRAINT name_set CHECK (name <> ''));
ALTER TABLE awkward.joined_later INHERIT awkward.parent;
INSERT INTO awkward.parent VALUES (1, 'p'), (2, 'p');
INSERT INTO awkward.child VALUES (3, 'c', 'own'), (1003, 'c', NULL);
INSERT INTO awkward.two_parents VALUES (4, 't', true, 9);
INSERT INTO awkward.joined_later VALUES ('j', 5, 'late');

CREATE UNLOGGED TABLE awkward.unlogged (id integer PRIMARY KEY, v text);
INSERT INTO awkward.unlogged SELECT g, 'u' || g FROM generate_series(1, 100) g;

CREATE TABLE awkward.dropped_columns (a integer, gone1 text, b text, gone2 integer, c integer);
INSERT INTO awkward.dropped_columns SELECT g, 'x', 'b' || g, g, -g FROM generate_series(1, 10) g;
ALTER TABLE awkward.dropped_columns DROP COLUMN gone1, DROP COLUMN gone2;
-- Rows written before a column was added carry its default in the catalogue only.
ALTER TABLE awkward.dropped_columns ADD added text NOT NULL DEFAULT 'never written', ADD later timestamptz DEFAULT '2024-01-01 00:00:00+00';
ALTER TABLE awkward.dropped_columns ALTER added SET DEFAULT 'something else';
INSERT INTO awkward.dropped_columns (a, b, c) VALUES (11, 'b11', -11);

CREATE TABLE awkward.generated (
    id integer GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 5 MINVALUE 50 MAXVALUE 100000 CACHE 3 CYCLE) PRIMARY KEY,
    other integer GENERATED BY DEFAULT AS IDENTITY,
    price numeric NOT NULL, qty integer NOT NULL,
    total numeric GENERATED ALWAYS AS (price * qty) STORED,
    words tsvector GENERATED ALWAYS AS (to_tsvector('pg_catalog.simple'::regconfig, qty::text)) STORED
);
INSERT INTO awkward.generated (price, qty) SELECT g / 10.0, g FROM generate_series(1, 200) g;
INSERT INTO awkward.generated (id, other, price, qty) OVERRIDING SYSTEM VALUE VALUES (7, -7, 0, 0);

CREATE TABLE "Odd ""Schema""; DROP"."Weird ""Table""; DROP" (
    "Weird ""Column""; --" integer PRIMARY KEY, "select" text, "größe 🎉" text, " leading space" text, "per%cent" text, "new
line" text, "back\slash" text, "col_name_of_exactly_63_bytes_so_that_nothing_more_fits_in_here_" text
);
INSERT INTO "Odd ""Schema""; DROP"."Weird ""Table""; DROP" VALUES (1, 'a', 'b', 'c', '%s', 'd', '\', 'e');
ALTER TABLE "Odd ""Schema""; DROP"."Weird ""Table""; DROP" OWNER TO circle_owner;
CREATE TABLE awkward."MixedCase" ("camelCase" integer, camelcase integer, "CAMELCASE" integer);
INSERT INTO awkward."MixedCase" VALUES (1, 2, 3);
CREATE TABLE awkward.mixedcase ("user" text, "table" text, "ctid2" text);
CREATE TABLE awkward."table_name_of_exactly_63_bytes_so_that_nothing_more_fits_in_her" (id serial PRIMARY KEY);
INSERT INTO awkward."table_name_of_exactly_63_bytes_so_that_nothing_more_fits_in_her" DEFAULT VALUES;
CREATE TABLE awkward."таблица 表 🎉" ("ключ" integer);
INSERT INTO awkward."таблица 表 🎉" VALUES (1);
CREATE TABLE awkward.of_type OF awkward.point3 (x WITH OPTIONS NOT NULL);
INSERT INTO awkward.of_type VALUES (1, 2, 'typed');
CREATE TABLE awkward.owned (id integer);
ALTER TABLE awkward.owned OWNER TO "Weird ""Role""; DROP";
INSERT INTO awkward.owned VALUES (1);
