package server

import (
	"cmp"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// FullName is what the charts call a datastore of a release: what
// fullnameOverride says, else the release's name with nameOverride or the
// subchart's behind it, unless that is in it already (common.names.fullname of
// Bitnami's charts, which the vendor's are made from).
func FullName(release, fullnameOverride, nameOverride string, e mover.Engine) string {
	part := cmp.Or(nameOverride, string(e))
	name := release + "-" + part
	switch {
	case fullnameOverride != "":
		name = fullnameOverride
	case strings.Contains(release, part):
		name = release
	}
	return strings.TrimSuffix(name[:min(len(name), 63)], "-")
}

// fullNameIn is what files of values make of a datastore's name. Where they say
// nothing, the chart's own fullnameOverride does, which is the engine.
func fullNameIn(release string, files DeclaredValues, e mover.Engine) string {
	full, set := files.Fact(string(e) + ".fullnameOverride")
	if !set {
		return string(e)
	}
	part, _ := files.Fact(string(e) + ".nameOverride")
	return FullName(release, ValueText(orEmpty(full.Value)), ValueText(orEmpty(part.Value)), e)
}

func orEmpty(v any) any {
	if v == nil {
		return ""
	}
	return v
}
