-- contexts_service_production: contexts and their encrypted variables.

CREATE EXTENSION "uuid-ossp" WITH SCHEMA public;

CREATE TABLE public.contexts (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    org uuid NOT NULL,
    name text NOT NULL,
    enc bytea NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (org, name)
);
INSERT INTO public.contexts
SELECT md5(current_setting('seed.salt') || 'c' || g)::uuid, md5((g % 99)::text)::uuid, 'ctx-' || g,
       decode(md5(current_setting('seed.salt') || g) || md5((g + 1)::text) || md5((g + 2)::text), 'hex'),
       timestamptz '2024-02-01 00:00:00+00' + g * interval '1 minute'
FROM generate_series(1, current_setting('seed.units')::bigint / 20 + 1) g;

CREATE TABLE public.context_environment_variables (
    context_id uuid NOT NULL REFERENCES public.contexts (id) ON DELETE CASCADE,
    variable text NOT NULL,
    value bytea NOT NULL,
    updated_at timestamptz,
    PRIMARY KEY (context_id, variable)
);
INSERT INTO public.context_environment_variables
SELECT md5(current_setting('seed.salt') || 'c' || c)::uuid, 'SECRET_' || v,
       decode(md5(current_setting('seed.salt') || c * v) || md5((c + v)::text), 'hex'),
       CASE WHEN c % 5 <> 0 THEN timestamptz '2024-02-01 00:00:00+00' + c * interval '1 minute' END
FROM generate_series(1, current_setting('seed.units')::bigint / 20 + 1) c, generate_series(1, 3) v;

CREATE TABLE public.context_restrictions (
    context_id uuid NOT NULL REFERENCES public.contexts (id),
    kind text NOT NULL CHECK (kind IN ('project', 'group', 'expression')),
    value text NOT NULL
);
INSERT INTO public.context_restrictions
SELECT md5(current_setting('seed.salt') || 'c' || g)::uuid, (ARRAY['project', 'group', 'expression'])[1 + g % 3], 'pipeline.git.branch == "main" and not (' || g || ' > 3)'
FROM generate_series(1, current_setting('seed.units')::bigint / 40 + 1) g;
