-- Columns and checks that rows do not keep: a catalog was changed by hand, or a function since.
create table states (id int primary key, state text check (state in ('queued', 'done')));
insert into states select g, 'done' from generate_series(1, 3) g;
create table notes (id int primary key, note text not null, state int references states);
insert into notes values (1, 'x', 1), (2, 'y', 2);
create function short(text) returns boolean language sql immutable as 'select length($1) < 100';
create table words (id int primary key, word text check (short(word)));
insert into words values (1, 'canary-4713');
-- commit
create or replace function short(text) returns boolean language sql immutable as 'select length($1) < 5';
update pg_attribute set attnotnull = false where attrelid = 'notes'::regclass and attname = 'note';
-- commit
insert into notes values (3, null, 3), (4, null, null);
-- commit
update pg_attribute set attnotnull = true where attrelid = 'notes'::regclass and attname = 'note';
-- commit
alter table states drop constraint states_state_check;
insert into states values (7, 'lost');
alter table states add constraint states_state_check check (state in ('queued', 'done')) not valid;
update pg_constraint set convalidated = true where conname = 'states_state_check';
-- What a function says of a row may be the row.
create function spoken(text) returns boolean language sql immutable as 'select true';
create table spoken_of (id int primary key, word text check (spoken(word)));
insert into spoken_of values (1, 'canary-4714');
create table looked_up (id int primary key, word text check (spoken(word)));
insert into looked_up values (1, 'canary-4715');
-- commit
create or replace function spoken(text) returns boolean language plpgsql immutable as 'begin if $1 like ''%5'' then execute ''select "'' || $1 || ''"''; end if; raise exception ''no %'', $1 using hint = $1, errcode = ''23514''; end';
