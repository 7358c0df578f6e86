-- conductor_production: builds, workflows and their jobs. The rows follow from
-- seed.salt and the numbers alone: no clock, no random().

CREATE EXTENSION "uuid-ossp" WITH SCHEMA public;
CREATE EXTENSION pgcrypto WITH SCHEMA public;

CREATE TYPE public.job_status AS ENUM ('queued', 'running', 'success', 'failed', 'canceled');

CREATE TABLE public.workflows (
    id uuid PRIMARY KEY,
    seq bigserial NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    status public.job_status NOT NULL,
    created_at timestamptz NOT NULL,
    stopped_at timestamptz,
    tags text[] NOT NULL DEFAULT '{}'
);
INSERT INTO public.workflows (id, project_id, name, status, created_at, stopped_at, tags)
SELECT md5(current_setting('seed.salt') || 'w' || g)::uuid,
       md5((g % 300)::text)::uuid,
       'build-test-deploy-' || g % 17,
       (enum_range(NULL::public.job_status))[1 + g % 5],
       timestamptz '2024-01-01 00:00:00+00' + g * interval '7.77 second',
       CASE WHEN g % 11 <> 0 THEN timestamptz '2024-01-01 00:05:00+00' + g * interval '7.77 second' END,
       CASE WHEN g % 4 = 0 THEN ARRAY['nightly', 'a,"q"' || g % 3] ELSE '{}' END
FROM generate_series(1, current_setting('seed.units')::bigint / 5 + 1) g;

CREATE TABLE public.workflow_jobs (
    id uuid NOT NULL,
    seq bigserial NOT NULL,
    workflow_id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    status public.job_status NOT NULL,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    stopped_at timestamp,
    credits double precision,
    cost numeric(12,4),
    attrs jsonb NOT NULL,
    message text,
    labels text[]
);
INSERT INTO public.workflow_jobs
SELECT md5(current_setting('seed.salt') || 'j' || g)::uuid,
       nextval('public.workflow_jobs_seq_seq'),
       md5(current_setting('seed.salt') || 'w' || (g / 5 + 1))::uuid,
       md5((g / 5 % 300)::text)::uuid,
       'build-and-test-' || g % 40,
       (enum_range(NULL::public.job_status))[1 + g % 5],
       timestamptz '2024-01-01 00:00:00+00' + g * interval '1.37 second',
       CASE WHEN g % 7 <> 0 THEN timestamptz '2024-01-01 00:00:03+00' + g * interval '1.37 second' END,
       timestamp '2024-01-01 00:02:00' + g * interval '1.37 second',
       (g * 7919 % 100003)::double precision / 1000,
       (g * 104729 % 10000019)::numeric / 10000,
       jsonb_build_object('vcs', h, 'branch', 'feature/' || md5((g * 3)::text), 'env', jsonb_build_array(g, g % 9, 'x'),
           'exec', jsonb_build_object('image', 'cimg/go:1.' || g % 20, 'class', 'medium', 'parallelism', g % 8,
               'dur', g * 31 % 1000, 'sha', md5((g * 7)::text) || md5((g * 11)::text))),
       CASE WHEN g % 3 <> 0 THEN E'line one\twith tab\nand \\ backslash ' || repeat(h || ' ', (g % 9)::int) END,
       ARRAY['a' || g % 10, 'b,"q"' || g % 3]
FROM (SELECT g, md5(current_setting('seed.salt') || g) AS h
      FROM generate_series(0, current_setting('seed.units')::bigint - 1) g) numbers;

ALTER TABLE public.workflow_jobs ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX workflow_jobs_seq_key ON public.workflow_jobs (seq);
CREATE INDEX workflow_jobs_workflow_id_idx ON public.workflow_jobs (workflow_id);
CREATE INDEX workflow_jobs_project_idx ON public.workflow_jobs (project_id, created_at DESC);
CREATE INDEX workflow_jobs_open_idx ON public.workflow_jobs (status) WHERE status IN ('queued', 'running');
CREATE INDEX workflows_project_idx ON public.workflows (project_id, created_at DESC);
ALTER TABLE public.workflow_jobs ADD FOREIGN KEY (workflow_id) REFERENCES public.workflows (id);

