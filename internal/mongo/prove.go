package mongo

import (
	"context"
	"maps"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// proof is one comparison under way. It changes nothing on either side but
// what the write probe makes and drops on the target.
type proof struct {
	*job
	// scan makes it read every document itself, without dbHash.
	scan bool

	mover.Comparison
}

// prove compares both sides. The target is read whole; so is the source, unless
// the copy took digests of its documents and nothing was written since.
func (m *job) prove(ctx context.Context) (mover.Proof, error) {
	began := time.Now()
	p := &proof{job: m, Comparison: mover.Comparison{Proof: mover.Proof{At: began.UTC(), Fence: m.req.Fence, Compared: map[string]int{}}}}
	source, target, err := m.readFacts(ctx)
	if err != nil {
		return p.Proof, err
	}
	if err := m.underFence(source.fence, "prove"); err != nil {
		return p.Proof, err
	}
	before, err := p.counters(ctx, source)
	if err != nil {
		return p.Proof, err
	}
	if err := p.trust(ctx, &source, before); err != nil {
		return p.Proof, err
	}
	if err := p.compareDatabases(ctx, source.databases, target.databases); err != nil {
		return p.Proof, err
	}
	after, err := p.counters(ctx, source)
	if err != nil {
		return p.Proof, err
	}
	if !maps.Equal(before, after) {
		return p.Proof, failf(sourceSide, mover.CodeMoved, "prove: the source was written to meanwhile, in spite of the fence")
	}
	p.Proof.Counters = after
	if p.Proof.SecureWrite, err = p.secureWrite(ctx, source.databases); err != nil {
		return p.Proof, err
	}
	return p.Finish(time.Since(began)), nil
}

// counters reads the source's write counters, if a fence stands: without one
// they say nothing.
func (p *proof) counters(ctx context.Context, source recorded) (map[string]mover.WriteCounter, error) {
	if p.source == nil || !source.fence.stands() {
		return nil, nil
	}
	now, err := p.source.readFence(ctx)
	if err != nil {
		return nil, err
	}
	if !now.stands() || now.ID != source.fence.ID {
		return nil, failf(sourceSide, mover.CodeMoved, "prove: fence %q stands no longer on the source", source.fence.ID)
	}
	return p.source.readCounters(ctx, names(source.databases))
}

// compareDatabases compares what exists, and then the documents.
func (p *proof) compareDatabases(ctx context.Context, source, target []database) error {
	return p.compareContents(ctx, p.pairs(source, target))
}

// pairs compares what exists and gives the collections whose documents are
// still to be compared.
func (p *proof) pairs(source, target []database) []pairOf {
	there := map[string]database{}
	for _, d := range target {
		there[d.name] = d
	}
	var contents []pairOf
	for _, want := range source {
		p.Compared("databases", 1)
		have, ok := there[want.name]
		delete(there, want.name)
		if !ok {
			p.Differ(want.name, "database", want.name, "is missing on the target", "", "")
			continue
		}
		contents = append(contents, p.compareCollections(want, have)...)
	}
	for _, d := range target {
		if _, extra := there[d.name]; extra {
			p.Differ(d.name, "database", d.name, "is on the target only", "", "")
		}
	}
	return contents
}

// plural is what Compared calls several of a kind.
var plural = map[string]string{kindCollection: "collections", kindView: "views", kindTimeseries: "time series"}

// pairOf is one collection on both sides.
type pairOf struct{ source, target collection }

// compareCollections compares the collections of one database and gives those
// whose documents are still to be compared.
func (p *proof) compareCollections(source, target database) []pairOf {
	there := map[string]collection{}
	for _, c := range target.collections {
		there[c.name] = c
	}
	var contents []pairOf
	for _, want := range source.collections {
		p.Compared(plural[want.kind], 1)
		have, ok := there[want.name]
		delete(there, want.name)
		switch {
		case !ok:
			p.Differ(source.name, want.kind, want.name, "is missing on the target", "", "")
			continue
		case have.kind != want.kind:
			p.Differ(source.name, want.kind, want.name, "is something else on the target", want.kind, have.kind)
			continue
		}
		p.compareOptions(want, have)
		p.compareIndexes(want, have)
		if want.kind != kindView {
			contents = append(contents, pairOf{want, have})
		}
	}
	for _, c := range target.collections {
		if _, extra := there[c.name]; extra {
			p.Differ(source.name, c.kind, c.name, "is on the target only", "", "")
		}
	}
	return contents
}

// compareOptions compares the options of a collection or view, each by name.
func (p *proof) compareOptions(want, have collection) {
	for _, d := range differingFields(want.options, have.options, deadCollectionOptions) {
		kind := want.kind
		what := "option " + d.name + " differs"
		if d.name == "validator" {
			kind, what = "validator", "differs"
		}
		p.Differ(want.database, kind, want.name, what, d.source, d.target)
	}
	if n := len(fields(want.options, deadCollectionOptions)); n > 0 {
		p.Compared("options", n)
	}
}

// compareIndexes compares the indexes of a collection by name.
func (p *proof) compareIndexes(want, have collection) {
	there := map[string]bson.Raw{}
	for _, index := range have.indexes {
		there[indexName(index)] = index
	}
	for _, index := range want.indexes {
		p.Compared("indexes", 1)
		name := indexName(index)
		other, ok := there[name]
		delete(there, name)
		if !ok {
			p.Differ(want.database, "index", name+" on "+want.name, "is missing on the target", "", "")
			continue
		}
		for _, d := range differingFields(index, other, append(idleOf(index), deadIndexOptions...)) {
			p.Differ(want.database, "index", name+" on "+want.name, d.name+" differs", d.source, d.target)
		}
	}
	for _, index := range have.indexes {
		if name := indexName(index); there[name] != nil {
			p.Differ(want.database, "index", name+" on "+want.name, "is on the target only", "", "")
		}
	}
}

// fieldDifference is a top-level field that is not the same in two
// specifications.
type fieldDifference struct{ name, source, target string }

// differingFields compares two specifications field by field. The order of
// the fields does not matter, what is in them does, order and number types
// included.
func differingFields(source, target bson.Raw, ignored []string) []fieldDifference {
	want, have := fields(source, ignored), fields(target, ignored)
	var found []fieldDifference
	for _, name := range sortedKeys(want, have) {
		if want[name] != have[name] {
			found = append(found, fieldDifference{name, want[name], have[name]})
		}
	}
	return found
}

// secureWrite shows that the application can work on the target: in every
// database it makes a collection, writes, reads back and drops it.
func (p *proof) secureWrite(ctx context.Context, all []database) (bool, error) {
	written := 0
	for _, d := range all {
		err := p.target.probe(ctx, d.name)
		if errorCode(err) == mover.CodePrivilege {
			p.Differ(d.name, "write", p.target.endpoint.Username, "user cannot create and write: "+err.Error(), "", "")
			continue
		}
		if err != nil {
			return false, err
		}
		written++
	}
	return written > 0 && written == len(all), nil
}

// probe makes a collection, writes a document, reads it and drops all again.
func (s *server) probe(ctx context.Context, name string) error {
	drop := func() error {
		err := s.command(ctx, name, bson.D{{Key: "drop", Value: probeCollection}}, nil)
		if numberOf(err) == codeNamespaceNotFound {
			return nil
		}
		return err
	}
	if err := drop(); err != nil { // a proof that was cut off may have left it
		return err
	}
	if err := s.command(ctx, name, bson.D{{Key: "create", Value: probeCollection}}, nil); err != nil {
		return err
	}
	probe := s.client.Database(name).Collection(probeCollection)
	err := s.quickly(ctx, "write to database "+name, func(ctx context.Context) error {
		if _, err := probe.InsertOne(ctx, bson.D{{Key: "_id", Value: "probe"}, {Key: "at", Value: time.Now().UTC()}}); err != nil {
			return err
		}
		return probe.FindOne(ctx, matter("probe")).Err()
	})
	if err != nil {
		return err
	}
	return drop()
}
