package reconcile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// limits are the settings a server's room for locks follows from.
func limits(locks, connections, relations int) func(*facts) {
	return func(f *facts) {
		f.src().Databases[0].Relations = relations
		for _, db := range []*mover.Database{f.src(), f.dst()} {
			db.Settings = map[string]string{"max_locks_per_transaction": "64", "max_connections": "100", "max_prepared_transactions": "0", "max_worker_processes": "8",
				"max_wal_senders": "10", "autovacuum_max_workers": "3", "superuser_reserved_connections": "3"}
		}
		f.src().Settings["max_locks_per_transaction"], f.src().Settings["max_connections"] = strconv.Itoa(locks), strconv.Itoa(connections)
	}
}

func withExtension(name, version string, change func(*facts)) func(*facts) {
	return func(f *facts) {
		f.src().Databases[0].Extensions, f.dst().Extensions = map[string]string{name: version}, map[string][]string{name: {version}}
		f.dst().Role = mover.RolePrivileges{Name: "circleci", CreateDB: true, CreateRole: true}
		change(f)
	}
}

func admin14(f *facts) {
	f.dst().ServerVersion, f.dst().VersionNum = "14.20", 140020
	f.dst().Role = mover.RolePrivileges{Name: "circleci", CreateDB: true, CreateRole: true}
}

// judged are sources and targets that do not fit, as far as catalogs tell.
var judged = []row{
	{"locks enough", limits(64, 100, 7000)},
	{"more tables than the source has locks", limits(10, 100, 3000)},
	{"more tables than either side has locks", limits(64, 100, 9000)},
	{"locks of a server that has slots for autovacuum", func(f *facts) {
		limits(64, 100, 7500)(f)
		f.dst().Settings["autovacuum_worker_slots"] = "16"
	}},
	{"an extension only a superuser may install, on 12", withExtension("uuid-ossp", "1.1", func(f *facts) {
		f.dst().Restricted = map[string][]string{"uuid-ossp": {"1.1"}}
	})},
	{"an extension only a superuser may install, on 14", withExtension("uuid-ossp", "1.1", func(f *facts) {
		admin14(f)
		f.dst().Restricted = map[string][]string{"uuid-ossp": {"1.1"}}
	})},
	{"an extension only a superuser may install, with rows of its own", withExtension("pg_partman", "4.5.1", func(f *facts) {
		admin14(f)
		f.src().Databases[0].ExtensionRows = map[string][]string{"pg_partman": {"partman.part_config"}}
		f.dst().Restricted = map[string][]string{"pg_partman": {"4.5.1"}}
	})},
	{"a trusted extension with rows of its own", withExtension("pg_partman", "4.5.1", func(f *facts) {
		admin14(f)
		f.src().Databases[0].ExtensionRows = map[string][]string{"pg_partman": {"partman.part_config", "partman.part_config_sub"}}
		f.dst().ByServer = map[string][]string{"pg_partman": {"4.5.1"}}
	})},
	{"a trusted extension without rows", withExtension("pg_partman", "4.5.1", func(f *facts) {
		f.dst().ByServer = map[string][]string{"pg_partman": {"4.5.1"}}
	})},
	{"rows that could not be read on the way back", func(f *facts) {
		admin14(f)
		f.src().Databases[0].ForcedRows, f.src().Databases[0].ClosedRows = []string{"public.secrets"}, []string{"public.locked"}
	}},
	{"forced row security, and a role that is above it", func(f *facts) {
		admin14(f)
		f.dst().Role.BypassRLS = true
		f.src().Databases[0].ForcedRows = []string{"public.secrets"}
	}},
	{"rows a superuser reads", func(f *facts) {
		f.src().Databases[0].ForcedRows, f.src().Databases[0].ClosedRows = []string{"public.secrets"}, []string{"public.locked"}
	}},
	{"the target's role inherits nothing", func(f *facts) {
		admin14(f)
		f.dst().Role.NoInherit = true
	}},
	{"the target's role inherits nothing, on 16", func(f *facts) {
		admin14(f)
		f.dst().ServerVersion, f.dst().VersionNum, f.dst().Role.NoInherit = "16.11", 160011, true
	}},
	{"settings that are left out", func(f *facts) {
		f.o.Postgres.Inspection.Value.Omitted = []mover.UnsupportedObject{
			{Object: "setting operator_precedence_warning of role app", Reason: "PostgreSQL 14 on the target does not take it", Fix: "reset it on the source"},
			{Database: "main", Object: "setting x of database main", Reason: "PostgreSQL 14 on the target does not take it", Fix: "reset it on the source"},
			{Object: "setting log_statement of role app", Reason: "only a superuser may set it there"},
		}
	}},
	{"one reason and two fixes", func(f *facts) {
		f.o.Postgres.Inspection.Value.Blocked = []mover.UnsupportedObject{
			{Database: "main", Object: "user mapping of a for server s", Reason: "a move does not carry it", Fix: "make it again"},
			{Database: "main", Object: "user mapping of b for server s", Reason: "a move does not carry it", Fix: "make it again"},
			{Database: "main", Object: "subscription s", Reason: "a move does not carry it", Fix: "subscribe again"},
		}
	}},
}

func TestPreflightJudgesByCatalogs(t *testing.T) { golden(t, "preflight-judged.golden", judged) }

var versionWord = regexp.MustCompile(`PostgreSQL (\d+) or newer`)

// TestFixesFit reads the fixes of all those plans together: none asks for a
// target that the plan has already, and none is said twice in the same words
// about different things, but where it is the same thing to do.
func TestFixesFit(t *testing.T) {
	read := 0
	for _, r := range judged {
		f := before(t)
		r.change(f)
		p, err := MakePlan(f.s, f.o)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, finding := range p.Findings {
			read++
			for _, m := range versionWord.FindAllStringSubmatch(finding.Fix, -1) {
				if wants, err := strconv.Atoi(m[1]); err != nil || wants <= major(f.dst().VersionNum) {
					t.Errorf("%s: %q, and the target is %s", r.name, finding.Fix, f.dst().ServerVersion)
				}
			}
			said := fmt.Sprint(finding.What, finding.Fix)
			if finding.Fix == "" || seen[said] {
				t.Errorf("%s: no fix, or twice: %+v", r.name, finding)
			}
			seen[said] = true
			if strings.Contains(finding.Fix, "superuser") && f.dst().Role.Superuser && finding.ID != "left-out" {
				t.Errorf("%s: %q, and the role is a superuser", r.name, finding.Fix)
			}
		}
	}
	if read < 10 {
		t.Errorf("only %d findings were read", read)
	}
}
