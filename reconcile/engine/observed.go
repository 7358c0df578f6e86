package engine

// Knowledge is the quality of one read. Its zero value is Unknown, so that a
// forgotten assignment never reads as "nothing there".
type Knowledge uint8

// The three qualities of a read.
const (
	Unknown Knowledge = iota // the read failed or never happened; never planned on
	Absent                   // the read worked; nothing is there
	Present                  // the read worked; Value holds what is there
)

// String gives the word that plans and messages use.
func (k Knowledge) String() string {
	switch k {
	case Absent:
		return "absent"
	case Present:
		return "present"
	case Unknown:
		return "unknown"
	}
	return "unknown"
}

// Observed is a value together with how well it is known.
type Observed[T any] struct {
	Known Knowledge `json:"known"`
	Value T         `json:"value"`
	// Why says what went wrong when Known is Unknown.
	Why string `json:"why,omitempty"`
}

// Found is a read that worked and found v.
func Found[T any](v T) Observed[T] { return Observed[T]{Known: Present, Value: v} }

// NotThere is a read that worked and found nothing.
func NotThere[T any]() Observed[T] { return Observed[T]{Known: Absent} }

// CouldNot is a read that failed.
func CouldNot[T any](err error) Observed[T] { return Observed[T]{Known: Unknown, Why: err.Error()} }

// Is tells whether the value is known to be there.
func (o Observed[T]) Is() bool { return o.Known == Present }

// IsNot tells whether the value is known to be missing. It is not the
// opposite of Is: an unknown value is neither.
func (o Observed[T]) IsNot() bool { return o.Known == Absent }

// Unread tells whether the value could not be read.
func (o Observed[T]) Unread() bool { return o.Known == Unknown }
