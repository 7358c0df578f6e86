package reconcile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// postgresField is where the external PostgreSQL is declared.
var postgresField = server.FieldOf(mover.PostgreSQL, "external")

// preflightPostgres judges what the inspect Job found on both sides. On the
// way back there is no internal server yet: what can only be asked of it is
// asked by the mover, before it changes anything there.
func preflightPostgres(s *spec.Spec, o Observation, p Part) []engine.Finding {
	insp := o.Postgres.Inspection
	if !insp.Is() {
		return []engine.Finding{unreadFinding(mover.PostgreSQL, insp)}
	}
	if p.To == spec.Internal {
		return preflightPostgresBack(p, insp.Value)
	}
	var out []engine.Finding
	out = append(out, sideTrouble(mover.PostgreSQL, "source", spec.Internal, insp.Value.Source)...)
	out = append(out, sideTrouble(mover.PostgreSQL, "target", spec.External, insp.Value.Target)...)
	if len(out) > 0 {
		return out
	}
	src, dst := *insp.Value.Source.Database, *insp.Value.Target.Database
	out = append(out, checkIdentity(src, dst)...)
	if p.Fork { // nothing is copied, and the source lost its turn long ago
		out = append(out, checkTLS(s, o.Release.Value, dst)...)
		out = append(out, checkTrust(s, o, p, dst)...)
		out = append(out, closesWayBack(src, dst)...)
		return append(out, checkConnections(src, dst)...)
	}
	out = append(out, checkSourceFree(p, src)...)
	out = append(out, checkVersions(o.Release.Value, src, dst)...)
	out = append(out, checkDump(insp.Value, src.VersionNum, dst.VersionNum)...)
	out = append(out, checkTLS(s, o.Release.Value, dst)...)
	out = append(out, checkTrust(s, o, p, dst)...)
	out = append(out, checkPrivileges(src, dst)...)
	out = append(out, checkLocales(src, dst)...)
	out = append(out, checkProvider(src, dst)...)
	out = append(out, checkBlocked(mover.PostgreSQL, insp.Value.Blocked)...)
	out = append(out, checkOmitted(mover.PostgreSQL, insp.Value.Omitted)...)
	out = append(out, checkExtensions(src, dst)...)
	out = append(out, checkExtensionRows(src, dst)...)
	out = append(out, checkLocks(src, dst)...)
	out = append(out, checkRowsBack(src, dst)...)
	out = append(out, checkTargetFree(o, p, dst)...)
	out = append(out, checkDisk(s, src)...)
	out = append(out, checkSizing(s)...)
	out = append(out, checkConnections(src, dst)...)
	out = append(out, checkPreload(src, dst)...)
	out = append(out, checkUncarried(mover.PostgreSQL, slices.Concat(src.Uncarried, insp.Value.Uncarried), dst.Role.Superuser)...)
	return append(out, checkServerSettings(src, dst)...)
}

// otherServers is why a recorded inspection is of no use: it is too old.
const otherServers = "the recorded inspection looked at other servers; run circleci-dr plan"

// unreadFinding says what to do: look for the first time or again, or mend what
// kept the mover from looking.
func unreadFinding(e mover.Engine, insp engine.Observed[server.Inspection]) engine.Finding {
	why, fix := insp.Why, "repair what the message names, then plan again"
	switch why {
	case "":
		why, fix = "they were never inspected", "run plan without --no-inspect"
	case otherServers:
		fix = "run plan without --no-inspect"
	}
	return block("databases-unread", server.FieldOf(e), docsOf(e), fix, "both %s servers must be looked at from inside the cluster: %s", e.Title(), why)
}

// sideTrouble says why a side could not be looked at.
func sideTrouble(e mover.Engine, side string, where spec.Location, in *mover.InspectedSide) []engine.Finding {
	field := server.FieldOf(e)
	if where == spec.External {
		field = server.FieldOf(e, "external")
	}
	if in == nil {
		return []engine.Finding{block(side+"-missing", field, docsOf(e), "check that the StatefulSet of the internal "+e.Title()+" runs",
			"there is no %s %s server to look at", side, e.Title())}
	}
	if in.Database != nil {
		return nil
	}
	fix := map[string]string{
		mover.CodeUnreachable: "check host, port, DNS, firewall and TLS as seen from a pod in the release's namespace",
		mover.CodeCredentials: "check " + field + ".username and the Secret that " + field + ".password refers to",
		mover.CodePrivilege:   "grant the role what the message names",
	}[in.Code]
	if where == spec.Internal && in.Code == mover.CodeCredentials {
		fix = "the chart's Secret does not hold the password the database was initialised with: put the right one back"
	}
	if fix == "" {
		fix = "see the message"
	}
	return []engine.Finding{block(side+"-"+in.Code, field, docsOf(e), fix, "%s %s: %s", side, e.Title(), in.Error)}
}

func checkIdentity(src, dst mover.Database) []engine.Finding {
	if src.SystemIdentifier != "" && src.SystemIdentifier == dst.SystemIdentifier {
		return []engine.Finding{block("same-server", postgresField+".host", sourceDocs, "name another server",
			"source and target are one and the same server (system identifier %s)", src.SystemIdentifier)}
	}
	return nil
}

func major(num int) int { return num / 10000 }

