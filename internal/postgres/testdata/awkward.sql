-- What copies tend to lose.
create extension pgcrypto;
create extension "uuid-ossp";
create schema odd;
create schema "Odd ""Schema""; drop" authorization owner_of_tables;
grant usage on schema odd to public;
create type odd.mood as enum ('sad', 'it''s "great"', '');
alter type odd.mood add value 'meh' before 'sad';
-- commit
create type odd.point3 as (x double precision, y double precision, note text);
create type odd.price_range as range (subtype = numeric);
create domain odd.positive as integer default 1 constraint above_zero check (value > 0);
create collation odd.plain from "C";
comment on type odd.mood is 'not in alphabetical order';

create table odd.jobs (id bigint generated always as identity primary key, name text not null default 'none', price numeric, qty int,
	total numeric generated always as (price * qty) stored, doc jsonb, at timestamptz, tags text[]);
insert into odd.jobs (name, price, qty, doc, at, tags)
	select 'job ' || g, g / 10.0, g, jsonb_build_object('g', g), timestamptz '2024-01-01 00:00:00+00' + g * interval '1 hour', array['a' || g % 3, 'b,"q"'] from generate_series(1, 2000) g;
create index jobs_name on odd.jobs (lower(name));
create unique index jobs_at on odd.jobs (at) include (name);
create statistics odd.jobs_stats (ndistinct) on price, qty from odd.jobs;
comment on table odd.jobs is 'DROP ROLE postgres;';
comment on column odd.jobs.name is 'a column';
create table odd.steps (id int primary key, job bigint references odd.jobs on delete cascade deferrable, state odd.mood, place odd.point3,
	places odd.point3[], moods odd.mood[], n odd.positive, span odd.price_range, cls regclass, raw bytea, x xml);
insert into odd.steps select g, g, (enum_range(null::odd.mood))[1 + g % 4], row(g, 'NaN', 'a "note",')::odd.point3, array[row(g, 'Infinity', null)::odd.point3],
	'{sad,""}', g, numrange(g, g + 1)::text::odd.price_range, 'odd.jobs'::regclass, decode(md5(g::text), 'hex'), '<a>&amp;</a>' from generate_series(1, 500) g;
create table odd.statements (line int, body text);
insert into odd.statements values (1, 'DROP ROLE postgres;'), (2, E'\\.'), (3, E'tab\tline\nback\\slash'), (4, ''), (5, null), (null, null), (5, null), (6, '\N'), (7, E'\r\n');
create table odd.twins (a int, b text);
insert into odd.twins select g % 3, 'x' from generate_series(1, 300) g;
create table odd.special (d date, t timestamptz, f double precision, n numeric, i interval, m money, o oid, b bit(3));
insert into odd.special values ('infinity', '-infinity', 'NaN', 'NaN', '-1 year 2 mons -3 days', '12.34', 4294967295, '101'),
	('4713-11-24 BC', '294276-12-31 23:59:59.999999+00', '-0', 1e1000, '178000000 years', '-92233720368547758.08', 0, '000');
