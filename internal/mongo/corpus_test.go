package mongo

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// The corpus holds as many awkward things as a release takes, each as
// often as is asked for: MONGO_CORPUS=5 is all of it five times, without it an
// eighth of it is taken once. It moves to a server of the same series, is proven, and is
// then compared once more by queries of this test's own, which know nothing of
// the proof's.

func TestProveCorpus(t *testing.T) {
	t.Parallel()
	size := corpus{commands: corpusCommands, variants: 1}
	if n := os.Getenv("MONGO_CORPUS"); n != "" {
		if _, err := fmt.Sscan(n, &size.variants); err != nil || size.variants < 1 {
			t.Fatalf("MONGO_CORPUS=%s is no number of variants", n)
		}
	} else {
		size.commands = nil
		for i := 0; i < len(corpusCommands); i += 8 {
			size.commands = append(size.commands, corpusCommands[i])
		}
	}
	var rows []string
	for _, release := range []string{"4.4", "5.0", "6.0"} {
		rows = append(rows, size.prove(t, release)...)
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "corpus: servers\tkind\tobjects\tfalse differences\tunnamed losses\tnamed")
	for _, row := range rows {
		fmt.Fprintln(w, "corpus: "+row)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
}

// prove moves the corpus from a release to the same one.
func (c corpus) prove(t *testing.T, release string) []string {
	t.Helper()
	p := newPair(t, release, release)
	made, refused := c.load(t, p.source)
	patient := outageLimits
	patient.trial = 10 * time.Minute
	result, err := runWithin(t.Context(), p.request(mover.OpInspect), patient)
	if err != nil {
		t.Fatal(err)
	}
	inspected := result.(mover.InspectResult)
	if inspected.Source.Error+inspected.Target.Error+inspected.Target.Database.Settings["trial"] != "" {
		t.Fatalf("%s: source %q, target %q, trial %q", release, inspected.Source.Error, inspected.Target.Error, inspected.Target.Database.Settings["trial"])
	}
	named := len(inspected.Adapted)
	for _, u := range inspected.Blocked {
		if !strings.Contains(u.Database, "refused") {
			t.Errorf("%s: a false finding: %+v", release, u)
		}
		named++
	}
	drop(t, p.source, inspected.Blocked)
	do[mover.FenceResult](t, p, mover.OpFence)
	copied := do[mover.CopyResult](t, p, mover.OpCopy)
	if !slices.Equal(copied.Adapted, inspected.Adapted) {
		t.Errorf("%s: the copy changed %q, announced were %q", release, copied.Adapted, inspected.Adapted)
	}
	proof := do[mover.Proof](t, p, mover.OpProve)
	for _, line := range differences(proof) {
		t.Errorf("%s: a false difference: %s", release, line)
	}
	// The server's own sizes are not exact to the byte.
	if announced := total(inspected.Source.Database); announced < copied.Bytes*99/100 || announced > copied.Bytes*101/100 {
		t.Errorf("%s: announced %d bytes, carried %d", release, announced, copied.Bytes)
	}
	// What was named is lost with a word.
	losses := slices.DeleteFunc(lost(t, p), func(line string) bool {
		object, _, _ := strings.Cut(line, " ")
		return slices.ContainsFunc(inspected.Adapted, func(word string) bool { return slices.Contains(strings.Fields(word), strings.TrimSuffix(object, ":")) })
	})
	for _, line := range losses {
		t.Errorf("%s: lost without a word: %s", release, line)
	}
	var rows []string
	for _, kind := range slices.Sorted(maps.Keys(proof.Compared)) {
		rows = append(rows, fmt.Sprintf("%s → %s\t%s\t%d\t%d\t%d\t", release, release, kind, proof.Compared[kind], len(proof.Differences), len(losses)))
	}
	return append(rows, fmt.Sprintf("%s → %s\tcommands taken (refused by the source)\t%d (%d)\t\t\t%d", release, release, made, refused, named))
}

func total(db *mover.Database) (n int64) {
	for _, d := range db.Databases {
		n += d.Bytes
	}
	return n
}

// corpus is how much of it there is: which commands, and how often each, every
// time in databases of its own.
type corpus struct {
	commands [][2]string
	variants int
}

// load runs what the release takes and says how much that was. What no release
// takes would prove nothing.
func (c corpus) load(t *testing.T, s *mongotest.Server) (made, refused int) {
	t.Helper()
	awkward(t, s)
	for i := range c.variants {
		for _, one := range c.commands {
			database := fmt.Sprintf("%s_%d", one[0], i)
			var command bson.D
			if err := bson.UnmarshalExtJSON([]byte(one[1]), false, &command); err != nil {
				t.Fatalf("read %s: %v", one[1], err)
			}
			if err := s.Client(t).Database(database).RunCommand(t.Context(), command).Err(); err != nil {
				refused++
			} else {
				made++
			}
		}
		insert(t, s, fmt.Sprintf("types_%d", i), "types", types()...)
		large := bson.D{{Key: "_id", Value: "large"}, {Key: "x", Value: ""}}
		empty, err := bson.Marshal(large)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 { // exactly as large as a document may be
			large[1].Value = strings.Repeat("x", 16<<20-len(empty))
		}
		insert(t, s, fmt.Sprintf("types_%d", i), "large", large)
	}
	if made < refused {
		t.Fatalf("the server took %d commands and refused %d", made, refused)
	}
	applyOps(t, s, filepath.Join("testdata", "documents-no-insert-takes.json"))
	return made, refused
}

// applyOps writes documents as a replica set does: without the checks of an
// insert.
func applyOps(t *testing.T, s *mongotest.Server, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.Command(t, "refused", `{"create": "c"}`)
	for line := range strings.Lines(string(raw)) {
		op := bson.D{{Key: "op", Value: "i"}, {Key: "ns", Value: "refused.c"}, {Key: "o", Value: document(t, line)}}
		if err := s.Client(t).Database("admin").RunCommand(t.Context(), bson.D{{Key: "applyOps", Value: bson.A{op}}}).Err(); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

// drop takes away what was named as not to be carried, as its owner would.
func drop(t *testing.T, s *mongotest.Server, all []mover.UnsupportedObject) {
	t.Helper()
	for _, u := range all {
		words := strings.Fields(u.Object)
		name := words[len(words)-1]
		if err := s.Client(t).Database(u.Database).Collection(name).Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// lost compares both sides by plain listings and by every document in the
// order of its _id, byte for byte.
func lost(t *testing.T, p pair) (lines []string) {
	t.Helper()
	want, have := inventory(t, p.source), inventory(t, p.target)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if want[key] != have[key] {
			lines = append(lines, fmt.Sprintf("%s: %.200q there, %.200q here", key, want[key], have[key]))
		}
	}
	for key := range have {
		if _, ok := want[key]; !ok {
			lines = append(lines, key+" is new")
		}
	}
	return lines
}

// inventory lists everything on a server as text.
func inventory(t *testing.T, s *mongotest.Server) map[string]string {
	t.Helper()
	out := map[string]string{}
	client := s.Client(t)
	databases, err := client.ListDatabaseNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range databases {
		if slices.Contains([]string{"admin", "config", "local", "circleci_dr"}, d) {
			continue
		}
		specs, err := client.Database(d).ListCollectionSpecifications(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range specs {
			if spec.Name == "system.views" {
				continue
			}
			key := d + "." + spec.Name
			out[key] = spec.Type + " " + sortedText(spec.Options)
			if spec.Type == "view" {
				continue
			}
			if !strings.HasPrefix(spec.Name, "system.buckets.") {
				listIndexes(t, client.Database(d).Collection(spec.Name), key, out)
			}
			countDocuments(t, client.Database(d).Collection(spec.Name), key, out)
		}
	}
	return out
}

// sortedText writes a specification with its fields in the order of their
// names.
func sortedText(spec bson.Raw) string {
	var fields []string
	elements, err := spec.Elements()
	if err != nil {
		return ""
	}
	for _, e := range elements {
		switch e.Key() {
		case "ns", "background": // where it is, and how it was built once
		case "weights", "default_language", "language_override", "textIndexVersion", "2dsphereIndexVersion", "bits", "min", "max":
			if strings.Contains(spec.Lookup("key").String(), `"text"`) || strings.Contains(spec.Lookup("key").String(), `"2d`) {
				fields = append(fields, e.String())
			}
		default:
			fields = append(fields, e.String())
		}
	}
	slices.Sort(fields)
	return strings.Join(fields, ", ")
}

func listIndexes(t *testing.T, c *mongo.Collection, key string, out map[string]string) {
	t.Helper()
	cursor, err := c.Indexes().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var indexes []bson.Raw
	if err := cursor.All(t.Context(), &indexes); err != nil {
		t.Fatal(err)
	}
	for _, index := range indexes {
		name, _ := index.Lookup("name").StringValueOK()
		out[key+" index "+name] = sortedText(index)
	}
}

func countDocuments(t *testing.T, c *mongo.Collection, key string, out map[string]string) {
	t.Helper()
	cursor, err := c.Find(context.Background(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cursor.Close(context.Background()) }()
	n := 0
	for cursor.Next(context.Background()) {
		out[fmt.Sprintf("%s document %d", key, n)] = string(cursor.Current)
		n++
	}
	if err := cursor.Err(); err != nil {
		t.Fatal(err)
	}
	out[key+" documents"] = fmt.Sprint(n)
}

// TestCorpusFindsALoss: what the corpus' own comparison says of a document,
// an index and an option that are gone.
func TestCorpusFindsALoss(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	for _, s := range []*mongotest.Server{p.source, p.target} {
		s.Command(t, "main", `{"create": "c", "validator": {"a": 1}, "validationLevel": "off"}`)
		s.Command(t, "main", `{"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]}`)
		insert(t, s, "main", "c", bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: primitive.Timestamp{T: 1}}})
	}
	if got := lost(t, p); len(got) > 0 {
		t.Fatalf("lost %q", got)
	}
	p.target.Command(t, "main", `{"dropIndexes": "c", "index": "a"}`)
	p.target.Command(t, "main", `{"collMod": "c", "validator": {"a": 2}}`)
	p.target.Command(t, "main", `{"update": "c", "updates": [{"q": {}, "u": {"$set": {"a": 1}}}]}`)
	if got := lost(t, p); len(got) != 3 {
		t.Errorf("lost %q", got)
	}
}
