package postgres

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/jackc/pgx/v5"
)

// account is what testdata/catalogs.txt says of one column.
type account struct {
	catalog, column string
	how             string
	by              []string // what it is compared with or named by
	test            string   // what shows a comparison that cannot be shown here
}

// readAccounts reads the table, which is written for people.
func readAccounts(t *testing.T) []account {
	t.Helper()
	raw, err := os.ReadFile("testdata/catalogs.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []account
	catalog := ""
	for line := range strings.Lines(string(raw)) {
		switch {
		case strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "":
			continue
		case !strings.HasPrefix(line, " "):
			catalog = strings.TrimSpace(line)
			continue
		}
		parts := strings.Split(line, " | ")
		words := strings.Fields(parts[0])
		if len(parts) < 2 || len(words) < 2 {
			t.Fatalf("%s: no reason in %q", catalog, line)
		}
		for _, column := range words[1:] {
			a := account{catalog: catalog, column: column, how: words[0], by: strings.Split(strings.TrimSpace(parts[1]), ", ")}
			if len(parts) > 2 {
				a.test = strings.TrimSpace(parts[2])
			}
			list = append(list, a)
		}
	}
	return list
}

// catalogMajors are the servers whose catalogs are accounted for.
var catalogMajors = []int{12, 14, 15, 18}

// TestEveryCatalogColumn: whatever a server keeps about a database is
// compared, named, derived or no part of it, and somebody has thought about it.
func TestEveryCatalogColumn(t *testing.T) {
	t.Parallel()
	accounts := map[string]account{}
	for _, a := range readAccounts(t) {
		key := a.catalog + "." + a.column
		if _, twice := accounts[key]; twice {
			t.Errorf("%s is in the table twice", key)
		}
		accounts[key] = a
		a.check(t)
	}
	met := map[string]bool{}
	for _, major := range catalogMajors {
		s := pgtest.NewWith(t, pgtest.Options{Major: major, Settings: map[string]string{"allow_system_table_mods": "on"}})
		for _, key := range catalogColumns(t, s) {
			met[key] = true
			if _, known := accounts[key]; !known && !strings.HasSuffix(key, ".oid") {
				t.Errorf("PostgreSQL %d: %s is not in testdata/catalogs.txt", major, key)
			}
		}
		if major == slices.Max(catalogMajors) { // it has what the older ones have, and more
			comparedColumnsAreSeen(t, s, accounts)
		}
	}
	for key := range accounts {
		if !met[key] {
			t.Errorf("testdata/catalogs.txt: no server has %s", key)
		}
	}
}

// everyFinding holds the words that findings begin with.
var everyFinding = func() string {
	all := unsupportedQuery
	for _, file := range []string{"inspect.go", "unsupported.go", "left.go", "left_server.go"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		all += string(raw)
	}
	return all
}()

// check looks whether what a line refers to is there.
func (a account) check(t *testing.T) {
	t.Helper()
	known := func(string) bool { return true }
	switch a.how {
	case "compared":
		known = func(kind string) bool { return globalKinds[kind] != nil || hasCatalog(kind) || a.test != "" }
	case "named":
		known = func(words string) bool {
			return strings.Contains(everyFinding, "'"+words+" ") || strings.Contains(everyFinding, `"`+words+" ")
		}
	case "derived", "outside":
	default:
		t.Errorf("%s.%s: %q is no word of the table", a.catalog, a.column, a.how)
	}
	for _, by := range a.by {
		if !known(by) {
			t.Errorf("%s.%s: nothing is %s by %q", a.catalog, a.column, a.how, by)
		}
	}
}

func hasCatalog(kind string) bool {
	return slices.ContainsFunc(catalogs, func(c catalog) bool { return c.kind == kind })
}

// catalogColumns are the columns of a server's catalogs.
func catalogColumns(t *testing.T, s *pgtest.Server) []string {
	t.Helper()
	conn, err := s.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	rows, err := conn.Query(t.Context(), `select c.relname || '.' || a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
		where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(columns) < 500 {
		t.Fatalf("%d columns, %v", len(columns), err)
	}
	return columns
}
