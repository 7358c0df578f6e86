package mongo

import (
	"context"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// mutation is one change on the target, how to take it back, and what the
// proof must say.
type mutation struct{ name, database, command, undo, want string }

var mutations = []mutation{
	{"changed byte", "main", `{"update": "types", "updates": [{"q": {"_id": 4}, "u": {"$set": {"ref.$db": "maim"}}}]}`, `{"update": "types", "updates": [{"q": {"_id": 4}, "u": {"$set": {"ref.$db": "main"}}}]}`,
		"main: collection types: content differs: same document count, other content"},
	{"changed number type", "main", `{"update": "types", "updates": [{"q": {"_id": 6}, "u": {"$set": {"dots.d": 1}}}]}`, ``, "main: collection types: content differs: same document count, other content"},
	{"byte of a large document", "main", `{"update": "large", "updates": [{"q": {"_id": 2}, "u": {"$set": {"x": 1}}}]}`, `{"update": "large", "updates": [{"q": {"_id": 2}, "u": {"$unset": {"x": 1}}}]}`,
		"main: collection large: content differs: same document count, other content"},
	{"extra document", "main", `{"insert": "empty", "documents": [{"_id": 1}]}`, `{"delete": "empty", "deletes": [{"q": {}, "limit": 0}]}`, "main: collection empty: document count differs"},
	{"missing document", "main", `{"delete": "strict", "deletes": [{"q": {"_id": 1}, "limit": 1}]}`, `{"insert": "strict", "documents": [{"_id": 1, "violates": true}], "bypassDocumentValidation": true}`, "main: collection strict: document count differs"},
	{"no longer capped", "main", `{"drop": "capped"}`, ``, "main: collection capped: is missing on the target"},
	{"other cap", "main", `{"create": "capped", "capped": true, "size": 8192, "max": 21}`, ``, "main: collection capped: option max differs"},
	{"missing index", "main", `{"dropIndexes": "indexed", "index": "geo"}`, `{"createIndexes": "indexed", "indexes": [{"key": {"loc": "2dsphere", "n": 1}, "name": "geo"}]}`, "main: index geo on indexed: is missing on the target"},
	{"extra index", "main", `{"createIndexes": "types", "indexes": [{"key": {"z": 1}, "name": "extra"}]}`, `{"dropIndexes": "types", "index": "extra"}`, "main: index extra on types: is on the target only"},
	{"changed expiry", "main", `{"collMod": "indexed", "index": {"name": "ttl", "expireAfterSeconds": 3601}}`, `{"collMod": "indexed", "index": {"name": "ttl", "expireAfterSeconds": 3600}}`, "main: index ttl on indexed: expireAfterSeconds differs"},
	{"index no longer hidden", "main", `{"collMod": "indexed", "index": {"name": "hidden", "hidden": false}}`, `{"collMod": "indexed", "index": {"name": "hidden", "hidden": true}}`, "main: index hidden on indexed: hidden differs"},
	{"other kind of index", "main", `{"dropIndexes": "indexed", "index": "hashed"}`, ``, "main: index hashed on indexed: is missing on the target"},
	{"same name, other key", "main", `{"createIndexes": "indexed", "indexes": [{"key": {"k": 1}, "name": "hashed"}]}`, `{"dropIndexes": "indexed", "index": "hashed"}`, "main: index hashed on indexed: key differs"},
	{"changed validator", "main", `{"collMod": "strict", "validator": {"a": 1}}`, `{"collMod": "strict", "validator": {"$and": [{"a": {"$type": "int"}}, {"b.c": {"$exists": true}}]}}`, "main: validator strict: differs"},
	{"changed level", "main", `{"collMod": "strict", "validationLevel": "off"}`, `{"collMod": "strict", "validationLevel": "moderate"}`, "main: collection strict: option validationLevel differs"},
	{"changed view", "main", `{"collMod": "jobs view", "viewOn": "indexed", "pipeline": []}`, `{"collMod": "jobs view", "viewOn": "indexed", "pipeline": [{"$match": {"a": {"$gt": 1}}}, {"$project": {"a": 1, "x.y": "$b"}}]}`, "main: view jobs view: option pipeline differs"},
	{"missing view", "main", `{"drop": "view of nothing"}`, `{"create": "view of nothing", "viewOn": "there is no such thing", "pipeline": []}`, "main: view view of nothing: is missing on the target"},
	{"extra collection", "main", `{"create": "extra"}`, `{"drop": "extra"}`, "main: collection extra: is on the target only"},
	{"view instead of a collection", "main", `{"drop": "empty"}`, ``, "main: collection empty: is missing on the target"},
	{"and the view", "main", `{"create": "empty", "viewOn": "types", "pipeline": []}`, `{"drop": "empty"}`, "main: collection empty: is something else on the target"},
	{"extra database", "other", `{"create": "c"}`, `{"dropDatabase": 1}`, "other: database other: is on the target only"},
	{"missing database", "only_a_view", `{"dropDatabase": 1}`, `{"create": "lonely", "viewOn": "nothing", "pipeline": [{"$count": "n"}]}`, "only_a_view: database only_a_view: is missing on the target"},
	{"other collation", "main", `{"drop": "collated"}`, ``, "main: collection collated: is missing on the target"},
}

func TestProofNamesEveryMutation(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "5.0")
	awkward(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	equal(t, p)
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			p.target.Command(t, m.database, m.command)
			proof := do[mover.Proof](t, p, mover.OpProve)
			if got := differences(proof); !slices.Contains(got, m.want) || proof.Equal() {
				t.Errorf("differences %q do not hold %q", got, m.want)
			}
			if m.undo != "" {
				p.target.Command(t, m.database, m.undo)
			}
		})
	}
	do[mover.CopyResult](t, p, mover.OpCopy) // over an earlier one
	equal(t, p)
}

