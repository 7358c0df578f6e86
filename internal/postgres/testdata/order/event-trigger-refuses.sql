-- An event trigger forbids DDL in working hours (here: always), which holds for the mover's own GRANT and its probe.
create table jobs (id int primary key, name text);
insert into jobs select g, 'job ' || g from generate_series(1, 50) g;
grant select on jobs to reader;
create function closed() returns event_trigger language plpgsql as $$ begin raise exception 'the schema is frozen: % refused', tg_tag; end $$;
create event trigger closed on ddl_command_start execute function closed();
