package mongo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	tooldb "github.com/mongodb/mongo-tools/common/db"
	toollog "github.com/mongodb/mongo-tools/common/log"
	tooloptions "github.com/mongodb/mongo-tools/common/options"
	toolprogress "github.com/mongodb/mongo-tools/common/progress"
	"github.com/mongodb/mongo-tools/mongodump"
	"github.com/mongodb/mongo-tools/mongorestore"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
)

// MongoDB's tools carry the documents: mongodump writes one collection as BSON
// into a pipe, mongorestore reads it from there. What they are not asked to do
// is what they do badly as packages: they would pass options and indexes
// through JSON, give errors as text only, and drop a document a target
// refuses. See docs/adr/0020.

const (
	// pieceSize is how much goes through the pipe at once.
	pieceSize = 256 << 10
	// batchSize is how many documents mongorestore sends in one command.
	batchSize = 1000
	// severalWriters is the size from which a collection is written by more
	// than one connection.
	severalWriters = 32 << 20
)

// quietTools keeps the tools from writing to the mover's own output: their log
// is one for the whole process, and quotes index definitions.
var quietTools = sync.OnceFunc(func() { toollog.SetWriter(io.Discard) })

// counter is a progress manager of the tools that only keeps the counts.
type counter struct {
	mu   sync.Mutex
	seen []toolprogress.Progressor
}

// Attach is called when the tool begins a collection.
func (c *counter) Attach(_ string, p toolprogress.Progressor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, p)
}

// Detach is called when it is done with it.
func (c *counter) Detach(string) {}

func (c *counter) total() (n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.seen {
		done, _ := p.Progress()
		n += done
	}
	return n
}

// toolOptions are what both tools are told: always where to go, and that is
// the relay.
func (s *server) toolOptions(r *relay, ns tooloptions.Namespace) (*tooloptions.ToolOptions, error) {
	uri, err := tooloptions.NewURI("mongodb://" + url.QueryEscape(r.Path))
	if err != nil {
		return nil, fmt.Errorf("name the relay to MongoDB's tools: %w", err)
	}
	never, patience := false, int(max(s.limits.connect, time.Second).Seconds())
	o := &tooloptions.ToolOptions{
		AppName: s.label, General: &tooloptions.General{}, Verbosity: &tooloptions.Verbosity{}, URI: uri,
		Connection: &tooloptions.Connection{Timeout: patience, ServerSelectionTimeout: patience},
		SSL:        &tooloptions.SSL{}, Auth: &tooloptions.Auth{}, Kerberos: &tooloptions.Kerberos{}, Namespace: &ns,
		Direct: true, RetryWrites: &never,
		// The end of the copy waits for all of it to be on disk.
		WriteConcern: writeconcern.W1(),
	}
	if c := s.credential(); c != nil {
		o.Auth = &tooloptions.Auth{Username: c.Username, Password: c.Password, Source: c.AuthSource, Mechanism: c.AuthMechanism}
	}
	return o, nil
}

// moved is what one collection's documents came to.
type moved struct {
	documents, bytes int64
	passed           *passed
}

// documents carries the documents of one collection, which exists on the
// target and is empty.
func (c *copyRun) documents(ctx context.Context, what collection) (moved, error) {
	quietTools()
	from, into := io.Pipe()
	written := &meter{to: into, report: func(n int) { c.progress.Add(what.String(), n) }}
	dumped := &counter{}
	dumpDone := make(chan error, 1)
	go func() {
		err := c.dump(what, written, dumped)
		_ = into.CloseWithError(err) // nil is the end of the stream
		dumpDone <- err
	}()
	zeros, taker := &zeroTimes{}, newTaker(what, c.record.at)
	restored, restoreErr := c.restore(what, from, zeros, taker)
	_ = from.CloseWithError(errRestoreEnded)
	dumpErr := <-dumpDone
	if cause := context.Cause(ctx); cause != nil {
		return moved{}, cause
	}
	switch {
	case dumpErr != nil && written.err == nil:
		return moved{}, c.toolError(sourceSide, c.sourceRelay, fmt.Errorf("read %s: %w", what, dumpErr))
	case restoreErr != nil:
		return moved{}, c.toolError(targetSide, c.targetRelay, fmt.Errorf("write %s: %w", what, restoreErr))
	}
	if n := dumped.total(); n != restored {
		return moved{}, failf(targetSide, mover.CodeFailed, "write %s: the target took %d of %d documents", what, restored, n)
	}
	return moved{documents: restored, bytes: written.bytes, passed: taker.done()}, c.restoreZeros(ctx, what, zeros)
}

