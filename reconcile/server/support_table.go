package server

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// AtLeast compares a chart version with major.minor; what is no version is
// taken for an old one.
func AtLeast(version string, wantMajor, wantMinor int) bool {
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

// Version is a major and a minor number, such as 4.10 or 1.34.
type Version struct{ Major, Minor int }

// String gives major.minor.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Less compares versions by number: 4.9 comes before 4.10.
func (v Version) Less(o Version) bool {
	return v.Major < o.Major || v.Major == o.Major && v.Minor < o.Minor
}

// VersionOf reads the first two numbers of a version, whatever follows them
// (v1.33.5-eks-1, 4.10.0, 1.30+).
func VersionOf(text string) (Version, bool) {
	parts := strings.SplitN(strings.TrimPrefix(text, "v"), ".", 3)
	if len(parts) < 2 {
		return Version{}, false
	}
	minor := strings.TrimRightFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' })
	major, err1 := strconv.Atoi(parts[0])
	second, err2 := strconv.Atoi(minor)
	return Version{major, second}, err1 == nil && err2 == nil
}

// Support is what the vendor documents for one minor release of Server. What a
// live server says of itself always wins over it: the pages contradict each
// other, and the deployed thing does not.
type Support struct {
	Server Version
	// Released and Ends bound its support; Projected tells that the end is
	// announced and moves with the next release.
	Released, Ends time.Time
	Projected      bool
	// From and To are the first and the last Kubernetes release.
	From, To Version
	// Postgres are the majors an external server may have; an open end is 0.
	PostgresFrom, PostgresTo int
	// TLS13 and Partman tell that an external PostgreSQL must speak TLS 1.3, and
	// that pg_partman must be 4.5.x.
	TLS13, Partman bool
	// Mongo is the oldest MongoDB that works.
	Mongo Version
	// Source is where all of it stands.
	Source string
}

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}

// Guide names pages of the operator guide of a release, as a source.
func Guide(release, pages string) string {
	return "CircleCI Server " + release + " operator guide: " + pages
}

const lifecycle = "application lifecycle, installation phase 1, configuring external services"

// supported is the table, oldest release first.
var supported = []Support{
	{Server: Version{4, 0}, Released: day(2022, 7, 28), Ends: day(2023, 7, 31), From: Version{1, 22}, To: Version{1, 23}, PostgresFrom: 12, Mongo: Version{3, 6}, Source: Guide("4.0", lifecycle)},
	{Server: Version{4, 1}, Released: day(2023, 3, 21), Ends: day(2024, 3, 31), From: Version{1, 22}, To: Version{1, 24}, PostgresFrom: 12, Mongo: Version{3, 6}, Source: Guide("4.1", lifecycle)},
	{Server: Version{4, 2}, Released: day(2023, 7, 18), Ends: day(2024, 7, 31), From: Version{1, 22}, To: Version{1, 28}, PostgresFrom: 12, Mongo: Version{3, 6}, Source: Guide("4.2", lifecycle)},
	{Server: Version{4, 3}, Released: day(2023, 11, 7), Ends: day(2024, 11, 30), From: Version{1, 26}, To: Version{1, 29}, PostgresFrom: 12, Mongo: Version{3, 6}, Source: Guide("4.3", lifecycle)},
	{Server: Version{4, 4}, Released: day(2024, 2, 5), Ends: day(2025, 2, 28), From: Version{1, 26}, To: Version{1, 31}, PostgresFrom: 12, Mongo: Version{3, 6}, Source: Guide("4.4", lifecycle)},
	{Server: Version{4, 5}, Released: day(2024, 4, 30), Ends: day(2025, 4, 30), From: Version{1, 26}, To: Version{1, 31}, PostgresFrom: 12, Mongo: Version{3, 6}, Source: Guide("4.5", lifecycle)},
	{Server: Version{4, 6}, Released: day(2024, 8, 12), Ends: day(2025, 7, 24), From: Version{1, 26}, To: Version{1, 31}, PostgresFrom: 12, Mongo: Version{3, 6}, Source: Guide("4.6", lifecycle)},
	{Server: Version{4, 7}, Released: day(2024, 11, 7), Ends: day(2026, 2, 9), From: Version{1, 31}, To: Version{1, 33}, PostgresFrom: 12, Mongo: Version{3, 6}, Source: Guide("4.7", lifecycle)},
	{Server: Version{4, 8}, Released: day(2025, 7, 24), Ends: day(2026, 7, 24), From: Version{1, 33}, To: Version{1, 35}, PostgresFrom: 12, PostgresTo: 14, Mongo: Version{3, 6}, Source: Guide("4.8", lifecycle)},
	{Server: Version{4, 9}, Released: day(2025, 12, 9), Ends: day(2026, 12, 9), Projected: true, From: Version{1, 33}, To: Version{1, 35}, PostgresFrom: 12, PostgresTo: 14,
		TLS13: true, Partman: true, Mongo: Version{4, 4}, Source: Guide("4.9", lifecycle+", upgrade MongoDB")},
	{Server: Version{4, 10}, Released: day(2026, 5, 13), Ends: day(2027, 5, 13), Projected: true, From: Version{1, 33}, To: Version{1, 35}, PostgresFrom: 12, PostgresTo: 14,
		TLS13: true, Partman: true, Mongo: Version{7, 0}, Source: Guide("4.10", lifecycle+", upgrade MongoDB")},
}

