package spec

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// path leads from the document to a value; list indexes are written [0].
type path []string

func (p path) key(name string) path { return append(p[:len(p):len(p)], name) }

func (p path) index(i int) path { return p.key("[" + strconv.Itoa(i) + "]") }

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// String is the path as people write it: backup.retention.days, and keys that
// are no plain words in quotes: mover.annotations["a.b/c"].
func (p path) String() string {
	var b strings.Builder
	for _, part := range p {
		switch {
		case strings.HasPrefix(part, "[") && indexOf(part) >= 0:
			b.WriteString(part)
		case plainKey.MatchString(part) && len(part) <= maxShown:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(part)
		default:
			b.WriteString("[" + quoteShort(part) + "]")
		}
	}
	return b.String()
}

func indexOf(part string) int {
	i, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(part, "["), "]"))
	if err != nil {
		return -1
	}
	return i
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// fromPointer turns the validator's JSON pointer into a path through root.
func fromPointer(pointer string, root *node) path {
	var p path
	at := root
	for _, raw := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if pointer == "" || at == nil {
			break
		}
		if plain, err := url.PathUnescape(raw); err == nil {
			raw = plain
		}
		name := unescape.Replace(raw)
		if at.kind == kindList {
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at.items) {
				break
			}
			p, at = p.index(i), at.items[i]
			continue
		}
		p, at = p.key(name), at.field(name)
	}
	return p
}

// lookup follows a path through the tree; nil when nothing is there.
func (n *node) lookup(p path) *node {
	for _, part := range p {
		if n == nil {
			return nil
		}
		if n.kind == kindList {
			i := indexOf(part)
			if i < 0 || i >= len(n.items) {
				return nil
			}
			n = n.items[i]
			continue
		}
		n = n.field(part)
	}
	return n
}
