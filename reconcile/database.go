package reconcile

import (
	"encoding/json"
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
	// Latency is one round trip of an empty query, in nanoseconds.
	Latency   time.Duration  `json:"latency"`
	Role      RolePrivileges `json:"role"`
	Databases []DatabaseInfo `json:"databases"`
	// Extensions are installable extensions with their versions.
	Extensions map[string][]string `json:"extensions,omitempty"`
	// Restricted are those of them that the role we log in with may not install.
	Restricted map[string][]string `json:"restrictedExtensions,omitempty"`
	// Locales are collations by name the server knows, for the databases'
	// collate and ctype.
	Locales []string `json:"locales,omitempty"`
	// Roles are the roles that exist, without PostgreSQL's own pg_ roles.
	Roles []RoleInfo `json:"roles,omitempty"`
	// Settings are server settings a move depends on, by name.
	Settings map[string]string `json:"settings,omitempty"`
	// Fence is the standing write fence, nil when there is none.
	Fence *FenceState `json:"fence,omitempty"`
	// Lineage is the content of our own database, nil when there is none.
	Lineage *LineageMark `json:"lineage,omitempty"`
	// Writes is what the side can tell of writes since its lineage mark, nil
	// when it never had a turn.
	Writes *SideWrites `json:"writes,omitempty"`
	// Counters are the write counters, by database.
	Counters map[string]WriteCounter `json:"counters,omitempty"`
	// Sessions are client sessions other than our own, by role and database.
	Sessions []SessionCount `json:"sessions,omitempty"`
	// Unsupported lists objects a move cannot carry, each with its reason.
	Unsupported []UnsupportedObject `json:"unsupported,omitempty"`
}

// RolePrivileges is what the role we log in with may do.
type RolePrivileges struct {
	Name       string   `json:"name"`
	Superuser  bool     `json:"superuser"`
	CreateDB   bool     `json:"createDB"`
	CreateRole bool     `json:"createRole"`
	BypassRLS  bool     `json:"bypassRLS"`
	MemberOf   []string `json:"memberOf,omitempty"`
}

