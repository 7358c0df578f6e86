-- An event trigger writes every DDL command into a table; whatever a mover runs after it exists is logged too.
create table ddl_log (at timestamptz default now(), tag text, object text);
create function log_ddl() returns event_trigger language plpgsql as $$
begin insert into public.ddl_log (tag, object) select command_tag, object_identity from pg_event_trigger_ddl_commands(); end $$;
create table jobs (id int primary key, name text);
insert into jobs select g, 'job ' || g from generate_series(1, 50) g;
create materialized view names as select name from jobs;
create event trigger log_ddl on ddl_command_end execute function log_ddl();
grant select on jobs to reader;
comment on table jobs is 'watched';
