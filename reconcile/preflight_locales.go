package reconcile

import (
	"maps"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// checkLocales names each unknown locale once, with the databases that use it.
func checkLocales(src, dst mover.Database) []engine.Finding {
	var wants []string
	locales := map[string]bool{}
	for _, db := range src.Databases {
		for _, name := range []string{db.Collate, db.CType} {
			if len(dst.Locales) > 0 && !knowsLocale(dst.Locales, name) {
				wants, locales[name] = append(wants, db.Name), true
				break
			}
		}
	}
	if len(wants) == 0 {
		return nil
	}
	unknown := slices.Sorted(maps.Keys(locales))
	use, which := "use locales", "install the locales on the target"
	if len(unknown) == 1 {
		use, which = "use locale", "install the locale on the target"
	}
	if len(wants) == 1 {
		use = strings.Replace(use, "use", "uses", 1)
	}
	return []engine.Finding{block("locale", postgresField, sourceDocs, which,
		"%s %s %s, which the target does not know", databaseWord(wants), use, some(unknown, 5))}
}

// checkProvider names the databases that are sorted by ICU where the target
// cannot: any other order would have unique and sorted columns mean something
// else there.
func checkProvider(src, dst mover.Database) []engine.Finding {
	var wants []string
	for _, db := range src.Databases {
		if db.ICULocale != "" {
			wants = append(wants, db.Name)
		}
	}
	if len(wants) == 0 || dst.ICU {
		return nil
	}
	does := "has"
	if len(wants) > 1 {
		does = "have"
	}
	return []engine.Finding{block("locale-provider", postgresField, "PostgreSQL documentation, locale providers", "use a target whose PostgreSQL is built with ICU",
		"%s %s ICU as locale provider, and the target's PostgreSQL is built without it", databaseWord(wants), does)}
}

// databaseWord names databases, in short the first few of many.
func databaseWord(names []string) worded {
	if len(names) == 1 {
		return worded{"database ", some(names, 1)}
	}
	return worded{"databases ", some(names, 8)}
}

// knowsLocale compares locale names the way glibc does: C.UTF-8 and C.utf8
// are one and the same.
func knowsLocale(known []string, name string) bool {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
	return name == "C" || name == "POSIX" || slices.ContainsFunc(known, func(k string) bool { return plain(k) == plain(name) })
}
