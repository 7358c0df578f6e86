-- A row security policy reads a materialized view that groups by a primary key; pg_dump puts such a view behind the data.
create table orgs (id int primary key, name text, plan text);
create table builds (id int primary key, org int references orgs, log text);
insert into orgs select g, 'org ' || g, 'free' from generate_series(1, 5) g;
insert into builds select g, 1 + g % 5, 'log ' || g from generate_series(1, 100) g;
create materialized view org_plan as select id, name, plan, count(*) as n from orgs group by id;
alter table builds enable row level security;
create policy of_known_org on builds using (org in (select id from org_plan));
