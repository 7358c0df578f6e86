create publication filtered for table odd.texts (id, a, b) where (a = 'x' and id > 5), builds where (state = 'queued' or state::text like 'g%');
create unique index one_null on odd.texts (b) nulls not distinct where a in ('x', 'y');
create table odd.leading (id int, a varchar(9), b int, primary key (a, id));
create table odd.following (a varchar(9), id int, foreign key (a, id) references odd.leading on delete set null (id));
