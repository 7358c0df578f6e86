package main

import (
	"context"
	"fmt"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
)

// database is the one that is moved.
const database = "conductor_production"

// seed makes about size MB of data as an installation has it: one table of
// jobs that holds most, or eight where it is to be even, some of medium size,
// many small ones. It returns how much it became.
func seed(ctx context.Context, s *pgtest.Server, size int, even bool) (int, error) {
	conn, err := s.Connect(ctx, "postgres")
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "create database "+database); err != nil {
		return 0, err
	}
	if conn, err = s.Connect(ctx, database); err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, fmt.Sprintf(data, size*108/100)); err != nil {
		return 0, fmt.Errorf("make data: %w", err)
	}
	if even {
		if _, err := conn.Exec(ctx, spread); err != nil {
			return 0, fmt.Errorf("spread the big table: %w", err)
		}
	}
	if _, err := conn.Exec(ctx, "vacuum analyze"); err != nil {
		return 0, err
	}
	var mb int
	err = conn.QueryRow(ctx, "select (pg_database_size(current_database()) >> 20)::int").Scan(&mb)
	return mb, err
}

// spread puts the rows of the big table into eight.
const spread = `
set synchronous_commit = off;
do $$ begin for i in 0..7 loop
	execute format('create table workflow_jobs_%s (like workflow_jobs including all)', i);
	execute format('insert into workflow_jobs_%s select * from workflow_jobs where seq %% 8 = %s', i, i);
end loop; end $$;
alter sequence workflow_jobs_seq_seq owned by none;
drop table workflow_jobs;`

// data scales with its one argument: 108 make 100 MB.
const data = `
set synchronous_commit = off;
set bench.mb = '%d';
create extension "uuid-ossp";
create type job_status as enum ('queued', 'running', 'success', 'failed', 'canceled');
create table workflow_jobs (id uuid primary key, seq bigserial, workflow_id uuid not null, project_id uuid not null, name text not null,
	status job_status not null, created_at timestamptz not null, started_at timestamptz, stopped_at timestamp, credits double precision,
	cost numeric(12,4), attrs jsonb not null, message text, labels text[]);
insert into workflow_jobs select uuid_generate_v4(), g, md5((g / 5)::text)::uuid, md5((g %% 300)::text)::uuid, 'build-and-test-' || (g %% 40),
	(enum_range(null::job_status))[1 + g %% 5], now() - g * interval '1.37 second',
	case when g %% 7 = 0 then null else now() - g * interval '1.36 second' end, (now() - g * interval '1.35 second')::timestamp,
	random() * 100, (random() * 1000)::numeric(12,4),
	jsonb_build_object('vcs', md5(g::text), 'branch', 'feature/' || md5((g * 3)::text), 'env', jsonb_build_array(g, g %% 9, 'x'), 'exec',
		jsonb_build_object('image', 'cimg/go:1.' || g %% 20, 'class', 'medium', 'dur', random() * 1000, 'sha', md5((g * 7)::text) || md5((g * 11)::text))),
	case when g %% 3 = 0 then null else E'line one\twith tab\nand \\ backslash ' || repeat(md5(g::text) || ' ', (g %% 9)) end,
	array['a' || g %% 10, 'b,"q"' || g %% 3]
	from generate_series(1, current_setting('bench.mb')::int * 920) g;
create index on workflow_jobs (workflow_id);
create index on workflow_jobs (project_id, created_at desc);
create unique index on workflow_jobs (seq);
create index on workflow_jobs (status) where status in ('queued', 'running');
create table builds (id bigserial primary key, project_id uuid, vcs_url text, branch text, started timestamptz, payload jsonb, log text);
insert into builds select g, md5((g %% 300)::text)::uuid, 'https://example.com/org' || g %% 50 || '/repo' || g %% 300, 'b' || g %% 1000, now() - g * interval '3 second',
	jsonb_build_object('n', g, 'k', md5(g::text), 'steps', (select jsonb_agg(jsonb_build_object('i', i, 'h', md5((g * i)::text))) from generate_series(1, 6) i)),
	case when g %% 40 = 0 then (select string_agg(md5((g * i)::text), E'\n') from generate_series(1, 120) i) end
	from generate_series(1, current_setting('bench.mb')::int * 83) g;
create index on builds (project_id, branch);
create index on builds using gin (payload jsonb_path_ops);
create table contexts (id uuid primary key, org uuid, name text, enc bytea, created_at timestamptz);
insert into contexts select uuid_generate_v4(), md5((g %% 99)::text)::uuid, 'ctx-' || g, decode(md5(g::text) || md5((g + 1)::text), 'hex'), now()
	from generate_series(1, current_setting('bench.mb')::int * 200) g;
create index on contexts (org, name);
create table audit_log (id bigserial primary key, at timestamptz, actor uuid, action text, target uuid, d jsonb);
insert into audit_log select g, now() - g * interval '1 second', md5((g %% 500)::text)::uuid, 'action.' || g %% 30, md5(g::text)::uuid,
	jsonb_build_object('ip', '10.0.' || g %% 250 || '.' || g %% 240) from generate_series(1, current_setting('bench.mb')::int * 330) g;
create index on audit_log (at);
create index on audit_log (actor, at);
do $$ begin for i in 1..200 loop
	execute format('create table small_%%s (id serial primary key, k text unique, v jsonb, at timestamptz default now())', i);
	execute format('insert into small_%%s (k, v) select md5(g::text), jsonb_build_object(''a'', g) from generate_series(1, %%s) g', i, (i * 7) %% 300);
end loop; end $$;`
