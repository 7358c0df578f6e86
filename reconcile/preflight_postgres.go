package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/spec"
)

// postgresField is where the external PostgreSQL is declared.
var postgresField = PostgreSQL.field("external")

// preflightPostgres judges what the inspect Job found on both sides. On the
// way back there is no internal server yet: what can only be asked of it is
// asked by the mover, before it changes anything there.
func preflightPostgres(s *spec.Spec, o Observation, p Part) []Finding {
	insp := o.Postgres.Inspection
	if !insp.Is() {
		return []Finding{unreadFinding(PostgreSQL, insp)}
	}
	if p.To == spec.Internal {
		return preflightPostgresBack(p, insp.Value)
	}
	var out []Finding
	out = append(out, sideTrouble(PostgreSQL, "source", spec.Internal, insp.Value.Source)...)
	out = append(out, sideTrouble(PostgreSQL, "target", spec.External, insp.Value.Target)...)
	if len(out) > 0 {
		return out
	}
	src, dst := *insp.Value.Source.Database, *insp.Value.Target.Database
	out = append(out, checkIdentity(src, dst)...)
	if p.Fork { // nothing is copied, and the source lost its turn long ago
		out = append(out, checkTLS(s, o.Release.Value, dst)...)
		out = append(out, checkTrust(s, o, p, dst)...)
		return append(out, checkConnections(src, dst)...)
	}
	out = append(out, checkSourceFree(p, src)...)
	out = append(out, checkVersions(o.Release.Value, src, dst)...)
	out = append(out, checkTLS(s, o.Release.Value, dst)...)
	out = append(out, checkTrust(s, o, p, dst)...)
	out = append(out, checkPrivileges(src, dst)...)
	out = append(out, checkLocales(src, dst)...)
	out = append(out, checkBlocked(PostgreSQL, insp.Value.Blocked)...)
	out = append(out, checkExtensions(src, dst)...)
	out = append(out, checkTargetFree(o, p, dst)...)
	out = append(out, checkDisk(s, src)...)
	out = append(out, checkSizing(s)...)
	out = append(out, checkConnections(src, dst)...)
	out = append(out, checkPreload(src, dst)...)
	return out
}

// otherServers is why a recorded inspection is of no use: it is too old.
const otherServers = "the recorded inspection looked at other servers; run circleci-dr plan"

// unreadFinding says what to do: look for the first time or again, or mend what
// kept the mover from looking.
func unreadFinding(e Engine, insp Observed[Inspection]) Finding {
	why, fix := insp.Why, "repair what the message names, then plan again"
	switch why {
	case "":
		why, fix = "they were never inspected", "run plan without --no-inspect"
	case otherServers:
		fix = "run plan without --no-inspect"
	}
	return block("databases-unread", e.field(), e.docs(), fix, "both %s servers must be looked at from inside the cluster: %s", e.title(), why)
}

// sideTrouble says why a side could not be looked at.
func sideTrouble(e Engine, side string, where spec.Location, in *InspectedSide) []Finding {
	field := e.field()
	if where == spec.External {
		field = e.field("external")
	}
	if in == nil {
		return []Finding{block(side+"-missing", field, e.docs(), "check that the StatefulSet of the internal "+e.title()+" runs",
			"there is no %s %s server to look at", side, e.title())}
	}
	if in.Database != nil {
		return nil
	}
	fix := map[string]string{
		CodeUnreachable: "check host, port, DNS, firewall and TLS as seen from a pod in the release's namespace",
		CodeCredentials: "check " + field + ".username and the Secret that " + field + ".password refers to",
		CodePrivilege:   "grant the role what the message names",
	}[in.Code]
	if where == spec.Internal && in.Code == CodeCredentials {
		fix = "the chart's Secret does not hold the password the database was initialised with: put the right one back"
	}
	if fix == "" {
		fix = "see the message"
	}
	return []Finding{block(side+"-"+in.Code, field, e.docs(), fix, "%s %s: %s", side, e.title(), in.Error)}
}

func checkIdentity(src, dst Database) []Finding {
	if src.SystemIdentifier != "" && src.SystemIdentifier == dst.SystemIdentifier {
		return []Finding{block("same-server", postgresField+".host", sourceDocs, "name another server",
			"source and target are one and the same server (system identifier %s)", src.SystemIdentifier)}
	}
	return nil
}

func major(num int) int { return num / 10000 }

