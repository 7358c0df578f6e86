-- Schemas and types.

CREATE SCHEMA awkward;
COMMENT ON SCHEMA awkward IS 'what copies tend to lose';
CREATE SCHEMA "Odd ""Schema""; DROP" AUTHORIZATION circle_owner;
GRANT USAGE ON SCHEMA awkward TO PUBLIC;
GRANT CREATE, USAGE ON SCHEMA awkward TO circle_admin WITH GRANT OPTION;

CREATE COLLATION awkward.plain FROM "C";
COMMENT ON COLLATION awkward.plain IS 'bytes';

CREATE TYPE awkward.mood AS ENUM ('sad', 'ok', 'it''s "great"', '', 'ünïcödé 🎉');
ALTER TYPE awkward.mood ADD VALUE 'meh' BEFORE 'ok';
COMMENT ON TYPE awkward.mood IS 'not in alphabetical order';
CREATE TYPE awkward.point3 AS (x double precision, y double precision, note text COLLATE "C");
CREATE TYPE awkward.shape AS (corners awkward.point3[], feeling awkward.mood);
CREATE TYPE awkward.price_range AS RANGE (subtype = numeric);
CREATE TYPE awkward.float_range AS RANGE (subtype = double precision, subtype_diff = float8mi);
REVOKE USAGE ON TYPE awkward.mood FROM PUBLIC;
GRANT USAGE ON TYPE awkward.mood TO circle_reader WITH GRANT OPTION;

CREATE DOMAIN awkward.positive AS integer DEFAULT 1 CONSTRAINT above_zero CHECK (VALUE > 0);
CREATE DOMAIN awkward.short_positive AS awkward.positive NOT NULL CHECK (VALUE < 1000);
CREATE DOMAIN awkward.slug AS text COLLATE "C" CHECK (VALUE ~ '^[a-z0-9-]+$');
COMMENT ON DOMAIN awkward.positive IS 'a comment; with -- both';
COMMENT ON CONSTRAINT above_zero ON DOMAIN awkward.positive IS 'constraint of a domain';
