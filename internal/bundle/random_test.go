package bundle

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever a secret is and whatever stands around it, plain or in base64, it is
// gone afterwards, and a document stays one.
func TestNoSecretOfAnyShapeGetsThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringN(longEnough, 40, 120).Filter(func(s string) bool { return len([]rune(strings.TrimSpace(s))) >= longEnough }).Draw(t, "secret")
		before, after := rapid.String().Draw(t, "before"), rapid.String().Draw(t, "after")
		r := NewRedactor([]string{secret})
		for _, text := range []string{
			before + secret + after,
			"x " + base64.StdEncoding.EncodeToString([]byte(before+secret+after)) + " x",
			"x " + base64.RawURLEncoding.EncodeToString([]byte(before+secret+after)) + " x",
		} {
			if got := r.Text(text); got == text || r.Leaks([]byte(got)) {
				t.Errorf("%q became %q", text, got)
			}
		}
		doc, err := json.Marshal(map[string]any{before: []string{secret + after}, secret: 1})
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.JSON(doc)
		if err != nil || !json.Valid(got) || r.Leaks(got) {
			t.Errorf("%s became %s: %v", doc, got, err)
		}
	})
}
