create function no_ddl() returns event_trigger language plpgsql as $$ begin raise exception 'no ddl here: %', tg_tag; end $$;
create event trigger freezes on ddl_command_start execute function no_ddl();
