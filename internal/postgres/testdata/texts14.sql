create function odd.body(a varchar(9), n int default 1) returns boolean language sql begin atomic select odd.calm(a), a in ('x', 'y'); select body.a in ('x', 'z') from odd.texts t where t.id = n; end;
create function odd.short(a varchar(9)) returns setof boolean language sql return a in ('x', 'y');
create procedure odd.proceed(a varchar(9), out done boolean) language sql begin atomic insert into builds (id, state) values (9, a); select a in ('x', 'y'); end;
create statistics odd.on_expression on (a in ('x', 'y')), b, (lower(a)) from odd.texts;
create statistics odd.on_one on (a in ('x', 'z')) from odd.texts;
create index summary on odd.texts using gist (a gist_trgm_ops (siglen = 32));
create view odd.cyclic as with recursive t(n) as (select 1 union all select n + 1 from t where n::varchar in ('1', '2')) cycle n set looped using path select n from t;
