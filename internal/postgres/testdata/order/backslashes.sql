create table win_paths (id int primary key, path text, constraint no_single_backslash check (path <> '\\'));
insert into win_paths values (1, 'C:\\temp'), (2, '\\\\');
create function sep() returns text language sql immutable as 'select ''\\\\''::text';
-- What a function makes is made with the backslashes that the application has.
create index on win_paths ((path || sep()));
create function is_double(text) returns boolean language plpgsql immutable as 'begin return $1 = ''\\\\''; end';
alter table win_paths add constraint not_n check (not is_double(path || 'n'));
create function marked(text) returns text language sql immutable as 'select $1 || ''\\\\''';
alter table win_paths add marked text generated always as (marked(path)) stored;
create materialized view marks as select id, path || sep() as mark, path like '%\\\\%' as has from win_paths;
create policy with_backslash on win_paths using (path <> '\\');
comment on table win_paths is 'C:\\';