var errRestoreEnded = errors.New("the writing side has ended")

// toolError prefers why no connection came about to what the tool made of it.
func (c *copyRun) toolError(side string, r *relay, err error) error {
	if cause := r.err(); cause != nil {
		return classify(side, fmt.Errorf("%w: %w", err, cause))
	}
	return classify(side, err)
}

// dump writes the documents of one collection.
func (c *copyRun) dump(what collection, to *meter, progress *counter) error {
	// Asked for a time series, mongodump reads the collection behind it.
	o, err := c.source.toolOptions(c.sourceRelay, tooloptions.Namespace{DB: what.database, Collection: what.name})
	if err != nil {
		return err
	}
	pieces := bufio.NewWriterSize(to, pieceSize)
	dump := &mongodump.MongoDump{
		ToolOptions: o, InputOptions: &mongodump.InputOptions{},
		OutputOptions:     &mongodump.OutputOptions{Out: "-", NumParallelCollections: 1},
		SkipUsersAndRoles: true, ProgressManager: progress, OutputWriter: pieces,
	}
	to.stop = dump.HandleInterrupt
	if err := dump.Init(); err != nil {
		return err
	}
	if err := dump.Dump(); err != nil {
		return err
	}
	return pieces.Flush()
}

// restore reads documents until the pipe ends and says how many it wrote.
func (c *copyRun) restore(what collection, from io.Reader, zeros *zeroTimes, taker *taker) (int64, error) {
	o, err := c.target.toolOptions(c.targetRelay, tooloptions.Namespace{DB: what.database, Collection: what.data()})
	if err != nil {
		return 0, err
	}
	workers := 1
	if what.bytes >= severalWriters && !what.capped() {
		workers = c.req.Streams
	}
	restore, err := mongorestore.New(mongorestore.Options{
		ToolOptions: o, InputOptions: &mongorestore.InputOptions{}, NSOptions: &mongorestore.NSOptions{},
		OutputOptions: &mongorestore.OutputOptions{
			StopOnError: true, NumInsertionWorkers: workers, BulkBufferSize: batchSize,
			// The order of a capped collection is part of it.
			MaintainInsertionOrder: what.capped(),
			// The documents are the application's, whatever its validator has come to say since.
			// Stored functions have none, and an admin of a managed service may not bypass it there.
			BypassDocumentValidation: what.kind != kindTimeseries && what.name != storedFunctions,
		},
	})
	if err != nil {
		return 0, err
	}
	defer restore.Close()
	stream := stream{bufio.NewReaderSize(from, pieceSize)}
	kind := ""
	if what.kind == kindTimeseries {
		kind = kindTimeseries // it lets a bucket with values of several types in
	}
	// Not through Restore: when it fails it closes its input under the
	// goroutine that reads from it.
	zeros.RawDocSource = taking{tooldb.NewBSONSource(stream), taker}
	result := restore.RestoreCollectionToDB(what.database, what.data(), tooldb.NewDecodedBSONSource(zeros), stream, what.bytes, kind)
	if result.Err == nil && result.Failures > 0 {
		return 0, fmt.Errorf("the target refused %d documents", result.Failures)
	}
	return result.Successes, result.Err
}

// stream is the reading end of the pipe as mongorestore wants it. Whoever made
// the pipe closes it.
type stream struct{ *bufio.Reader }

// Close leaves the pipe alone.
func (stream) Close() error { return nil }

// Pos is for a progress bar of the tool's own.
func (stream) Pos() int64 { return 0 }

// meter counts what passes. Nobody may be there to take it any more; then it
// asks mongodump to stop and takes the rest itself: a writer that fails makes
// mongodump close its cursor while another goroutine reads from it.
type meter struct {
	to     io.Writer
	report func(n int)
	stop   func()
	bytes  int64
	err    error
}

func (m *meter) Write(p []byte) (int, error) {
	if m.err != nil {
		return len(p), nil
	}
	n, err := m.to.Write(p)
	m.bytes += int64(n)
	m.report(n)
	if err != nil {
		m.err = err
		m.stop()
	}
	return len(p), nil
}
