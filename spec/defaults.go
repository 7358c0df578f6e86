package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// The defaults, the same as in the schema (a test compares them). They are
// applied inside blocks that the file gives; no block appears by default.
const (
	DefaultSSHUser           = "ubuntu"
	DefaultPostgreSQLPort    = 5432
	DefaultTLSMode           = TLSVerifyFull
	DefaultMongoDBAuthSource = "admin"
	DefaultMongoDBMechanism  = "SCRAM-SHA-1"
	DefaultSchedule          = "daily"
	DefaultRetentionDays     = 30
	DefaultRetentionGood     = 7
	DefaultPreUpgrade        = PreUpgradeRequired
	DefaultMoverStreams      = 2
	defaultMongoDBTLSEnabled = true
)

// The values of backup.preUpgrade.
const (
	PreUpgradeRequired = "required"
	PreUpgradeOff      = "off"
)

// WithDefaults returns a copy in which every field that has a default is set.
// Load and Parse have applied it already.
func (s *Spec) WithDefaults() *Spec {
	out := s.clone()
	if sm := out.ServicesMachine; sm != nil && sm.SSH != nil {
		fill(&sm.SSH.User, DefaultSSHUser)
	}
	if pg := out.Datastores.PostgreSQL; pg != nil && pg.External != nil {
		fill(&pg.External.Port, DefaultPostgreSQLPort)
		fill(&pg.External.TLS.Mode, DefaultTLSMode)
	}
	if mg := out.Datastores.MongoDB; mg != nil && mg.External != nil {
		fill(&mg.External.AuthSource, DefaultMongoDBAuthSource)
		fill(&mg.External.Mechanism, DefaultMongoDBMechanism)
		if mg.External.TLS.Enabled == nil {
			enabled := defaultMongoDBTLSEnabled
			mg.External.TLS.Enabled = &enabled
		}
	}
	if b := out.Backup; b != nil {
		fill(&b.Schedule, DefaultSchedule)
		fill(&b.Retention.Days, DefaultRetentionDays)
		fill(&b.Retention.MinimumGood, DefaultRetentionGood)
		fill(&b.PreUpgrade, DefaultPreUpgrade)
	}
	fill(&out.Mover.Streams, DefaultMoverStreams)
	return out
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// clone copies by way of JSON, so that no pointer is shared; the source is
// shared, it never changes.
func (s *Spec) clone() *Spec {
	var out Spec
	if err := json.Unmarshal(s.marshal(), &out); err != nil {
		panic(fmt.Sprintf("spec does not survive JSON: %v", err)) // a test round-trips every field
	}
	out.source = s.source
	return &out
}

func (s *Spec) marshal() []byte {
	data, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("spec does not marshal: %v", err)) // strings, numbers and maps of strings always do
	}
	return data
}

// Canonical is the spec with its defaults as indented JSON: the same for two
// files that mean the same. JSON is YAML, so Parse reads it.
func (s *Spec) Canonical() []byte {
	data, err := json.MarshalIndent(s.WithDefaults(), "", " ")
	if err != nil {
		panic(fmt.Sprintf("spec does not marshal: %v", err)) // as in marshal
	}
	return append(data, '\n')
}

// Digest names what the file means: comments, order, style and written-out
// defaults do not change it.
func (s *Spec) Digest() string {
	sum := sha256.Sum256(s.Canonical())
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Equal reports whether two specs mean the same, wherever they were loaded
// from.
func (s Spec) Equal(other Spec) bool { return s.Digest() == other.Digest() }
