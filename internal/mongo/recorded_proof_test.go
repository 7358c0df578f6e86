package mongo

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// with runs an operation on a source that was written down; without a server
// there is nobody to ask for more.
func with(t *testing.T, req mover.Request, given recorded, server bool) (any, error) {
	t.Helper()
	m, err := newJob(req, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close(t.Context())
	m.given = &given
	if !server {
		m.source = nil
	}
	return m.run(t.Context())
}

// proveRecord compares the target with a source that was written down.
func proveRecord(t *testing.T, p pair, given recorded) mover.Proof {
	t.Helper()
	result, err := with(t, p.request(mover.OpProve), given, false)
	if err != nil {
		t.Fatal(err)
	}
	return result.(mover.Proof)
}

// kept is what the newest copy left of its source on the target.
func kept(t *testing.T, p pair) recorded {
	t.Helper()
	s, err := newServer(targetSide, endpoint(p.target), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close(t.Context())
	if err := s.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := s.readRecord(t.Context())
	if err != nil || r == nil {
		t.Fatalf("the copy left no record: %v", err)
	}
	return *r
}

// TestRecordIsAsGoodAsItsSource copies and proves from what was written down,
// without the source where documents are not wanted.
func TestRecordIsAsGoodAsItsSource(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "5.0")
	awkward(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	copied := do[mover.CopyResult](t, p, mover.OpCopy)
	proof, first := equal(t, p), kept(t, p)
	given := readBack(t, recordedOf(t, p.request(mover.OpCopy)))
	result, err := with(t, p.request(mover.OpCopy), given, true)
	if err != nil {
		t.Fatal(err)
	}
	if again := result.(mover.CopyResult); !slices.Equal(again.Adapted, copied.Adapted) || again.Tables != copied.Tables || again.Rows != copied.Rows {
		t.Errorf("from the record %+v, from the server %+v", again, copied)
	}
	if second := equal(t, p); !maps.Equal(second.Compared, proof.Compared) {
		t.Errorf("copied from the record compares %v, copied from the server %v", second.Compared, proof.Compared)
	}
	given = kept(t, p)
	if !maps.Equal(given.counters, first.counters) || len(given.counters) != 3 {
		t.Errorf("counters %v, then %v", first.counters, given.counters)
	}
	if alone := proveRecord(t, p, given); !alone.Equal() || !maps.Equal(alone.Compared, proof.Compared) {
		t.Errorf("without the source: %q, compared %v, with it %v", differences(alone), alone.Compared, proof.Compared)
	}
	for _, m := range mutations {
		p.target.Command(t, m.database, m.command)
		if got := differences(proveRecord(t, p, given)); !slices.Contains(got, m.want) {
			t.Errorf("%s: differences %q do not hold %q", m.name, got, m.want)
		}
		if m.undo != "" {
			p.target.Command(t, m.database, m.undo)
		}
	}
	given.build = buildInfo{Version: "6.0.1", Numbers: []int{6, 0, 1}}
	if _, err := with(t, p.request(mover.OpCopy), given, true); err == nil || !strings.Contains(err.Error(), "older than the source's 6.0.1") {
		t.Errorf("the copy of a newer source ends with %v", err)
	}
}

// TestChangedRecordIsNamed: each value that is not what it was is found.
func TestChangedRecordIsNamed(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	awkward(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	text, err := json.Marshal(kept(t, p))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ old, changed, want string }{
		{`"name":"only_a_view"`, `"name":"another_view"`, "another_view: database another_view: is missing on the target"},
		{`"name":"a.b.c"`, `"name":"a.b.d"`, "main: collection a.b.d: is missing on the target"},
		{`"name":"lonely","kind":"view"`, `"name":"lonely","kind":"collection"`, "only_a_view: collection lonely: is something else on the target"},
		{`"max":{"$numberInt":"20"}`, `"max":{"$numberInt":"21"}`, "main: collection capped: option max differs"},
		{`"validationLevel":"moderate"`, `"validationLevel":"strict"`, "main: collection strict: option validationLevel differs"},
		{`"pattern":"^a$"`, `"pattern":"^b$"`, "main: validator schema: differs"},
		{`"$limit":{"$numberInt":"3"}`, `"$limit":{"$numberInt":"4"}`, "main: view a view on a view: option pipeline differs"},
		{`"expireAfterSeconds":{"$numberInt":"3600"}`, `"expireAfterSeconds":{"$numberInt":"3601"}`, "main: index ttl on indexed: expireAfterSeconds differs"},
		{`"key":{"k":"hashed"}`, `"key":{"k":{"$numberInt":"1"}}`, "main: index hashed on indexed: key differs"},
		{`"name":"version one"`, `"name":"version two"`, "main: index version two on indexed: is missing on the target"},
		{`"all":20,"documents":20,`, `"all":20,"documents":19,`, "main: collection capped: document count differs"},
		{`"all":20,"documents":20,"sum":"`, `"all":20,"documents":20,"sum":"00`, "main: collection capped: content differs: same document count, other content"},
	} {
		if strings.Count(string(text), row.old) != 1 {
			t.Fatalf("%s is %d times in %s", row.old, strings.Count(string(text), row.old), text)
		}
		changed := strings.Replace(string(text), row.old, row.changed, 1)
		if strings.HasSuffix(row.changed, `"00`) { // as long as it was
			at := strings.Index(changed, row.changed) + len(row.changed)
			changed = changed[:at] + changed[at+2:]
		}
		var given recorded
		if err := json.Unmarshal([]byte(changed), &given); err != nil {
			t.Fatal(err)
		}
		if got := differences(proveRecord(t, p, given)); !slices.Contains(got, row.want) {
			t.Errorf("%s: differences %q do not hold %q", row.changed, got, row.want)
		}
	}
	given := kept(t, p)
	for i := range given.databases[0].collections {
		given.databases[0].collections[i].passed = nil
	}
	if _, err := with(t, p.request(mover.OpProve), given, false); errorCode(err) != mover.CodeInconclusive || !strings.Contains(err.Error(), "no digest of its documents on record") {
		t.Errorf("without a digest: %v", err)
	}
}

// digested names the collections of which a proof takes the digest on record.
func digested(t *testing.T, p pair) (found []string) {
	t.Helper()
	m, err := newJob(p.request(mover.OpProve), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close(t.Context())
	source, _, err := m.readFacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pr := &proof{job: m}
	now, err := pr.counters(t.Context(), source)
	if err == nil {
		err = pr.trust(t.Context(), &source, now)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range source.databases {
		for _, c := range d.collections {
			if pr.counting(c) != nil {
				found = append(found, c.name)
			}
		}
	}
	return found
}

// TestWhatExpiresIsComparedWithoutItsSource: a target deletes by itself what a
// copy brought, which is no difference, and every other change is one.
func TestWhatExpiresIsComparedWithoutItsSource(t *testing.T) {
	t.Parallel()
	p := fleet(t)
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	live, given := equal(t, p), kept(t, p)
	if got := digested(t, p); !slices.Equal(got, []string{"capped", "clustered", "plain", "ttl"}) {
		t.Errorf("the digests of %q count", got) // of the others a server knows more: a condition, and how many there are
	}
	thorough := p.request(mover.OpProve)
	thorough.Thorough = true
	if proof := run[mover.Proof](t, thorough); !proof.Equal() || !maps.Equal(proof.Compared, live.Compared) {
		t.Errorf("thorough: %q, compared %v, not %v", differences(proof), proof.Compared, live.Compared)
	}
	alone := proveRecord(t, p, given)
	// Of those that a condition keeps, two have a date that is over or soon is.
	if !alone.Equal() || live.Compared["documents"]-alone.Compared["documents"] != 2 {
		t.Errorf("without the source: %q, compared %v, with it %v", differences(alone), alone.Compared, live.Compared)
	}
	for _, row := range []struct{ command, want string }{
		{`{"update": "plain", "updates": [{"q": {"n": 1}, "u": {"$set": {"n": 2}}}]}`, "main: collection plain: content differs: same document count, other content"},
		{`{"update": "ttl", "updates": [{"q": {"at": {"$gt": {"$date": "2900-01-01T00:00:00Z"}}}, "u": {"$set": {"n": 2}}}]}`, "main: collection ttl: content differs: same document count, other content"},
		{`{"delete": "some", "deletes": [{"q": {"at": {"$gt": {"$date": "2900-01-01T00:00:00Z"}}}, "limit": 1}]}`, "main: collection some: document count differs"},
		{`{"update": "capped", "updates": [{"q": {"n": 1}, "u": {"$set": {"n": 3}}}]}`, "main: collection capped: content differs: same document count, other content"},
		{`{"insert": "series", "documents": [{"at": {"$date": "2998-01-01T00:00:00Z"}, "host": "z"}]}`, "main: timeseries series: document count differs"},
		{`{"update": "clustered", "updates": [{"q": {"_id": 2}, "u": {"$set": {"n": 2}}}]}`, "main: collection clustered: content differs: same document count, other content"},
	} {
		p.target.Command(t, "main", row.command)
		for how, proof := range map[string]mover.Proof{"without the source": proveRecord(t, p, given), "with it": do[mover.Proof](t, p, mover.OpProve)} {
			if got := differences(proof); !slices.Contains(got, row.want) {
				t.Errorf("%s %s: differences %q do not hold %q", row.command, how, got, row.want)
			}
		}
	}
}

// TestDigestsCountWhileNothingIsWritten: what the copy recorded stands for the
// source until somebody writes there, and never when it is not to be trusted.
func TestDigestsCountWhileNothingIsWritten(t *testing.T) {
	t.Parallel()
	for _, set := range []string{"", "rs1"} {
		p := pair{source: mongotest.New(t, mongotest.Options{Release: "4.4", ReplicaSet: set}), target: mongotest.New(t, mongotest.Options{Release: "4.4"})}
		p.source.Command(t, "main", `{"create": "capped", "capped": true, "size": 65536}`)
		insert(t, p.source, "main", "capped", bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 1}})
		do[mover.FenceResult](t, p, mover.OpFence)
		do[mover.CopyResult](t, p, mover.OpCopy)
		equal(t, p)
		// The documents are the same on both sides, and the record says otherwise.
		given := kept(t, p)
		given.databases[0].collections[0].passed.stays.lo++
		given.databases[0].collections[0].passed.documents++
		rewrite(t, p, given)
		equal(t, p) // more went by than there is
		given.databases[0].collections[0].passed.documents--
		rewrite(t, p, given)
		want := []string{"main: collection capped: content differs: same document count, other content"}
		if got := differences(do[mover.Proof](t, p, mover.OpProve)); !slices.Equal(got, want) {
			t.Errorf("set %q: the digest on record was not taken: %q", set, got)
		}
		thorough := p.request(mover.OpProve)
		thorough.Thorough = true
		if got := differences(run[mover.Proof](t, thorough)); len(got) > 0 {
			t.Errorf("set %q: a thorough proof took it: %q", set, got)
		}
		p.target.Command(t, ownDatabase, `{"update": "source", "updates": [{"q": {}, "u": {"$set": {"of": 2}}}]}`)
		equal(t, p) // half a record is none
		rewrite(t, p, given)
		do[mover.UnfenceResult](t, p, mover.OpUnfence)
		for _, s := range []*mongotest.Server{p.source, p.target} {
			s.Command(t, "main", `{"update": "capped", "updates": [{"q": {"_id": 1}, "u": {"$set": {"n": 2}}}]}`)
		}
		do[mover.FenceResult](t, p, mover.OpFence)
		equal(t, p) // both were read, and are the same again
		do[mover.CopyResult](t, p, mover.OpCopy)
		do[mover.UnfenceResult](t, p, mover.OpUnfence)
		p.source.Command(t, "main", `{"update": "capped", "updates": [{"q": {"_id": 1}, "u": {"$set": {"n": 3}}}]}`)
		do[mover.FenceResult](t, p, mover.OpFence)
		if got := differences(do[mover.Proof](t, p, mover.OpProve)); !slices.Equal(got, want) {
			t.Errorf("set %q: the source was written to after the copy: %q", set, got)
		}
	}
}

// rewrite puts another record in the place of the copy's.
func rewrite(t *testing.T, p pair, r recorded) {
	t.Helper()
	m, err := newJob(p.request(mover.OpCopy), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close(t.Context())
	if err := m.target.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := &copyRun{job: m, record: r, passed: map[[2]string]*passed{}}
	for _, d := range r.databases {
		for _, one := range d.collections {
			c.passed[[2]string{d.name, one.name}] = one.passed
		}
	}
	if err := c.keepRecord(t.Context()); err != nil {
		t.Fatal(err)
	}
}
