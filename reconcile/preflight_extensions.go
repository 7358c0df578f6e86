package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

func checkExtensions(src, dst mover.Database) []engine.Finding {
	var out []engine.Finding
	for _, db := range src.Databases {
		for name, version := range db.Extensions {
			have := dst.Extensions[name]
			switch {
			case name == "plpgsql":
			case len(have) == 0:
				out = append(out, block("extension-missing", postgresField, "CircleCI Server 4.10 operator guide, configuring external services", "make the extension available on the target",
					"database %s uses extension %s %s, which the target does not offer", db.Name, name, version))
			case !slices.Contains(have, version):
				out = append(out, block("extension-version", postgresField, "CircleCI Server 4.10 operator guide, configuring external services",
					"install version "+version+" on the target, or update the source's first",
					"database %s uses extension %s %s; the target offers %s", db.Name, name, version, strings.Join(have, ", ")))
			case slices.Contains(dst.Restricted[name], version):
				out = append(out, block("extension-restricted", postgresField, sourceDocs,
					restrictedFix(name, dst, len(db.ExtensionRows[name]) > 0),
					"database %s uses extension %s %s, which role %s may not install on the target (PostgreSQL %s)", db.Name, name, version, dst.Role.Name, dst.ServerVersion))
			case name == "pg_partman" && !strings.HasPrefix(version, "4.5."):
				out = append(out, engine.Finding{ID: "pg-partman", Field: postgresField, Source: "CircleCI Server 4.10 operator guide, configuring external services",
					What: fmt.Sprintf("pg_partman is %s; CircleCI supports 4.5.x", version), Fix: "ask the vendor before an upgrade"})
			}
		}
	}
	slices.SortFunc(out, func(a, b engine.Finding) int { return strings.Compare(a.What, b.What) })
	return out
}

// restrictedFix says how a role gets to install an extension: by a trusted
// control file, which PostgreSQL knows from 13 on, or one that asks for no
// superuser, which leaves the extension's tables to whoever creates it.
func restrictedFix(name string, dst mover.Database, rows bool) string {
	asSuperuser := "log in on the target as a superuser"
	switch {
	case rows:
		return fmt.Sprintf("say superuser = false in %s.control of the target, where the extension's script allows it, or %s", name, asSuperuser)
	case major(dst.VersionNum) < 13:
		return "use a target of PostgreSQL 13 or newer, where it may be trusted, or " + asSuperuser
	}
	return fmt.Sprintf("say trusted = true in %s.control of the target, or %s", name, asSuperuser)
}

// checkExtensionRows refuses rows that would have to be written into tables that
// the server itself makes: they belong to its superuser, and our role may not.
func checkExtensionRows(src, dst mover.Database) []engine.Finding {
	var out []engine.Finding
	for _, db := range src.Databases {
		for name, tables := range db.ExtensionRows {
			version := db.Extensions[name]
			if !slices.Contains(dst.ByServer[name], version) {
				continue
			}
			out = append(out, block("extension-rows", postgresField, sourceDocs, restrictedFix(name, dst, true),
				"database %s has rows of its own in %s; on the target extension %s %s is trusted, so that the server's superuser makes these tables, and role %s may not write to them",
				db.Name, strings.Join(tables, ", "), name, version, dst.Role.Name))
		}
	}
	slices.SortFunc(out, func(a, b engine.Finding) int { return strings.Compare(a.What, b.What) })
	return out
}
