-- Texts that a server prints in other words once it has read in what it
-- printed: a varchar compared with a list of words is one in each kind.
create extension pg_trgm;
create schema odd;
set search_path = public, odd;
create table builds (id int primary key, job int, state varchar(20) not null check (state in ('queued', 'done')));
create unique index builds_active on builds (job) where state in ('queued', 'running');
insert into builds values (1, 1, 'queued');

create function odd.whole(builds) returns boolean language sql immutable as 'select $1.id > 0';
create function odd.calm(text) returns boolean language sql immutable as 'select true';
create function odd.keep() returns trigger language plpgsql as 'begin return new; end';
create function odd.other() returns trigger language plpgsql as 'begin return new; end';
create sequence odd.numbers;
create domain odd.word as varchar(9) collate "C" default upper('x') constraint known check (value in ('a', 'b', 'X'));

create table odd.texts (id int primary key, a varchar(20), b varchar(30), n numeric, k int default nextval('odd.numbers'), at timestamptz default now() + interval '1 day', w odd.word,
	busy boolean default ('x'::varchar in ('x', 'y')),
	made boolean generated always as (a in ('x', 'y')) stored,
	constraint inlist check (a in ('x', 'y') or a ~ 'z'), constraint whole check ((texts.*)::text <> '' and odd.calm(a)), constraint sum check (n + 1.5 > k and n::int >= 0));
insert into odd.texts (id, a, n) values (1, 'x', 2);
alter table builds add constraint of_row check (odd.whole(builds) or state in ('queued', 'whole')), add constraint late check (state in ('queued', 'late')) not valid;
create index by_row on builds (odd.whole(builds)) where odd.whole(builds.*) or state in ('x', 'y');
create trigger by_row after update on builds for each row when (odd.whole(new) and old.state in ('x', 'y')) execute function odd.keep();
create rule by_row as on delete to builds where odd.whole(old) and old.state in ('x', 'y') do also select odd.whole(b) from builds b;
create policy by_row on builds using (odd.whole(builds) and state in ('x', 'y'));
create index by_expression on odd.texts ((a in ('x', 'y')), lower(b) collate "C" text_pattern_ops desc nulls last) include (n) where b in ('p', 'q') and id > 5;
create index trigrams on odd.texts using gin ((a || b) gin_trgm_ops);
create table odd.excluded (a varchar(9), r int4range, constraint apart exclude using gist (int4range(length(a), 99) with &&, r with &&) where (a in ('x', 'y')) deferrable);

create function odd.lean(a text) returns text language sql immutable as 'select lower(a) where calm(a)';
create index by_leaning on odd.texts (odd.lean(a), (b in ('x', 'y'))) where odd.lean(a) in ('x', 'y') or b in ('p', 'q');
create table odd.leaning (a varchar(9), made boolean generated always as (odd.lean(a) = 'x' or a in ('x', 'y')) stored, check (odd.lean(a) <> '' or a in ('x', 'y')));

