package reconcile

import (
	"fmt"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Where MongoDB's rules come from.
const (
	sourceMongoGuide   = "CircleCI Server 4.10 operator guide, upgrade MongoDB and configuring external services"
	sourceMongoRestore = "MongoDB manual, mongodump and mongorestore, supported versions"
)

// preflightMongo judges what the inspect Job found on both sides of MongoDB.
func preflightMongo(s *spec.Spec, o Observation, p Part) []engine.Finding {
	insp := o.Mongo.Inspection
	if !insp.Is() {
		return []engine.Finding{unreadFinding(mover.MongoDB, insp)}
	}
	out := sideTrouble(mover.MongoDB, "source", p.From, insp.Value.Source)
	if p.To == spec.External {
		out = append(out, sideTrouble(mover.MongoDB, "target", spec.External, insp.Value.Target)...)
	}
	if len(out) > 0 {
		return out
	}
	src := *insp.Value.Source.Database
	out = append(out, checkSourceFree(p, src)...)
	out = append(out, checkBlocked(mover.MongoDB, insp.Value.Blocked)...)
	if p.To == spec.Internal {
		return append(out, checkWayBackMongo(p, src)...)
	}
	dst := *insp.Value.Target.Database
	out = append(out, checkProduct(dst)...)
	out = append(out, checkMongoVersions(o.Release.Value, src, dst)...)
	out = append(out, checkMongoTarget(dst)...)
	out = append(out, checkTrust(s, o, p, dst)...)
	out = append(out, checkTargetFree(o, p, dst)...)
	return append(out, checkMongoDisk(s, src)...)
}

func checkProduct(dst mover.Database) []engine.Finding {
	if dst.Settings["product"] != "documentdb" {
		return nil
	}
	return []engine.Finding{block("documentdb", server.HostFieldOf(mover.MongoDB), sourceMongoGuide, "use MongoDB itself",
		"the target is Amazon DocumentDB, which CircleCI Server is not compatible with")}
}

// checkMongoVersions wants the same release series and feature compatibility
// on both sides: dump and restore are made for that, and a server climbs the
// ladder one rung at a time, before a move or after it.
func checkMongoVersions(rel server.Release, src, dst mover.Database) []engine.Finding {
	var out []engine.Finding
	if a, b := series(src.VersionNum), series(dst.VersionNum); a != b {
		out = append(out, block("mongodb-series", server.HostFieldOf(mover.MongoDB), sourceMongoRestore,
			fmt.Sprintf("use a target of series %s, and upgrade it there one series at a time, or bring the internal one to %s first", a, b),
			"the internal MongoDB is %s and the target %s: a move does not cross release series", src.ServerVersion, dst.ServerVersion))
	} else if from, to := src.Settings["featureCompatibilityVersion"], dst.Settings["featureCompatibilityVersion"]; from != "unreadable" && to != "unreadable" && from != to {
		out = append(out, block("mongodb-compatibility", server.HostFieldOf(mover.MongoDB), sourceMongoRestore,
			"setFeatureCompatibilityVersion "+from+" on the target",
			"feature compatibility is %s inside and %s on the target", orNone(from), orNone(to)))
	}
	if floor := mongoFloor(rel.ChartVersion); dst.VersionNum < floor && series(src.VersionNum) == series(dst.VersionNum) {
		// What runs today wins over the table: the release works with it, or it does
		// not, and the move changes neither.
		out = append(out, engine.Finding{ID: "mongodb-floor", Field: server.HostFieldOf(mover.MongoDB), Source: sourceMongoGuide,
			What: fmt.Sprintf("Server %s asks for MongoDB %s or newer; both sides run %s", rel.ChartVersion, series(floor), series(dst.VersionNum)),
			Fix:  "upgrade MongoDB one series at a time after the move, before the next upgrade of the release"})
	}
	return out
}

// mongoFloor is the oldest MongoDB the vendor documents for a Server release, as
// VersionNum; 0 for a release the table does not have.
func mongoFloor(chart string) int {
	s, known := server.SupportOf(chart)
	if !known {
		return 0
	}
	return s.Mongo.Major*10000 + s.Mongo.Minor*100
}

func series(num int) string { return fmt.Sprintf("%d.%d", num/10000, num/100%100) }

func checkMongoTarget(dst mover.Database) []engine.Finding {
	var out []engine.Finding
	if dst.Settings["writable"] == "false" {
		out = append(out, block("target-read-only", server.HostFieldOf(mover.MongoDB), sourceMongoRestore, "name the replica set, or the host that is its primary",
			"the target is not a primary and takes no writes"))
	}
	if dst.Settings["privileges"] == "unreadable" {
		out = append(out, engine.Finding{ID: "target-privileges-unread", Field: server.FieldOf(mover.MongoDB, "external", "username"), Source: sourceMongoGuide,
			What: fmt.Sprintf("the target does not say what user %s may do", dst.Role.Name), Fix: "see that it has readWriteAnyDatabase and dbAdminAnyDatabase on admin, or what the service calls its administrator"})
	} else if !dst.Role.CreateDB {
		out = append(out, block("target-privileges", server.FieldOf(mover.MongoDB, "external", "username"), sourceMongoGuide,
			"grant readWriteAnyDatabase and dbAdminAnyDatabase on admin",
			"user %s of the target may not create, index and drop in every database (roles: %s)", dst.Role.Name, orNone(strings.Join(dst.Role.MemberOf, ", "))))
	}
	return append(out, checkMongoTrial(dst)...)
}

// checkMongoTrial judges what came of asking the target itself. What it refused
// is among what is blocked.
func checkMongoTrial(dst mover.Database) []engine.Finding {
	var out []engine.Finding
	if why := dst.Settings["majority"]; why != "" {
		out = append(out, block("target-majority", server.HostFieldOf(mover.MongoDB), docsOf(mover.MongoDB),
			"bring the missing members back, or take them out of the set (rs.remove): every mark of a move waits for a majority, and so may the application",
			"the target is a replica set whose majority never comes: %s", why))
	}
	if why := dst.Settings["trial"]; why != "" {
		out = append(out, engine.Finding{ID: "target-untried", Field: server.HostFieldOf(mover.MongoDB), Source: docsOf(mover.MongoDB),
			What: "what the target refuses could not all be found out before the outage: " + why,
			Fix:  "let the target's user make and drop databases, plan again when the target is less busy, or try a copy on a server of the same release first"})
	}
	return out
}

func checkMongoDisk(s *spec.Spec, src mover.Database) []engine.Finding {
	var need int64
	for _, db := range src.Databases {
		need += db.SizeOnDisk()
	}
	return diskFinding(mover.MongoDB, int64(s.Datastores.MongoDB.External.DiskGiB)<<30, need)
}

// checkWayBackMongo compares with what the internal server was.
func checkWayBackMongo(p Part, src mover.Database) []engine.Finding {
	if p.InternalVersion > 0 && series(p.InternalVersion) != series(src.VersionNum) {
		return []engine.Finding{block("internal-older", server.FieldOf(mover.MongoDB, "location"), sourceBack,
			"bring the image of the chart's MongoDB to the same series first, or stay outside",
			"%s runs %s, and the internal MongoDB was of series %s: a move does not cross release series", p.External, src.ServerVersion, series(p.InternalVersion))}
	}
	if p.InternalVersion == 0 {
		return checkWayBack(p, src)
	}
	return nil
}
