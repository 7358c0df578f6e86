package seed_test

// kindsQuery counts what there is of every kind, our own objects only.
const kindsQuery = `
WITH own AS (
    SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE nspname IN ('awkward', 'public', 'Odd "Schema"; DROP')
), con AS (
    SELECT c.* FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
    WHERE nspname IN ('awkward', 'public') AND conparentid = 0 AND coninhcount = 0
), proc AS (
    SELECT p.* FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE nspname = 'awkward'
), typ AS (
    SELECT t.* FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE nspname IN ('awkward', 'public')
), trig AS (
    SELECT t.* FROM pg_trigger t JOIN own ON own.oid = t.tgrelid WHERE NOT tgisinternal
), idx AS (
    SELECT i.* FROM pg_index i JOIN own ON own.oid = i.indexrelid
)
SELECT 'aggregates', count(*) FROM proc WHERE prokind = 'a'
UNION ALL SELECT 'functions', count(*) FROM proc WHERE prokind <> 'a'
UNION ALL SELECT 'casts', count(*) FROM pg_cast WHERE oid >= 16384
UNION ALL SELECT 'check constraints', count(*) FROM con WHERE contype = 'c' AND convalidated
UNION ALL SELECT 'check constraints not valid', count(*) FROM con WHERE contype = 'c' AND NOT convalidated AND conrelid <> 0
UNION ALL SELECT 'foreign keys', count(*) FROM con WHERE contype = 'f'
UNION ALL SELECT 'foreign keys not valid', count(*) FROM con WHERE contype = 'f' AND NOT convalidated
UNION ALL SELECT 'deferrable constraints', count(*) FROM con WHERE condeferrable
UNION ALL SELECT 'exclusion constraints', count(*) FROM con WHERE contype = 'x'
UNION ALL SELECT 'clustered indexes', count(*) FROM idx WHERE indisclustered
UNION ALL SELECT 'invalid indexes', count(*) FROM idx WHERE NOT indisvalid
UNION ALL SELECT 'partial indexes', count(*) FROM idx WHERE indpred IS NOT NULL
UNION ALL SELECT 'indexes on expressions', count(*) FROM idx WHERE indexprs IS NOT NULL
UNION ALL SELECT 'column grants', count(*) FROM pg_attribute a JOIN own ON own.oid = attrelid WHERE attacl IS NOT NULL
UNION ALL SELECT 'identity columns', count(*) FROM pg_attribute a JOIN own ON own.oid = attrelid WHERE attidentity <> ''
UNION ALL SELECT 'generated columns', count(*) FROM pg_attribute a JOIN own ON own.oid = attrelid WHERE attgenerated <> ''
UNION ALL SELECT 'configuration rows', (SELECT count(*) FROM partman.part_config) + (SELECT count(*) FROM partman.part_config_sub) + (SELECT count(*) FROM partman.setting WHERE NOT built_in)
UNION ALL SELECT 'default privileges', count(*) FROM pg_default_acl
UNION ALL SELECT 'domains', count(*) FROM typ WHERE typtype = 'd'
UNION ALL SELECT 'enums', count(*) FROM typ WHERE typtype = 'e'
UNION ALL SELECT 'ranges', count(*) FROM typ WHERE typtype = 'r'
UNION ALL SELECT 'event triggers', count(*) FROM pg_event_trigger
UNION ALL SELECT 'extensions', count(*) FROM pg_extension
UNION ALL SELECT 'row security', count(*) FROM own WHERE relrowsecurity
UNION ALL SELECT 'forced row security', count(*) FROM own WHERE relforcerowsecurity
UNION ALL SELECT 'policies', count(*) FROM pg_policy
UNION ALL SELECT 'inherited twice', count(*) FROM (SELECT inhrelid FROM pg_inherits GROUP BY 1 HAVING count(*) > 1) x
UNION ALL SELECT 'large objects', count(*) FROM pg_largeobject_metadata
UNION ALL SELECT 'materialized views', count(*) FROM own WHERE relkind = 'm'
UNION ALL SELECT 'materialized views without data', count(*) FROM own WHERE relkind = 'm' AND NOT relispopulated
UNION ALL SELECT 'memberships', count(*) FROM pg_auth_members WHERE member >= 16384
UNION ALL SELECT 'operator classes', count(*) FROM pg_opclass WHERE oid >= 16384
UNION ALL SELECT 'partitioned tables', count(*) FROM own WHERE relkind = 'p'
UNION ALL SELECT 'publications', count(*) FROM pg_publication
UNION ALL SELECT 'roles', count(*) FROM pg_roles WHERE oid >= 16384
UNION ALL SELECT 'rules', count(*) FROM pg_rewrite WHERE rulename <> '_RETURN' AND oid >= 16384
UNION ALL SELECT 'sequences not called', count(*) FROM pg_sequences WHERE schemaname = 'awkward' AND last_value IS NULL
UNION ALL SELECT 'settings of roles and databases', sum(cardinality(setconfig)) FROM pg_db_role_setting
UNION ALL SELECT 'statistics', count(*) FROM pg_statistic_ext
UNION ALL SELECT 'tables without columns', count(*) FROM own WHERE relkind = 'r' AND relnatts = 0
UNION ALL SELECT 'triggers always', count(*) FROM trig WHERE tgenabled = 'A'
UNION ALL SELECT 'triggers disabled', count(*) FROM trig WHERE tgenabled = 'D'
UNION ALL SELECT 'triggers for replicas', count(*) FROM trig WHERE tgenabled = 'R'
UNION ALL SELECT 'unlogged tables', count(*) FROM own WHERE relkind = 'r' AND relpersistence = 'u'
UNION ALL SELECT 'verifiers', count(*) FROM pg_authid WHERE oid >= 16384 AND rolpassword IS NOT NULL
UNION ALL SELECT 'views', count(*) FROM own WHERE relkind = 'v'`
