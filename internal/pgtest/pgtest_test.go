package pgtest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The newest pg_dump of the image runs here too, whatever this machine has.
func TestClientTools(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), filepath.Join(ClientTools(t), "pg_dump"), "--version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "pg_dump (PostgreSQL) 18.") {
		t.Errorf("pg_dump says %s, %v", out, err)
	}
}

// TestServersAreTheirOwn: copies of one template are told apart as servers
// that initdb made one by one.
func TestServersAreTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, major := range []int{12, 14, 15} {
		for range 2 {
			s := New(t, major)
			id := s.Value(t, "postgres", "select system_identifier from pg_control_system()")
			if seen[id] {
				t.Errorf("two servers of PostgreSQL %d have the identifier %s", major, id)
			}
			seen[id] = true
			s.Exec(t, "postgres", "create table t as select g from generate_series(1, 100000) g; checkpoint")
		}
	}
}
