package helm

import (
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
)

// ourMark starts the description of every revision we make, so that one cut
// off by a crash is known as ours.
const ourMark = "circleci-dr"

// marked gives the description as it is stored.
func marked(description string) string {
	if strings.HasPrefix(description, ourMark) {
		return description
	}
	return ourMark + ": " + description
}

// isOurs tells whether a revision was made by this tool.
func isOurs(rel *release.Release) bool { return strings.HasPrefix(rel.Info.Description, ourMark) }

// signed is Helm's record store for one operation of ours. The SDK writes the
// caller's description only at the very end, so a killed upgrade would be
// anybody's ("Preparing upgrade"); this store writes it from the start.
type signed struct {
	driver.Driver
	description string
	// holdRevision is the revision whose manifest is read with the application
	// at zero, so that a rollback to it holds the application; 0 for none.
	holdRevision int
}

// Create stores a new revision under our description.
func (s signed) Create(key string, rel *release.Release) error {
	rel.Info.Description = s.description
	return s.Driver.Create(key, rel)
}

// Get reads one revision.
func (s signed) Get(key string) (*release.Release, error) {
	rel, err := s.Driver.Get(key)
	if err != nil || s.holdRevision == 0 || rel.Version != s.holdRevision {
		return rel, err
	}
	held := *rel
	if held.Manifest, err = hold(rel.Manifest); err != nil {
		return nil, fmt.Errorf("hold the application at zero in revision %d: %w", rel.Version, err)
	}
	return &held, nil
}
