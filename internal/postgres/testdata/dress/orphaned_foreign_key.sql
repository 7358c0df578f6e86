-- A valid foreign key with rows that have no parent: triggers were off while somebody loaded data.
create table jobs (id int primary key);
create table steps (id int primary key, job int references jobs);
insert into jobs select generate_series(1, 10);
alter table steps disable trigger all;
insert into steps select g, g from generate_series(1, 12) g;
alter table steps enable trigger all;
-- A foreign key of a partitioned table, to one of two columns.
create table parents (a int, b int, primary key (a, b));
insert into parents values (1, 1);
create table parts (id int primary key, a int, b int, foreign key (a, b) references parents) partition by range (id);
create table parts_1 partition of parts for values from (0) to (100);
alter table parts_1 disable trigger all;
insert into parts values (1, 1, 1), (2, 1, 2), (3, null, 2), (4, 2, 1);
alter table parts_1 enable trigger all;
