package runbook

import (
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

func itoa(n int) string { return strconv.Itoa(n) }

// The ports of this machine that lead to the servers in the cluster.
const (
	pgForward    = "15432"
	mongoForward = "37017"
)

// prefix begins the names of a side's variables.
func (s side) prefix() string {
	if s.at == spec.External {
		return hands[s.engine].prefix + "_OUTSIDE"
	}
	return hands[s.engine].prefix + "_INSIDE"
}

func (s side) title() string {
	if s.at == spec.External {
		return "the external " + s.engine.Title()
	}
	return "the " + s.engine.Title() + " in the cluster"
}

// on notes that a text speaks to a server, and gives its side.
func (t *teller) on(e mover.Engine, at spec.Location) side {
	s := side{e, at}
	if !slices.Contains(t.sides, s) {
		t.sides = append(t.sides, s)
	}
	return s
}

// source and target are the sides of a move.
func (t *teller) source(e mover.Engine) side {
	if t.inwards {
		return t.on(e, spec.External)
	}
	return t.on(e, spec.Internal)
}

func (t *teller) target(e mover.Engine) side {
	if t.inwards {
		return t.on(e, spec.Internal)
	}
	return t.on(e, spec.External)
}

// setup gives what a text needs before its commands: names that nobody knew,
// then the way to each server.
func (t *teller) setup() []Part {
	var ways []Part
	for i := 0; i < len(t.sides); i++ {
		ways = append(ways, t.way(t.sides[i])...)
	}
	var out []Part
	if len(t.wanted) > 0 { // a way may have wanted some
		var lines []string
		for _, asked := range []bool{true, false} { // what is found needs what is asked for
			for _, v := range t.wanted {
				switch {
				case asked && v.find == "":
					lines = append(lines, `: "${`+v.name+":?"+v.hint+`}"`)
				case !asked && v.find != "":
					lines = append(lines, v.name+`="$(`+v.find+`)"`)
				}
			}
		}
		out = append(out, run("Names that are not known here: those that end this with an error have to be set first, the others are looked up.", strings.Join(lines, "\n")))
	}
	return append(out, ways...)
}

// way leads to one server: its address, its password and, into the cluster, a
// forwarded port.
func (t *teller) way(s side) []Part { return hands[s.engine].way(t, s) }

const passwordNote = "The password stays in a variable of this shell, which is not exported. Each command gets it as an environment variable of its own: an argument would be seen by every user of the machine."

// password reads a side's password into its variable.
func (t *teller) password(s side) string {
	to := s.prefix() + "_PASSWORD"
	if s.at == spec.External {
		o := t.outside(s.engine)
		if o.Password.IsZero() {
			return `: "${` + to + `:?the password of ` + s.title() + `: read -rs ` + to + `}"`
		}
		return to + "=" + t.secret(o.Password)
	}
	name, key := t.store(s.engine), hands[s.engine].passwordKey
	if k := t.n.Store(s.engine).InsideSecret; k != nil {
		name, key = word(k.Name), k.Key
	}
	return to + `="$(` + t.key("secret", name, key) + `)"`
}

// secret is what a reference points at, as a quoted word of a shell.
func (t *teller) secret(ref spec.SecretRef) string {
	switch {
	case ref.Secret != nil:
		return `"$(` + t.key("secret", word(ref.Secret.Name), ref.Secret.Key) + `)"`
	case ref.Env != "":
		return `"${` + variableName(ref.Env) + `:?}"`
	}
	return `"$(cat ` + word(ref.File) + `)"`
}

// variableName keeps what may stand in the name of a variable.
func variableName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

// forward leads a port of this machine to a server in the cluster.
func (t *teller) forward(e mover.Engine, here, there string) string {
	return t.kubectl("port-forward service/"+t.store(e)+" "+here+":"+there) + " >/dev/null &"
}

// authority writes the certificates of a reference to a file, or names the
// system's.
func (t *teller) authority(s side) (file string, lines []string) {
	o := t.outside(s.engine)
	name := strings.ToLower(s.prefix()) + "-ca.pem"
	switch ca := o.CA; {
	case ca.Secret != nil:
		return name, []string{t.key("secret", word(ca.Secret.Name), ca.Secret.Key) + " > " + name}
	case ca.Env != "":
		return name, []string{`printf '%s\n' "${` + variableName(ca.Env) + `:?}" > ` + name}
	case ca.File != "":
		return ca.File, nil
	}
	return "/etc/ssl/certs/ca-certificates.crt", nil // Debian's name of the system's own
}
