package mover

import (
	"slices"
	"time"
)

// Engine names a kind of datastore, in the spec's own word.
type Engine string

// The engines the product moves.
const (
	PostgreSQL Engine = "postgresql"
	MongoDB    Engine = "mongodb"
)

// Endpoint is one side of a datastore as a mover pod sees it. It never holds
// a password, only the path of the file that does.
type Endpoint struct {
	Host         string `json:"host"`
	Port         int    `json:"port"`
	Username     string `json:"username"`
	PasswordFile string `json:"passwordFile,omitempty"`
	// TLSMode is libpq's sslmode (disable, require, verify-ca, verify-full).
	TLSMode string `json:"tlsMode,omitempty"`
	// CAFile is the path of the PEM bundle that verify-ca and verify-full use.
	CAFile string `json:"caFile,omitempty"`

	// Hosts is MongoDB's seed list, host:port each; Host and Port are then
	// those of the first. The other fields below are MongoDB's too, in the
	// words of its connection string.
	Hosts      []string `json:"hosts,omitempty"`
	AuthSource string   `json:"authSource,omitempty"`
	Mechanism  string   `json:"mechanism,omitempty"`
	ReplicaSet string   `json:"replicaSet,omitempty"`
	// Options are further connection string options, URL-encoded.
	Options string `json:"options,omitempty"`
	// CertificateFile is the path of the client's certificate and key, PEM.
	CertificateFile string `json:"certificateFile,omitempty"`
}

// Database is what an inspection found on one side: facts, no judgement.
type Database struct {
	// ServerVersion is what the server calls itself, such as "12.22";
	// VersionNum is PostgreSQL's server_version_num, such as 120022.
	ServerVersion string `json:"serverVersion"`
	VersionNum    int    `json:"versionNum"`
	// SystemIdentifier is PostgreSQL's pg_control_system() identifier, empty
	// where the role may not read it.
	SystemIdentifier string `json:"systemIdentifier,omitempty"`
	// TLSVersion is the protocol of our own connection, empty without TLS.
	TLSVersion string `json:"tlsVersion,omitempty"`
	// Presented are the certificates that its hosts show, none without TLS.
	Presented []Presented `json:"presented,omitempty"`
	// Latency is one round trip of an empty query, in nanoseconds.
	Latency   time.Duration  `json:"latency"`
	Role      RolePrivileges `json:"role"`
	Databases []DatabaseInfo `json:"databases"`
	// Schema is the fingerprint of everything a rehearsal would make, see
	// Rehearsal; empty on a target.
	Schema string `json:"schema,omitempty"`
	// Extensions are installable extensions with their versions.
	Extensions map[string][]string `json:"extensions,omitempty"`
	// Restricted are those of them that the role we log in with may not install.
	Restricted map[string][]string `json:"restrictedExtensions,omitempty"`
	// ByServer are those of them that it may install and that the server itself
	// then makes: what is in them belongs to the server's own superuser.
	ByServer map[string][]string `json:"extensionsByServer,omitempty"`
	// Locales are collations by name the server knows, for the databases'
	// collate and ctype.
	Locales []string `json:"locales,omitempty"`
	// ICU tells that the server was built with ICU: initdb has filled
	// pg_collation with its locales then.
	ICU bool `json:"icu,omitempty"`
	// Roles are the roles that exist, without PostgreSQL's own pg_ roles.
	Roles []RoleInfo `json:"roles,omitempty"`
	// Settings are server settings a move depends on, by name.
	Settings map[string]string `json:"settings,omitempty"`
	// Fence is the standing write fence, nil when there is none.
	Fence *FenceState `json:"fence,omitempty"`
	// Lineage is the content of our own database, nil when there is none.
	Lineage *LineageMark `json:"lineage,omitempty"`
	// Carried are the databases that the last move carried from or to the side,
	// none when an older version moved them.
	Carried []string `json:"carried,omitempty"`
	// Writes is what the side can tell of writes since its lineage mark, nil
	// when it never had a turn.
	Writes *SideWrites `json:"writes,omitempty"`
	// Counters are the write counters, by database.
	Counters map[string]WriteCounter `json:"counters,omitempty"`
	// Sessions are client sessions other than our own, by role and database.
	Sessions []SessionCount `json:"sessions,omitempty"`
	// Unsupported lists objects a move cannot carry, each with its reason.
	Unsupported []UnsupportedObject `json:"unsupported,omitempty"`
	// Uncarried lists what a move neither carries nor compares.
	Uncarried []Uncarried `json:"uncarried,omitempty"`
	// ServerSettings are PostgreSQL's settings as a session that asks for
	// nothing has them from the server, by name; none where they could not be read.
	ServerSettings map[string]ServerSetting `json:"serverSettings,omitempty"`
}

// RolePrivileges is what the role we log in with may do.
type RolePrivileges struct {
	Name       string `json:"name"`
	Superuser  bool   `json:"superuser"`
	CreateDB   bool   `json:"createDB"`
	CreateRole bool   `json:"createRole"`
	BypassRLS  bool   `json:"bypassRLS"`
	// NoInherit tells that it does not have what it is a member of.
	NoInherit bool     `json:"noInherit,omitempty"`
	MemberOf  []string `json:"memberOf,omitempty"`
}

