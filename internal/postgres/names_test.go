package postgres

import (
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
)

// 16 and newer quote json, older ones do not: it is one column all the same. What
// needs its quotes keeps them.
func TestNamesAreComparedAsEveryVersionPrintsThem(t *testing.T) {
	t.Parallel()
	s := pgtest.New(t, 14)
	for text, want := range map[string]string{
		`public.builds."json"`:              `public.builds.json`,
		`public.builds.json`:                `public.builds.json`,
		`"user"."order" of "a b"`:           `user.order of "a b"`,
		`"Json"`:                            `"Json"`,
		`"1st"`:                             `"1st"`,
		`f("character", pg_catalog."char")`: `f(character, pg_catalog.char)`,
		`"a""json""b"."json"`:               `"a""json""b"."json"`,
		``:                                  ``,
	} {
		if got := unquoted(text); got != want {
			t.Errorf("%s is compared as %s, want %s", text, got, want)
		}
		if got := s.Value(t, "postgres", "select "+plainNames(literal(text)+"::text")); got != want {
			t.Errorf("the server makes %s of %s, want %s", got, text, want)
		}
	}
}
