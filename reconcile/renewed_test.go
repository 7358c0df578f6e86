package reconcile

import (
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

func TestThePlanNamesWhatAnyUpgradeFillsAnew(t *testing.T) {
	renewed := func(kind, name string, fields ...string) server.ObjectPreview {
		o := server.ObjectPreview{Kind: kind, Name: name, Action: "update"}
		for _, f := range fields {
			o.Renewed = append(o.Renewed, server.Renewal{Field: f})
		}
		return o
	}
	secret := renewed("Secret", "web-tls", `data["ca.crt"]`, `data["tls.crt"]`, `data["tls.key"]`)
	for _, row := range []struct {
		name    string
		objects []server.ObjectPreview
		want    []string
	}{
		{"nothing", nil, nil},
		{"a Secret", []server.ObjectPreview{secret}, []string{"gets new content with any upgrade: Secret/web-tls (ca.crt, tls.crt, tls.key)"}},
		{"pods, of a datastore that stays too", []server.ObjectPreview{
			renewed("Deployment", "api", "spec.template.metadata.annotations.rollme"), renewed("StatefulSet", "mongodb", "spec.template.metadata.annotations.rollme"),
		}, []string{
			"gets new content with any upgrade: Deployment/api (rollme), StatefulSet/mongodb (rollme)",
			"pods of those start once more when the release is settled, as with any upgrade of this chart",
		}},
		{"a Job", []server.ObjectPreview{{Kind: "Job", Name: "migrate-5", Action: "delete", EveryTime: true}, {Kind: "Job", Name: "migrate-6", Action: "create", EveryTime: true}}, []string{
			"is made anew with any upgrade, under another name: Job/migrate-6",
		}},
	} {
		if got := renewedLines(server.Preview{Objects: row.objects}); !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