// DatabaseInfo is one database of a server.
type DatabaseInfo struct {
	Name       string            `json:"name"`
	Owner      string            `json:"owner"`
	Encoding   string            `json:"encoding"`
	Collate    string            `json:"collate"`
	CType      string            `json:"ctype"`
	Bytes      int64             `json:"bytes"`
	Tables     int               `json:"tables"`
	Rows       int64             `json:"rows"` // the planner's estimate, never used as proof
	Objects    int               `json:"largeObjects"`
	Extensions map[string]string `json:"extensions,omitempty"`
	// Empty is true when the database holds no object of its own.
	Empty bool `json:"empty"`
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

// UnsupportedObject is something a move cannot carry to this target.
type UnsupportedObject struct {
	Database string `json:"database"`
	Object   string `json:"object"`
	Reason   string `json:"reason"`
	// Superuser tells that a target where we are superuser can take it.
	Superuser bool `json:"superuser,omitempty"`
	// Before is the PostgreSQL version from which on no target can take it.
	Before int `json:"before,omitempty"`
}

// Fits tells whether a target of a version, where our role may or may not be
// superuser, can take it all the same.
func (u UnsupportedObject) Fits(version int, superuser bool) bool {
	return u.Superuser && superuser || u.Before > 0 && version < u.Before
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

// says tells what a fence makes of its server, for people.
func (f FenceState) says() string {
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

// Operation is one thing a mover pod can be asked to do.
type Operation string

// The operations. Every one can be cut off and run again.
const (
	OpInspect Operation = "inspect" // read both sides
	OpFence   Operation = "fence"   // end sessions, make the source read-only
	OpUnfence Operation = "unfence" // let the source take writes again
	OpCopy    Operation = "copy"    // source to target, digesting in flight
	OpRead    Operation = "read"    // read the whole source, to know that it can be
	OpProve   Operation = "prove"   // compare both sides
	OpCommit  Operation = "commit"  // write the new epoch on both sides
	OpClear   Operation = "clear"   // drop what an abandoned copy left on the target
	// OpWithdraw takes a commit back as long as the application has written
	// nothing to the target; otherwise it fails with CodeMoved.
	OpWithdraw Operation = "withdraw"
	// OpSetAside renames the source's databases and closes them, so that no
	// copy ever takes their place.
	OpSetAside Operation = "set-aside"
)

// MoverRequest is all a mover pod is told. It holds no secret.
type MoverRequest struct {
	Operation    Operation `json:"operation"`
	Engine       Engine    `json:"engine"`
	Source       *Endpoint `json:"source,omitempty"`
	Target       *Endpoint `json:"target,omitempty"`
	Installation string    `json:"installation,omitempty"`
	// Move names this migration; Epoch is the lineage epoch it would reach.
	Move  string `json:"move,omitempty"`
	Epoch int    `json:"epoch,omitempty"`
	Fence string `json:"fence,omitempty"`
	// Streams is how many tables are copied or compared at a time.
	Streams int `json:"streams,omitempty"`
	// OwnerMap renames roles on the way, such as postgres to circleci.
	OwnerMap map[string]string `json:"ownerMap,omitempty"`
	// Counters are the source's write counters under the fence; commit fails
	// with CodeMoved when they differ from what it reads.
	Counters map[string]WriteCounter `json:"counters,omitempty"`
	// Replaces is the epoch at which the target was superseded by the very
	// source, when copy may drop what it holds; 0 means that it may not.
	Replaces int `json:"replaces,omitempty"`
	// Fork tells that the target holds the truth already and the source lost
	// its turn before: fence takes over the one that stands there, commit raises
	// the epoch of both, and there is nothing to withdraw.
	Fork bool `json:"fork,omitempty"`
	// Thorough makes prove read the source again instead of trusting the
	// digests taken in flight under the same fence.
	Thorough bool `json:"thorough,omitempty"`
}

// MoverEvent is one line of a mover's log. Lines are numbered so that a
// reader who reconnects can drop repeats.
type MoverEvent struct {
	Seq   int64     `json:"seq"`
	At    time.Time `json:"at"`
	Phase string    `json:"phase,omitempty"`
	// Object is the table, index or database being worked on.
	Object string `json:"object,omitempty"`
	// Bytes of Total are done in this phase; Rate is bytes a second.
	Bytes int64         `json:"bytes,omitempty"`
	Total int64         `json:"total,omitempty"`
	Rate  float64       `json:"rate,omitempty"`
	ETA   time.Duration `json:"eta,omitempty"`
	// Message is for people.
	Message string `json:"message,omitempty"`
	// Error ends the run; Result ends it too. Exactly one of the two comes last.
	Error string `json:"error,omitempty"`
	Code  string `json:"code,omitempty"`
	// Side is "source", "target" or empty: which one the error is about.
	Side   string          `json:"side,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	// Engine is what an engine in the cluster tells in a line of its own log.
	Engine *EngineEvent `json:"engine,omitempty"`
}

// Progress takes events while a mover works. It must not block for long.
type Progress func(MoverEvent)

// The codes of a mover's errors, so that a person gets a hint and a script a
// class.
const (
	CodeUnreachable  = "unreachable"  // no TCP or TLS connection
	CodeCredentials  = "credentials"  // the server refused the password
	CodePrivilege    = "privilege"    // logged in, but not allowed
	CodeNotEmpty     = "not-empty"    // the target holds something that is not ours
	CodeDifferent    = "different"    // the proof found differences
	CodeMoved        = "source-moved" // the source was written to meanwhile
	CodeOtherHolder  = "other-holder" // a newer mover took over
	CodeUnsupported  = "unsupported"  // an object cannot be carried
	CodeInconclusive = "inconclusive" // could not find out
	CodeFailed       = "failed"       // anything else
)

// MoverError is a mover's failure with its class.
type MoverError struct {
	Code string
	// Side is "source", "target" or empty.
	Side string
	Err  error
}

// Error gives the cause; the class is for programs.
func (e *MoverError) Error() string { return e.Err.Error() }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *MoverError) Unwrap() error { return e.Err }

// InspectResult is the result of OpInspect. A side that could not be read
// has its error and no facts; it is unknown, not absent.
type InspectResult struct {
	At     time.Time      `json:"at"`
	Source *InspectedSide `json:"source,omitempty"`
	Target *InspectedSide `json:"target,omitempty"`
	// Adapted lists what a copy between the two would change on purpose, such
	// as an attribute that the target's admin role may not give.
	Adapted []string `json:"adapted,omitempty"`
	// Blocked lists what this source holds and this target cannot take.
	Blocked []UnsupportedObject `json:"blocked,omitempty"`
}

// InspectedSide is one side of an inspection: facts, or why there are none.
type InspectedSide struct {
	Database *Database `json:"database,omitempty"`
	Code     string    `json:"code,omitempty"`
	Error    string    `json:"error,omitempty"`
}

// FenceResult is the result of OpFence: the fence that now stands and the
// write counters read under it.
type FenceResult struct {
	Fence    FenceState              `json:"fence"`
	Counters map[string]WriteCounter `json:"counters"`
	Ended    int                     `json:"endedSessions"`
}

// UnfenceResult is the result of OpUnfence: the fence that stood, nil when
// there was none.
type UnfenceResult struct {
	Lifted *FenceState `json:"lifted,omitempty"`
}

// SetAsideResult is the result of OpSetAside: the names under which the
// source's databases are kept.
type SetAsideResult struct {
	Databases []string `json:"databases"`
}

// CopyResult is the result of OpCopy.
type CopyResult struct {
	Fence    string        `json:"fence"`
	Tables   int           `json:"tables"`
	Rows     int64         `json:"rows"`
	Bytes    int64         `json:"bytes"`
	Objects  int64         `json:"largeObjects"`
	Duration time.Duration `json:"duration"`
	// PeakRSS is the mover's own peak memory in bytes.
	PeakRSS int64 `json:"peakRSS"`
	// Adapted lists what was changed on purpose, such as an attribute the
	// target's admin role may not give.
	Adapted []string `json:"adapted,omitempty"`
}

// ReadResult is the result of OpRead: how much was read, and how fast.
type ReadResult struct {
	At       time.Time     `json:"at"`
	Tables   int           `json:"tables"`
	Rows     int64         `json:"rows"`
	Bytes    int64         `json:"bytes"`
	Duration time.Duration `json:"duration"`
}

// Proof is the result of OpProve. It proves equality when Differences is
// empty and Compared counts what was there to compare.
type Proof struct {
	At          time.Time               `json:"at"`
	Fence       string                  `json:"fence,omitempty"`
	Compared    map[string]int          `json:"compared"` // by kind: tables, rows, indexes …
	Differences []Difference            `json:"differences,omitempty"`
	Counters    map[string]WriteCounter `json:"counters,omitempty"`
	Duration    time.Duration           `json:"duration"`
	// SecureWrite is true when DDL and a write as the application's role
	// worked on the target inside a transaction that was rolled back.
	SecureWrite bool `json:"secureWrite"`
}

// Equal tells whether the proof found both sides equal and looked at all.
func (p Proof) Equal() bool {
	return len(p.Differences) == 0 && p.Compared["databases"] > 0 && p.SecureWrite
}

// Difference is one thing that is not the same on both sides.
type Difference struct {
	Database string `json:"database"`
	// Kind is the kind of object in PostgreSQL's words: table, index …
	Kind   string `json:"kind"`
	Object string `json:"object"`
	What   string `json:"what"`
	Source string `json:"source,omitempty"`
	Target string `json:"target,omitempty"`
}
