package server

import (
	"fmt"
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// ApplicationVerifies tells whether the application looks at certificates of
// an engine, and whether that is documented: mongodb.tlsInsecure says so, while of
// postgresql.secureMode only encryption is said.
func ApplicationVerifies(s *spec.Spec, e mover.Engine) (verifies, sure bool) {
	return KindOf(e).verifies(s)
}

// TrustSetting is tls.certificates of the files with entries added.
func TrustSetting(e mover.Engine, files DeclaredValues, entries []string) Setting {
	list := []any{}
	for _, entry := range append(slices.Clone(files.Trust.Certificates), entries...) {
		list = append(list, entry)
	}
	return Setting{Path: TrustPath, Value: list, Field: FieldOf(e, "external", "tls", "ca")}
}

// AuthorityRef is where the file has the authority of an external server that
// the application may have to trust; nil where there is none.
func AuthorityRef(s *spec.Spec, e mover.Engine) *spec.SecretRef {
	d := Declared(s, e)
	if verifies, _ := ApplicationVerifies(s, e); d == nil || d.Location != spec.External || d.External == nil || !verifies {
		return nil
	}
	return d.External.CA
}

// WantedTrust is tls.certificates of files with the authority of an external
// server, whose certificates a text holds, added where it is not there yet; nil
// and a note where this cannot be known without the cluster, nil alone where
// the chart has no such list.
func WantedTrust(e mover.Engine, version, authority string, files DeclaredValues) (*Setting, string) {
	certificates := CertificatesOf(authority)
	field := FieldOf(e, "external", "tls", "ca")
	var entries []string
	for _, c := range certificates {
		entries = append(entries, TrustEntry(c))
	}
	if version != "" && !AtLeast(version, 4, 1) {
		return nil, ""
	}
	if len(certificates) > 0 && len(Lacking(files.Trust.Certificates, entries)) == 0 {
		st := TrustSetting(e, files, nil)
		return &st, ""
	}
	copyIt := fmt.Sprintf("after the move copy %s from helm get values into the files", TrustPath)
	switch {
	case len(certificates) == 0:
		return nil, fmt.Sprintf("%s could not be read here, and the application may need the authority in it: %s", field, copyIt)
	case len(certificates) > 1:
		return nil, fmt.Sprintf("%s holds %d certificates, and which of them the application needs is known in the cluster only: %s", field, len(certificates), copyIt)
	case files.Trust.Other:
		return nil, fmt.Sprintf("%s is something else than a list of texts in the files: have the application trust the authority in %s by hand", TrustPath, field)
	}
	st := TrustSetting(e, files, entries)
	return &st, ""
}

// TrustBlock is the block of the release's values that says what the
// application trusts; its list certificates has appeared in 4.1.
const TrustBlock = "tls"

// TrustPath is the list in it that a move may add to.
const TrustPath = TrustBlock + ".certificates"

// CannotEntrust says why tls.certificates of a release cannot be added to, or "".
func CannotEntrust(rel Release) string {
	switch {
	case rel.ChartVersion != "" && !AtLeast(rel.ChartVersion, 4, 1):
		return "charts before 4.1 have no such value"
	case rel.Trust.Other:
		return "it is something else than a list of texts there"
	}
	return ""
}
