-- @n@ of each common kind of object, no two of them alike: each takes what it is
-- made of from lists that go round at different lengths.
create extension btree_gist;
create extension pg_trgm;
create schema made;
grant usage on schema made to public;
do $corpus$
declare
	i int;
	types text[] := array['varchar(20)', 'text', 'char(7)', 'varchar(9) collate "C"', 'text collate "POSIX"', '"varchar"', 'name'];
	numbers text[] := array['numeric(12,3)', 'int', 'bigint', 'smallint', 'double precision', 'numeric', 'real', 'money'];
	times text[] := array['timestamptz', 'date', 'timestamp(3)', 'timetz', 'interval', 'interval day to second(2)'];
	lists text[] := array[
		$$a in ('queued', 'done', 'x')$$, $$a not in ('p', 'q') or b = 1::numeric::%2$s$$, $$a::text = any (array['x', 'queued', null])$$,
		$$(a || 'z')::varchar(4) in ('xz', 'doz') or true$$, $$lower(a) <> all (array['p', 'q'])$$, $$case a when 'x' then true when 'y' then b is null else a is not null end$$,
		$$coalesce(nullif(a, ''), 'x') between 'a' and 'zz'$$, $$(a, k) is distinct from ('p', -1)$$, $$a like 'q%%' or a similar to 'd(o|u)%%' or a ~ '^[xyz]'$$,
		$$d is null or d::text in ('x', 'y') or length(d::text) > 0$$, $$k > 0 and k::numeric + 1.5 > 1 and k::int8 < 99999999999$$];
	keys text[] := array[
		$$a$$, $$a desc nulls last, k$$, $$k nulls first$$, $$lower(a)$$, $$(a in ('x', 'y')), k desc$$, $$(a::text) collate "C"$$, $$(a::text) text_pattern_ops, (b::text)$$,
		$$(k %% 7), (coalesce(a, 'none'))$$, $$(k::text || a)$$, $$(k is null or a = 'x')$$];
	wheres text[] := array['', $$where a in ('queued', 'x')$$, $$where k > 3 and not (a = 'y')$$, $$where b is not null$$, $$where a = any ('{x,y}') or k in (1, 2, 3)$$, $$where a is distinct from 'gone'$$];
	acts text[] := array['no action', 'cascade', 'set null', 'restrict', 'set default'];
	late text[] := array['', 'deferrable', 'deferrable initially deferred', 'not deferrable'];
	volatile text[] := array['immutable', 'stable', 'volatile', 'immutable strict parallel safe', 'stable security definer', 'volatile cost 7 parallel restricted'];
	roles text[] := array['reader', 'app', 'owner_of_tables'];
	things text[] := array['tables', 'sequences', 'functions', 'types'];
	rights text[] := array['select', 'usage', 'execute', 'usage'];
	pick text;
