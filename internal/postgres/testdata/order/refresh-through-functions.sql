-- Materialized views that read others through functions only, the first to be made read last.
set check_function_bodies = off;
create table jobs (id int primary key);
insert into jobs select g from generate_series(1, 50) g;
create function base() returns bigint language sql stable as 'select n from public.third';
create function upon() returns bigint language sql immutable as 'select n + 1 from public.second';
create materialized view first as select g as k, upon() as n from generate_series(1, 3) g with no data;
create materialized view second as select base() * 2 as n with no data;
create materialized view third as select count(*) as n from jobs;
create materialized view never as select base() as n with no data;
refresh materialized view second;
refresh materialized view first;
create index on first ((n + upon()));