func checkVersions(rel Release, src, dst Database) []Finding {
	from, to := major(src.VersionNum), major(dst.VersionNum)
	if to < from {
		return []Finding{block("target-older", postgresField, sourceDocs, "use a target of at least the source's major version",
			"the target runs PostgreSQL %s, older than the source's %s", dst.ServerVersion, src.ServerVersion)}
	}
	out := checkDocumentedMajor(rel, dst)
	if to > from {
		out = append(out, Finding{ID: "no-way-back", Field: postgresField, Source: sourceDocs,
			What: fmt.Sprintf("there is no way back to the internal PostgreSQL %d once the data is on %d", from, to),
			Fix:  "accept it, or use a target of major version " + strconv.Itoa(from)})
	}
	return out
}

// checkSourceFree refuses a source that is no longer the truth, or that
// somebody else holds: both outlive the cluster's own records.
func checkSourceFree(p Part, src Database) []Finding {
	name := string(p.From) + " database"
	var out []Finding
	if l := src.Lineage; l != nil && l.State == "superseded" {
		out = append(out, block("source-superseded", p.Engine.field(), p.Engine.docs(),
			"point the release at the other side again, or restore the cluster's records; nothing may be copied from here",
			"the %s was superseded at epoch %d by move %s, and the cluster's records do not know", name, l.Epoch, l.Move))
	}
	if f := src.Fence; f != nil {
		out = append(out, block("source-fenced", p.Engine.field(), p.Engine.docs(),
			"find out who made it read-only and let them lift it; no move of this installation stands open",
			"the %s is %s under fence %s since %s", name, f.says(), f.ID, f.Since.UTC().Format("2006-01-02 15:04:05 MST")))
	}
	return out
}

func checkTLS(s *spec.Spec, rel Release, dst Database) []Finding {
	mode := s.Datastores.PostgreSQL.External.TLS.Mode
	if mode == spec.TLSDisable {
		return []Finding{{ID: "tls-off", Field: postgresField + ".tls.mode", Source: sourceDocs,
			What: "the connection to the external database is not encrypted", Fix: "use verify-full"}}
	}
	if doc, known := SupportOf(rel.ChartVersion); (doc.TLS13 || !known && atLeast(rel.ChartVersion, 4, 9)) && dst.TLSVersion != "TLS 1.3" && dst.TLSVersion != "TLSv1.3" {
		return []Finding{block("tls-version", postgresField, "CircleCI Server 4.9 operator guide, configuring external services", "enable TLS 1.3 on the target",
			"Server %s needs TLS 1.3; the target offers %s", rel.ChartVersion, orNone(dst.TLSVersion))}
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// atLeast compares a chart version with major.minor; what is no version is
// taken for an old one.
func atLeast(version string, wantMajor, wantMinor int) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return false
	}
	maj, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return false
	}
	return maj > wantMajor || maj == wantMajor && minor >= wantMinor
}

func checkPrivileges(src, dst Database) []Finding {
	var out []Finding
	if !src.Role.Superuser {
		out = append(out, block("source-privileges", "datastores.postgresql", "CircleCI Server operator guide, backup and restore", "use the superuser the chart made",
			"role %s of the internal PostgreSQL is no superuser: role passwords could not be carried", src.Role.Name))
	}
	var lacks []string
	if !dst.Role.Superuser && !dst.Role.CreateDB {
		lacks = append(lacks, "CREATEDB")
	}
	if !dst.Role.Superuser && !dst.Role.CreateRole {
		lacks = append(lacks, "CREATEROLE")
	}
	if len(lacks) > 0 {
		out = append(out, block("target-privileges", postgresField+".username", sourceDocs,
			fmt.Sprintf("ALTER ROLE %s %s", dst.Role.Name, strings.Join(lacks, " ")),
			"role %s of the target lacks %s", dst.Role.Name, strings.Join(lacks, " and ")))
	}
	return out
}

// checkLocales names each unknown locale once, with the databases that use it.
func checkLocales(src, dst Database) []Finding {
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
	return []Finding{block("locale", postgresField, sourceDocs, which,
		"%s %s %s, which the target does not know", databaseWord(wants), use, some(unknown, 5))}
}

// databaseWord names databases, in short the first few of many.
func databaseWord(names []string) worded {
	if len(names) == 1 {
		return worded{"database ", some(names, 1)}
	}
	return worded{"databases ", some(names, 8)}
}

