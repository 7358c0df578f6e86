-- domain: organisations, projects, and the tasks of the machine service.

CREATE TABLE public.organizations (
    id uuid PRIMARY KEY,
    name varchar(100) NOT NULL UNIQUE,
    plan char(8) NOT NULL,
    created_on date NOT NULL
);
INSERT INTO public.organizations
SELECT md5((g % 99)::text)::uuid, 'org' || g, CASE WHEN g % 2 = 0 THEN 'free' ELSE 'paid' END, date '2019-01-01' + g::int
FROM generate_series(0, 98) g;

CREATE TABLE public.projects (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES public.organizations (id),
    slug text NOT NULL UNIQUE,
    settings jsonb NOT NULL DEFAULT '{}'
);
INSERT INTO public.projects
SELECT md5(g::text)::uuid, md5((g % 99)::text)::uuid, 'gh/org' || g % 99 || '/repo' || g, jsonb_build_object('oss', g % 2 = 0, 'max', g)
FROM generate_series(0, 299) g;

CREATE TABLE public.tasks (
    id uuid PRIMARY KEY,
    state text NOT NULL,
    started_at timestamptz,
    machine inet,
    took interval
);
INSERT INTO public.tasks
SELECT md5(current_setting('seed.salt') || 't' || g)::uuid, (ARRAY['new', 'running', 'gone'])[1 + g % 3],
       CASE WHEN g % 4 <> 0 THEN timestamptz '2024-03-01 00:00:00+00' + g * interval '1 minute' END,
       ('10.' || g % 250 || '.' || g % 199 || '.7/24')::inet, g * interval '1.25 second'
FROM generate_series(1, current_setting('seed.units')::bigint / 20 + 1) g;
CREATE INDEX tasks_state_idx ON public.tasks (state, started_at);