func checkVersions(rel server.Release, src, dst mover.Database) []engine.Finding {
	from, to := major(src.VersionNum), major(dst.VersionNum)
	if to < from {
		return []engine.Finding{block("target-older", postgresField, sourceDocs, "use a target of at least the source's major version",
			"the target runs PostgreSQL %s, older than the source's %s", dst.ServerVersion, src.ServerVersion)}
	}
	out := checkDocumentedMajor(rel, dst)
	return append(out, closesWayBack(src, dst)...)
}

// closesWayBack says that the commit closes the way back: no move goes to an
// older major version.
func closesWayBack(src, dst mover.Database) []engine.Finding {
	from, to := major(src.VersionNum), major(dst.VersionNum)
	if to <= from {
		return nil
	}
	return []engine.Finding{{ID: engine.FindingNoWayBack, Field: postgresField, Source: sourceDocs,
		What: fmt.Sprintf("once the data is on PostgreSQL %d, nothing brings it back to the internal %d", to, from),
		Fix:  "a target of major version " + strconv.Itoa(from) + " keeps the way back"}}
}

// wayBackOfOpen is the same of a move that stands open and is not committed,
// when both servers were seen.
func wayBackOfOpen(o Observation, parts []Part) []engine.Finding {
	if !slices.ContainsFunc(parts, func(p Part) bool { return p.Engine == mover.PostgreSQL && p.To == spec.External }) {
		return nil
	}
	inside, outside := o.inspected(mover.PostgreSQL, spec.Internal), o.inspected(mover.PostgreSQL, spec.External)
	if inside == nil || inside.Database == nil || outside == nil || outside.Database == nil {
		return nil
	}
	return closesWayBack(*inside.Database, *outside.Database)
}

// checkSourceFree refuses a source that is no longer the truth, or that
// somebody else holds: both outlive the cluster's own records.
func checkSourceFree(p Part, src mover.Database) []engine.Finding {
	name := string(p.From) + " database"
	var out []engine.Finding
	if l := src.Lineage; l != nil && l.State == "superseded" {
		out = append(out, block("source-superseded", server.FieldOf(p.Engine), docsOf(p.Engine),
			"point the release at the other side again, or restore the cluster's records; nothing may be copied from here",
			"the %s was superseded at epoch %d by move %s, and the cluster's records do not know", name, l.Epoch, l.Move))
	}
	if f := src.Fence; f != nil {
		out = append(out, block("source-fenced", server.FieldOf(p.Engine), docsOf(p.Engine),
			"find out who made it read-only and let them lift it; no move of this installation stands open",
			"the %s is %s under fence %s since %s", name, f.Says(), f.ID, f.Since.UTC().Format("2006-01-02 15:04:05 MST")))
	}
	return out
}

func checkTLS(s *spec.Spec, rel server.Release, dst mover.Database) []engine.Finding {
	mode := s.Datastores.PostgreSQL.External.TLS.Mode
	if mode == spec.TLSDisable {
		return []engine.Finding{{ID: "tls-off", Field: postgresField + ".tls.mode", Source: sourceDocs,
			What: "the connection to the external database is not encrypted", Fix: "use verify-full"}}
	}
	if doc, known := server.SupportOf(rel.ChartVersion); (doc.TLS13 || !known && server.AtLeast(rel.ChartVersion, 4, 9)) && dst.TLSVersion != "TLS 1.3" && dst.TLSVersion != "TLSv1.3" {
		return []engine.Finding{block("tls-version", postgresField, "CircleCI Server 4.9 operator guide, configuring external services", "enable TLS 1.3 on the target",
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

func checkPrivileges(src, dst mover.Database) []engine.Finding {
	var out []engine.Finding
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
	if !dst.Role.Superuser && dst.Role.NoInherit && major(dst.VersionNum) < 16 { // later the grant itself can say it
		lacks = append(lacks, "INHERIT")
	}
	if len(lacks) > 0 {
		out = append(out, block("target-privileges", postgresField+".username", sourceDocs,
			fmt.Sprintf("ALTER ROLE %s %s", dst.Role.Name, strings.Join(lacks, " ")),
			"role %s of the target lacks %s", dst.Role.Name, strings.Join(lacks, " and ")))
	}
	return out
}

func checkDisk(s *spec.Spec, src mover.Database) []engine.Finding {
	var need int64
	for _, db := range src.Databases {
		need += db.Bytes
	}
	return diskFinding(mover.PostgreSQL, int64(s.Datastores.PostgreSQL.External.DiskGiB)<<30, need)
}

// diskFinding compares the disk the file declares with what the data need:
// no database can be asked for free disk.
func diskFinding(e mover.Engine, disk, need int64) []engine.Finding {
	field := server.FieldOf(e, "external", "diskGiB")
	switch {
	case disk == 0:
		return []engine.Finding{{ID: "disk-unknown", Field: field, Source: docsOf(e),
			What: fmt.Sprintf("free disk of the target could not be checked; the data needs about %s", mover.Bytes(need*3/2)), Fix: "declare " + field}}
	case disk < need*3/2:
		return []engine.Finding{block("disk", field, docsOf(e), "grow the target's disk",
			"the target declares %s of disk; %s of data need about %s", mover.Bytes(disk), mover.Bytes(need), mover.Bytes(need*3/2))}
	}
	return nil
}