// checkBlocked names what this source holds and this target cannot take, one
// finding for each reason.
func checkBlocked(e Engine, blocked []UnsupportedObject) []Finding {
	byReason := map[string][]string{}
	for _, u := range blocked {
		object := u.Object
		if u.Database != "" && object != "database "+u.Database {
			object += " in database " + u.Database
		}
		byReason[u.Reason] = append(byReason[u.Reason], object)
	}
	var out []Finding
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		out = append(out, block("unsupported", e.field(), e.docs(), "remove it from the source, or use a target where the admin role may create it",
			"%s cannot be carried: %s", some(byReason[reason], 8), reason))
	}
	return out
}

// knowsLocale compares locale names the way glibc does: C.UTF-8 and C.utf8
// are one and the same.
func knowsLocale(known []string, name string) bool {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
	return name == "C" || name == "POSIX" || slices.ContainsFunc(known, func(k string) bool { return plain(k) == plain(name) })
}

func checkExtensions(src, dst Database) []Finding {
	var out []Finding
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
					"use a target of PostgreSQL 13 or newer, where it may be trusted, or log in with a role that may install it",
					"database %s uses extension %s %s, which role %s may not install on the target (PostgreSQL %s)", db.Name, name, version, dst.Role.Name, dst.ServerVersion))
			case name == "pg_partman" && !strings.HasPrefix(version, "4.5."):
				out = append(out, Finding{ID: "pg-partman", Field: postgresField, Source: "CircleCI Server 4.10 operator guide, configuring external services",
					What: fmt.Sprintf("pg_partman is %s; CircleCI supports 4.5.x", version), Fix: "ask the vendor before an upgrade"})
			}
		}
	}
	slices.SortFunc(out, func(a, b Finding) int { return strings.Compare(a.What, b.What) })
	return out
}

// checkTargetFree refuses a target that holds anything but an earlier copy of
// this very installation, or what the source itself took over from.
func checkTargetFree(o Observation, p Part, dst Database) []Finding {
	if o.Cluster.Is() && dst.Lineage != nil {
		l := dst.Lineage
		if l.Installation != InstallationID(o.Cluster.Value, &spec.Server{Namespace: o.Release.Value.Namespace, Release: o.Release.Value.Name}) {
			return []Finding{block("target-of-other", p.Engine.hostField(), p.Engine.docs(), "use another server",
				"the target belongs to another installation (%s)", l.Installation)}
		}
		if (l.State == "authoritative" || l.State == "superseded") && p.Replaces == 0 {
			return []Finding{block("target-was-authoritative", p.Engine.field("external"), p.Engine.docs(),
				"look at both sides; a side that was ever switched to is never overwritten unless this side took over from it",
				"the target was switched to at epoch %d and may hold newer data", l.Epoch)}
		}
		if !slices.Contains([]string{"copying", "copied", "superseded"}, l.State) {
			return []Finding{block("target-state", p.Engine.field("external"), p.Engine.docs(), "use the version of circleci-dr that wrote it, or another server",
				"the target says it is %q, which this version does not know", l.State)}
		}
		if l.State != "superseded" || len(dst.Carried) == 0 {
			return nil // a copy of ours that was cut off, or what the source took over from
		}
	}
	var names []string
	for _, db := range dst.Databases {
		if !db.Empty && !slices.Contains(dst.Carried, db.Name) {
			names = append(names, db.Name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		return []Finding{block("target-not-empty", p.Engine.hostField(), p.Engine.docs(), "use an empty server, or drop what you know you do not need",
			"the target holds databases that are not ours: %s", strings.Join(names, ", "))}
	}
	return nil
}

func checkDisk(s *spec.Spec, src Database) []Finding {
	var need int64
	for _, db := range src.Databases {
		need += db.Bytes
	}
	return diskFinding(PostgreSQL, int64(s.Datastores.PostgreSQL.External.DiskGiB)<<30, need)
}

// diskFinding compares the disk the file declares with what the data need:
// no database can be asked for free disk.
func diskFinding(e Engine, disk, need int64) []Finding {
	field := e.field("external", "diskGiB")
	switch {
	case disk == 0:
		return []Finding{{ID: "disk-unknown", Field: field, Source: e.docs(),
			What: fmt.Sprintf("free disk of the target could not be checked; the data needs about %s", Bytes(need*3/2)), Fix: "declare " + field}}
	case disk < need*3/2:
		return []Finding{block("disk", field, e.docs(), "grow the target's disk",
			"the target declares %s of disk; %s of data need about %s", Bytes(disk), Bytes(need), Bytes(need*3/2))}
	}
	return nil
}
