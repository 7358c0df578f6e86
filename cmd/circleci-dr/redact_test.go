package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A redactor learns every secret, asks again when it is old, and is none at all
// when it could not learn all of them.
func TestRedactorOf(t *testing.T) {
	now, asked, secret, failing := time.Unix(0, 0), 0, "first-password", error(nil)
	redactor := redactorOf(func(_ context.Context, see func(string)) error {
		asked++
		see(secret)
		return failing
	}, func() time.Time { return now })
	says := func(text string) string {
		t.Helper()
		hide, err := redactor(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return hide(text)
	}
	if got := says("login with first-password failed"); got != "login with [redacted] failed" {
		t.Errorf("got %q", got)
	}
	secret = "second-password"
	if got := says("second-password"); got != "second-password" || asked != 1 {
		t.Errorf("asked %d times, got %q", asked, got)
	}
	now = now.Add(redactorAge)
	if got := says("login with second-password failed"); got != "login with [redacted] failed" || asked != 2 {
		t.Errorf("asked %d times, got %q", asked, got)
	}
	now, failing = now.Add(redactorAge), errors.New("forbidden")
	if _, err := redactor(t.Context()); !errors.Is(err, failing) {
		t.Errorf("a redactor that does not know every secret: %v", err)
	}
}
