package archtest

import (
	"go/ast"
	"strings"
	"testing"
)

// TestNobodyReadsEndpoints: Kubernetes 1.33 deprecates Endpoints, whose place
// EndpointSlices have (https://kubernetes.io/blog/2025/04/24/endpoints-deprecation/).
// No source reads them, and no right to them is asked for.
func TestNobodyReadsEndpoints(t *testing.T) {
	t.Parallel()
	read := 0
	for _, s := range sources(t) {
		if s.test || strings.HasPrefix(s.dir, "internal/testbed") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				of, made := sel.X.(*ast.CallExpr)
				if !made {
					return true
				}
				api, _ := of.Fun.(*ast.SelectorExpr)
				switch {
				case api == nil:
				case sel.Sel.Name == "EndpointSlices" && api.Sel.Name == "DiscoveryV1":
					read++
				case sel.Sel.Name == "Endpoints" && api.Sel.Name == "CoreV1":
					t.Errorf("%s: Endpoints are read", s.set.Position(n.Pos()))
				}
			case *ast.BasicLit:
				if n.Value == `"endpoints"` {
					t.Errorf("%s: Endpoints are named", s.set.Position(n.Pos()))
				}
			}
			return true
		})
	}
	if read == 0 {
		t.Error("nobody reads EndpointSlices either: what docs/preflight.md says of them is no longer so")
	}
}
