package mongo

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// recordedOf reads a source as an operation does when it begins.
func recordedOf(t *testing.T, req mover.Request) recorded {
	t.Helper()
	m, err := newJob(req, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close(t.Context())
	r, err := m.recordedSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readBack writes a recorded source down and reads it back.
func readBack(t *testing.T, r recorded) recorded {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text) {
		t.Errorf("no JSON: %s", text)
	}
	var back recorded
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return back
}

// sameRecord fails the test unless two recorded sources are the same to the byte.
func sameRecord(t *testing.T, want, have recorded) {
	t.Helper()
	if reflect.DeepEqual(want, have) {
		return
	}
	if len(want.databases) != len(have.databases) {
		t.Fatalf("%d databases, want %d", len(have.databases), len(want.databases))
	}
	for i, d := range want.databases {
		for j, c := range d.collections {
			if other := have.databases[i].collections[j]; !reflect.DeepEqual(c, other) {
				t.Errorf("collection %+v reads back as %+v", c, other)
			}
		}
	}
	want.databases, have.databases = nil, nil
	t.Errorf("%+v reads back as %+v", want, have)
}

// TestRecordedSourceReadsBack writes down awkward things: an eighth of the
// corpus, and all of it with MONGO_CORPUS.
func TestRecordedSourceReadsBack(t *testing.T) {
	t.Parallel()
	commands := corpusCommands
	if os.Getenv("MONGO_CORPUS") == "" {
		commands = nil
		for i := 3; i < len(corpusCommands); i += 8 {
			commands = append(commands, corpusCommands[i])
		}
	}
	for _, release := range []string{"4.4", "6.0"} {
		p := pair{source: mongotest.New(t, mongotest.Options{Release: release})}
		p.target = p.source
		corpus{commands: commands, variants: 1}.load(t, p.source)
		p.source.Command(t, "main", `{"createRole": "reader", "privileges": [], "roles": []}`)
		p.source.Command(t, "main", `{"profile": 2}`)
		insert(t, p.source, "main", "profiled", bson.D{{Key: "_id", Value: 1}})
		insert(t, p.source, "main", "no UTF-8 \xff", bson.D{{Key: "_id", Value: 1}})
		insert(t, p.source, "admin", "stray", bson.D{{Key: "_id", Value: 1}})
		do[mover.FenceResult](t, p, mover.OpFence)
		r := recordedOf(t, p.request(mover.OpProve))
		r.lineage = &lineage{Installation: testInstallation, Epoch: 3, State: stateAuthoritative, Move: testMove, Fence: testFence, At: r.at, Made: []string{"main"},
			Baseline: map[string]mover.WriteCounter{"main": {Inserted: 1, LastWrite: oplogNone}}}
		r.counters = r.lineage.Baseline
		back := readBack(t, r)
		sameRecord(t, r, back)
		if fmt.Sprint(back.adapted()) != fmt.Sprint(r.adapted()) || !strings.Contains(fmt.Sprint(back.adapted()), "main.system.profile") {
			t.Errorf("adapted %q, want %q", back.adapted(), r.adapted())
		}
		if back.compatibility != release || back.build.number()/100 != r.build.number()/100 || len(back.strays) != 1 || !back.fence.stands() {
			t.Errorf("compatibility %s, build %+v, strays %q, fence %+v", back.compatibility, back.build, back.strays, back.fence)
		}
	}
}

// TestSpecificationsThatNoTextHolds are kept as BSON, and all others as text.
func TestSpecificationsThatNoTextHolds(t *testing.T) {
	nan := rawDocument("\x01a\x00\x02\x00\x00\x00\x00\x00\xf8\x7f")
	broken := rawDocument("\x02a\x00\x04\x00\x00\x00\xff\xfe\x80\x00")
	twice := rawDocument("\x10a\x00\x01\x00\x00\x00\x10a\x00\x02\x00\x00\x00")
	for _, row := range []struct {
		raw   bson.Raw
		bytes bool
	}{{nan, true}, {broken, true}, {twice, false}, {rawDocument(""), false}, {rawDocument("\x05$bson\x00\x00\x00\x00\x00\x00"), false},
		{rawDocument("\x02$bson\x00\x05\x00\x00\x00QUJD\x00"), true}} {
		text, err := json.Marshal(specification(row.raw))
		if err != nil {
			t.Fatal(err)
		}
		var back specification
		if err := json.Unmarshal(text, &back); err != nil || string(back) != string(row.raw) {
			t.Errorf("%x reads back as %x: %s, %v", []byte(row.raw), []byte(back), text, err)
		}
		if got := strings.HasPrefix(string(text), `{"$bson":"`); got != row.bytes || !json.Valid(text) {
			t.Errorf("%x is written as %s", []byte(row.raw), text)
		}
	}
	for _, text := range []string{`null`, `[]`, `{"$bson": "AA=="}`, `{"a": {"$numberInt": "x"}}`} {
		var s specification
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s is taken for %x", text, []byte(s))
		}
	}
	for _, text := range []string{`null`, `1`, `{}`, `{"$bytes": null}`} {
		var name exact
		if err := json.Unmarshal([]byte(text), &name); err == nil {
			t.Errorf("%s is taken for the name %q", text, name)
		}
	}
	for _, name := range []exact{"", "a\xff", "日本", `{"$bytes": ""}`} {
		text, err := json.Marshal(name)
		var back exact
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || back != name {
			t.Errorf("%q reads back as %q: %v", name, back, err)
		}
	}
}

// TestRecordOfAnotherVersionIsRefused: what we do not know, we do not guess.
func TestRecordOfAnotherVersionIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"format": 2, "databases": []}`:            "read the recorded source: it has format 2, and this version knows 1",
		`{"format": 1, "databases": [], "more": 1}`: `read the recorded source: json: unknown field "more"`,
		`{"format": 1, "databases": [{"name": "a", "collections": [{"name": "c", "kind": "bucket"}]}]}`: `read the recorded source: database a: c is a "bucket", which is no kind of collection`,
	} {
		var r recorded
		if err := json.Unmarshal([]byte(text), &r); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
