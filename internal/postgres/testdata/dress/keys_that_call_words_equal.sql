-- Words of citext are equal in any case: a foreign key is kept by them, a unique index broken.
create extension citext;
create table names (name citext primary key);
insert into names values ('Alpha'), ('Beta');
create table uses_name (id int primary key, name citext references names);
insert into uses_name values (1, 'alpha'), (2, 'BETA');
create table mails (id int primary key, mail citext, kind text);
create unique index mails_mail on mails (mail, kind) where mail <> 'none';
insert into mails values (1, 'a@b', 'x'), (2, 'c@d', 'x'), (3, null, 'x'), (4, null, 'x'), (5, 'A@B', 'y'), (6, 'none', 'x'), (7, 'NONE', 'x');
-- Of a key that matches in full, all columns are set or none.
create table pairs (a int, b int, primary key (a, b));
insert into pairs values (1, 1);
create table halves (id int primary key, a int, b int, foreign key (a, b) references pairs match full);
-- commit
alter table uses_name disable trigger all;
insert into uses_name values (3, 'gamma'), (4, null);
alter table uses_name enable trigger all;
alter table halves disable trigger all;
insert into halves values (1, 1, 1), (2, 1, null), (3, null, null);
alter table halves enable trigger all;
update pg_index set indisready = false where indexrelid = 'mails_mail'::regclass;
-- commit
insert into mails values (8, 'A@b', 'x');
-- commit
update pg_index set indisready = true where indexrelid = 'mails_mail'::regclass;