// DatabaseInfo is one database of a server.
type DatabaseInfo struct {
	Name      string `json:"name"`
	Owner     string `json:"owner"`
	Encoding  string `json:"encoding"`
	Collate   string `json:"collate"`
	CType     string `json:"ctype"`
	ICULocale string `json:"icuLocale,omitempty"` // of a database whose locale provider is ICU
	Bytes     int64  `json:"bytes"`               // what a copy carries
	// OnDisk is what a database takes on disk where that is another figure:
	// MongoDB compresses documents and counts indexes.
	OnDisk     int64             `json:"onDisk,omitempty"`
	Tables     int               `json:"tables"`
	Rows       int64             `json:"rows"` // the planner's estimate, never used as proof
	Objects    int               `json:"largeObjects"`
	Extensions map[string]string `json:"extensions,omitempty"`
	// Empty is true when the database holds no object of its own.
	Empty bool `json:"empty"`
	// Relations is how many tables, views and sequences it has.
	Relations int `json:"relations,omitempty"`
	// ExtensionRows are the configuration tables that hold rows, by extension.
	ExtensionRows map[string][]string `json:"extensionRows,omitempty"`
	// ForcedRows are tables with row level security that binds their owner too;
	// ClosedRows are tables that no role may read.
	ForcedRows []string `json:"forcedRows,omitempty"`
	ClosedRows []string `json:"closedRows,omitempty"`
}

// RoleInfo is one role.
type RoleInfo struct {
	Name       string `json:"name"`
	Superuser  bool   `json:"superuser,omitempty"`
	CreateDB   bool   `json:"createDB,omitempty"`
	CreateRole bool   `json:"createRole,omitempty"`
	Login      bool   `json:"login,omitempty"`
	Replicate  bool   `json:"replication,omitempty"`
	BypassRLS  bool   `json:"bypassRLS,omitempty"`
}

// SizeOnDisk is what the database takes on disk, as far as that is known.
func (d DatabaseInfo) SizeOnDisk() int64 {
	if d.OnDisk > 0 {
		return d.OnDisk
	}
	return d.Bytes
}

// UnsupportedObject is something a move cannot carry to this target.
type UnsupportedObject struct {
	Database string `json:"database"`
	Object   string `json:"object"`
	Reason   string `json:"reason"`
	// Fix is what helps, empty where only its removal does.
	Fix string `json:"fix,omitempty"`
	// Superuser tells that a target where we are superuser can take it.
	Superuser bool `json:"superuser,omitempty"`
	// Managed is a role of a managed service whose members can make it too.
	Managed string `json:"managed,omitempty"`
	// Before is the PostgreSQL version from which on no target can take it.
	Before int `json:"before,omitempty"`
}

// Fits tells whether a target of a version, where we log in as a role, can take
// it all the same.
func (u UnsupportedObject) Fits(version int, role RolePrivileges) bool {
	managed := u.Managed != "" && slices.Contains(role.MemberOf, u.Managed)
	return u.Superuser && role.Superuser || managed || u.Before > 0 && version < u.Before
}

// SessionCount is how many client sessions a role holds on a database.
type SessionCount struct {
	Role     string `json:"role"`
	Database string `json:"database"`
	Count    int    `json:"count"`
}

// WriteCounter is what a database counted of its own writes. Two equal
// readings around a proof mean nothing was written between them.
type WriteCounter struct {
	Inserted int64 `json:"inserted"`
	Updated  int64 `json:"updated"`
	Deleted  int64 `json:"deleted"`
	// LastWrite is the WAL position, or empty where it cannot be read.
	LastWrite string `json:"lastWrite,omitempty"`
}

// Written tells whether a side took writes since its lineage mark.
type Written string

// What a side can say. The zero value is that nobody knows.
const (
	WrittenUnknown Written = ""
	WrittenNone    Written = "none"
	WrittenSome    Written = "some"
)

// SideWrites is what a side can tell of writes since its lineage mark. What it
// cannot tell is unknown, never none.
type SideWrites struct {
	Any Written `json:"any,omitempty"`
	// Why says what that rests on.
	Why string `json:"why"`
	// Last is when the last write was, or a bound: nothing was written later.
	// Zero where nothing tells.
	Last time.Time `json:"last,omitzero"`
	// Exact tells that Last is the write itself, not a bound.
	Exact bool `json:"exact,omitempty"`
	// From is what Last was read from.
	From string `json:"from,omitempty"`
}

// FenceState is a write fence that stands on a server.
type FenceState struct {
	// ID names the fence; a copy made under another fence is not this one's.
	ID    string    `json:"id"`
	Since time.Time `json:"since"`
	// How is "system" (ALTER SYSTEM) or "databases" (per database and role); on
	// MongoDB "lock", or "watch" where a write is noticed and not prevented.
	How string `json:"how"`
}

// Says tells what a fence makes of its server, for people.
func (f FenceState) Says() string {
	if f.How == "watch" {
		return "watched for writes"
	}
	return "read-only"
}

// LineageMark is what our own database on a server says about whose turn it
// was. Epoch counts the switches of the installation.
type LineageMark struct {
	// Installation is the UID of the kube-system namespace, a slash, the
	// namespace and the release.
	Installation string `json:"installation"`
	Epoch        int    `json:"epoch"`
	// State is "copying", "copied", "authoritative" or "superseded".
	State string    `json:"state"`
	Move  string    `json:"move,omitempty"`
	Fence string    `json:"fence,omitempty"`
	At    time.Time `json:"at"`
}