CREATE TABLE public.builds (
    id bigserial PRIMARY KEY,
    project_id uuid,
    vcs_url text,
    branch text,
    committer text,
    started timestamptz,
    payload jsonb,
    log text
);
INSERT INTO public.builds (project_id, vcs_url, branch, committer, started, payload, log)
SELECT md5((g % 300)::text)::uuid, 'https://github.com/org' || g % 50 || '/repo' || g % 300, 'b' || g % 1000,
       'dev' || g % 500 || '@example.com', timestamptz '2024-01-01 00:00:00+00' + g * interval '3 second',
       jsonb_build_object('n', g, 'k', md5(current_setting('seed.salt') || g),
           'steps', (SELECT jsonb_agg(jsonb_build_object('i', i, 'h', md5((g * i)::text))) FROM generate_series(1, 6) i)),
       CASE WHEN g % 40 = 0 THEN (SELECT string_agg(md5(current_setting('seed.salt') || g * i), E'\n') FROM generate_series(1, 120) i) END
FROM generate_series(1, current_setting('seed.units')::bigint / 11 + 1) g;
CREATE INDEX builds_project_branch_idx ON public.builds (project_id, branch);
CREATE INDEX builds_started_idx ON public.builds (started);
CREATE INDEX builds_payload_idx ON public.builds USING gin (payload jsonb_path_ops);

CREATE TABLE public.build_jobs (
    build_id bigint NOT NULL REFERENCES public.builds (id) ON DELETE CASCADE,
    job_id uuid NOT NULL,
    position smallint NOT NULL,
    PRIMARY KEY (build_id, position)
);
INSERT INTO public.build_jobs
SELECT b, md5(current_setting('seed.salt') || 'j' || b * 11)::uuid, p
FROM generate_series(1, current_setting('seed.units')::bigint / 11 + 1) b, generate_series(1, 2) p;

CREATE TABLE public.audit_log (
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL,
    actor uuid,
    action text NOT NULL,
    target uuid,
    detail jsonb
);
INSERT INTO public.audit_log (at, actor, action, target, detail)
SELECT timestamptz '2024-01-01 00:00:00+00' + g * interval '1 second', md5((g % 500)::text)::uuid, 'action.' || g % 30,
       md5(current_setting('seed.salt') || g)::uuid, jsonb_build_object('ip', '10.0.' || g % 250 || '.' || g % 240)
FROM generate_series(1, current_setting('seed.units')::bigint / 3 + 1) g;
CREATE INDEX audit_log_at_idx ON public.audit_log (at);
CREATE INDEX audit_log_actor_idx ON public.audit_log (actor, at);

-- Many small tables, as the real one has.
DO $$
BEGIN
    FOR i IN 1..40 LOOP
        EXECUTE format('CREATE TABLE public.lookup_%s (id serial PRIMARY KEY, k text UNIQUE, v jsonb, at timestamptz NOT NULL DEFAULT now())', i);
        EXECUTE format($q$INSERT INTO public.lookup_%s (k, v, at)
            SELECT md5(current_setting('seed.salt') || g), jsonb_build_object('a', g), timestamptz '2024-01-01 00:00:00+00' + g * interval '1 hour'
            FROM generate_series(1, %s) g$q$, i, (i * 7) % 100);
    END LOOP;
END;
$$;

-- The fixture's stand-in for pg_partman, with configuration of the user's own.
CREATE SCHEMA partman;
CREATE EXTENSION circle_partman WITH SCHEMA partman;
INSERT INTO partman.part_config (parent_table, control, partition_interval, premake, retention, retention_keep_table) VALUES
    ('public.audit_log', 'at', '1 month', 6, '18 months', false),
    ('awkward.by_range', 'at', '1 year', 4, NULL, true);
INSERT INTO partman.part_config_sub (sub_parent, sub_control, sub_partition_interval) VALUES ('public.audit_log', 'id', '1 day');
INSERT INTO partman.setting (name, value) VALUES ('maintenance_window', '02:00-04:00'), ('owner', NULL), ('note', '');
SELECT setval('partman.setting_id_seq', 1041);
INSERT INTO partman.run_log VALUES ('2024-01-01 00:00:00+00', 'public.audit_log', 6);