// TestHashAndScanAgree compares every collection both ways, equal and not.
func TestHashAndScanAgree(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "6.0")
	awkward(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	verdicts := func() (hashed, scanned, without []string) {
		m, err := newJob(p.request(mover.OpProve), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.close(t.Context())
		source, target, err := m.readFacts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, pr := range (&proof{job: m}).pairs(source.databases, target.databases) {
			scan := &proof{job: m, scan: true}
			if err := scan.compareContent(t.Context(), pr); err != nil {
				t.Fatal(err)
			}
			if len(scan.Proof.Differences) > 0 {
				scanned = append(scanned, pr.source.name)
			}
			want, have, err := scan.hashes(t.Context(), pr)
			if err != nil {
				t.Fatal(err)
			}
			if want == "" || have == "" {
				without = append(without, pr.source.name)
			}
			if want != have {
				hashed = append(hashed, pr.source.name)
			}
		}
		return hashed, scanned, without
	}
	if hashed, scanned, without := verdicts(); len(hashed)+len(scanned)+len(without) > 0 {
		t.Errorf("equal sides: hashes differ in %q, scans in %q, no hash of %q", hashed, scanned, without)
	}
	for _, name := range []string{"types", "indexed", "large", "a.b.c", "collated", "system.js"} {
		_, err := p.target.Client(t).Database("main").Collection(name).UpdateOne(context.Background(), bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "mutated", Value: 1}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	p.target.Command(t, "main", `{"drop": "capped"}`)
	p.target.Command(t, "main", `{"create": "capped", "capped": true, "size": 8192, "max": 20}`)
	for i := 29; i >= 10; i-- { // the same documents in another order
		insert(t, p.target, "main", "capped", bson.D{{Key: "_id", Value: 100 - i}, {Key: "n", Value: i}})
	}
	reordered := "main: collection capped: content differs: same document count, other content"
	if got := differences(do[mover.Proof](t, p, mover.OpProve)); !slices.Contains(got, reordered) {
		t.Errorf("differences %q do not hold %q", got, reordered)
	}
	hashed, scanned, _ := verdicts()
	want := []string{"a.b.c", "capped", "collated", "indexed", "large", "system.js", "types"}
	// The servers hash in the order of _id, so a capped collection is always read.
	slices.Sort(hashed)
	slices.Sort(scanned)
	if !slices.Equal(scanned, want) || !slices.Equal(hashed, slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == "capped" })) {
		t.Errorf("hashes differ in %q, scans in %q, want %q", hashed, scanned, want)
	}
}