// SupportOf looks up what is documented for a chart version. There is nothing
// for a release the table does not know; nothing is concluded from that.
func SupportOf(chartVersion string) (Support, bool) {
	v, ok := VersionOf(chartVersion)
	if !ok {
		return Support{}, false
	}
	for _, s := range supported {
		if s.Server == v {
			return s, true
		}
	}
	return Support{}, false
}

// UpgradeTrap is what a guide says of an upgrade that loses data, or leaves the
// installation down, when it is forgotten.
type UpgradeTrap struct {
	// Since is the first deployed release it concerns, Until the release that
	// has it behind; the zero Version is an open end.
	Since, Until Version
	// Postgres is the major version of the internal PostgreSQL it concerns, 0
	// where it has nothing to do with it.
	Postgres          int
	What, Fix, Source string
}

// concerns tells whether it is ahead of a release with an internal PostgreSQL
// of that major version, 0 for none.
func (t UpgradeTrap) concerns(deployed Version, postgres int) bool {
	return !deployed.Less(t.Since) && (t.Until == Version{} || deployed.Less(t.Until)) && (t.Postgres == 0 || t.Postgres == postgres)
}

// upgradeTraps are not all that the guides ask of an upgrade: only what is
// noticed too late.
var upgradeTraps = []UpgradeTrap{
	{Until: Version{4, 2}, Source: Guide("4.2", "upgrade Server"),
		What: "Server 4.2 needs RabbitMQ's password, and Helm's annotations on Secrets you manage",
		Fix:  "before 4.2 export the password from Secret rabbitmq-key and annotate those Secrets"},
	{Since: Version{4, 7}, Until: Version{4, 10}, Source: Guide("4.10", "upgrade Server, data retention"),
		What: "Server 4.10 ignores :wfc-workflow-deletion-retention-period and keeps 660 days",
		Fix:  "after 4.10 set :wfc-workflow-expired-delete-after-days"},
	{Since: Version{4, 8}, Postgres: 12, Source: Guide("4.10", "upgrade PostgreSQL"),
		What: "pg_upgrade --link from PostgreSQL 12 to 14 changes the only copy",
		Fix:  "snapshot the volume first, or move to an external 14, which copies"},
}

// TrapsAhead are those ahead of a release with an internal PostgreSQL of that major
// version, 0 for none.
func TrapsAhead(deployed Version, postgres int) []UpgradeTrap {
	var out []UpgradeTrap
	for _, t := range upgradeTraps {
		if t.concerns(deployed, postgres) {
			out = append(out, t)
		}
	}
	return out
}

// Key is a key of a Secret or of the values, with the releases that have it.
type Key struct {
	// Of is the Secret's name, empty for a key of the values.
	Of, Name string
	// Since and Until bound it, the latter exclusively; the zero Version is an
	// open end.
	Since, Until Version
	Source       string
}

// In tells whether a release has the key.
func (k Key) In(v Version) bool {
	return !v.Less(k.Since) && (k.Until == Version{} || v.Less(k.Until))
}

// Pages that say more than one thing, as sources.
const (
	SourcePhase2 = "CircleCI Server 4.10 operator guide: installation phase 2"
	SourceValues = "CircleCI Server 4.10 operator guide: installation reference, values"
)

