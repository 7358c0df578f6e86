package server

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheSupportTableIsInOrderAndSaysWhereItIsFrom(t *testing.T) {
	for i, s := range supported {
		switch {
		case s.Source == "" || !strings.Contains(s.Source, s.Server.String()+" "):
			t.Errorf("Server %s has the source %q", s.Server, s.Source)
		case !s.Released.Before(s.Ends):
			t.Errorf("Server %s ends before it begins", s.Server)
		case s.To.Less(s.From) || s.PostgresFrom == 0 || s.PostgresTo != 0 && s.PostgresTo < s.PostgresFrom || s.Mongo == (Version{}):
			t.Errorf("Server %s has a range that is none: %+v", s.Server, s)
		case i > 0 && s.Server != (Version{4, supported[i-1].Server.Minor + 1}):
			t.Errorf("Server %s follows %s", s.Server, supported[i-1].Server)
		case i > 0 && (s.From.Less(supported[i-1].From) || s.To.Less(supported[i-1].To) || s.Mongo.Less(supported[i-1].Mongo) || !supported[i-1].Released.Before(s.Released)):
			t.Errorf("Server %s asks for less than the release before it", s.Server)
		}
	}
	for _, k := range slices.Concat(secretKeys, valuesKeys) {
		if k.Source == "" || k.Name == "" || k.Until != (Version{}) && !k.Since.Less(k.Until) {
			t.Errorf("key %+v", k)
		}
	}
	for _, u := range upgradeTraps {
		if u.Source == "" || u.What == "" || u.Fix == "" || u.Until != (Version{}) && !u.Since.Less(u.Until) || u.Until == (Version{}) && u.Postgres == 0 {
			t.Errorf("upgrade %+v", u)
		}
		if u.Until != (Version{}) && (!strings.Contains(u.What, u.Until.String()) || !strings.Contains(u.Source, u.Until.String())) {
			t.Errorf("the upgrade to %s is told by %+v", u.Until, u)
		}
	}
}

// The table and the code that has its own idea of the same thing agree.
func TestTheSupportTableAgreesWithTheCode(t *testing.T) {
	for _, s := range supported {
		version := s.Server.String() + ".1"
		if got, known := SupportOf(version); !known || got != s {
			t.Errorf("Server %s is %+v", version, got)
		}
		if s.TLS13 != AtLeast(version, 4, 9) || HasValue("postgresql.secureMode", version) != AtLeast(version, 4, 9) {
			t.Errorf("Server %s and 4.9 differ", version)
		}
		if keys := DocumentedKeys("postgresql", version); !slices.Equal(keys, []string{"postgres-password"}) {
			t.Errorf("Server %s documents the keys %v", version, keys)
		}
		for _, name := range []string{"internal", "postgresqlHost", "postgresqlPort", "auth.username", "auth.existingSecret"} {
			if !HasValue("postgresql."+name, version) {
				t.Errorf("Server %s has no postgresql.%s, which the switch sets", version, name)
			}
		}
	}
	for _, text := range []string{"", "5.0.0", "next", "4.11.0", "4"} {
		if got, known := SupportOf(text); known {
			t.Errorf("%q is known as %+v", text, got)
		}
	}
	if got := DocumentedKeys("postgresql", "3.4.1"); !slices.Equal(got, []string{"postgresql-password"}) {
		t.Errorf("Server 3.4 documents %v", got)
	}
	for text, want := range map[string]Version{"v1.33.5-eks-113cf36": {1, 33}, "v1.30+": {1, 30}, "4.10.0": {4, 10}} {
		if got, ok := VersionOf(text); !ok || got != want {
			t.Errorf("%q is %v", text, got)
		}
	}
}

var anew = flag.Bool("update", false, "write the page anew")

const tablePage = "../../docs/support-table.md"

// The page is written from the table: go test ./reconcile/server -update.
func TestTheSupportPageIsTheTable(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# What the vendor documents

Preflight holds live versions against these tables, never the other way round: what a live server says of itself wins, and a release that is not
in here is not judged. Nothing of it blocks but a target that cannot speak TLS 1.3 where that is needed. Written from ` + "`reconcile/server/support_table.go`; `go test ./reconcile/server -update`" + ` writes it anew.

| Server | released | support ends | Kubernetes | external PostgreSQL | TLS 1.3, pg_partman 4.5.x | MongoDB from | source |
|---|---|---|---|---|---|---|---|
`)
	for _, s := range supported {
		ends, majors, strict := s.Ends.Format(time.DateOnly), fmt.Sprintf("%d and later", s.PostgresFrom), "no"
		if s.Projected {
			ends += " (projected)"
		}
		if s.PostgresTo > 0 {
			majors = fmt.Sprintf("%d to %d", s.PostgresFrom, s.PostgresTo)
		}
		if s.TLS13 && s.Partman {
			strict = "needed"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s to %s | %s | %s | %s | %s |\n", s.Server, s.Released.Format(time.DateOnly), ends, s.From, s.To, majors, strict, s.Mongo, s.Source)
	}
	b.WriteString("\n## Secrets\n\n| Secret | key | releases | source |\n|---|---|---|---|\n")
	for _, k := range secretKeys {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", k.Of, k.Name, releasesOf(k.Since, k.Until, "gone in"), k.Source)
	}
	b.WriteString("\n## Values\n\n| key | releases | source |\n|---|---|---|\n")
	for _, k := range valuesKeys {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, releasesOf(k.Since, k.Until, "gone in"), k.Source)
	}
	b.WriteString(`
## Upgrades

What is noticed too late when it is forgotten, not all that the guides ask. ` + "`plan` reports what is ahead of the deployed release as `upgrade-ahead`" + ` in one note.

| deployed | internal PostgreSQL | what is ahead | what to do | source |
|---|---|---|---|---|
`)
	for _, u := range upgradeTraps {
		postgres := "any or none"
		if u.Postgres > 0 {
			postgres = fmt.Sprintf("%d, and stays", u.Postgres)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", releasesOf(u.Since, u.Until, "before"), postgres, u.What, u.Fix, u.Source)
	}
	if *anew {
		if err := os.WriteFile(tablePage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(tablePage)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != b.String() {
		t.Errorf("%s is not what the table says; run go test ./reconcile/server -update", tablePage)
	}
}

func releasesOf(since, until Version, end string) string {
	switch {
	case since == Version{} && until == Version{}:
		return "all"
	case since == Version{}:
		return "before " + until.String()
	case until == Version{}:
		return "from " + since.String()
	}
	return "from " + since.String() + ", " + end + " " + until.String()
}
