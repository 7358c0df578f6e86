package reconcile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Move is a migration of one or more datastores in the same direction, from
// its first change to its last: one outage, one switch.
type Move struct {
	ID      string    `json:"id"`
	Attempt int       `json:"attempt"`
	Phase   MovePhase `json:"phase"`
	Opened  time.Time `json:"opened"`
	// Parts are the datastores that move, in the order of engines.
	Parts []Part `json:"parts"`
	// Replicas is the second copy of the recorded counts, by Workload.Key.
	Replicas map[string]int `json:"replicas,omitempty"`
	// Quiesced is when the application was stopped, zero while it is up.
	Quiesced time.Time `json:"quiesced,omitzero"`
	Resumed  time.Time `json:"resumed,omitzero"`
	// Revision is the Helm revision to go back to.
	Revision int `json:"revision,omitempty"`
	// Announced is what the plan said that opened the move: one that goes on
	// with it announces the rest only.
	Announced engine.Estimate `json:"announced,omitzero"`
	// Plan is the id of the plan that opened the move.
	Plan string `json:"plan,omitempty"`
	// LastError is why the last attempt went back, for status.
	LastError string `json:"lastError,omitempty"`
	// Deciding stands while the servers are told, or told to forget, that the
	// target is authoritative: until it is cleared nobody knows what they say.
	Deciding bool `json:"deciding,omitempty"`
	// HandOff is set where a tool other than Helm switches the release.
	HandOff *HandOff `json:"handOff,omitempty"`
}

// part finds a datastore's part, nil when it does not move.
func (m *Move) part(e mover.Engine) *Part {
	for i := range m.Parts {
		if m.Parts[i].Engine == e {
			return &m.Parts[i]
		}
	}
	return nil
}

// Check refuses a move of datastores that this version does not know.
func (m Move) Check() error {
	for _, p := range m.Parts {
		if !slices.Contains(engines, p.Engine) {
			return fmt.Errorf("it is of datastore %q, which this version does not know: go on with the version of circleci-dr that wrote it", p.Engine)
		}
	}
	return nil
}

// Back tells whether the move leads into the cluster.
func (m Move) Back() bool { return len(m.Parts) > 0 && m.Parts[0].To == spec.Internal }

// Target is where the move leads, for people.
func (m Move) Target() string { return eachPart(m.Parts, Part.Target) }

// Source is where the move comes from, for people.
func (m Move) Source() string { return eachPart(m.Parts, Part.Source) }

func eachPart(parts []Part, name func(Part) string) string {
	var out []string
	for _, p := range parts {
		out = append(out, name(p))
	}
	return strings.Join(out, " and ")
}

// Open tells whether the move has begun and neither finished nor gone back.
func (m Move) Open() bool {
	return m.Phase == MoveOpen || m.Phase == MoveCommitted || m.Phase == MoveReturning
}

// AttemptID names the move's current attempt.
func (m Move) AttemptID() string { return m.ID + "-a" + strconv.Itoa(m.Attempt) }

// FenceID names the fence of one part in the current attempt.
func (m Move) FenceID(p Part) string { return p.ID() + "-a" + strconv.Itoa(m.Attempt) }

// MovePhase is how far a move got.
type MovePhase string

// The phases. Until MoveCommitted every failure goes back to the source.
const (
	MoveOpen      MovePhase = "open"
	MoveCommitted MovePhase = "committed"
	MoveFinished  MovePhase = "finished"
	// MoveReturning is a move on its way back. Its copy and its proof count for
	// nothing any more: the fence may be lifted and the source written to.
	MoveReturning MovePhase = "returning"
	// MoveReverted is a move that went back to its source by itself.
	MoveReverted MovePhase = "reverted"
)

// Part is one datastore of a move.
type Part struct {
	Engine mover.Engine  `json:"engine"`
	From   spec.Location `json:"from"`
	To     spec.Location `json:"to"`
	// Epoch is the lineage epoch the move would reach.
	Epoch int `json:"epoch"`
	// External is the address of the external side, Outside how it is reached:
	// the file may have lost it when an unfinished move has to go back.
	External string             `json:"external"`
	Outside  server.MoverSide   `json:"outside"`
	Fence    *mover.FenceResult `json:"fence,omitempty"`
	Copy     *mover.CopyResult  `json:"copy,omitempty"`
	Proof    *mover.Proof       `json:"proof,omitempty"`
	// Read is when the source was last read whole, before the target's data
	// are given up.
	Read *mover.ReadResult `json:"read,omitempty"`
	// Committed tells that both servers know of the switch.
	Committed bool `json:"committed,omitempty"`
	// OwnerMap is the ownership map the plan printed.
	OwnerMap map[string]string `json:"ownerMap,omitempty"`
	// InternalSecret is the key that holds the internal superuser's password.
	InternalSecret spec.SecretKey `json:"internalSecret"`
	// Internal is what the release says, or said, while it is internal, and
	// InternalVersion what that server is.
	Internal        server.ReleaseStore `json:"internal"`
	InternalVersion int                 `json:"internalVersion,omitempty"`
	// Places are where the upgrade was foreseen to turn the source's address into
	// the target's. Without them it is Named: what named the target already
	// before the switch.
	Places []server.Place `json:"places,omitempty"`
	Named  []server.Place `json:"named,omitempty"`
	// Trust are the certificates that tls.certificates of the release gets with
	// the switch, as they stand there: base64 of PEM.
	Trust []string `json:"trust,omitempty"`
	// Fork tells that both sides took writes and the target was chosen: nothing
	// is copied, and the source's databases are set aside.
	Fork bool `json:"fork,omitempty"`
	// SetAside are the names under which the source's databases are kept, and
	// LeftAlone those that no move carried.
	SetAside  []string `json:"setAside,omitempty"`
	LeftAlone []string `json:"leftAlone,omitempty"`
	// Replaces is the epoch at which the source took over from the target,
	// whose old data the copy drops; 0 when the target is empty.
	Replaces int `json:"replaces,omitempty"`
}

// ID names a part: engine and epoch.
func (p Part) ID() string { return fmt.Sprintf("%s-e%d", p.Engine, p.Epoch) }

// Target is where the part moves to, for people.
func (p Part) Target() string { return p.sideName(p.To) }

// Source is where the part comes from, for people.
func (p Part) Source() string { return p.sideName(p.From) }

func (p Part) sideName(l spec.Location) string {
	if l == spec.External {
		return p.External
	}
	return "the internal " + p.Engine.Title()
}
