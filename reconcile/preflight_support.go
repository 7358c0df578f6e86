package reconcile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// preflightSupport holds live versions against what the vendor documents. It
// never blocks: the table can be wrong, and only the owner knows what was
// agreed with the vendor.
func preflightSupport(o Observation) []engine.Finding {
	rel := o.Release.Value
	s, known := server.SupportOf(rel.ChartVersion)
	if !known {
		return nil
	}
	var out []engine.Finding
	if v, ok := server.VersionOf(o.Cluster.Value.Version); ok && (v.Less(s.From) || s.To.Less(v)) {
		out = append(out, engine.Finding{ID: "kubernetes-version", Field: "server.version", Source: s.Source,
			What: fmt.Sprintf("the cluster runs Kubernetes %s; Server %s is documented for %s to %s", o.Cluster.Value.Version, rel.ChartVersion, s.From, s.To),
			Fix:  "bring Server and Kubernetes to releases that fit, or ask the vendor"})
	}
	if end := s.Ends.AddDate(0, 0, 1); !o.At.Before(end) {
		projected := ""
		if s.Projected {
			projected = " by the announced date, which moves with the next release"
		}
		out = append(out, engine.Finding{ID: "server-end-of-support", Field: "server.version", Source: s.Source,
			What: fmt.Sprintf("Server %s is out of support since %s%s", s.Server, s.Ends.Format("2006-01-02"), projected),
			Fix:  "upgrade one minor release after the other, each to its last patch, with a backup before each"})
	}
	return out
}

// checkDocumentedMajor reports a target whose major version the release's
// guide does not name.
func checkDocumentedMajor(rel server.Release, dst mover.Database) []engine.Finding {
	s, known := server.SupportOf(rel.ChartVersion)
	have := major(dst.VersionNum)
	if !known || have >= s.PostgresFrom && (s.PostgresTo == 0 || have <= s.PostgresTo) {
		return nil
	}
	documented := strconv.Itoa(s.PostgresFrom) + " and later"
	if s.PostgresTo > 0 {
		documented = strconv.Itoa(s.PostgresFrom) + " to " + strconv.Itoa(s.PostgresTo)
	}
	return []engine.Finding{{ID: "target-undocumented", Field: postgresField, Source: s.Source,
		What: fmt.Sprintf("the target runs PostgreSQL %s; CircleCI documents %s for Server %s", dst.ServerVersion, documented, rel.ChartVersion),
		Fix:  "use a documented major version, or ask the vendor"}}
}

// checkSourceSecret reports a Secret of the internal database without the key
// the release's guide names: reading a missing key gives an empty password and
// no error. What the Secret really has is used.
func checkSourceSecret(o Observation, e mover.Engine) []engine.Finding {
	rel := o.Release.Value
	secret := o.store(e).Internal.Value.Secret
	if !rel.Store(e).Internal || !secret.Is() {
		return nil
	}
	documented := server.DocumentedKeys(string(e), rel.ChartVersion)
	if len(documented) == 0 {
		return nil
	}
	for _, key := range documented {
		if slices.Contains(secret.Value.Keys, key) {
			return nil
		}
	}
	used := internalSecret(&o, e)
	what := fmt.Sprintf("Secret %s has no key %s, only %s", secret.Value.Name, strings.Join(documented, ", "), orNone(strings.Join(secret.Value.Keys, ", ")))
	if slices.Contains(secret.Value.Keys, used.Key) {
		return []engine.Finding{{ID: "source-secret-key", Field: server.FieldOf(e), Source: server.SourcePhase2, What: what + "; " + used.Key + " is used",
			Fix: "add the documented key with the same value, so that the manual's commands find it too"}}
	}
	return []engine.Finding{block("source-secret-key", server.FieldOf(e), server.SourcePhase2, "put the superuser's password there under that key", "%s", what)}
}

// preflightSecureMode reports a chart that does not know a value the switch sets.
func preflightSecureMode(s *spec.Spec, rel server.Release) []engine.Finding {
	pg := s.Datastores.PostgreSQL
	if pg == nil || pg.External == nil || pg.External.TLS.Mode == spec.TLSDisable || server.HasValue("postgresql.secureMode", rel.ChartVersion) {
		return nil
	}
	if _, known := server.SupportOf(rel.ChartVersion); !known {
		return nil
	}
	return []engine.Finding{{ID: "secure-mode", Field: postgresField + ".tls.mode", Source: server.SourceValues,
		What: fmt.Sprintf("Server %s has no postgresql.secureMode: whether the application encrypts its connections is the server's to demand", rel.ChartVersion),
		Fix:  "let the target refuse connections without TLS (hostssl), or upgrade to 4.9 first"}}
}
