package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// The names of the engine's own records.
const (
	RecordJournal = "journal"
	// RecordEngine is of the newest run in the cluster.
	RecordHosted = "engine"
	// RecordMeasured is how long steps took here, for the next plan.
	RecordMeasured = "measured"
)

// ReadRecord reads one of the engine's documents.
func ReadRecord[T any](ctx context.Context, r Records, name string) (Observed[T], string) {
	return decoded[T](r.Read(ctx, name), name)
}

// RecordIn finds one of the engine's documents among all of them.
func RecordIn[T any](all Observed[map[string]Observed[Record]], name string) Observed[T] {
	if !all.Is() {
		return Observed[T]{Why: all.Why}
	}
	raw, ok := all.Value[name]
	if !ok {
		return NotThere[T]()
	}
	out, _ := decoded[T](raw, name)
	return out
}

// Checked is a record that tells whether this version can go by it: a newer one may
// have written what it knows nothing of.
type Checked interface{ Check() error }

// decoded gives a document and its version. A garbled one is unknown, never
// absent.
func decoded[T any](raw Observed[Record], name string) (Observed[T], string) {
	switch raw.Known {
	case Absent:
		return NotThere[T](), ""
	case Present:
		var v T
		if err := json.Unmarshal(raw.Value.Data, &v); err != nil {
			return CouldNot[T](fmt.Errorf("read record %s: %w", name, err)), raw.Value.Version
		}
		if c, ok := any(v).(Checked); ok {
			if err := c.Check(); err != nil {
				return CouldNot[T](fmt.Errorf("read record %s: %w", name, err)), raw.Value.Version
			}
		}
		return Found(v), raw.Value.Version
	case Unknown:
	}
	return Observed[T]{Why: raw.Why}, ""
}

// WriteRecord stores v over the version it was read at.
func WriteRecord(ctx context.Context, r Records, name string, v any, version string) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write record %s: %w", name, err)
	}
	version, err = r.Write(ctx, name, data, version)
	if err != nil {
		return "", fmt.Errorf("write record %s: %w", name, err)
	}
	return version, nil
}

// StoreRecord stores v over the version it was read at, and where the call failed
// looks whether it was stored all the same: nobody must stumble over a lost answer.
func StoreRecord(ctx context.Context, r Records, name string, v any, version string) (string, error) {
	stored, err := WriteRecord(ctx, r, name, v, version)
	if err == nil {
		return stored, nil
	}
	is := r.Read(context.WithoutCancel(ctx), name)
	if is.Is() && is.Value.Version != version && sameJSON(is.Value.Data, v) {
		return is.Value.Version, nil
	}
	return "", err
}

// sameJSON tells whether data is what v would be stored as, in whatever order
// and spacing.
func sameJSON(data json.RawMessage, v any) bool {
	want, err := json.Marshal(v)
	if err != nil {
		return false
	}
	var a, b any
	if json.Unmarshal(data, &a) != nil || json.Unmarshal(want, &b) != nil {
		return false
	}
	return reflect.DeepEqual(a, b)
}

// ReplaceRecord stores v whatever stood there before. It is for records only
// the holder of the lease writes.
func ReplaceRecord(ctx context.Context, r Records, name string, v any) error {
	old := r.Read(ctx, name)
	if old.Unread() {
		return fmt.Errorf("write record %s: %s", name, old.Why)
	}
	_, err := WriteRecord(ctx, r, name, v, old.Value.Version)
	return err
}

// Record is a stored JSON document with the version it was read at.
type Record struct {
	Data    json.RawMessage
	Version string
}

// Records keeps the engine's documents beside what they describe.
type Records interface {
	Read(ctx context.Context, name string) Observed[Record]
	// ReadAll reads all of them at once, by name. One that cannot be read is there
	// as unknown; one that is not in the map is absent.
	ReadAll(ctx context.Context) Observed[map[string]Observed[Record]]
	// Write stores data if the record is still at version ("" means it must
	// not exist) and returns the new version, or ErrConflict.
	Write(ctx context.Context, name string, data json.RawMessage, version string) (string, error)
}

// ErrConflict means somebody else wrote the record first.
var ErrConflict = errors.New("the record was changed by somebody else")
