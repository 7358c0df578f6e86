package reconcile

import (
	"fmt"
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// trustDeviations is what tls.certificates of the values files lacks of what the
// release has for an external server, or gets with the move.
func trustDeviations(s *spec.Spec, o Observation, e mover.Engine) []Deviation {
	d := declared(s, e)
	if d == nil || d.location != spec.External || !o.Values.Is() {
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
		if len(lacking(has, []string{entry})) == 0 {
			missing = append(missing, entry)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	out := Deviation{Setting: trustSetting(e, files, missing), Lacks: namesOf(missing)}
	if files.TrustAt.File != "" {
		at := files.TrustAt
		out.Fact = &at
	}
	return []Deviation{out}
}

// trustSetting is tls.certificates of the files with entries added.
func trustSetting(e mover.Engine, files server.DeclaredValues, entries []string) Setting {
	list := []any{}
	for _, entry := range append(slices.Clone(files.Trust.Certificates), entries...) {
		list = append(list, entry)
	}
	return Setting{Path: trustPath, Value: list, Field: fieldOf(e, "external", "tls", "ca")}
}

// AuthorityRef is where the file has the authority of an external server that
// the application may have to trust; nil where there is none.
func AuthorityRef(s *spec.Spec, e mover.Engine) *spec.SecretRef {
	d := declared(s, e)
	if verifies, _ := applicationVerifies(s, e); d == nil || d.location != spec.External || d.external == nil || !verifies {
		return nil
	}
	return d.external.ca
}

// WantedTrust is tls.certificates of files with the authority of an external
// server, whose certificates a text holds, added where it is not there yet; nil
// and a note where this cannot be known without the cluster, nil alone where
// the chart has no such list.
func WantedTrust(e mover.Engine, version, authority string, files server.DeclaredValues) (*Setting, string) {
	certificates := certificatesOf(authority)
	field := fieldOf(e, "external", "tls", "ca")
	var entries []string
	for _, c := range certificates {
		entries = append(entries, entryOf(c))
	}
	if version != "" && !atLeast(version, 4, 1) {
		return nil, ""
	}
	if len(certificates) > 0 && len(lacking(files.Trust.Certificates, entries)) == 0 {
		st := trustSetting(e, files, nil)
		return &st, ""
	}
	copyIt := fmt.Sprintf("after the move copy %s from helm get values into the files", trustPath)
	switch {
	case len(certificates) == 0:
		return nil, fmt.Sprintf("%s could not be read here, and the application may need the authority in it: %s", field, copyIt)
	case len(certificates) > 1:
		return nil, fmt.Sprintf("%s holds %d certificates, and which of them the application needs is known in the cluster only: %s", field, len(certificates), copyIt)
	case files.Trust.Other:
		return nil, fmt.Sprintf("%s is something else than a list of texts in the files: have the application trust the authority in %s by hand", trustPath, field)
	}
	st := trustSetting(e, files, entries)
	return &st, ""
}

// writesTrust tells whether circleci-dr values, which sees no cluster, comes to
// the same list.
func writesTrust(s *spec.Spec, o Observation, e mover.Engine, d Deviation) bool {
	ref := AuthorityRef(s, e)
	if ref == nil || ref.Secret != nil {
		return false
	}
	st, _ := WantedTrust(e, o.Release.Value.ChartVersion, o.store(e).Authority.Value, o.Values.Value)
	return st != nil && SameValue(st.Value, d.Value)
}
