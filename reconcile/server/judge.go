package server

import (
	"regexp"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// Leaf is one field that an upgrade changes, with its whole content on both
// sides. It is judged and never kept: it may be a secret.
type Leaf struct {
	Field    string
	From, To string
	// Comes and Goes tell that there is no From, or no To.
	Comes, Goes bool
	// Fixed tells that it is no text or number, so that no setting stands in it.
	Fixed bool
}

// Judge says of the changed fields of one object which of them are settings of
// the datastores that move.
func (r *Rewriting) Judge(leaves []Leaf) []Verdict {
	out := make([]Verdict, len(leaves))
	for i, l := range leaves {
		out[i] = r.judge(l)
	}
	r.matchMoved(leaves, out)
	for i, l := range leaves {
		if !out[i].Setting && nameOfElement(l) {
			out[i].Setting = restIsSetting(leaves, out, strings.TrimSuffix(l.Field, "name"))
		}
	}
	return out
}

func (r *Rewriting) judge(l Leaf) Verdict {
	var used []rewrite
	var ok bool
	switch {
	case l.Fixed:
		return Verdict{}
	case l.Comes:
		used, ok = composed(l.To, r.will)
	case l.Goes:
		used, ok = composed(l.From, r.was)
	case l.From == "" && slices.ContainsFunc(r.will, func(v rewrite) bool { return v.to == l.To }):
		used, ok = composed(l.To, r.will)
	case l.To == "" && slices.ContainsFunc(r.was, func(v rewrite) bool { return v.to == l.From }):
		used, ok = composed(l.From, r.was)
	default:
		used, ok = r.align(l.From, l.To)
	}
	if !ok {
		return Verdict{Setting: isDigest(l)}
	}
	return Verdict{Setting: true, Address: addressesIn(used)}
}

// Readdressed are the datastores whose old address is in one text and whose new
// one is in another, whatever else differs.
func (r *Rewriting) Readdressed(from, to string) []mover.Engine {
	var used []rewrite
	for _, p := range r.pairs {
		if p.address && contains(from, p.from) && contains(to, p.to) {
			used = append(used, p)
		}
	}
	return addressesIn(used)
}

// contains tells whether a word stands alone somewhere in a text.
func contains(text, word string) bool { return NamedServer{Hosts: []string{word}}.StandsIn(text) }

// matchMoved finds fields whose path has a setting's old value in it, such as
// the key of a Secret in a list of volume items: they go in one place and come
// in another.
func (r *Rewriting) matchMoved(leaves []Leaf, out []Verdict) {
	for i, from := range leaves {
		if !from.Goes || len(leaves) > 1000 {
			continue
		}
		for j, to := range leaves {
			if !to.Comes || from.Fixed != to.Fixed {
				continue
			}
			if _, moved := r.align(from.Field, to.Field); !moved {
				continue
			}
			used, ok := r.align(from.From, to.To)
			if !ok || from.Fixed && from.From != to.To {
				continue
			}
			found := Verdict{Setting: true, Address: addressesIn(used)}
			out[i], out[j] = found, found
		}
	}
}

// nameOfElement tells whether a field only names the element of a list that
// comes or goes as a whole.
func nameOfElement(l Leaf) bool {
	head, isName := strings.CutSuffix(l.Field, "].name")
	return isName && (l.Comes || l.Goes) && strings.HasSuffix(head, "["+l.From+l.To)
}

func restIsSetting(leaves []Leaf, out []Verdict, element string) bool {
	found := false
	for i, l := range leaves {
		if rest, inside := strings.CutPrefix(l.Field, element); inside && rest != "name" {
			if !out[i].Setting {
				return false
			}
			found = true
		}
	}
	return found
}

var digestText = regexp.MustCompile(`^(sha256:)?[0-9a-f]{8,128}$`)

// isDigest tells whether an annotation is a digest before and after: it repeats
// what changes elsewhere, where it is judged, and only makes the pods anew.
func isDigest(l Leaf) bool {
	return strings.Contains(l.Field, ".annotations") && digestText.MatchString(l.From) && digestText.MatchString(l.To)
}
