-- One of everything that a setting makes a session print or read otherwise.
create table "Values" (id int primary key, at timestamptz default '2024-02-03 04:05:06+00', day date default '2024-02-03', took interval default '-1 day 02:03:04',
	raw bytea default '\x00ff5c27', real float8 default 0.1, price money default 1234.5, doc xml default '<a>1</a>', list text[] default array['a', null, 'NULL', 'b\c'],
	path text default 'C:\temp''s', constraint of_path check (path <> '\'), constraint of_null check (price::numeric is not null or path = null::text));
insert into "Values" (id) select g from generate_series(1, 40) g;
insert into "Values" (id, real, doc) values (100, 1.0 / 3, xmlparse(content 'a<b/>c'));
create function "Slash"() returns text language sql immutable as 'select ''\''::text';
create index of_gin on "Values" using gin (list);
create view "Seen" as select at::text, took::text, raw::text, real::text, path || '\' as path, xmlelement(name x, raw)::text as x from "Values";
create materialized view "Kept" as select id, list from "Values" where list @> array['a'];
create policy "by path" on "Values" using (path like '%\\temp%' or day = '2024-02-03');
comment on table "Values" is 'C:\temp';
