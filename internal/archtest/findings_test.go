package archtest

import (
	"go/ast"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// composed are the ids that the source puts together, by the expression.
var composed = map[string][]string{
	"id":                      {"values-unread", "values-ahead", "values-change", "values-trap"}, // valuesNote
	"engine.FindingNoWayBack": {"no-way-back"},
	`side + "-missing"`:       {"source-missing", "target-missing"},
	`string(kind)`: {"left-privilege", "left-on-extension", "left-in-system-schema", "left-system-change", "left-template", "left-tablespace", "left-server-object",
		"role-kept", "left-unread", "generated-unchecked"},
	`side + "-" + in.Code`: codes("unreachable", "credentials", "privilege", "inconclusive", "failed"),
}

func codes(names ...string) []string {
	var out []string
	for _, n := range names {
		out = append(out, "source-"+n, "target-"+n)
	}
	return out
}

// found is one finding in the source.
type found struct {
	ids    []string
	blocks bool
	// lacks are fields that stay empty.
	lacks []string
	where string
}

// findings reads every finding that the engine can make out of its source.
func findings(t *testing.T) []found {
	t.Helper()
	var out []found
	for _, s := range sources(t) {
		if !engine(s.dir) || s.test {
			continue
		}
		add := func(n ast.Node, id ast.Expr, blocks bool, lacks []string) {
			where := s.set.Position(n.Pos()).String()
			ids, ok := idsOf(id)
			if !ok {
				t.Errorf("%s: a finding whose id cannot be read from the source: say in composed what %s can be", where, types.ExprString(id))
			}
			out = append(out, found{ids, blocks, lacks, where})
		}
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == "block" {
				continue
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if name, ok := n.Fun.(*ast.Ident); ok && name.Name == "block" && len(n.Args) > 4 {
						add(n, n.Args[0], true, emptyArgs(n.Args))
					}
				case *ast.CompositeLit:
					for _, lit := range findingLits(n) {
						id, lacks := fieldsOf(lit)
						add(lit, id, false, lacks)
					}
				}
				return true
			})
		}
	}
	return out
}

func idsOf(e ast.Expr) ([]string, bool) {
	if lit, ok := e.(*ast.BasicLit); ok {
		id, err := strconv.Unquote(lit.Value)
		return []string{id}, err == nil && id != ""
	}
	if e == nil {
		return nil, false
	}
	ids, ok := composed[types.ExprString(e)]
	return ids, ok
}

// emptyArgs names what a call of block leaves empty: its arguments are id,
// field, source, fix, what.
func emptyArgs(args []ast.Expr) []string {
	var out []string
	for i, name := range map[int]string{2: "Source", 3: "Fix", 4: "What"} {
		if lit, ok := args[i].(*ast.BasicLit); ok && lit.Value == `""` {
			out = append(out, name)
		}
	}
	return out
}

// isFinding tells the type, in whatever room it is named.
func isFinding(e ast.Expr) bool {
	return e != nil && slices.Contains([]string{"Finding", "engine.Finding"}, types.ExprString(e))
}

// findingLits gives the literals of a Finding: n itself, or what stands in a
// list of them without its type.
func findingLits(n *ast.CompositeLit) []*ast.CompositeLit {
	if isFinding(n.Type) && len(n.Elts) > 0 {
		return []*ast.CompositeLit{n}
	}
	list, ok := n.Type.(*ast.ArrayType)
	if !ok {
		return nil
	}
	if !isFinding(list.Elt) {
		return nil
	}
	var out []*ast.CompositeLit
	for _, e := range n.Elts {
		if lit, ok := e.(*ast.CompositeLit); ok && lit.Type == nil {
			out = append(out, lit)
		}
	}
	return out
}

func fieldsOf(lit *ast.CompositeLit) (id ast.Expr, lacks []string) {
	has := map[string]bool{}
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		name := types.ExprString(kv.Key)
		if text, ok := kv.Value.(*ast.BasicLit); !ok || text.Value != `""` {
			has[name] = true
		}
		if name == "ID" {
			id = kv.Value
		}
	}
	for _, name := range []string{"ID", "What", "Fix", "Source"} {
		if !has[name] {
			lacks = append(lacks, name)
		}
	}
	return id, lacks
}

func TestEveryFindingSaysWhatWhyAndHowToFixIt(t *testing.T) {
	list := findings(t)
	if len(list) < 30 {
		t.Fatalf("only %d findings were found in the source", len(list))
	}
	for _, f := range list {
		if len(f.lacks) > 0 {
			t.Errorf("%s: finding %v has no %s", f.where, f.ids, strings.Join(f.lacks, ", "))
		}
	}
}

var (
	tableRow = regexp.MustCompile("(?m)^\\| (`[^|]+) \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\|$")
	quoted   = regexp.MustCompile("`([^`]+)`")
)

// The page lists exactly the findings the source can make, and tells rightly
// which of them block.
func TestThePageOfPreflightIsTheSource(t *testing.T) {
	blocks, passes := map[string]bool{}, map[string]bool{}
	for _, f := range findings(t) {
		for _, id := range f.ids {
			blocks[id] = blocks[id] || f.blocks
			passes[id] = passes[id] || !f.blocks
		}
	}
	want := map[string]string{}
	for id := range blocks {
		want[id] = map[[2]bool]string{{true, false}: "yes", {false, true}: "no", {true, true}: "yes or no"}[[2]bool{blocks[id], passes[id]}]
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/preflight.md"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range tableRow.FindAllStringSubmatch(string(page), -1) {
		for _, id := range quoted.FindAllStringSubmatch(m[1], -1) {
			if got[id[1]] != "" {
				t.Errorf("docs/preflight.md lists %s twice", id[1])
			}
			got[id[1]] = strings.TrimSpace(m[2])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if got[id] != want[id] {
			t.Errorf("docs/preflight.md says of %s %q, the source blocks: %s", id, got[id], want[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(got)) {
		if want[id] == "" {
			t.Errorf("docs/preflight.md lists %s, which no finding has", id)
		}
	}
}
