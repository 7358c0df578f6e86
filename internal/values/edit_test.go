package values

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

var update = flag.Bool("update", false, "write the golden files anew")

// wanted is the block of an external PostgreSQL.
var wanted = []server.Setting{
	{Path: "postgresql.internal", Value: false, Default: true},
	{Path: "postgresql.postgresqlHost", Value: "pg.example.com", Default: "postgresql"},
	{Path: "postgresql.postgresqlPort", Value: 5432, Default: 5432},
	{Path: "postgresql.secureMode", Value: true, Default: false},
	{Path: "postgresql.auth.username", Value: "circleci"},
	{Path: "postgresql.auth.existingSecret", Value: "circleci-dr-postgresql"},
}

func parsed(t *testing.T, text string) *document {
	t.Helper()
	d, err := parse("values.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Each file in testdata is edited; beside it stands what comes of it, or why
// nothing does.
func TestFilesAreEditedInPlace(t *testing.T) {
	files, err := filepath.Glob("testdata/edit/*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".in.yaml"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := edited(t, data)
			out := strings.TrimSuffix(name, ".in.yaml") + ".golden"
			if *update {
				if err := os.WriteFile(out, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// edited is the file after the edit, and the hunks that were shown of it.
func edited(t *testing.T, data []byte) string {
	t.Helper()
	d, err := parse("values.yaml", data)
	if err != nil {
		return "refused: " + err.Error() + "\n"
	}
	e, err := plan([]*document{d}, wanted)
	if err != nil {
		var r *Refusal
		if !errors.As(err, &r) {
			t.Errorf("the error is %T", err)
		}
		return "refused: " + err.Error() + "\n"
	}
	again, err := plan(e.after, wanted)
	if err != nil || len(again.Changes) != 0 {
		t.Errorf("a second edit changes %+v, error %v", again, err)
	}
	var b strings.Builder
	b.Write(e.after[0].data)
	b.WriteString("=====\n")
	for _, c := range e.Changes {
		for _, h := range c.Hunks {
			b.WriteString("@@ " + h.Path + "\n")
			for _, l := range h.Old {
				b.WriteString("-" + strings.TrimRight(l, "\r\n") + "\n")
			}
			for _, l := range h.New {
				b.WriteString("+" + strings.TrimRight(l, "\r\n") + "\n")
			}
		}
	}
	return b.String()
}
