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
