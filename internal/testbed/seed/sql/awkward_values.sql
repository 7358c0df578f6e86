-- Tables that hold every kind of value. Apart from the types, because a value
-- added to an enum cannot be used in the transaction that added it.

CREATE TABLE awkward.every_type (
    id integer PRIMARY KEY,
    b boolean, i2 smallint, i8 bigint, f4 real, f8 double precision, num numeric, num2 numeric(10,3), cash money,
    t text, vc varchar(10), c char(5), n name, by bytea, ch "char",
    d date, tm time, tmtz timetz, ts timestamp, tstz timestamptz, iv interval,
    u uuid, j json, jb jsonb, x xml, ip inet, net cidr, mac macaddr, mac8 macaddr8,
    bits bit(5), vbits bit varying, pt point, ln line, seg lseg, bx box, pa path, poly polygon, ci circle,
    i4r int4range, nr numrange, tsr tstzrange, dr daterange, pr awkward.price_range, fr awkward.float_range,
    tsv tsvector, tsq tsquery, lsn pg_lsn, jp jsonpath,
    e awkward.mood, ea awkward.mood[], p awkward.point3, sh awkward.shape, dom awkward.positive, slugs awkward.slug,
    ia integer[], ia2 integer[][], ta text[], ba bytea[], pa3 awkward.point3[], ra int4range[], da awkward.positive[],
    cls regclass, typ regtype
);
INSERT INTO awkward.every_type VALUES
 (1, true, -32768, -9223372036854775808, 'NaN', 'NaN', 'NaN', 1234567.891, '12.34',
  '', '', '', '', '', '',
  'infinity', '24:00:00', '24:00:00+15:59', 'infinity', 'infinity', '-1 year 2 mons -3 days 04:05:06.000007',
  '00000000-0000-0000-0000-000000000000', ' { "a" : 1 , "a" : 2 } ', '{"a": 1e400, "b": null}', '<a>&amp;</a>', '::1/128', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
  '10101', '', '(NaN,Infinity)', '{1,-1,0}', '[(0,0),(1,1)]', '((0,0),(1,1))', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),0>',
  'empty', '(,)', '[-infinity,infinity]', '[2024-02-29,2024-03-01)', '[0.1,0.30)', '(-Infinity,1e-300]',
  '''it''''s'':1A,2B cat:3', 'fat & (rat | !cat:*)', '0/0', '$.a[*] ? (@.b > 3)',
  'meh', '{sad,"it''s \"great\"","",NULL}', '(NaN,-Infinity,"a ""quoted"", note")', '("{""(1,2,x)"",""(3,4,)""}",ok)', 1, 'abc-1',
  '{}', '[0:1][-1:0]={{1,2},{3,NULL}}', '{NULL,"NULL","",",","\"","\\","{}"}', '{"\\x00ff","\\x"}', '{"(1,2,)"}', '{empty,"[1,5)"}', '{1,2}',
  'pg_catalog.pg_class', 'awkward.mood'),
 (2, false, 32767, 9223372036854775807, 'Infinity', '-Infinity', 1e-1000, -0.001, '-92233720368547758.08',
  E'tab\tnewline\nreturn\rbackslash\\ \\. \\N quote '' double " percent % dollar $1 $$ nul-free', E'a\nb', 'ab', 'Mixed', '\x00010203ff5c2e0a', 'q',
  '-infinity', '00:00:00.000001', '00:00:00-15:59', '-infinity', '-infinity', '178000000 years',
  'ffffffff-ffff-ffff-ffff-ffffffffffff', '[]', '"\u00e9\ud83c\udf89\\"', NULL, '0.0.0.0/0', '::/0', 'ff:ff:ff:ff:ff:ff', '00:00:00:00:00:00:00:00',
  '00000', '1', '(-0,0)', '{0,1,-5}', '[(1,1),(1,1)]', '((-1,-1),(-2,-2))', '((0,0),(1,1))', '((0,0))', '<(1,1),Infinity>',
  '[1,10)', '[1.50,2.5]', '["2024-01-01 00:00:00+00",)', '(,infinity]', '(,5]', 'empty',
  '', '', 'FFFFFFFF/FFFFFFFF', 'strict $',
  '', '{}', NULL, NULL, 2147483647, NULL,
  '{1,NULL,3}', '{{{1}}}', '{{a,b},{"c d",e}}', '{}', '{NULL}', '{}', '{}', 'awkward.every_type', 'integer'),
 (3, NULL, 0, 0, '-0', 5e-324, 0.000, 0, '0',
  '🎉 e + combining: é, RTL: שלום, zero width: ​|, BOM: ﻿|', '0123456789', '     ', 'n', '\x5c5c2e', E'\\',
  '4713-11-24 BC', '12:00', '12:00+00', '4713-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999+00', '0',
  NULL, 'null', 'null', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'ünïcödé 🎉', NULL, '(,,)', '(,)', NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO awkward.every_type (id, f8, num, t) VALUES
 (4, 1.7976931348623157e308, 1e1000, NULL), (5, 0.1::float8 + 0.2::float8, 1.10, '\N'), (6, 2.2250738585072014e-308, 1.1, '\.');

CREATE TABLE awkward.statements (line bigint, body text);
COMMENT ON TABLE awkward.statements IS 'DROP ROLE postgres;';
COMMENT ON COLUMN awkward.statements.body IS E'rows that a sed over a dump would change\nCREATE ROLE postgres;';
INSERT INTO awkward.statements VALUES
 (1, 'DROP ROLE postgres;'), (2, 'CREATE ROLE postgres;'),
 (3, 'ALTER ROLE postgres WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS PASSWORD ''md5abc'';'),
 (4, E'\\.'), (5, E'DROP ROLE postgres;\n\\.\nSELECT 1;'), (6, ''), (7, NULL), (8, '\connect template1'), (9, '-- comment'),
 (10, E'\r\n'), (11, E'\b\f\v\t'), (NULL, E'\\N'), (NULL, NULL), (12, '\x'), (12, '\x');

-- The same row over and over: only a count tells one copy from two.
CREATE TABLE awkward.no_primary_key (a integer, b text);
INSERT INTO awkward.no_primary_key SELECT g % 3, nullif('x' || g % 2, 'x1') FROM generate_series(1, 3000) g;

CREATE TABLE awkward.no_columns ();
INSERT INTO awkward.no_columns SELECT FROM generate_series(1, 7);
CREATE TABLE awkward.empty (id integer PRIMARY KEY, t text DEFAULT 'x');

CREATE TABLE awkward.wide_rows (id integer PRIMARY KEY, body text, raw bytea, doc jsonb);
ALTER TABLE awkward.wide_rows ALTER raw SET STORAGE EXTERNAL, ALTER body SET STATISTICS 17;
ALTER TABLE awkward.wide_rows SET (fillfactor = 71, autovacuum_enabled = false, toast.autovacuum_enabled = false);
INSERT INTO awkward.wide_rows
SELECT mb, (SELECT string_agg(md5(current_setting('seed.salt') || mb || '/' || i), '') FROM generate_series(1, mb * 32768) i),
       (SELECT string_agg(decode(md5(i || '/' || mb), 'hex'), '') FROM generate_series(1, 65536) i),
       jsonb_build_object('k', repeat('v', 300000))
FROM unnest(ARRAY[1, 2, 8]) mb;
INSERT INTO awkward.wide_rows SELECT 100 + g, repeat('compressible ', 20000), NULL, NULL FROM generate_series(1, 20) g;

CREATE TABLE awkward.many_columns (id integer PRIMARY KEY);
DO $$
BEGIN
    EXECUTE (SELECT 'ALTER TABLE awkward.many_columns ' || string_agg(format('ADD c%s text', i), ', ') FROM generate_series(1, 300) i);
END;
$$;
INSERT INTO awkward.many_columns (id, c1, c150, c300) SELECT g, 'a' || g, NULL, 'z' FROM generate_series(1, 50) g;
