-- The application keeps its days in its own time zone, and its functions call that immutable.
create table builds (id int primary key, at timestamptz, took interval);
insert into builds select g, '2024-07-01 00:30:00+02'::timestamptz + g * interval '1 minute', g * interval '-1 hour' from generate_series(1, 40) g;
create function day(timestamptz) returns date language sql immutable as 'select $1::date';
create function words(interval) returns text language sql immutable as 'select $1::text';
create index builds_day on builds (day(at));
create index builds_words on builds (words(took));
alter table builds add day date generated always as (day(at)) stored;
create materialized view days as select at::date::text as day, to_char(at, 'HH24:MI') as at from builds;
create table nulls (a int[]); insert into nulls values (array[1, null, 2]);
-- Views that were not filled again since: the target's are newer.
create table later (at timestamptz);
create function how_many() returns bigint language sql stable as 'select count(*) from later';
create materialized view stale_days as select to_char(at, 'YYYY-MM-DD HH24:MI') as at, 'C:\' as path from later;
create materialized view stale_number as select how_many() as n;
insert into later values ('2024-07-01 00:30:00+02');
