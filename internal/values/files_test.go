package values

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// folder writes files, name by name, and gives their folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestFactsAreWhatHelmReads(t *testing.T) {
	dir := folder(t, map[string]string{
		"a.yaml": "postgresql:\n  internal: yes\n  postgresqlPort: 5433\n  postgresqlHost: a.example.com\n  auth:\n    postgresPassword: hunter2-canary\n    password: ''\n",
		"b.yaml": "x: 1\npostgresql:\n  postgresqlHost: b.example.com # wins\n  secureMode: ~\n",
	})
	got := New(dir, []string{"a.yaml", "b.yaml"}).Values(t.Context())
	a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	want := engine.Found(server.DeclaredValues{Files: []string{a, b}, Facts: []server.ValuesFact{
		{Path: "postgresql.internal", File: a, Line: 2, Value: true},
		{Path: "postgresql.postgresqlHost", File: b, Line: 3, Value: "b.example.com"},
		{Path: "postgresql.postgresqlPort", File: a, Line: 3, Value: 5433.0},
		{Path: "postgresql.secureMode", File: b, Line: 4},
		{Path: "postgresql.auth.postgresPassword", File: a, Line: 6},
	}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeReadIsUnknown(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"missing", "", "no such file"},
		{"folder", "", "is not a regular file"},
		{"broken", "a: [hunter2-canary\n", "broken:1: is not valid YAML"},
		{"utf16", "\xff\xfea\x00", "utf16:1: is UTF-16"},
		{"nul", "a: 1\nb: \x00\n", "nul:2: holds a NUL"},
		{"latin1", "a: 1\nb: \xfc\n", "latin1:2: is not UTF-8"},
		{"cr", "a: 1\rb: 2\n", "cr:1: has a carriage return"},
		{"large", strings.Repeat("# large\n", maxBytes/8+1), "large: is larger than 512 KiB"},
		{"twice", "postgresql:\n  internal: true\n  internal: false\n", "twice:3: postgresql.internal is given twice, first in line 2"},
		{"sops", "postgresql:\n  internal: ENC[AES256_GCM,data:x]\nsops:\n  mac: ENC[y]\n", "sops:2: postgresql.internal is encrypted with SOPS"},
		{"list", "postgresql:\n  internal: [hunter2-canary]\n", "list:2: postgresql.internal must be a plain value"},
	} {
		dir := folder(t, nil)
		switch row.name {
		case "missing":
		case "folder":
			if err := os.Mkdir(filepath.Join(dir, row.name), 0o750); err != nil {
				t.Fatal(err)
			}
		default:
			dir = folder(t, map[string]string{row.name: row.text})
		}
		got := New(dir, []string{row.name}).Values(t.Context())
		if !got.Unread() || !strings.Contains(got.Why, row.want) || strings.Contains(got.Why, "canary") {
			t.Errorf("%s: got %+v, want %q", row.name, got, row.want)
		}
	}
	if got := New(".", nil).Values(t.Context()); !got.IsNot() {
		t.Errorf("no files at all: %+v", got)
	}
}

// Helm lets later files win, so the edit goes to the file that decides today.
func TestTheFileThatDecidesIsEdited(t *testing.T) {
	const block = "postgresql:\n  internal: true\n"
	for _, row := range []struct {
		name  string
		files []string
		want  []string // the paths that each file changes
	}{
		{"the last that sets it", []string{block, block, "x: 1\n"}, []string{"", "postgresql", ""}},
		{"some here, some there", []string{"postgresql:\n  auth:\n    username: a\n", "postgresql:\n  internal: true\n"}, []string{"postgresql.auth", "postgresql"}},
		{"the last that has the block", []string{"postgresql:\n  primary: {}\n", "postgresql:\n  primary: {}\n", "x: 1\n"}, []string{"", "postgresql", ""}},
		{"the last", []string{"x: 1\n", "y: 1\n"}, []string{"", "postgresql"}},
		{"a block that is emptied later", []string{"x: 1\n", "postgresql:\n"}, []string{"", "postgresql"}},
	} {
		var docs []*document
		for _, text := range row.files {
			docs = append(docs, parsed(t, text))
		}
		e, err := plan(docs, wanted)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		got := make([]string, len(docs))
		for i, tr := range e.after {
			if string(tr.data) != row.files[i] {
				got[i] = e.Changes[0].Hunks[0].Path
				e.Changes = e.Changes[1:]
			}
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}
}

// A later file that empties the block empties it of everything; filling it
// again would bring back what an earlier file says beside.
func TestABlockThatALaterFileEmptiesIsRefused(t *testing.T) {
	docs := []*document{parsed(t, "postgresql:\n  internal: true\n  primary: {a: 1}\n"), parsed(t, "postgresql: null\n")}
	if _, err := plan(docs, wanted); err == nil || !strings.Contains(err.Error(), "cannot be edited without changing what else Helm reads") {
		t.Errorf("error is %v", err)
	}
}

func TestWriteReplacesFilesWhole(t *testing.T) {
	dir := folder(t, map[string]string{"real.yaml": "postgresql:\n  internal: true\n", "same.yaml": "x: 1\n"})
	if err := os.Symlink("real.yaml", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	f := New(dir, []string{"same.yaml", "link.yaml"})
	e, err := f.Plan(wanted)
	if err != nil {
		t.Fatal(err)
	}
	written, err := e.Write()
	if err != nil || len(written) != 1 || written[0] != filepath.Join(dir, "link.yaml") {
		t.Errorf("wrote %v, error %v", written, err)
	}
	if got := read(t, dir, "real.yaml"); got != Block(wanted) {
		t.Errorf("the file behind the link is %q", got)
	}
	info, err := os.Lstat(filepath.Join(dir, "link.yaml"))
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v now, error %v", info, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "real.yaml")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v, error %v", info, err)
	}
	if again, err := f.Plan(wanted); err != nil || len(again.Changes) != 0 {
		t.Errorf("again: %+v, error %v", again, err)
	}
	leftNothing(t, dir, 3)
}

