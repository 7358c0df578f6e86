package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/circleci-dr/circleci-dr"
)

// source is one Go file. Files are read in this process: a test that asked the
// go command would be served from the test cache after somebody adds an import.
type source struct {
	name string // from the root of the repository
	dir  string
	test bool
	file *ast.File
	set  *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name == root {
				return nil
			}
			if base := d.Name(); strings.HasPrefix(base, ".") || base == "testdata" || base == "vendor" {
				return filepath.SkipDir
			}
			// A module of its own has rules of its own.
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		out = append(out, source{name: rel, dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"), file: file, set: set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatal("there is not one Go file to look at")
	}
	return out
}

// ours gives the folder of a package of this module, or false.
func ours(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// layer names where a folder stands in schema ← spec ← reconcile ← internal ←
// cmd, an arrow reads "is imported by".
func layer(dir string) int {
	top, _, _ := strings.Cut(dir, "/")
	return slices.Index([]string{"schema", "spec", "reconcile", "internal", "cmd"}, top)
}

// ground are folders below internal that are no adapters: everybody there may
// stand on them, so they stand on the standard library alone.
var ground = []string{"internal/process"}

// engine tells a folder of reconcile, whatever its room.
func engine(dir string) bool { return dir == "reconcile" || strings.HasPrefix(dir, "reconcile/") }

// rooms are the folders of reconcile, each above those that it may import; the
// folder itself is above all of them. Rooms side by side never import each other.
var rooms = [][]string{{"reconcile/engine"}, {"reconcile/mover"}, {"reconcile/server"}, {"reconcile"}}

// rank is where a room stands; one that has no place stands nowhere, and may not
// be imported.
func rank(dir string) int {
	at := slices.IndexFunc(rooms, func(side []string) bool { return slices.Contains(side, dir) })
	if at < 0 {
		return len(rooms)
	}
	return at
}

// specless are rooms that know nothing of the file.
var specless = []string{"reconcile/engine", "reconcile/mover"}

// byteMovers are the adapters that run in a mover's pod.
var byteMovers = []string{"internal/postgres", "internal/mongo", "internal/movertest"}

// forbidden says why dir may not import a package, or "".
func forbidden(dir, imported string) string {
	to, local := ours(imported)
	switch {
	case engine(dir) && slices.Contains([]string{"os", "net", "os/exec", "os/signal", "flag", "io/fs", "path/filepath", "net/http", "database/sql", "syscall", "plugin"}, imported):
		return "the engine sees no file, flag, environment or network"
	case engine(dir) && !local && strings.Contains(strings.Split(imported, "/")[0], "."):
		return "the engine sees no SDK, only the standard library"
	case slices.Contains(ground, dir) && (local || strings.Contains(strings.Split(imported, "/")[0], ".")):
		return "what every adapter may import stands on the standard library alone"
	case !local:
		return ""
	case strings.HasPrefix(to, "internal/archtest"):
		return "nobody imports the tests of the architecture"
	case layer(dir) < 0 || layer(to) < 0:
		return "the folder has no place in schema ← spec ← reconcile ← internal ← cmd"
	case layer(to) > layer(dir):
		return "the import goes against schema ← spec ← reconcile ← internal ← cmd"
	case engine(dir) && engine(to) && rank(to) >= rank(dir):
		return "the import goes against the order of the rooms of reconcile"
	case slices.Contains(specless, dir) && layer(to) < layer(dir):
		return "the room knows nothing of the file"
	case slices.Contains(byteMovers, adapter(dir)) && engine(to) && to != "reconcile/mover":
		return "whoever moves bytes knows of reconcile what movers are asked, and nothing else"
	case layer(dir) == layer("internal") && layer(to) == layer("internal") && adapter(to) != adapter(dir) && !slices.Contains(ground, to):
		return "adapters never import each other"
	case dir == "schema":
		return "schema imports nothing of ours"
	}
	return ""
}

// adapter is the folder below internal; what stands below it is its own.
func adapter(dir string) string {
	parts := strings.Split(dir, "/")
	return strings.Join(parts[:min(2, len(parts))], "/")
}

func TestImportsFollowTheLayers(t *testing.T) {
	for _, s := range sources(t) {
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if s.test && !strings.HasPrefix(imported, module) {
				continue // tests may use what they need from outside
			}
			// A benchmark is a program of its own and no part of the binary; what
			// exists for tests may use what exists for tests.
			if (s.test || path.Base(s.dir) == "bench" || testHelper(module+"/"+s.dir)) && testHelper(imported) {
				continue
			}
			if why := forbidden(s.dir, imported); why != "" {
				t.Errorf("%s imports %s: %s", s.name, imported, why)
			}
		}
	}
}

// testHelper tells whether a package exists for the tests of others.
func testHelper(imported string) bool {
	dir, ok := ours(imported)
	return ok && strings.HasPrefix(dir, "internal/") && strings.HasSuffix(adapter(dir), "test")
}

func TestTheRuleBites(t *testing.T) {
	for _, row := range []struct {
		dir, imported string
		allowed       bool
	}{
		{"reconcile", "context", true},
		{"reconcile", module + "/spec", true},
		{"reconcile", "os", false},
		{"reconcile", "net/http", false},
		{"reconcile/mover", "os", false},
		{"reconcile/mover", "k8s.io/client-go/kubernetes", false},
		{"reconcile", module + "/reconcile/mover", true},
		{"reconcile/mover", module + "/reconcile/engine", true},
		{"reconcile/engine", module + "/reconcile/mover", false},
		{"reconcile/engine", module + "/spec", false},
		{"reconcile/engine", module + "/reconcile/server", false},
		{"reconcile/mover", module + "/reconcile/server", false},
		{"reconcile/server", module + "/reconcile/mover", true},
		{"reconcile/server", module + "/spec", true},
		{"reconcile/server", module + "/reconcile", false},
		{"reconcile/mover", module + "/spec", false},
		{"internal/postgres", module + "/reconcile/engine", false},
		{"reconcile/mover", module + "/reconcile", false},
		{"reconcile", module + "/reconcile/nowhere", false},
		{"internal/postgres", module + "/reconcile/mover", true},
		{"internal/postgres", module + "/reconcile", false},
		{"internal/mongo/bench", module + "/reconcile", false},
		{"internal/kube", module + "/reconcile", true},
		{"reconcile", "k8s.io/client-go/kubernetes", false},
		{"reconcile", module + "/internal/kube", false},
		{"spec", module + "/schema", true},
		{"spec", module + "/reconcile", false},
		{"schema", module + "/spec", false},
		{"internal/helm", module + "/reconcile", true},
		{"internal/helm", module + "/internal/kube", false},
		{"internal/helm", module + "/cmd/circleci-dr", false},
		{"internal/postgres", module + "/internal/postgres/wire", true},
		{"internal/postgres", module + "/internal/process", true},
		{"reconcile", module + "/internal/process", false},
		{"internal/process", "os", true},
		{"internal/process", module + "/reconcile", false},
		{"internal/process", "golang.org/x/sys/unix", false},
		{"cmd/circleci-dr", module + "/internal/kube", true},
		{"cmd/circleci-dr", module + "/internal/archtest", false},
		{"cmd/circleci-dr", module + "/elsewhere", false},
	} {
		if got := forbidden(row.dir, row.imported) == ""; got != row.allowed {
			t.Errorf("%s imports %s: allowed is %t, want %t", row.dir, row.imported, got, row.allowed)
		}
	}
}

// The engine is handed its clock: a plan made twice from the same facts is
// the same plan.
func TestTheEngineHasNoClockOfItsOwn(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	for _, s := range sources(t) {
		if !engine(s.dir) || s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "time" && pkg.Obj == nil && slices.Contains(clock, call.Sel.Name) {
				t.Errorf("%s: time.%s", s.set.Position(call.Pos()), call.Sel.Name)
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	commented := map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		commented[s.dir] = commented[s.dir] || s.file.Doc.Text() != ""
	}
	for _, dir := range slices.Sorted(maps.Keys(commented)) {
		if !commented[dir] {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

func TestEveryExportedNameSaysWhatItIs(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, decl := range s.file.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: %s has no doc comment", s.set.Position(name.Pos()), name.Name)
			}
		}
	}
}

// undocumented gives the exported names of a declaration that nothing
// explains. The comment of a group explains its members.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && exportedReceiver(d) && d.Doc.Text() == "" {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var out []*ast.Ident
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && d.Doc.Text() == "" && spec.Doc.Text() == "" {
					out = append(out, spec.Name)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() && d.Doc.Text() == "" && spec.Doc.Text() == "" && spec.Comment.Text() == "" {
						out = append(out, name)
					}
				}
			}
		}
		return out
	}
	return nil
}

// exportedReceiver tells whether a method can be seen from outside; methods of
// unexported types are an interface's business.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	expr := d.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.IsExported()
		default:
			return true
		}
	}
}
