package mongo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// recordedFormat is the version of the text. A change of what is below that an
// older reader would misunderstand raises it.
const recordedFormat = 1

// The text of a recorded source, which a backup set holds as
// mongodb/source.json. Specifications are MongoDB's canonical extended JSON
// where that is exact, and BSON where it is not.
type (
	sourceText struct {
		Format        int                           `json:"format"`
		At            time.Time                     `json:"at"`
		Version       string                        `json:"version"`
		Numbers       []int                         `json:"versionArray"`
		Compatibility string                        `json:"featureCompatibilityVersion"`
		Fence         *fenceText                    `json:"fence,omitempty"`
		Lineage       *lineage                      `json:"lineage,omitempty"`
		Counters      map[string]mover.WriteCounter `json:"counters,omitempty"`
		Databases     []databaseText                `json:"databases"`
		Strays        []exact                       `json:"strays,omitempty"`
	}
	fenceText struct {
		ID    string    `json:"id"`
		Since time.Time `json:"since"`
		How   string    `json:"how"`
	}
	databaseText struct {
		Name        exact            `json:"name"`
		Bytes       int64            `json:"bytesOnDisk"`
		Collections []collectionText `json:"collections"`
		Left        []leftText       `json:"left,omitempty"`
		Users       []exact          `json:"users,omitempty"`
		UsersHidden bool             `json:"usersHidden,omitempty"`
		Roles       []exact          `json:"roles,omitempty"`
		RolesHidden bool             `json:"rolesHidden,omitempty"`
	}
	leftText struct {
		Name exact  `json:"name"`
		Why  string `json:"why"`
	}
	collectionText struct {
		Name      exact           `json:"name"`
		Kind      string          `json:"kind"`
		Options   specification   `json:"options,omitempty"`
		Indexes   []specification `json:"indexes,omitempty"`
		Bytes     int64           `json:"bytes,omitempty"`
		Documents int64           `json:"documents,omitempty"`
		Passed    *passedText     `json:"digest,omitempty"`
	}
)

// MarshalJSON writes a recorded source down.
func (r recorded) MarshalJSON() ([]byte, error) {
	t := sourceText{Format: recordedFormat, At: r.at, Version: r.build.Version, Numbers: r.build.Numbers, Compatibility: r.compatibility,
		Lineage: r.lineage, Counters: r.counters, Strays: exactly(r.strays), Databases: []databaseText{}}
	if r.fence.stands() {
		t.Fence = &fenceText{ID: r.fence.ID, Since: r.fence.Since, How: r.fence.How}
	}
	for _, d := range r.databases {
		t.Databases = append(t.Databases, d.text())
	}
	return json.Marshal(t)
}

func (d database) text() databaseText {
	t := databaseText{Name: exact(d.name), Bytes: d.bytes, Users: exactly(d.accounts.users), UsersHidden: d.accounts.usersHidden,
		Roles: exactly(d.accounts.roles), RolesHidden: d.accounts.rolesHidden}
	for _, name := range slices.Sorted(maps.Keys(d.left)) {
		t.Left = append(t.Left, leftText{exact(name), d.left[name]})
	}
	for _, c := range d.collections {
		one := collectionText{Name: exact(c.name), Kind: c.kind, Options: specification(c.options), Bytes: c.bytes, Documents: c.documents, Passed: c.passed.text()}
		for _, index := range c.indexes {
			one.Indexes = append(one.Indexes, specification(index))
		}
		t.Collections = append(t.Collections, one)
	}
	return t
}

// UnmarshalJSON reads a recorded source back. What it does not know, it does
// not pass over: another version of us would have meant something by it.
func (r *recorded) UnmarshalJSON(text []byte) error {
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return fmt.Errorf("read the recorded source: %w", err)
	}
	if version.Format != recordedFormat {
		return fmt.Errorf("read the recorded source: it has format %d, and this version knows %d", version.Format, recordedFormat)
	}
	var t sourceText
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&t); err != nil {
		return fmt.Errorf("read the recorded source: %w", err)
	}
	*r = recorded{at: t.At, build: buildInfo{Version: t.Version, Numbers: t.Numbers}, compatibility: t.Compatibility, strays: plainly(t.Strays), counters: t.Counters}
	r.lineage = t.Lineage
	if t.Fence != nil {
		r.fence = &fenceRecord{ID: t.Fence.ID, Since: t.Fence.Since, How: t.Fence.How, locked: t.Fence.How == howLock}
	}
	for _, one := range t.Databases {
		d, err := one.database()
		if err != nil {
			return fmt.Errorf("read the recorded source: database %s: %w", one.Name, err)
		}
		r.databases = append(r.databases, d)
	}
	return nil
}

func (t databaseText) database() (database, error) {
	d := database{name: string(t.Name), bytes: t.Bytes, left: map[string]string{},
		accounts: accounts{users: plainly(t.Users), usersHidden: t.UsersHidden, roles: plainly(t.Roles), rolesHidden: t.RolesHidden}}
	for _, l := range t.Left {
		d.left[string(l.Name)] = l.Why
	}
	for _, one := range t.Collections {
		if plural[one.Kind] == "" {
			return d, fmt.Errorf("%s is a %q, which is no kind of collection", one.Name, one.Kind)
		}
		c := collection{database: d.name, name: string(one.Name), kind: one.Kind, options: bson.Raw(one.Options), bytes: one.Bytes, documents: one.Documents}
		var err error
		if c.passed, err = one.Passed.passed(); err != nil {
			return d, fmt.Errorf("%s: %w", one.Name, err)
		}
		for _, index := range one.Indexes {
			c.indexes = append(c.indexes, bson.Raw(index))
		}
		d.collections = append(d.collections, c)
	}
	return d, nil
}
