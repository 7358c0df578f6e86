package server

import (
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// Rewriting knows how a move changes what texts say of datastores: which old
// values of their settings become which new ones. A text that is turned into
// another by nothing but that is a database setting, wherever it stands.
type Rewriting struct {
	pairs []rewrite
	// was and will are the values of the settings on either side.
	was, will []rewrite
}

// rewrite is an old value with the one that takes its place.
type rewrite struct {
	engine   mover.Engine
	from, to string
	// address tells that both are addresses of the server.
	address bool
}

// align finds a way to read to as from with old values replaced by new ones. An
// old value may stay: the word postgresql in a connection string is the scheme
// as well as the host. It gives the rewrites it used, and false without a way.
func (r *Rewriting) align(from, to string) ([]rewrite, bool) {
	a := alignment{pairs: r.pairs, from: from, to: to, dead: map[[2]int]bool{}}
	for _, p := range r.pairs {
		if p.from != "" {
			a.starts[p.from[0]] = true
		} else {
			a.comes[p.to[0]] = true
		}
	}
	if !a.walk(0, 0) {
		return nil, false
	}
	return a.used, true
}

type alignment struct {
	pairs    []rewrite
	from, to string
	used     []rewrite
	dead     map[[2]int]bool // pairs of positions from which no way leads on
	// starts are the first letters of old values, comes those of new values that
	// take no old one's place: most positions have neither.
	starts, comes [256]bool
}

func (a *alignment) mayBranch(i, j int) bool {
	return i < len(a.from) && a.starts[a.from[i]] || j < len(a.to) && a.comes[a.to[j]]
}

func (a *alignment) walk(i, j int) bool {
	for i < len(a.from) || j < len(a.to) {
		branched := false
		for _, p := range a.pairs {
			if !a.mayBranch(i, j) {
				break
			}
			if !strings.HasPrefix(a.from[i:], p.from) || !strings.HasPrefix(a.to[j:], p.to) ||
				!standsAlone(a.from, i, p.from) || !standsAlone(a.to, j, p.to) {
				continue
			}
			if branched = true; a.dead[[2]int{i, j}] {
				return false
			}
			a.used = append(a.used, p)
			if a.walk(i+len(p.from), j+len(p.to)) {
				return true
			}
			a.used = a.used[:len(a.used)-1]
		}
		if branched {
			a.dead[[2]int{i, j}] = true
		}
		if i == len(a.from) || j == len(a.to) || a.from[i] != a.to[j] {
			return false
		}
		i, j = i+1, j+1
	}
	return true
}

// standsAlone tells whether the word at a position of a text is no part of a
// longer one: db is neither in db-replica nor in metrics.db nor in db.example.com.
func standsAlone(text string, at int, word string) bool {
	if word == "" {
		return true
	}
	if end := at + len(word); isWord(word[len(word)-1]) && end < len(text) {
		if isWord(text[end]) || text[end] == '.' && end+1 < len(text) && isWord(text[end+1]) {
			return false
		}
	}
	return !isWord(word[0]) || at == 0 || !isWord(text[at-1]) && text[at-1] != '.'
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// composed tells whether a text consists of values of one side's settings and
// of nothing else but what separates them.
func composed(text string, values []rewrite) ([]rewrite, bool) {
	var walk func(at int, used []rewrite) ([]rewrite, bool)
	walk = func(at int, used []rewrite) ([]rewrite, bool) {
		if at == len(text) {
			return used, len(used) > 0
		}
		for _, v := range values {
			if strings.HasPrefix(text[at:], v.to) && standsAlone(text, at, v.to) {
				if all, ok := walk(at+len(v.to), append(slices.Clone(used), v)); ok {
					return all, true
				}
			}
		}
		if strings.IndexByte(":/@?&=;, ", text[at]) >= 0 {
			return walk(at+1, used)
		}
		return nil, false
	}
	if len(text) > 4096 { // no setting is as long
		return nil, false
	}
	return walk(0, nil)
}

// addressesIn are the datastores whose address is among rewrites, each once.
func addressesIn(used []rewrite) []mover.Engine {
	var out []mover.Engine
	for _, e := range Engines() {
		if slices.ContainsFunc(used, func(p rewrite) bool { return p.engine == e && p.address }) {
			out = append(out, e)
		}
	}
	return out
}
