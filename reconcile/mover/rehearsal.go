package mover

import "time"

// RehearsalLimits end a rehearsal with rows. Zero is no limit.
type RehearsalLimits struct {
	Time time.Duration `json:"time,omitempty"`
	// XminAge is how many transactions vacuum may be held back for.
	XminAge int64 `json:"xminAge,omitempty"`
	// SourceDisk and TargetDisk are the sizes of the disks in bytes, 0 where
	// nobody knows.
	SourceDisk int64 `json:"sourceDisk,omitempty"`
	TargetDisk int64 `json:"targetDisk,omitempty"`
}

// KindLimit is the kind of a difference that is a limit which was met.
const KindLimit = "limit"

// The limits, as a result names them.
const (
	LimitTime       = "time"
	LimitXminAge    = "xmin age"
	LimitSourceDisk = "source's disk"
	LimitTargetDisk = "target's disk"
)

// RehearsedData is what a rehearsal carried, and how long it took.
type RehearsedData struct {
	Tables  int           `json:"tables"`
	Rows    int64         `json:"rows"`
	Bytes   int64         `json:"bytes"`
	Objects int64         `json:"largeObjects"`
	Copy    time.Duration `json:"copy"`
	Compare time.Duration `json:"compare"`
}

// Rehearsal is the result of OpRehearse: what a copy of the schema would meet
// on the target. Without differences it met nothing.
type Rehearsal struct {
	At       time.Time     `json:"at"`
	Duration time.Duration `json:"duration"`
	// Schema is the fingerprint of the source's schema that was rehearsed.
	Schema string `json:"schema"`
	// Compared counts what was made and compared, by kind.
	Compared    map[string]int `json:"compared"`
	Differences []Difference   `json:"differences,omitempty"`
	// NotTried is what a rehearsal cannot try.
	NotTried []string `json:"notTried,omitempty"`
	// Tries is how often it began: it lets go when somebody waits on it.
	Tries int `json:"tries"`
	// WithData tells that rows were carried too; Data is how many, when nothing
	// was found.
	WithData bool           `json:"withData,omitempty"`
	Data     *RehearsedData `json:"data,omitempty"`
	// Ended is the limit that ended it before it was done.
	Ended string `json:"ended,omitempty"`
}
