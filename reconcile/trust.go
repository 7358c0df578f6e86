package reconcile

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// TrustBlock is the block of the release's values that says what the
// application trusts; its list certificates has appeared in 4.1.
const TrustBlock = "tls"

// trustPath is the list in it that a move may add to.
const trustPath = TrustBlock + ".certificates"

// entryOf is a certificate as it stands in tls.certificates.
func entryOf(c *x509.Certificate) string {
	return base64.StdEncoding.EncodeToString(mover.PEM(c))
}

// namesOf are certificates for people: whose they are, and a fingerprint.
func namesOf(entries []string) []string {
	var out []string
	for _, c := range certificatesOfAll(entries) {
		sum := sha256.Sum256(c.Raw)
		out = append(out, fmt.Sprintf("%s (SHA-256 %X…)", c.Subject, sum[:6]))
	}
	return out
}

func certificatesOfAll(entries []string) []*x509.Certificate {
	var out []*x509.Certificate
	for _, e := range entries {
		out = append(out, certificatesOf(e)...)
	}
	return out
}

// lacking are the entries with a certificate that a list has not got, in
// whatever way it is written there.
func lacking(list, entries []string) []string {
	have := certificatesOfAll(list)
	return slices.DeleteFunc(slices.Clone(entries), func(e string) bool {
		return !slices.ContainsFunc(certificatesOf(e), func(c *x509.Certificate) bool { return !slices.ContainsFunc(have, c.Equal) })
	})
}

// entrusted is tls.certificates with what the parts of a move add to it, what
// is there as it is; nil when they add nothing. It is the same before and after
// the upgrade.
func entrusted(trust server.Trust, parts []Part) []any {
	list, adds := slices.Clone(trust.Certificates), false
	for _, p := range parts {
		adds = adds || len(p.Trust) > 0
		list = append(list, lacking(list, p.Trust)...)
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
	if p.To != spec.External || cannotEntrust(rel) != "" {
		return nil
	}
	return untold(s, o, p.Engine, rel.Trust)
}

// cannotEntrust says why tls.certificates of a release cannot be added to, or "".
func cannotEntrust(rel server.Release) string {
	switch {
	case rel.ChartVersion != "" && !atLeast(rel.ChartVersion, 4, 1):
		return "charts before 4.1 have no such value"
	case rel.Trust.Other:
		return "it is something else than a list of texts there"
	}
	return ""
}

// untold are the certificates of external.tls.ca without which somebody who
// trusts what trust says would not trust the external server. Without an
// inspection nobody knows of any.
func untold(s *spec.Spec, o Observation, e mover.Engine, trust server.Trust) []string {
	in, authority := o.store(e).Inspection, o.store(e).Authority
	if verifies, _ := applicationVerifies(s, e); !verifies || !in.Is() || !authority.Is() {
		return nil
	}
	_, outside := in.Value.sides()
	if outside == nil || outside.Database == nil {
		return nil
	}
	var out []string
	for _, shown := range outside.Database.Presented {
		chain := certificatesOf(shown.Chain)
		if len(chain) == 0 || shown.System || trust.ImportsOf(shown.Host) ||
			vouched(chain, poolOf(slices.Concat(out, trust.Certificates)...), o.At) == nil {
			continue
		}
		if root := rootOf(chain, authority.Value, o.At); root != nil {
			out = append(out, entryOf(root))
		}
	}
	return out
}

// rootOf is the one of the authorities in a text that vouches for a chain, nil
// when none does.
func rootOf(chain []*x509.Certificate, authorities string, at time.Time) *x509.Certificate {
	all := certificatesOf(authorities)
	// Not every client takes an intermediate for an authority: roots come first.
	slices.SortStableFunc(all, func(a, b *x509.Certificate) int { return selfIssued(b) - selfIssued(a) })
	for _, c := range all {
		pool := x509.NewCertPool()
		pool.AddCert(c)
		if vouched(chain, pool, at) == nil {
			return c
		}
	}
	return nil
}

func selfIssued(c *x509.Certificate) int {
	if bytes.Equal(c.RawSubject, c.RawIssuer) {
		return 1
	}
	return 0
}

// entrusts are the certificates that the upgrade will have the application
// trust, or why it will not although the file names them.
func entrusts(o Observation, p Part) (adds []string, why string) {
	if why := cannotEntrust(o.Release.Value); why != "" {
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
	if left := lacking(rel.Trust.Certificates, p.Trust); len(left) > 0 {
		return fmt.Sprintf("%s of release %s lacks %s", trustPath, rel.Name, strings.Join(namesOf(left), ", "))
	}
	return ""
}

// trustChanges and trustLines say in the plan what a part adds.
func trustChanges(p Part) []engine.Change {
	var out []engine.Change
	for _, name := range namesOf(p.Trust) {
		out = append(out, engine.Change{Field: fieldOf(p.Engine, "external", "tls", "ca"), From: "not in " + trustPath, To: name})
	}
	return out
}

func trustLines(rel server.Release, p Part) []string {
	if len(p.Trust) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("adds to %s in the release's values what vouches for %s: %s; what is there already (%d) stays as it is",
		trustPath, p.External, strings.Join(namesOf(p.Trust), ", "), len(rel.Trust.Certificates))}
}
