-- Settings of roles and databases that a newer server no longer has, or whose name it no longer takes.
create role app login;
alter role app set operator_precedence_warning = on;
alter role app set "my-app.tenant-id" = 'seven';
alter database main set vacuum_cleanup_index_scale_factor = 0.2;
create table jobs (id int);
insert into jobs values (1);
-- A value that is spelled otherwise, one that every server takes, a setting that only a superuser may set, and names that a move brings along.
alter role app set password_encryption = 'on';
alter role app set statement_timeout = '1ms';
alter role app set log_statement = 'all';
alter role app set timezone = 'Asia/Tokyo';
create role acting;
grant acting to app;
alter role app set role = acting;
alter role app in database main set default_text_search_config = 'public.own';
create text search configuration own (copy = simple);
create function keeps() returns int language sql set timezone = 'UTC' as 'select 1';
