package values

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// What stands in a list stays as it is written, wherever the list stands.
func TestEntriesAreAddedToAList(t *testing.T) {
	const block = "tls:\n  certificates:\n"
	for _, row := range []struct{ name, text, want string }{
		{"nothing there", "a: 1\n", "a: 1\ntls:\n  certificates:\n    - \"new\"\n"},
		{"the block is there", "tls:\n  import: [h:1] # by hand\n", "tls:\n  certificates:\n    - \"new\"\n  import: [h:1] # by hand\n"},
		{"an empty list", "tls:\n  certificates: [] # none\n", "tls:\n  certificates: [\"new\"] # none\n"},
		{"no value", block + "x: 1\n", "tls:\n  certificates: [\"new\"]\nx: 1\n"},
		{"a list", block + "    - one # first\n    - 'two'\n\nx: 1\n", block + "    - one # first\n    - 'two'\n    - \"new\"\n\nx: 1\n"},
		{"a list at the key's own column", block + "  - one\n  # said of two\n  - two\nx: 1\n", block + "  - one\n  # said of two\n  - two\n  - \"new\"\nx: 1\n"},
		{"a text of several lines", block + "    - |\n      one\n      more\n    - |-\n      two\nx: 1\n", block + "    - |\n      one\n      more\n    - |-\n      two\n    - \"new\"\nx: 1\n"},
		{"brackets", "tls: {certificates: [one, 'two' ], x: 1}\n", "tls: {certificates: [one, 'two', \"new\"], x: 1}\n"},
		{"brackets over lines", "tls:\n  certificates: [\n    one,\n    two\n  ]\nx: 1\n", "tls:\n  certificates: [\n    one,\n    two\n  , \"new\"]\nx: 1\n"},
		{"without a last line end", block + "    - one", block + "    - one\n    - \"new\""},
	} {
		d := parsed(t, row.text)
		said, err := facts([]*document{d})
		if err != nil {
			t.Fatal(err)
		}
		var list []any
		for _, entry := range append(said.Trust.Certificates, "new") {
			list = append(list, entry)
		}
		e, err := plan([]*document{d}, []server.Setting{{Path: "tls.certificates", Value: list}})
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if diff := cmp.Diff(row.want, string(e.after[0].data)); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
		if again, err := plan(e.after, []server.Setting{{Path: "tls.certificates", Value: list}}); err != nil || len(again.Changes) != 0 {
			t.Errorf("%s: a second edit changes %+v, error %v", row.name, again, err)
		}
	}
}

// A list that cannot be added to for certain is refused with its line.
func TestAListThatIsNoneIsRefused(t *testing.T) {
	for _, text := range []string{
		"x: &c [one]\ntls:\n  certificates: *c\n",
		"tls:\n  certificates:\n    - one\n    - one: two\n",
	} {
		d := parsed(t, text)
		if e, err := plan([]*document{d}, []server.Setting{{Path: "tls.certificates", Value: []any{"one", "new"}}}); err == nil && string(e.after[0].data) == "" {
			t.Errorf("%q: %v", text, e)
		} else if err == nil {
			if got := parsed(t, string(e.after[0].data)).tree["x"]; got != nil && !cmp.Equal(got, []any{"one"}) {
				t.Errorf("%q: the other place changed as well: %v", text, got)
			}
		}
	}
	said, err := facts([]*document{parsed(t, "tls:\n  certificates: text\n")})
	if err != nil || !said.Trust.Other {
		t.Errorf("a text is taken for a list: %+v, %v", said.Trust, err)
	}
}
