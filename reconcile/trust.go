package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// entrusted is tls.certificates with what the parts of a move add to it, what
// is there as it is; nil when they add nothing. It is the same before and after
// the upgrade.
func entrusted(trust server.Trust, parts []Part) []any {
	list, adds := slices.Clone(trust.Certificates), false
	for _, p := range parts {
		adds = adds || len(p.Trust) > 0
		list = append(list, server.Lacking(list, p.Trust)...)
	}
	if !adds {
		return nil
	}
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = e
	}
	return out
}

// trustOf is what tls.certificates has to get before the application trusts
// the target of a part: those certificates of external.tls.ca that vouch for what
// its hosts show and that nobody has told the application yet. It is nil where
// nothing is missing, where the file does not name the authority, and where the
// values cannot be changed.
func trustOf(s *spec.Spec, o Observation, p Part) []string {
	rel := o.Release.Value
	if p.To != spec.External || server.CannotEntrust(rel) != "" {
		return nil
	}
	return untold(s, o, p.Engine, rel.Trust)
}

// untold are the certificates of external.tls.ca without which somebody who
// trusts what trust says would not trust the external server. Without an
// inspection nobody knows of any.
func untold(s *spec.Spec, o Observation, e mover.Engine, trust server.Trust) []string {
	in, authority := o.store(e).Inspection, o.store(e).Authority
	if verifies, _ := server.ApplicationVerifies(s, e); !verifies || !in.Is() || !authority.Is() {
		return nil
	}
	_, outside := in.Value.Sides()
	if outside == nil || outside.Database == nil {
		return nil
	}
	var out []string
	for _, shown := range outside.Database.Presented {
		chain := server.CertificatesOf(shown.Chain)
		if len(chain) == 0 || shown.System || trust.ImportsOf(shown.Host) ||
			server.Vouched(chain, server.PoolOf(slices.Concat(out, trust.Certificates)...), o.At) == nil {
			continue
		}
		if root := server.RootOf(chain, authority.Value, o.At); root != nil {
			out = append(out, server.TrustEntry(root))
		}
	}
	return out
}

// entrusts are the certificates that the upgrade will have the application
// trust, or why it will not although the file names them.
func entrusts(o Observation, p Part) (adds []string, why string) {
	if why := server.CannotEntrust(o.Release.Value); why != "" {
		return nil, why
	}
	if pv := o.Preview; len(p.Trust) > 0 && pv.Is() && pv.Value.Faithful && !slices.ContainsFunc(pv.Value.Objects, trusts) {
		return nil, "the chart makes nothing of it"
	}
	return p.Trust, ""
}

// trusts tells whether a changed tls.certificates changes the object.
func trusts(o server.ObjectPreview) bool {
	return o.Trust || slices.ContainsFunc(o.Rendered, func(c server.RenderedChange) bool { return c.Trust })
}

// notTrusted says what a switched release does not tell the application to
// trust although the move has it do so, or "".
func notTrusted(rel server.Release, p Part) string {
	if left := server.Lacking(rel.Trust.Certificates, p.Trust); len(left) > 0 {
		return fmt.Sprintf("%s of release %s lacks %s", server.TrustPath, rel.Name, strings.Join(server.CertificateNames(left), ", "))
	}
	return ""
}

// trustChanges and trustLines say in the plan what a part adds.
func trustChanges(p Part) []engine.Change {
	var out []engine.Change
	for _, name := range server.CertificateNames(p.Trust) {
		out = append(out, engine.Change{Field: server.FieldOf(p.Engine, "external", "tls", "ca"), From: "not in " + server.TrustPath, To: name})
	}
	return out
}

func trustLines(rel server.Release, p Part) []string {
	if len(p.Trust) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("adds to %s in the release's values what vouches for %s: %s; what is there already (%d) stays as it is",
		server.TrustPath, p.External, strings.Join(server.CertificateNames(p.Trust), ", "), len(rel.Trust.Certificates))}
}
