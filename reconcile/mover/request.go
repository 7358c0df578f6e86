package mover

import (
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

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
	// OpWithdraw takes a commit back as long as the application has written
	// nothing to the target; otherwise it fails with CodeMoved.
	OpWithdraw Operation = "withdraw"
	// OpSetAside renames the databases that the last move carried, on the
	// source, and closes them, so that no copy ever takes their place.
	OpSetAside Operation = "set-aside"
	// OpRehearse makes the schema on the target under names of our own, with the
	// rows where the request says so, compares it, and removes it again, with the
	// application up.
	OpRehearse Operation = "rehearse"
	// OpReach connects to the target and logs in, from where the pod stands.
	OpReach Operation = "reach"
)

// Request is all a mover pod is told. It holds no secret.
type Request struct {
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
	// HandedOff tells that another tool pointed the release at the target and may
	// have started the application there before the commit.
	HandedOff bool `json:"handedOff,omitempty"`
	// Thorough makes prove read the source again instead of trusting the
	// digests taken in flight under the same fence.
	Thorough bool `json:"thorough,omitempty"`
	// WithData has a rehearsal carry and compare the rows too, within Limits.
	WithData bool             `json:"withData,omitempty"`
	Limits   *RehearsalLimits `json:"limits,omitempty"`
}

// Event is one line of a mover's log, in the engine's own words for what goes on.
type Event = engine.Event

// Progress takes events while a mover works.
type Progress = engine.Progress

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

// Error is a mover's failure with its class.
type Error struct {
	Code string
	// Side is "source", "target" or empty.
	Side string
	Err  error
}

// Error gives the cause; the class is for programs.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

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
	// Omitted lists what the copy leaves out because this target does not take
	// it, such as a setting it does not know.
	Omitted []UnsupportedObject `json:"omitted,omitempty"`
	// Uncarried lists what is not carried between just these two, such as the password
	// of a role that the target has too.
	Uncarried []Uncarried `json:"uncarried,omitempty"`
	// PgDump are the majors of the pg_dumps in the mover's image, the oldest
	// first; nil where the mover did not say.
	PgDump []int `json:"pgDump"`
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
// source's databases are kept, and the databases that no move carried.
type SetAsideResult struct {
	Databases []string `json:"databases"`
	LeftAlone []string `json:"leftAlone,omitempty"`
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
	// Fix is what helps, empty where it is the same for all.
	Fix string `json:"fix,omitempty"`
}

// AsideSuffix ends the names of databases that were set aside at an epoch.
func AsideSuffix(epoch int) string { return fmt.Sprintf("__dr_e%d", epoch) }
