package reconcile

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// sourceTrust is where the values that decide on trust are documented.
const sourceTrust = "CircleCI Server 4.10 installation reference, values tls.certificates and tls.import"

// checkTrust holds the chains that the target's hosts really show against what
// the application will trust. The mover trusts external.tls.ca and the system; the
// application knows the release's values and the system only.
func checkTrust(s *spec.Spec, o Observation, p Part, dst mover.Database) []engine.Finding {
	verifies, sure := server.ApplicationVerifies(s, p.Engine)
	if !verifies {
		return nil
	}
	var out []engine.Finding
	trust := o.Release.Value.Trust
	adds, why := entrusts(o, p)
	for _, shown := range dst.Presented {
		chain := server.CertificatesOf(shown.Chain)
		switch {
		case len(chain) == 0:
			out = append(out, engine.Finding{ID: "host-unseen", Field: server.HostFieldOf(p.Engine), Source: sourceTrust,
				What: fmt.Sprintf("%s could not be asked for its certificate from inside the cluster: %s", nameOf(shown), cmp.Or(shown.Error, "it showed none")),
				Fix:  "see that the name can be resolved and reached from the cluster: the application connects to every member of the replica set by the name the set has for it"})
			continue
		case trust.ImportsOf(shown.Host):
			continue
		}
		if sure {
			out = append(out, checkName(p, shown, chain[0])...)
		}
		if err := server.Vouched(chain, server.PoolOf(slices.Concat(adds, trust.Certificates)...), o.At); err != nil && !shown.System {
			out = append(out, untrusted(o, p, shown, chain, err, why, sure))
		}
	}
	return out
}

func nameOf(p mover.Presented) string {
	if p.Announced {
		return p.Host + ", a name that the replica set has for a member,"
	}
	return p.Host
}

// checkName holds the name that the application will dial against those the
// certificate is for.
func checkName(p Part, shown mover.Presented, leaf *x509.Certificate) []engine.Finding {
	host, _ := mover.SplitSeed(shown.Host)
	err := leaf.VerifyHostname(host)
	if err == nil {
		return nil
	}
	fix := "have a certificate issued that is for that name too, or write a name into the file that it is for"
	if shown.Announced {
		fix = "have a certificate issued that is for that name too, or reconfigure the replica set with names its certificates are for (rs.reconfig)"
	}
	return []engine.Finding{block("certificate-name", server.HostFieldOf(p.Engine), sourceTrust, fix,
		"the application would refuse %s: %s", nameOf(shown), strings.TrimPrefix(err.Error(), "x509: "))}
}

func untrusted(o Observation, p Part, shown mover.Presented, chain []*x509.Certificate, why error, unset string, sure bool) engine.Finding {
	issuer := chain[len(chain)-1].Issuer.String()
	field := server.FieldOf(p.Engine, "external", "tls", "ca")
	fix := "add the certificate of that authority, as base64 of its PEM, to tls.certificates in the release's values and helm upgrade, or name it in " + field + ": then the move adds it"
	if authority := o.store(p.Engine).Authority; authority.Is() && server.Vouched(chain, server.PoolOf(authority.Value), o.At) == nil {
		fix = "have the application trust the authority in " + field + ", which the move cannot add to tls.certificates: " + cmp.Or(unset, "it is not there yet")
	}
	what := fmt.Sprintf("the application would not trust %s: its certificate comes from %s, which neither tls.certificates of the release's values nor the system's authorities have (%s)",
		nameOf(shown), issuer, strings.TrimPrefix(why.Error(), "x509: "))
	if !sure {
		return engine.Finding{ID: "certificate-untrusted", Field: server.FieldOf(p.Engine, "external", "tls"), Source: sourceTrust, Fix: fix,
			What: what + "; whether its PostgreSQL clients verify is not documented"}
	}
	return block("certificate-untrusted", server.FieldOf(p.Engine, "external", "tls"), sourceTrust, fix, "%s", what)
}
