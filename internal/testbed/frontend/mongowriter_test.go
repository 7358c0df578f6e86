package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/frontend/writes"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoserver/tempmongo"
	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// TestInsertOfUnknownOutcome cuts the connection around an insert: once after
// the server has it, once before.
func TestInsertOfUnknownOutcome(t *testing.T) {
	server := tempmongo.Start(t, "4.4")
	cases := map[string]struct {
		deliver          bool
		adopted, retried int64
	}{
		"the insert arrived, its answer did not": {true, 1, 0},
		"the insert did not arrive":              {false, 0, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newMongoFrontend(t, server, "")
			f.empty(t)
			o := *server
			f.writer.db.options = o.SetDialer(&cut{mark: "insert\x00", at: 5, deliver: c.deliver})
			f.runUntil(t, 12)
			status := f.status.read().MongoDB.Writes
			if status.Adopted != c.adopted || status.Retried != c.retried || status.Vanished != 0 || status.Lost != 0 {
				t.Errorf("adopted %d, retried %d, vanished %d, lost %d; want %d, %d, 0, 0",
					status.Adopted, status.Retried, status.Vanished, status.Lost, c.adopted, c.retried)
			}
			report := f.audit(t)
			if !report.Whole() || report.Unconfirmed != 0 || report.Rows != report.Confirmed || report.MinN != 1 {
				t.Errorf("the collection is not whole: %s, %d unconfirmed", report, report.Unconfirmed)
			}
		})
	}
}

func TestDocumentsThatTheDatabaseForgotOrDoubledAreNamed(t *testing.T) {
	server := tempmongo.Start(t, "4.4")
	first := newMongoFrontend(t, server, "")
	first.runUntil(t, 10)
	last := first.status.read().MongoDB.Writes.LastN
	if _, err := first.collection(t).DeleteMany(t.Context(), bson.D{{Key: "n", Value: bson.D{{Key: "$gt", Value: last - 3}}}}); err != nil {
		t.Fatal(err)
	}
	second := newMongoFrontend(t, server, first.path)
	second.runUntil(t, last+1)
	if lost := second.status.read().MongoDB.Writes.Lost; lost != 3 {
		t.Errorf("the frontend says that %d documents are lost, want 3", lost)
	}
	if _, err := writes.Insert(t.Context(), second.collection(t), writes.Entry{N: 2, Writer: "a stranger", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	report := second.audit(t)
	var lost []int64
	for _, entry := range report.Lost {
		lost = append(lost, entry.N)
	}
	if diff := cmp.Diff([]int64{last - 2, last - 1, last}, lost); diff != "" {
		t.Errorf("lost numbers differ (-want +got):\n%s", diff)
	}
	if report.Gaps != 3 || report.Doubles != 1 || report.Writers[first.writer.instance] != last-3 {
		t.Errorf("gaps %d, doubles %d, of the first process %d; want 3, 1, %d: a number must not be given again",
			report.Gaps, report.Doubles, report.Writers[first.writer.instance], last-3)
	}
}

// mongoFrontend is a writer with a ledger of its own.
type mongoFrontend struct {
	frontend
	writer *mongoWriter
	path   string
}

// newMongoFrontend begins with a copy of the ledger at path, if there is one.
func newMongoFrontend(t *testing.T, server *options.ClientOptions, before string) *mongoFrontend {
	t.Helper()
	f := &mongoFrontend{path: filepath.Join(t.TempDir(), "ledger")}
	if before != "" {
		data, err := os.ReadFile(before)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("LEDGER_MONGODB", f.path)
	t.Setenv("WRITE_INTERVAL", "1ms")
	f.status = &tracker{log: slog.New(slog.DiscardHandler)}
	var err error
	f.writer, err = newMongoWriter(mongoDatabase{options: server, name: "circle_ghe", host: "server:1"}, f.status, newUUID())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.writer.ledger.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *mongoFrontend) runUntil(t *testing.T, n int64) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { keepWorking(ctx, f.status.mongodb(), f.writer.session); close(done) }()
	f.until(t, func(s Status) bool { return s.MongoDB.Writes.LastN >= n })
	stop()
	<-done
}

func (f *mongoFrontend) collection(t *testing.T) *mongo.Collection {
	t.Helper()
	client, err := mongo.Connect(f.writer.db.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return f.writer.db.collection(client)
}

func (f *mongoFrontend) empty(t *testing.T) {
	t.Helper()
	if err := f.collection(t).Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (f *mongoFrontend) audit(t *testing.T) writes.Report {
	t.Helper()
	data, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	report, err := writes.AuditCollection(t.Context(), f.collection(t), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return report
}