// leftNothing checks that no temporary file stays behind.
func leftNothing(t *testing.T, dir string, files int) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != files {
		t.Errorf("the folder has %v, error %v", list, err)
	}
}

func TestWriteThatCannotBeWholeChangesNothing(t *testing.T) {
	const one, two = "postgresql:\n  internal: true\n", "postgresql:\n  auth:\n    username: a\n"
	for _, row := range []struct {
		name, want string
		meanwhile  func(t *testing.T, dir string)
	}{
		{"read-only", "two.yaml: is read-only", func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Chmod(filepath.Join(dir, "two.yaml"), 0o440); err != nil {
				t.Fatal(err)
			}
		}},
		{"gone", "no such file", func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Rename(filepath.Join(dir, "two.yaml"), filepath.Join(dir, "away.yaml")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		dir := folder(t, map[string]string{"one.yaml": one, "two.yaml": two})
		e, err := New(dir, []string{"one.yaml", "two.yaml"}).Plan(wanted)
		if err != nil || len(e.Changes) != 2 {
			t.Fatal(e, err)
		}
		row.meanwhile(t, dir)
		written, err := e.Write()
		if err == nil || !strings.Contains(err.Error(), row.want) || len(written) != 0 || read(t, dir, "one.yaml") != one {
			t.Errorf("%s: wrote %v, error %v", row.name, written, err)
		}
		leftNothing(t, dir, 2)
	}
}

// Somebody saved the file in an editor while we were asking for it.
func TestAFileThatWasChangedMeanwhileIsKept(t *testing.T) {
	dir := folder(t, map[string]string{"values.yaml": "postgresql:\n  internal: true\n"})
	e, err := New(dir, []string{"values.yaml"}).Plan(wanted)
	if err != nil {
		t.Fatal(err)
	}
	const theirs = "postgresql:\n  internal: true\nnew: 1\n"
	if err := os.WriteFile(filepath.Join(dir, "values.yaml"), []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Write(); err == nil || !strings.Contains(err.Error(), "it was changed meanwhile") || read(t, dir, "values.yaml") != theirs {
		t.Errorf("error %v", err)
	}
	leftNothing(t, dir, 1)
}

func TestBlockReadsBackAsItsSettings(t *testing.T) {
	settings := []server.Setting{
		{Path: "postgresql.internal", Value: false},
		{Path: "postgresql.postgresqlHost", Value: "fd00::1"},
		{Path: "postgresql.auth.username", Value: "on"},
		{Path: "postgresql.auth.existingSecret", Value: "0123"},
		{Path: "mongodb.hosts", Value: "a:27017,b:27017"},
		{Path: "mongodb.options", Value: `replicaSet=rs0&x="<y>'#`},
		{Path: "mongodb.auth.username", Value: ""},
	}
	want := "postgresql:\n  internal: false\n  postgresqlHost: \"fd00::1\"\n  auth:\n    username: \"on\"\n    existingSecret: \"0123\"\n" +
		"mongodb:\n  hosts: \"a:27017,b:27017\"\n  options: \"replicaSet=rs0&x=\\\"<y>'#\"\n  auth:\n    username: \"\"\n"
	got := Block(settings)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(server.ValuesTree(settings), parsed(t, got).tree); diff != "" {
		t.Error(diff)
	}
}
