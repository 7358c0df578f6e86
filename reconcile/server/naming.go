package server

import (
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// NamedServer is one side of a datastore as texts may name it.
type NamedServer struct {
	Hosts []string
	// Namespace is set where it is inside the cluster: its hosts have longer
	// names there, and may be ordinary words.
	Namespace string
}

// InsideServer is the release's own server of an engine, with every name it has.
func InsideServer(rel Release, store ReleaseStore) NamedServer {
	out := NamedServer{Namespace: rel.Namespace}
	for _, host := range append([]string{store.FullName, store.Host}, mover.Endpoint{Hosts: store.Hosts}.HostNames()...) {
		if host != "" && !slices.Contains(out.Hosts, host) {
			out.Hosts = append(out.Hosts, host)
		}
	}
	return out
}

// naming is how a text names a server.
type naming int

const (
	unnamed  naming = iota
	asAWord         // a word that is also the server's host, such as postgresql
	asServer        // nothing but the server
)

// namedBy tells how a text names the server.
func (s NamedServer) namedBy(text string) naming {
	best := unnamed
	s.each(text, func(i int, host string) { best = max(best, s.namedAt(text, i, host)) })
	return best
}

// IsMeantBy tells whether a text names nothing but the server, and not with a word
// that is also its host.
func (s NamedServer) IsMeantBy(text string) bool { return s.namedBy(text) == asServer }

// StandsIn tells whether a host of the server is in a text, whatever for.
func (s NamedServer) StandsIn(text string) bool {
	found := false
	s.each(text, func(i int, host string) { found = found || standsAlone(text, i, s.wordAt(text, i, host)) })
	return found
}

func (s NamedServer) each(text string, visit func(i int, host string)) {
	for _, host := range s.Hosts {
		for at := 0; host != ""; at += len(host) {
			i := strings.Index(text[at:], host)
			if i < 0 {
				break
			}
			at += i
			visit(at, host)
		}
	}
}

// wordAt is a host as it stands in a text, with what Kubernetes puts behind it.
func (s NamedServer) wordAt(text string, i int, host string) string {
	rest, space := text[i+len(host):], "."+s.Namespace
	if s.Namespace == "" || !strings.HasPrefix(rest, space) {
		return host
	}
	for _, suffix := range []string{".svc.cluster.local", ".svc"} {
		if strings.HasPrefix(rest[len(space):], suffix) {
			return host + space + suffix
		}
	}
	return host + space
}

func (s NamedServer) namedAt(text string, i int, host string) naming {
	word := s.wordAt(text, i, host)
	before, rest := text[:i], text[i+len(word):]
	switch scheme := schemeBefore(before); {
	case !standsAlone(text, i, word), strings.HasPrefix(rest, "://"), scheme == "http", scheme == "https":
		return unnamed
	case strings.HasSuffix(before, "/") && scheme == "": // a part of a path
		return unnamed
	case len(word) > len(host), strings.ContainsAny(host, ".:"), scheme != "", strings.HasSuffix(before, "@"), isPort(rest), strings.HasSuffix(before, "host="):
		return asServer
	}
	return asAWord
}

// schemeBefore is the scheme of the URL whose host would stand after the text.
func schemeBefore(before string) string {
	if i := strings.LastIndexAny(before, " \t\n\"'"); i >= 0 {
		before = before[i+1:]
	}
	i := strings.LastIndex(before, "://")
	if i < 0 || strings.ContainsAny(before[i+3:], "/?") {
		return ""
	}
	scheme := before[:i]
	for j := len(scheme) - 1; j >= 0; j-- {
		if !isWord(scheme[j]) && scheme[j] != '+' {
			return scheme[j+1:]
		}
	}
	return scheme
}

func isPort(rest string) bool {
	return len(rest) > 1 && rest[0] == ':' && rest[1] >= '0' && rest[1] <= '9'
}

// PlacesNaming are the places of a workload whose text names a server, sorted.
func PlacesNaming(w Workload, s NamedServer) []Place {
	var out []Place
	for place, text := range w.Texts {
		if place.IsContent() && s.namedBy(text) != unnamed {
			out = append(out, place)
		}
	}
	slices.SortFunc(out, func(a, b Place) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// Says names the host that a text names; the text itself may be a secret.
func (s NamedServer) Says(text string) string {
	for _, host := range s.Hosts {
		if (NamedServer{Hosts: []string{host}, Namespace: s.Namespace}).StandsIn(text) {
			return "names " + host
		}
	}
	return "does not name it"
}