// secretKeys are the Secrets a restored or moved installation needs, by the
// names the chart gives them.
var secretKeys = []Key{
	{Of: "postgresql", Name: "postgresql-password", Until: Version{4, 0}, Source: "CircleCI Server 3.x operator guide: externalizing services"},
	{Of: "postgresql", Name: "postgres-password", Since: Version{4, 0}, Source: SourcePhase2},
	{Of: "mongodb", Name: "mongodb-root-password", Source: SourcePhase2},
	{Of: "mongodb", Name: "mongodb-password", Source: SourcePhase2},
	{Of: "rabbitmq-key", Name: "rabbitmq-password", Since: Version{4, 0}, Source: SourcePhase2},
	{Of: "rabbitmq-key", Name: "rabbitmq-erlang-cookie", Since: Version{4, 0}, Source: SourcePhase2},
	{Of: "signing-keys", Name: "signing-key", Since: Version{4, 0}, Source: SourcePhase2},
	{Of: "signing-keys", Name: "encryption-key", Since: Version{4, 0}, Source: SourcePhase2},
	{Of: "tink", Name: "keyset", Since: Version{4, 1}, Source: SourcePhase2},
	{Of: "vault", Name: "token", Since: Version{4, 0}, Source: SourcePhase2},
	{Of: "session-cookie", Name: "session-cookie-key", Since: Version{4, 0}, Source: SourcePhase2},
	{Of: "api-token", Name: "api-token", Since: Version{4, 0}, Until: Version{4, 8}, Source: "CircleCI Server 4.7 operator guide: installation phase 2"},
	{Of: "pusher", Name: "secret", Since: Version{4, 0}, Source: SourcePhase2},
	{Of: "nomad-gossip-encryption-key", Name: "gossip-key", Since: Version{4, 0}, Source: SourcePhase2},
	{Of: "license", Name: "license", Since: Version{4, 0}, Source: SourcePhase2},
}

// valuesKeys are the values that a datastore's location is made of.
var valuesKeys = []Key{
	{Name: "postgresql.internal", Since: Version{4, 0}, Source: SourceValues},
	{Name: "postgresql.postgresqlHost", Since: Version{4, 0}, Source: SourceValues},
	{Name: "postgresql.postgresqlPort", Since: Version{4, 0}, Source: SourceValues},
	{Name: "postgresql.auth.username", Since: Version{4, 0}, Source: SourceValues},
	{Name: "postgresql.auth.existingSecret", Since: Version{4, 0}, Source: SourceValues},
	{Name: "postgresql.persistence", Since: Version{4, 0}, Until: Version{4, 2}, Source: "CircleCI Server 4.1 operator guide: installation reference, values"},
	{Name: "postgresql.primary.persistence", Since: Version{4, 1}, Source: "CircleCI Server 4.1 operator guide: expanding internal database volumes"},
	{Name: "postgresql.secureMode", Since: Version{4, 9}, Source: SourceValues},
	{Name: "mongodb.internal", Since: Version{4, 0}, Source: SourceValues},
	{Name: "mongodb.hosts", Since: Version{4, 0}, Source: SourceValues},
	{Name: "mongodb.ssl", Since: Version{4, 0}, Source: SourceValues},
	{Name: "mongodb.tlsInsecure", Since: Version{4, 0}, Source: SourceValues},
	{Name: "mongodb.options", Since: Version{4, 0}, Source: SourceValues},
	{Name: "mongodb.auth.database", Since: Version{4, 0}, Source: SourceValues},
	{Name: "mongodb.auth.mechanism", Since: Version{4, 0}, Source: SourceValues},
	{Name: "mongodb.auth.username", Since: Version{4, 0}, Source: SourceValues},
	{Name: "mongodb.auth.existingSecret", Since: Version{4, 0}, Source: SourceValues},
	{Name: "rabbitmq.internal", Since: Version{4, 3}, Source: SourceValues},
	{Name: "rabbitmq.secure_amqp", Since: Version{4, 8}, Source: SourceValues},
}

// DocumentedKeys are the keys a Secret has in a release, by the table.
func DocumentedKeys(secret, chartVersion string) []string {
	v, ok := VersionOf(chartVersion)
	if !ok {
		return nil
	}
	var out []string
	for _, k := range secretKeys {
		if k.Of == secret && k.In(v) {
			out = append(out, k.Name)
		}
	}
	return out
}

// HasValue tells whether a release knows a key of the values.
func HasValue(name, chartVersion string) bool {
	v, ok := VersionOf(chartVersion)
	for _, k := range valuesKeys {
		if ok && k.Name == name && k.In(v) {
			return true
		}
	}
	return false
}
