package helm

import (
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// forms are an object's leaves in the old manifest and in the new one, as it
// lives, and as it would be.
type forms struct{ old, young, live, result fields }

// effectsOn sorts what would happen to a live object into what the manifests
// changed, what any upgrade would fill anew, and what only undoes somebody's
// change. A default that the server adds beside a rendered field is none of them.
func effectsOn(p *reconcile.ObjectPreview, show shower, rewriting *reconcile.Rewriting, churning map[string]bool, f forms) {
	changed := map[string]bool{}
	for _, path := range differ(f.old, f.young) {
		changed[path] = true
	}
	var rendered, renewed []string
	for _, path := range differ(f.live, f.result) {
		_, inOld := f.old[path]
		_, inYoung := f.young[path]
		switch {
		case changed[path] && churning[path]:
			renewed = append(renewed, path)
		case changed[path]:
			rendered = append(rendered, path)
		case !inOld && !inYoung && beside(path, changed):
		default:
			p.Drifted = append(p.Drifted, show.change(path, f.live, f.result))
		}
	}
	p.Rendered = judged(show, rewriting, rendered, f.live, f.result)
	p.Renewed = renewals(show, rewriting, renewed, f.live, f.result)
}

// judged describes changed fields and says of each whether it is a setting of
// the datastores that move.
func judged(show shower, rewriting *reconcile.Rewriting, paths []string, from, to fields) []reconcile.RenderedChange {
	leaves := make([]reconcile.Leaf, len(paths))
	for i, path := range paths {
		leaves[i] = show.leafOf(path, from, to)
	}
	var out []reconcile.RenderedChange
	for i, verdict := range rewriting.Judge(leaves) {
		out = append(out, reconcile.RenderedChange{Change: show.change(paths[i], from, to), Verdict: verdict})
	}
	return out
}

// leafOf is a field with its whole content, for judging.
func (s shower) leafOf(path string, from, to fields) reconcile.Leaf {
	old, hadOld := from[path]
	young, hasYoung := to[path]
	_, oldFlag := old.(bool)
	_, youngFlag := young.(bool)
	return reconcile.Leaf{
		Field: path, From: s.plain(path, old), To: s.plain(path, young),
		Comes: !hadOld, Goes: !hasYoung, Fixed: oldFlag || youngFlag,
	}
}

// beside tells whether a path stands in the same object as a changed one, or
// in one below or above it.
func beside(path string, changed map[string]bool) bool {
	parent := path
	if i := strings.LastIndexAny(path, ".["); i > 0 {
		parent = path[:i]
	}
	for other := range changed {
		if strings.HasPrefix(other, parent) {
			return true
		}
	}
	return false
}
