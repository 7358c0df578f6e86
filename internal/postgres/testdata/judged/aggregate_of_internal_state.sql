-- An aggregate built on the server's own state functions, the usual way to collect json or arrays with a twist.
create aggregate collect (anynonarray) (sfunc = array_agg_transfn, stype = internal, finalfunc = array_agg_finalfn, finalfunc_extra);
create aggregate collect_json (anyelement) (sfunc = jsonb_agg_transfn, stype = internal, finalfunc = jsonb_agg_finalfn);
create table t (id int);
insert into t select generate_series(1, 5);
create view gathered as select collect(id) as ids from t;
