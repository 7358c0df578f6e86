-- A unique index that lost entries (an older libc sorted otherwise) lets duplicates in; the server calls it valid.
create table users (id int primary key, email text);
create unique index users_email on users (email);
insert into users select g, 'u' || g || '@example.com' from generate_series(1, 20) g;
-- commit
update pg_index set indisready = false where indexrelid = 'users_email'::regclass;
-- commit
insert into users values (21, 'u1@example.com'), (22, 'u2@example.com');
-- commit
update pg_index set indisready = true where indexrelid = 'users_email'::regclass;
-- A key of words is not shown; a foreign key that needs it is a consequence.
create table tokens (token text unique, note text);
create table uses (token text references tokens (token));
-- commit
update pg_index set indisready = false where indexrelid = 'tokens_token_key'::regclass;
-- commit
insert into tokens values ('canary-4711', 'a'), ('canary-4711', 'b'), ('canary-4712', 'b');
-- commit
update pg_index set indisready = true where indexrelid = 'tokens_token_key'::regclass;
