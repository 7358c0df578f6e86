package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// outage are the packages that work while the application is stopped, beside the
// rooms of reconcile.
var outage = []string{"internal/kube", "internal/helm", "internal/postgres", "internal/mongo", "cmd/circleci-dr"}

// units are the durations that limits are made of.
var units = map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour}

// limit is a named duration of the source.
type limit struct {
	value time.Duration // 0 when it is worked out
	at    string
}

// A limit that is not on the page is one that nobody can know of; one that is
// there has the value that the source gives it.
func TestEveryLimitIsOnThePage(t *testing.T) {
	named := map[string]limit{}
	for _, s := range outageSources(t) {
		for name, l := range limitsIn(s) {
			named[s.dir+" "+name] = l
		}
	}
	if len(named) < 40 {
		t.Fatalf("only %d limits were found: %v", len(named), slices.Sorted(maps.Keys(named)))
	}
	raw, err := os.ReadFile(filepath.Join(root, "docs/limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := rowsOf(string(raw))
	for name, l := range named {
		row, ok := page[name]
		switch {
		case !ok:
			t.Errorf("%s: `%s` is not in docs/limits.md; say there what waits, how long, and what happens then", l.at, name)
		case l.value != 0 && !regexp.MustCompile(`\b`+regexp.QuoteMeta(inWords(l.value))+`\b`).MatchString(row):
			t.Errorf("%s: `%s` is %s, and docs/limits.md says %s", l.at, name, inWords(l.value), row)
		}
	}
	for name := range page {
		if _, ok := named[name]; !ok {
			t.Errorf("docs/limits.md: there is no `%s`", name)
		}
	}
}

// rowsOf gives each row of a page's tables by the names in its last column.
func rowsOf(page string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) < 3 {
			continue
		}
		for _, m := range ticked.FindAllStringSubmatch(cells[len(cells)-1], -1) {
			out[m[1]] = strings.TrimSpace(strings.Join(cells[:len(cells)-1], "|"))
		}
	}
	return out
}

// inWords is a duration as the page spells it.
func inWords(d time.Duration) string {
	for _, u := range []struct {
		name string
		of   time.Duration
	}{{"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
		if d%u.of == 0 {
			return fmt.Sprintf("%d %s", d/u.of, u.name)
		}
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// limitsIn are the named durations of a file: constants, variables, and fields
// where a value is given to them by name.
func limitsIn(s source) map[string]limit {
	out := map[string]limit{}
	add := func(name string, v ast.Expr) {
		if d, ok := duration(v); ok {
			out[name] = limit{d, position(s, v)}
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, v := range n.Values {
				add(n.Names[i].Name, v)
			}
		case *ast.CompositeLit:
			of, ok := n.Type.(*ast.Ident)
			if !ok || estimates[of.Name] {
				return true
			}
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if key, ok := kv.Key.(*ast.Ident); ok {
						add(of.Name+"."+key.Name, kv.Value)
					}
				}
			}
		}
		return true
	})
	return out
}

// estimates are the types whose durations only foretell.
var estimates = map[string]bool{"Estimate": true}

// duration is what a product of numbers and one of time's units is worth. An
// expression with another name in it is no constant of its own.
func duration(e ast.Expr) (time.Duration, bool) {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		return units[e.Sel.Name], ok && pkg.Name == "time" && units[e.Sel.Name] != 0
	case *ast.BinaryExpr:
		if e.Op != token.MUL {
			return 0, false
		}
		d, okD := duration(e.Y)
		lit, okN := e.X.(*ast.BasicLit)
		if !okD || !okN {
			return 0, false
		}
		n, err := strconv.Atoi(lit.Value)
		return d * time.Duration(n), err == nil
	}
	return 0, false
}

func outageSources(t *testing.T) []source {
	t.Helper()
	return slices.DeleteFunc(sources(t), func(s source) bool {
		return s.test || strings.HasSuffix(s.name, "_test_build.go") || !engine(s.dir) && !slices.Contains(outage, s.dir)
	})
}

func position(s source, n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.name, s.set.Position(n.Pos()).Line)
}
