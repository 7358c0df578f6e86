-- Views that group by a primary key, which makes them need an index; and whatever may name such a view.
create table orgs (id int primary key, name text, plan text);
insert into orgs select g, 'org ' || g, 'free' from generate_series(1, 5) g;
create view org_seen as select id, name, count(*) as n from orgs group by id;
create materialized view org_plan as select id, name, plan, count(*) as n from orgs group by id;
create index on org_plan (plan);
create function plan_of(int) returns org_plan language sql stable as 'select * from public.org_plan where id = $1';
create function seen_of(int) returns setof org_seen language sql stable as 'select * from public.org_seen where id = $1';
create function newest_org() returns int language plpgsql stable as 'declare o public.org_seen; begin select * into o from public.org_seen order by id desc limit 1; return o.id; end';
create table builds (id int primary key, org int default newest_org() references orgs);
insert into builds (id) select g from generate_series(1, 20) g;
create view planned as select b.id, (plan_of(b.org)).plan, (select count(*) from seen_of(b.org)) as seen from builds b;
create materialized view planned_kept as select plan, count(*) as n, sum(seen) as seen from planned group by plan;
create unique index on planned_kept (plan);
create function touch() returns trigger language plpgsql as 'begin return new; end';
create trigger on_plan before update on builds for each row when ((plan_of(new.org)).n > 0) execute function touch();
create rule seen as on delete to builds where exists (select from org_seen where id = old.org) do also select plan_of(old.org);
create policy of_known_org on builds using (org in (select id from org_plan) or exists (select from seen_of(org)));
create table snapshots (id int primary key, seen org_seen);
