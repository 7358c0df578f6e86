package reconcile

import (
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// trustDeviations is what tls.certificates of the values files lacks of what the
// release has for an external server, or gets with the move.
func trustDeviations(s *spec.Spec, o Observation, e mover.Engine) []server.Deviation {
	d := server.Declared(s, e)
	if d == nil || d.Location != spec.External || !o.Values.Is() {
		return nil
	}
	rel, files := o.Release.Value, o.Values.Value
	has := slices.Clone(rel.Trust.Certificates)
	if !settled(s, rel, e) {
		has = append(has, trustOf(s, o, Part{Engine: e, To: spec.External})...)
	}
	if openMove(o) && o.Move.Value.part(e) != nil {
		has = append(has, o.Move.Value.part(e).Trust...)
	}
	var missing []string
	for _, entry := range untold(s, o, e, files.Trust) {
		if len(server.Lacking(has, []string{entry})) == 0 {
			missing = append(missing, entry)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	out := server.Deviation{Setting: server.TrustSetting(e, files, missing), Lacks: server.CertificateNames(missing)}
	if files.TrustAt.File != "" {
		at := files.TrustAt
		out.Fact = &at
	}
	return []server.Deviation{out}
}

// writesTrust tells whether circleci-dr values, which sees no cluster, comes to
// the same list.
func writesTrust(s *spec.Spec, o Observation, e mover.Engine, d server.Deviation) bool {
	ref := server.AuthorityRef(s, e)
	if ref == nil || ref.Secret != nil {
		return false
	}
	st, _ := server.WantedTrust(e, o.Release.Value.ChartVersion, o.store(e).Authority.Value, o.Values.Value)
	return st != nil && server.SameValue(st.Value, d.Value)
}
