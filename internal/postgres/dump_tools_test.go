package postgres

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// An inspection says which pg_dumps there are, each major once and the oldest
// first, and that there is none where that is so: a plan tells it from a mover
// that does not say.
func TestInspectionNamesPgDump(t *testing.T) {
	before := clientDirs
	t.Cleanup(func() { clientDirs = before })
	for _, row := range []struct {
		name, want string
		there      map[string]string // what each says of its version
	}{
		{"none", `"pgDump":[]`, nil},
		{"one that does not run", `"pgDump":[]`, map[string]string{"17": "exit 1"}},
		{"two, and one of them twice", `"pgDump":[9,17]`, map[string]string{"a": "echo 'pg_dump (PostgreSQL) 17.12 (Debian)'", "b": "echo 'pg_dump (PostgreSQL) 9.6.24'", "c": "echo 'pg_dump (PostgreSQL) 17beta1'", "d": "echo 'pg_dump (PostgreSQL) 17.2'"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("PATH", filepath.Join(dir, "nothing"))
			clientDirs = []string{dir + "/*/bin"}
			for name, script := range row.there {
				file := filepath.Join(dir, name, "bin", "pg_dump")
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			result, err := Run(t.Context(), mover.Request{Operation: mover.OpInspect, Engine: mover.PostgreSQL}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := json.Marshal(result); err != nil || !strings.Contains(string(got), row.want) {
				t.Errorf("it says %s, %v; want %s", got, err, row.want)
			}
		})
	}
}