begin
	for i in 1..@n@ loop
		execute format('create type made.enum_%s as enum (%L, %L, %L)', i, 'queued', 'it''s ' || i, repeat('ü', 1 + i % 9));
		execute format('create type made.composite_%s as (a %s, b %s, c %s[], d made.enum_%s)', i, types[1 + i % 7], numbers[1 + i % 8], times[1 + i % 6], i);
		execute format('create domain made.domain_%s as %s default %L %s constraint judged check (%s)', i, types[1 + i % 4], 'x', (array['', 'not null'])[1 + i % 2],
			(array[$$value in ('x', 'y', 'queued')$$, $$value::text <> all (array['p', 'q'])$$, $$lower(value) = value or value ~ 'x'$$, $$length(value) between 1 and 20$$, $$value = any ('{x,y,queued}')$$])[1 + i % 5]);
		execute format('create sequence made.sequence_%s as %s increment %s minvalue -%s maxvalue %s start %s cache %s %s', i, (array['int', 'bigint', 'smallint'])[1 + i % 3],
			(array['1', '-1', '7', '-13'])[1 + i % 4], i * 10, 1000 + i, i, 1 + i % 5, (array['cycle', 'no cycle'])[1 + i % 2]);
		if i % 3 > 0 then perform setval(format('made.sequence_%s', i), i + 3, i % 2 = 0); end if;
		execute format('create function made.function_%s(a %s, n %s default %s, variadic more text[] default %L) returns %s language %s %s as %L', i, (array['text', 'varchar', 'char'])[1 + i % 3],
			(array['int', 'numeric', 'bigint'])[1 + i % 3], (array['1', '1.50::numeric', '-7'])[1 + i % 3], '{a,"b c",NULL}', (array['text', 'setof text', 'table (one text)'])[1 + i % 3],
			(array['sql', 'plpgsql'])[1 + (i / 3) % 2], volatile[1 + i % 6],
			case when (i / 3) % 2 = 0 then format('select %L || $1', i) when i % 3 = 0 then format('begin return %L || a; end', i) else format('begin return query select %L || a::text; end', i) end);
		execute format('create procedure made.procedure_%s(a int, inout b %s default null) language %s as %L', i, numbers[1 + i % 8], (array['plpgsql', 'sql'])[1 + i % 2],
			case when i % 2 = 0 then format('begin raise notice %L, a; end', 'at % of ' || i) else format('select $2 /* %s */', i) end);
		execute format('create function made.fires_%s() returns trigger language plpgsql as %L', i, format('begin if tg_op <> %L then return new; end if; return old; /* %s */ end', 'DELETE', i));
		execute format('create table made.table_%s (id int generated %s as identity (start %s) primary key, k int not null default nextval(%L), a %s, b %s, c %s, d made.domain_%s default %L, e made.enum_%s default %L, f made.composite_%s,
			made %s generated always as (%s) stored, doc jsonb default %L::jsonb || jsonb_build_object(%L, now()))', i, (array['always', 'by default'])[1 + i % 2], i, 'made.sequence_1', types[1 + i % 7], numbers[1 + i % 8], times[1 + i % 6],
			i, 'queued', i, 'queued', i, (array['boolean', 'text', 'numeric(20,2)'])[1 + i % 3], (array[$$a in ('x', 'y')$$, $$k::text || ' of ' || a$$, $$k * 1.25 - 1$$])[1 + i % 3], '{"a": 1.10}', 'at');
		execute format('alter table made.table_%s add constraint listed check (' || lists[1 + i % 11] || ') %3$s, add constraint whole check (table_%1$s.* is not null or true), add constraint once_%1$s unique (k, a) %4$s', i, numbers[1 + i % 8],
			(array['', 'not valid', 'no inherit'])[1 + i % 3], case when i % 3 = 1 then 'deferrable initially deferred' when i % 3 = 2 then 'deferrable' else 'include (b)' end);
		execute format('insert into made.table_%s (k, a, b, c, d) select g, (array[''x'', ''queued'', ''done''])[1 + g %% 3], g::%s, %s, ''y'' from generate_series(1, %s) g', i, case numbers[1 + i % 8] when 'money' then 'numeric::money' else numbers[1 + i % 8] end,
			case times[1 + i % 6] when 'interval' then 'g * interval ''1 day 3 min''' when 'interval day to second(2)' then 'g * interval ''7.25 s''' else format('(timestamptz ''2024-03-31 00:30+00'' + g * interval ''1 hour'')::%s', times[1 + i % 6]) end, i % 17);
		execute format('create %s index by_key_%s on made.table_%2$s using btree (' || keys[1 + i % 10] || ') %s %s', (array['', 'unique'])[1 + (i % 10 = 2)::int], i, (array['', 'include (b)', 'include (c, id) with (fillfactor = 71)'])[1 + i % 3], wheres[1 + i % 6]);
		execute format('create index by_other_%1$s on made.table_%1$s using %2$s %3$s', i, (array['hash (k)', 'gin (doc jsonb_path_ops)', 'brin (k int4_minmax_ops, id) with (pages_per_range = 9)', 'gin ((a::text) gin_trgm_ops)', 'gist (k, (a::text) gist_trgm_ops)'])[1 + i % 5], wheres[1 + (i / 5) % 6]);
		execute format('create table made.pointing_%s (a int default 1 references made.table_%1$s on update %2$s on delete %3$s %4$s, b int, span int4range, constraint apart_%1$s exclude using gist (b with %5$s, span with &&) %6$s %7$s) %8$s', i, acts[1 + i % 5], acts[1 + (i / 5) % 5], late[1 + i % 4],
			(array['=', '<>'])[1 + i % 2], (array['', 'where (b > 3)', $$where (b::text in ('1', '2'))$$])[1 + i % 3], late[1 + (i / 4) % 4], (array['', 'with (fillfactor = 60)', 'with (autovacuum_enabled = false)'])[1 + i % 3]);
		execute format('alter table made.pointing_%1$s add constraint self foreign key (a) references made.table_%2$s match %3$s not valid, add constraint alone_%1$s exclude using gist (span with &&)', i, 1 + i / 2, (array['full', 'simple'])[1 + i % 2]);
		execute format('create view made.view_%1$s %2$s as ' || (array[
			$$select id, a in ('x', 'y') as known, b::text as b, c from made.table_%1$s where a in ('x', 'queued') order by k desc nulls last$$,
			$$select id, a, count(*) over (partition by e order by k rows between 1 preceding and current row) as n, (f).b as part from made.table_%1$s$$,
			$$with recursive up(n) as (values (1) union all select n + 1 from up where n::varchar in ('1', '2')) select t.id, up.n, t.d::text as d from made.table_%1$s t left join up on up.n = t.id$$,
			$$select k, string_agg(distinct a::text, ',' order by a::text) filter (where a <> 'x') as names, grouping(k) as g from made.table_%1$s group by rollup (k) having count(*) > 0$$,
			$$select l.id, r.x, case when l.a = 'x' then l.k::numeric else 1.50 end as n from made.table_%1$s l cross join lateral (select max(m.k) as x from made.table_%1$s m where m.e = l.e) r$$])[1 + i % 5],
			i, (array['', 'with (security_barrier)'])[1 + i % 2]);
		execute format('create materialized view made.kept_%1$s as select %2$s from made.table_%1$s %3$s', i, (array['k, a::text as a', 'count(*) as n, max(c) as c', $$id, (a in ('x', 'y'))::text || d as word$$])[1 + i % 3], (array['', '', 'with no data'])[1 + i % 3]);
		execute format('create trigger fires_%1$s %2$s on made.table_%1$s %3$s execute function made.fires_%1$s(%4$L)', i, (array['before insert or update of a, k', 'after update', 'after delete', 'before update'])[1 + i % 4],
			(array[$$for each row when (new.a in ('x', 'y') or new.k > 3)$$, $$for each row when (old.* is distinct from new.* and old.d = 'x')$$, $$referencing old table as gone for each statement$$, $$for each row when (old.k::text <> new.k::varchar)$$])[1 + i % 4], 'it''s ' || i);
		if i % 4 > 0 then execute format('alter table made.table_%s %s trigger fires_%1$s', i, (array['disable', 'enable replica', 'enable always'])[i % 4]); end if;
		execute format('create rule rule_%1$s as on %2$s to made.pointing_%1$s where %3$s do %4$s', i, (array['delete', 'update'])[1 + i % 2], (array[$$old.b::varchar in ('7', '8')$$, 'old.a is null and old.b > 3', $$(old.b, old.a) in ((1, 2), (3, 4))$$])[1 + i % 3],
			(array['instead nothing', format('also select count(*) from made.table_%s', i), format('instead insert into made.table_%s (k) values (old.a)', i)])[1 + i % 3]);
		execute format('create policy policy_%1$s on made.table_%1$s as %2$s for %s to %s %s', i, (array['permissive', 'restrictive'])[1 + i % 2], (array['select', 'update', 'all'])[1 + i % 3], (array['app', 'public', 'reader, app', 'current_user'])[1 + i % 4],
			(array[$$using (a in ('x', 'y'))$$, $$using (k::numeric > 1.0) with check (a::varchar in ('x', 'queued'))$$, format($$using (exists (select from made.pointing_%s p where p.b = table_%1$s.k))$$, i)])[1 + i % 3]);
		if i % 7 = 0 then execute format('alter table made.table_%s enable row level security', i); end if;
		execute format('create statistics made.statistics_%s (%s) on %s from made.table_%1$s', i, (array['ndistinct', 'dependencies', 'mcv', 'ndistinct, mcv'])[1 + i % 4], (array['k, a', 'k, d, id', 'e, k'])[1 + i % 3]);
		execute format('create table made.parts_%s (at date not null, n int, a varchar(9) check (a in (''x'', ''y'')), %s) partition by %s', i, (array['primary key (at, n)', 'check (n > 0)', 'unique (at, n)'])[1 + i % 3],
			case i % 3 when 1 then format('list (%s)', (array['n', 'abs(n)'])[1 + (i / 3) % 2]) when 0 then 'range (at, n)' else 'range (n)' end);
		execute format('create table made.part_%s partition of made.parts_%1$s for values %s', i, case i % 3 when 1 then 'in (1, 2, ' || i + 2 || ', null)' when 0 then format('from (%L, minvalue) to (%L, %s)', '2024-01-01', '2025-01-01', i) else format('from (%s) to (maxvalue)', i) end);
		execute format('create table made.part_rest_%1$s partition of made.parts_%1$s default', i);
		execute format('insert into made.parts_%s select date ''2023-12-20'' + g, 1 + g, ''x'' from generate_series(1, %s) g', i, 5 + i % 9);
		execute format('create index on made.parts_%s (%s) %s', i, (array['a desc, n', 'lower(a)', $$(a in ('x', 'y'))$$])[1 + i % 3], (array['', $$where a in ('x', 'z')$$])[1 + i % 2]);
		execute format('comment on table made.table_%1$s is %2$L; comment on column made.table_%1$s.a is %3$L; comment on constraint listed on made.table_%1$s is %4$L', i, 'table ' || i, E'it''s\n' || i, '\' || i);
		execute format('grant %s on made.table_%s to %s', (array['select', 'insert, update', 'all', 'select (a, k), update (a)', 'references (id)'])[1 + i % 5], i, roles[1 + i % 3] || (array['', ' with grant option'])[1 + i % 2]);
		execute format('create schema made_%s authorization %s', i, roles[1 + i % 3]);
		execute format('alter default privileges for role %s in schema made_%s grant %s on %s to %s', roles[1 + i % 3], i, rights[1 + i % 4], things[1 + i % 4], roles[1 + (i + 1) % 3]);
		execute format('alter table made.pointing_%s owner to %s; alter view made.view_%1$s owner to %2$s', i, roles[1 + i % 3]);
	end loop;
end $corpus$;
