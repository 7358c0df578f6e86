package helm

import (
	"maps"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// forms are an object's leaves in the old manifest and in the new one, as it
// lives, and as it would be.
type forms struct{ old, young, live, result fields }

// effectsOn sorts what would happen to a live object into what the manifests
// changed, what any upgrade would fill anew, and what only undoes somebody's
// change. A default that the server adds beside a rendered field is none of them.
func effectsOn(p *server.ObjectPreview, by judging, churning map[string]bool, f forms) {
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
			p.Drifted = append(p.Drifted, by.show.change(path, f.live, f.result))
		}
	}
	p.Rendered = by.judged(rendered, f.live, f.result)
	p.Renewed = renewals(by.show, by.rewriting, renewed, f.live, f.result)
}

// judging is what changed fields of one object are judged by: what a move
// rewrites, and what the fields would be without a changed tls.certificates.
type judging struct {
	show      shower
	rewriting *server.Rewriting
	trusting  map[string]any
}

// judged describes changed fields and says of each whether it is a setting of
// the datastores that move, or changes only because of what is trusted.
func (j judging) judged(paths []string, from, to fields) []server.RenderedChange {
	without := maps.Clone(to)
	for path, v := range j.trusting {
		if without[path] = v; v == nil {
			delete(without, path)
		}
	}
	leaves := make([]server.Leaf, len(paths))
	for i, path := range paths {
		leaves[i] = j.show.leafOf(path, from, without)
	}
	var out []server.RenderedChange
	for i, verdict := range j.rewriting.Judge(leaves) {
		path := paths[i]
		old, had := from[path]
		rest, has := without[path]
		_, trust := j.trusting[path]
		if trust && had == has && show(old) == show(rest) {
			verdict = server.Verdict{Setting: true}
		}
		out = append(out, server.RenderedChange{Change: j.show.change(path, from, to), Verdict: verdict, Trust: trust})
	}
	return out
}

// leafOf is a field with its whole content, for judging.
func (s shower) leafOf(path string, from, to fields) server.Leaf {
	old, hadOld := from[path]
	young, hasYoung := to[path]
	_, oldFlag := old.(bool)
	_, youngFlag := young.(bool)
	return server.Leaf{
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
