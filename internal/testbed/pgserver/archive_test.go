package pgserver

import "testing"

func TestControlIsTrustedWhereTheServerKnowsTheWord(t *testing.T) {
	const control12 = "comment = 'x'\nsuperuser = true\n"
	for major, want := range map[int]string{12: control12, 14: control12 + "trusted = true\n", 15: control12 + "trusted = true\n"} {
		for _, given := range []string{control12, "comment = 'x'\ntrusted = false\nsuperuser = true\n"} {
			if got := string(control([]byte(given), major)); got != want {
				t.Errorf("%d: got %q, want %q", major, got, want)
			}
		}
	}
}
