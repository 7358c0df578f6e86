create table builds (id int primary key, state varchar(20) not null check (state in ('queued', 'done')));
insert into builds values (1, 'queued');
