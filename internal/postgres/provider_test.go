package postgres

import (
	"fmt"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestLocaleProvider moves words between servers that initdb made with other
// locale providers: they sort as on the source, whatever a new database would
// have on the target.
func TestLocaleProvider(t *testing.T) {
	t.Parallel()
	const words = `create table words (w text primary key); insert into words values ('a'), ('B'), ('_c'), ('C'), ('b'), ('Z'), ('ä')`
	const sorted = "select string_agg(w, ',' order by w) from words"
	icu := pgtest.NewWith(t, pgtest.Options{Major: 15, ICU: true})
	icu.Exec(t, "postgres", `create role circleci login createdb createrole password '`+pgtest.Password+`'`)
	for _, c := range []struct {
		name string
		pair pair
	}{
		{name: "libc to ICU, any role", pair: pair{source: pgtest.New(t, 12), target: icu, admin: testAdmin}},
		{name: "ICU to libc", pair: pair{source: icu, target: pgtest.New(t, 15), admin: pgtest.Superuser}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.pair
			plain := fmt.Sprintf("words%d", p.source.Major)
			p.source.Exec(t, "postgres", "create database "+plain)
			p.source.Exec(t, plain, words)
			want := []string{plain}
			if p.source.Major == 15 {
				p.source.Exec(t, "postgres", "create database german template template0 locale_provider icu icu_locale 'de-u-kf-upper'")
				p.source.Exec(t, "german", words)
				want = append(want, "german")
			}
			info := do[mover.InspectResult](t, p, mover.OpInspect)
			if !info.Target.Database.ICU {
				t.Error("a server that knows ICU is said not to")
			}
			p.copied(t)
			for _, db := range want {
				if on, at := p.source.Value(t, db, sorted), p.target.Value(t, db, sorted); at != on {
					t.Errorf("%s: the target sorts %s, the source %s", db, at, on)
				}
			}
			if at := p.target.Value(t, ownDatabase, "select string_agg(w, ',' order by w) from unnest(array['a', 'B']) w"); at != "B,a" {
				t.Errorf("our own database sorts %s", at)
			}
		})
	}
}

// TestLocaleOptions are the words for every provider and version.
func TestLocaleOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d       database
		version int
		want    string
	}{
		{database{provider: "c"}, 140000, ""},
		{database{provider: "c"}, 150000, " locale_provider libc"},
		{database{provider: "i", locale: "de"}, 150000, " locale_provider icu icu_locale 'de'"},
		{database{provider: "i", locale: "de", icuRules: "&a < g"}, 160000, " locale_provider icu icu_locale 'de' icu_rules '&a < g'"},
		{database{provider: "b", locale: "C.UTF-8"}, 170000, " locale_provider builtin builtin_locale 'C.UTF-8'"},
	} {
		if got := c.d.localeOptions(c.version); got != c.want {
			t.Errorf("provider %s on %d: %q, want %q", c.d.provider, c.version, got, c.want)
		}
	}
}
