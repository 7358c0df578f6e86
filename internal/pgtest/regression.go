package pgtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Debian's source package of PostgreSQL 15 holds the regression tests, which no
// binary package has.
const (
	sourcePackage = "postgresql-15=15.18-0+deb12u1"
	sourceArchive = "postgresql-15_15.18.orig.tar.bz2"
	binarySources = "/etc/apt/sources.list.d/debian.sources"
	sourceSum     = "11df0df97fe3ea4ba9a791faaf39cee1d2fe571e78885b5b55d8517d27c323b4"
)

// regression is the directory of PostgreSQL's own regression tests, fetched once.
func regression(ctx context.Context) (string, error) {
	dir, err := once("regression-15.18", "parallel_schedule", func(work string) (string, error) { return fetchRegression(ctx, work) })
	if err != nil {
		return "", fmt.Errorf("fetch PostgreSQL's regression tests: %w", err)
	}
	return dir, nil
}

// fetchRegression asks Debian's archive for sources with lists of its own: what
// the machine's configuration says of them stays as it is.
func fetchRegression(ctx context.Context, work string) (string, error) {
	for _, dir := range []string{"parts", "lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o755); err != nil {
			return "", err
		}
	}
	binary, err := os.ReadFile(binarySources)
	if err != nil {
		return "", fmt.Errorf("read where Debian's packages are: %w", err)
	}
	if err := os.WriteFile(filepath.Join(work, "parts", "own.sources"), bytes.ReplaceAll(binary, []byte("Types: deb\n"), []byte("Types: deb-src\n")), 0o644); err != nil {
		return "", err
	}
	for _, ask := range [][]string{{"update"}, {"source", "--download-only", sourcePackage}} {
		options := []string{"-q", "-o", "Dir::Etc::SourceList=/dev/null", "-o", "Dir::Etc::SourceParts=" + filepath.Join(work, "parts"), "-o", "Dir::State::Lists=" + filepath.Join(work, "lists"), "-o", "Dir::Cache=" + filepath.Join(work, "cache")}
		if err := command(ctx, work, "apt-get", append(options, ask...)...); err != nil {
			return "", err
		}
	}
	archive, err := pinned(filepath.Join(work, sourceArchive), sourcePackage, sourceSum)
	if err != nil {
		return "", err
	}
	tests := "postgresql-15.18/src/test/regress"
	return filepath.Join(work, tests), command(ctx, work, "tar", "-xjf", archive, "--no-same-owner", "--no-same-permissions", tests)
}

// Regression makes a database of what PostgreSQL's own regression tests leave
// behind, as far as it comes: their expected results do not matter, and what
// needs the C functions of their library is missing. It says how many statements
// failed.
func (s *Server) Regression(t testing.TB, database string) (failed int) {
	t.Helper()
	tests, err := regression(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files, err := schedule(filepath.Join(tests, "parallel_schedule"))
	if err != nil {
		t.Fatal(err)
	}
	build := filepath.Join(s.Dir, "regression")
	if err := errors.Join(os.MkdirAll(filepath.Join(build, "results"), 0o755), own(build)); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, "postgres", "create database "+database+" template template0 lc_collate 'C' lc_ctype 'C'")
	s.Exec(t, "postgres", "alter database "+database+" set timezone_abbreviations = 'Default'")
	for _, file := range files {
		cmd := exec.CommandContext(t.Context(), filepath.Join(systemDir, "bin", "psql"), "-X", "-q", "-a", "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on", "-f", filepath.Join(tests, "sql", file+".sql"))
		cmd.Dir = build
		cmd.Env = append(os.Environ(), "PGHOST="+s.Dir, fmt.Sprintf("PGPORT=%d", s.Port), "PGUSER="+Superuser, "PGPASSWORD="+Password, "PGDATABASE="+database, "PGTZ=PST8PDT", "PGDATESTYLE=Postgres, MDY",
			"PGOPTIONS=-c intervalstyle=postgres_verbose", "PG_ABS_SRCDIR="+tests, "PG_ABS_BUILDDIR="+build, "PG_LIBDIR="+build, "PG_DLSUFFIX=.so")
		out, _ := cmd.CombinedOutput() // how a test ends says nothing of what it made
		failed += strings.Count(string(out), "ERROR:  ")
		s.awaitRecovery(t, database)
	}
	if s.Major < 13 {
		s.Exec(t, database, removeBroken)
	}
	return failed
}

// removeBroken takes away a table that PostgreSQL 12 lets one make and can then
// neither open nor drop, because its partition key is a value of its own row type.
const removeBroken = `do $$ declare broken oid := (select oid from pg_class where relname = 'partitioned' and relkind = 'p'); rowtype oid := (select reltype from pg_class where oid = broken); begin
	update pg_class set relispartition = false, relpartbound = null where oid in (select inhrelid from pg_inherits where inhparent = broken);
	delete from pg_inherits where inhparent = broken;
	delete from pg_depend where broken in (objid, refobjid) or rowtype in (objid, refobjid);
	delete from pg_partitioned_table where partrelid = broken;
	delete from pg_attribute where attrelid = broken;
	delete from pg_type where oid = rowtype or typelem = rowtype;
	delete from pg_class where oid = broken;
	end $$; drop table if exists partitioned1, partitioned2`

// awaitRecovery waits until a server that one of the tests has crashed is back:
// the tests are those of a newer release, which know of faults of the older.
func (s *Server) awaitRecovery(t testing.TB, database string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		conn, err := s.Connect(t.Context(), database)
		if err == nil {
			err = conn.Close(t.Context())
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("connect to %s: %v", database, err)
		}
	}
}

// schedule lists the tests in the order in which they may run.
func schedule(path string) (tests []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if list, ok := strings.CutPrefix(lines.Text(), "test: "); ok {
			tests = append(tests, strings.Fields(list)...)
		}
	}
	return tests, lines.Err()
}
