-- A CHECK calls a function that looks the value up in another table; the bigger table is loaded first.
create table states (name text primary key);
insert into states values ('queued'), ('running'), ('done');
create function known_state(text) returns boolean language sql stable as $$ select exists (select 1 from public.states where name = $1) $$;
create table builds (id int primary key, state text not null check (known_state(state)), log text);
insert into builds select g, case g % 3 when 0 then 'queued' when 1 then 'running' else 'done' end, repeat('x', 200) from generate_series(1, 3000) g;
