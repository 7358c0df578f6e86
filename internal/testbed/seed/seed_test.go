package seed_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/testbed/seed"
	"github.com/circleci-dr/circleci-dr/internal/testbed/seed/tempserver"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// TestGenerate fills three servers: two alike, and a plain one of another seed.
func TestGenerate(t *testing.T) {
	full := seed.Options{Seed: 7, Bytes: 1, Awkward: true, Superuser: true}
	first, second := filled(t, full), filled(t, full)
	plain := filled(t, seed.Options{Seed: 8, Bytes: 1})

	t.Run("equal seeds give equal rows", func(t *testing.T) { equalSeeds(t, first, second) })
	t.Run("another seed gives other rows", func(t *testing.T) {
		const table = "conductor_production public.workflow_jobs"
		if a, b := digests(t, first)[table], digests(t, plain)[table]; a == b {
			t.Errorf("seeds 7 and 8 give the same %s: %s", table, a)
		}
	})
	t.Run("awkward objects are there", func(t *testing.T) { awkwardObjects(t, first) })
	t.Run("plain has none of them", func(t *testing.T) { nothingAwkward(t, plain) })
	t.Run("the vendor's tables are there", func(t *testing.T) { vendorsTables(t, plain) })
	t.Run("verifiers admit their passwords", func(t *testing.T) { verifiersAdmit(t, first) })
}

func equalSeeds(t *testing.T, first, second *pgx.ConnConfig) {
	t.Helper()
	if diff := cmp.Diff(digests(t, first), digests(t, second)); diff != "" {
		t.Errorf("two runs of one seed differ (-first +second):\n%s", diff)
	}
}

func awkwardObjects(t *testing.T, config *pgx.ConnConfig) {
	t.Helper()
	got := kinds(t, session(t, config, "conductor_production"))
	want := map[string]int64{
		"aggregates": 1, "casts": 1, "check constraints": 6, "check constraints not valid": 1, "clustered indexes": 1,
		"column grants": 4, "configuration rows": 6, "default privileges": 6, "deferrable constraints": 5, "domains": 3, "enums": 2,
		"event triggers": 2, "exclusion constraints": 1, "extensions": 4, "foreign keys": 8, "forced row security": 1,
		"foreign keys not valid": 1, "functions": 17, "generated columns": 2, "identity columns": 2,
		"indexes on expressions": 2, "inherited twice": 1, "invalid indexes": 1, "large objects": 24, "materialized views": 2,
		"materialized views without data": 1, "memberships": 8, "operator classes": 1, "partial indexes": 3, "partitioned tables": 6,
		"policies": 4, "publications": 3, "ranges": 2, "roles": 12, "row security": 2, "rules": 3, "sequences not called": 3,
		"settings of roles and databases": 15, "statistics": 1, "tables without columns": 1, "triggers always": 2,
		"triggers disabled": 1, "triggers for replicas": 1, "unlogged tables": 1, "verifiers": 2, "views": 5,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects differ (-want +got):\n%s", diff)
	}
}

func nothingAwkward(t *testing.T, config *pgx.ConnConfig) {
	t.Helper()
	conn := session(t, config, "conductor_production")
	var roles, schemas int64
	err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'circle%'),
		(SELECT count(*) FROM pg_namespace WHERE nspname IN ('awkward'))`).Scan(&roles, &schemas)
	if err != nil {
		t.Fatal(err)
	}
	if roles != 0 || schemas != 0 {
		t.Errorf("%d roles and %d schemas of the awkward part are there, want none", roles, schemas)
	}
}

func vendorsTables(t *testing.T, config *pgx.ConnConfig) {
	t.Helper()
	for database, table := range map[string]string{
		"conductor_production":        "build_jobs",
		"contexts_service_production": "contexts",
		"cron_service_production":     "qrtz_blob_triggers",
		"domain":                      "tasks",
	} {
		var rows int64
		if err := session(t, config, database).QueryRow(t.Context(), "SELECT count(*) FROM public."+table).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		if rows == 0 {
			t.Errorf("%s.%s is empty", database, table)
		}
	}
}

func verifiersAdmit(t *testing.T, config *pgx.ConnConfig) {
	t.Helper()
	for role, password := range map[string]string{seed.ScramRole: seed.ScramPassword, seed.MD5Role: seed.MD5Password} {
		own := config.Copy()
		own.User, own.Password, own.Database = role, password, "postgres"
		conn, err := pgx.ConnectConfig(t.Context(), own)
		if err != nil {
			t.Errorf("log in as %s: %v", role, err)
			continue
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		own.Password = "wrong"
		if _, err := pgx.ConnectConfig(t.Context(), own); err == nil {
			t.Errorf("%s logs in with a wrong password", role)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"50MB": 50 << 20, "2gb": 2 << 30, " 7 KB ": 7 << 10, "12": 12, "12B": 12} {
		if got, err := seed.ParseBytes(text); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MB", "-1MB", "0", "1.5GB", "9999999999999GB", "many"} {
		if got, err := seed.ParseBytes(text); err == nil {
			t.Errorf("ParseBytes(%q) = %d, want an error", text, got)
		}
	}
}

func filled(t *testing.T, o seed.Options) *pgx.ConnConfig {
	t.Helper()
	config := tempserver.Start(t, 12)
	if err := seed.Generate(t.Context(), session(t, config, "postgres"), o); err != nil {
		t.Fatal(err)
	}
	return config
}

func session(t *testing.T, config *pgx.ConnConfig, database string) *pgx.Conn {
	t.Helper()
	own := config.Copy()
	own.Database = database
	conn, err := pgx.ConnectConfig(t.Context(), own)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// digests are rows and contents of every table and large object.
func digests(t *testing.T, config *pgx.ConnConfig) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, database := range seed.Databases {
		conn := session(t, config, database)
		for _, table := range tables(t, conn) {
			var digest string
			err := conn.QueryRow(t.Context(), fmt.Sprintf(
				`SELECT count(*) || ' ' || coalesce(sum(hashtextextended(x::text, 0)), 0) FROM ONLY %s x`, table)).Scan(&digest)
			if err != nil {
				t.Fatal(err)
			}
			out[database+" "+table] = digest
		}
		var objects string
		err := conn.QueryRow(t.Context(), `SELECT coalesce(md5(string_agg(oid || md5(lo_get(oid)), ',' ORDER BY oid)), '') FROM pg_largeobject_metadata`).Scan(&objects)
		if err != nil {
			t.Fatal(err)
		}
		out[database+" large objects"] = objects
	}
	return out
}

func tables(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func kinds(t *testing.T, conn *pgx.Conn) map[string]int64 {
	t.Helper()
	rows, err := conn.Query(t.Context(), kindsQuery)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	var (
		kind  string
		count int64
	)
	if _, err := pgx.ForEachRow(rows, []any{&kind, &count}, func() error { out[kind] = count; return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}
