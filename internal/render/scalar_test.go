package render

import (
	"testing"

	"github.com/goccy/go-yaml"
)

// Whatever a text is, YAML reads the same text again, alone and in brackets.
func TestATextStaysAText(t *testing.T) {
	for _, text := range []string{
		"prod", "4.10.0", "4.10", "10", "1e3", "0x1f", "0o7", "1_000", "12:30:45", "2026-11-30", "true", "No", "~", "null", "", " ", "a: b", "a #b", "#", "- a", "-", "--- ", "{a}", "[a]", "a, b",
		"arn:aws:eks:eu-west-1:123456789012:cluster/prod", "oci://charts.example.com/circleci-server", "s3://b/p?region=eu-west-1&x=y", "gke_project_zone_name", "user@cluster", "m0:27017", "[fd00::1]:27017",
		"it's", `a "quoted" \ word`, "tab\there", "line\nbreak", "ümlaut", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a", "a:", ".inf", ".nan", "<<", "=", "y",
	} {
		for _, form := range []string{"v: " + scalarOrFlow(text), "v: " + flow([]any{text})} {
			var got struct{ V any }
			if err := yaml.Unmarshal([]byte(form), &got); err != nil {
				t.Errorf("%q: %v", form, err)
				continue
			}
			if list, ok := got.V.([]any); ok && len(list) == 1 {
				got.V = list[0]
			}
			if got.V != text {
				t.Errorf("%q is read as %#v, want %q", form, got.V, text)
			}
		}
	}
	for text, want := range map[string]string{"prod": "prod", "4.10.0": "4.10.0", "4.10": `"4.10"`, "m0:27017": "m0:27017", "oci://charts.example.com/circleci-server": "oci://charts.example.com/circleci-server"} {
		if got := scalarOrFlow(text); got != want {
			t.Errorf("%s is written %s, want %s", text, got, want)
		}
	}
}