create view levels as select * from (values (1, 'low'), (2, 'high')) as v (level, word);
create view levels_in as select 1 as one where 3 in (values (1), (3));
create view odd.active as select t.id, t.a, b.state as "odd State" from odd.texts t join builds b using (id) where t.a in ('x', 'y') and b.state not in ('done', 'gone');
create view odd.on_active as select *, a like 'x%' as x from odd.active where a in ('x');
alter table odd.on_active rename column a to "renamed column";
alter table odd.active alter a set default ('p'::varchar in ('p', 'q'))::text;
create materialized view odd.kept as select id, count(*) over (partition by a) as n from odd.texts where a in ('x', 'y');
create recursive view odd.steps (n) as select 1 union all select n + 1 from steps where n::varchar in ('1', '2');
create rule keep as on delete to odd.texts where old.a in ('x', 'y') and exists (select from odd.texts t where t.id = old.id) do instead nothing;
create rule note as on update to odd.texts where new.a in ('x', 'y') do also insert into builds (id, state) select new.id + t.id, new.a from odd.texts t where odd.calm(new.b);
create rule through as on insert to odd.active do instead insert into odd.texts (id, a) values (new.id, case when new.a in ('x', 'y') then new.a else 'z' end) returning texts.id, texts.a, texts.b::varchar(20);
create trigger checked before update of a, b on odd.texts for each row when (new.a in ('x', 'y') and (old.*)::text <> $$$$) execute function odd.keep('x''y');
create constraint trigger later after insert on odd.texts from builds deferrable initially deferred for each row when (new.b in ('x', 'y')) execute function odd.keep();
create trigger instead instead of update on odd.active for each row execute function odd.keep();
alter table odd.texts enable row level security;
create policy own on odd.texts for update to app using (a in ('x', 'y') and id = (select max(t.id) from odd.texts t where t.a = texts.a)) with check (b in ('p', 'q'));
create policy more on odd.texts as restrictive for insert with check (a in (select state from builds));

create procedure finish(job int, inout done int default 0) language plpgsql as $$ begin done := job; end $$;
create procedure note(variadic texts text[]) language sql as $$ select 1 $$;
create function pair(in a int, out b int, out c text) language sql as $$ select a, 'x'::text $$;
create function pairs(a int default 1, b text default 'x''y' || chr(10), variadic rest int[] default '{}') returns table (x int, y text) language sql rows 7 cost 3 parallel safe strict stable
	set search_path to public, pg_temp set work_mem to '3MB' as $$ select a, b $$;
create function odd.defaults(a boolean default ('x'::varchar in ('x', 'y')), b anyelement default 1, out c anyelement) language sql as 'select b';
create function any_of(variadic anyarray) returns anyelement language sql immutable as $$ select $1[1] $$;
create function over_time(timestamptz(3), interval day to second, numeric(5,1), varchar(7)) returns bit varying(3) language sql as $$ select b'1'::bit varying(3) $$;
create function textcat2(text, text, text) returns text language sql immutable as $$ select coalesce($1, '') || $2 || $3 $$;
create aggregate joined2(text, text) (sfunc = textcat2, stype = text, initcond = 'it''s', parallel = safe, finalfunc_modify = read_only);
comment on procedure finish(int, int) is 'with inout';
grant execute on procedure finish(int, int) to app;
alter procedure finish(int, int) owner to app;
revoke execute on function pair(int) from public;

create table odd.parent (a varchar(9), id int, constraint told check (a in ('x', 'y')), constraint alone check (a in ('v', 'x')) no inherit);
create table odd.child (own text) inherits (odd.parent);
create table odd.parts (a varchar(9), id int, at date, constraint told check (a in ('x', 'y'))) partition by range (coalesce(a in ('x', 'y'), false), at);
create table odd.part_one partition of odd.parts for values from (false, '2020-01-01') to (true, minvalue);
create table odd.part_rest partition of odd.parts (constraint mine check (a in ('x', 'z'))) default;
create index on odd.parts (lower(a)) where a in ('x', 'y');
create statistics odd.stats (ndistinct) on a, b from odd.texts;
-- Where the path of the application finds the table first, or another thing of
-- its name.
create table odd.pg_class (a varchar(9) check (a in ('x', 'y')));
create rule shadowed as on delete to odd.pg_class where old.a in ('x', 'y') do instead nothing;
create trigger shadowed before insert on odd.pg_class for each row when (new.a in ('x', 'y')) execute function odd.keep();
create table odd."Odd ""Name""; drop" ("a ""b""" varchar(9) constraint "c ""d""" check ("a ""b""" in ('x', '''; $1')));
create rule "r ""s""" as on delete to odd."Odd ""Name""; drop" where old."a ""b""" in ('x', 'y') do instead nothing;
reset search_path;
alter database main set search_path = odd, public;