create table odd.none ();
insert into odd.none select from generate_series(1, 7);
create table odd.empty (id int);
create unlogged table odd.unlogged (id int);
insert into odd.unlogged values (1);
create table odd.wide (id int primary key, body text) with (fillfactor = 71, toast.autovacuum_enabled = false);
alter table odd.wide alter body set storage external;
insert into odd.wide values (1, repeat('0123456789abcdef', 400000)), (2, repeat('z', 4090)), (3, repeat('z', 131072));
create table "Odd ""Schema""; drop"."Weird ""Table""; drop" ("Weird ""Column""; --" int primary key, "select" text, "new
line" text, "größe 🎉" text);
insert into "Odd ""Schema""; drop"."Weird ""Table""; drop" values (1, '%s', '\', 'x');
alter table "Odd ""Schema""; drop"."Weird ""Table""; drop" owner to owner_of_tables;

create table odd.by_range (id int not null, at date not null, primary key (id, at)) partition by range (at);
create table odd.by_range_old partition of odd.by_range for values from ('2020-01-01') to ('2024-01-01');
create table odd.by_range_rest partition of odd.by_range default;
create index by_range_at on odd.by_range (at);
insert into odd.by_range select g, date '2022-01-01' + g from generate_series(1, 1000) g;
create table odd.by_mood (m odd.mood, n int) partition by hash (m);
create table odd.by_mood_0 partition of odd.by_mood for values with (modulus 2, remainder 0);
create table odd.by_mood_1 partition of odd.by_mood for values with (modulus 2, remainder 1);
insert into odd.by_mood select (enum_range(null::odd.mood))[1 + g % 4], g from generate_series(1, 200) g;
create table odd.parent (id int, name text);
create table odd.child (own text) inherits (odd.parent);
create table odd.joined (name text, id int, late text);
alter table odd.joined inherit odd.parent;
insert into odd.joined values ('j', 1, 'late');
insert into odd.child values (2, 'c', 'own');

create sequence odd.behind;
select setval('odd.behind', 42);
create sequence odd.fresh start 77;
create sequence odd.down increment -3 minvalue -100 maxvalue -1 cycle;
select nextval('odd.down');

create function odd.touch() returns trigger language plpgsql as $$ begin new.name := new.name; return new; end $$;
create trigger touch before update on odd.jobs for each row execute function odd.touch();
create trigger sleeping before insert on odd.jobs for each row execute function odd.touch();
alter table odd.jobs disable trigger sleeping;
create function odd.misleading(a int default 1) returns text language sql immutable as $$ select E'DROP ROLE postgres;\n\\.' $$;
create function odd.hidden() returns text language sql security definer set search_path = odd as $$ select 'x' $$;
revoke execute on function odd.hidden() from public;
grant execute on function odd.hidden() to reader with grant option;
create aggregate odd.total (numeric) (sfunc = numeric_add, stype = numeric, initcond = '0');
create rule no_delete as on delete to odd.empty do instead nothing;
create view odd.names as select name, odd.misleading(1) as m from odd.jobs;
create view odd.by_key as select id, name, count(*) as n from odd.jobs group by id;
create materialized view odd.stale as select count(*) as n from odd.twins;
insert into odd.twins values (9, 'after the view');
create materialized view odd.on_stale as select n + 1 as n from odd.stale;
create materialized view odd.unfilled as select 1 as one with no data;
create materialized view odd.clock as select clock_timestamp() as at;
alter materialized view odd.stale owner to owner_of_tables;
alter table odd.twins add constraint late check (a < 5) not valid;

create table odd.secrets (id int primary key, owner name, body text);
insert into odd.secrets select g, 'app', 'body ' || g from generate_series(1, 20) g;
alter table odd.secrets enable row level security;
create policy own on odd.secrets for select to app, "Odd ""Role""; drop" using (owner = current_user);
create table odd.forced (id int);
insert into odd.forced select generate_series(1, 10);
alter table odd.forced enable row level security, force row level security;
alter table odd.forced owner to owner_of_tables;
create table odd.closed (id int);
insert into odd.closed values (1);
revoke all on odd.closed from postgres;
grant select on odd.jobs to reader with grant option;
grant select (id), update (body) on odd.secrets to app;
set role reader;
grant select on odd.jobs to app;
reset role;
alter default privileges in schema odd grant select on tables to reader;
alter default privileges for role owner_of_tables revoke execute on functions from public;

select lo_from_bytea(770001, '\x00ff5c2e0a'), lo_from_bytea(770002, ''), lo_from_bytea(770003, (select string_agg(decode(md5(i::text), 'hex'), '') from generate_series(1, 131072) i));
select lo_create(770004), lo_put(770004, 8192, '\x0102');
alter large object 770003 owner to owner_of_tables;
grant select on large object 770001 to app;
comment on large object 770001 is 'an object';
