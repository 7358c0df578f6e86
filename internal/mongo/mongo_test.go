package mongo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

const (
	testFence        = "fence-1"
	testMove         = "move-1"
	testInstallation = "11111111-2222-3333-4444-555555555555/circleci-server/circleci-server"
)

// pair is a source and a target server, and the requests between them.
type pair struct{ source, target *mongotest.Server }

// newPair starts a server by itself, as the chart has it, and a replica set of
// one node, as an external one is.
func newPair(t *testing.T, from, to string) pair {
	t.Helper()
	return pair{source: mongotest.New(t, mongotest.Options{Release: from}), target: mongotest.New(t, mongotest.Options{Release: to, ReplicaSet: "rs0"})}
}

func endpoint(s *mongotest.Server) *mover.Endpoint {
	e := &mover.Endpoint{Host: s.Host, Port: s.Port, Hosts: []string{s.Address()}, Username: mongotest.Root, PasswordFile: s.PasswordFile, AuthSource: "admin",
		ReplicaSet: s.ReplicaSet, TLSMode: "disable"}
	if s.TLS {
		e.TLSMode, e.CAFile = "verify-full", s.CAFile
	}
	if s.ClientCertificate {
		e.CertificateFile = s.CertificateFile
	}
	return e
}

func (p pair) request(op mover.Operation) mover.Request {
	return mover.Request{Operation: op, Engine: mover.MongoDB, Installation: testInstallation, Move: testMove, Epoch: 1, Fence: testFence,
		Source: endpoint(p.source), Target: endpoint(p.target)}
}

// do runs an operation and fails the test when it fails.
func do[T any](t *testing.T, p pair, op mover.Operation) T {
	t.Helper()
	return run[T](t, p.request(op))
}

func run[T any](t *testing.T, req mover.Request) T {
	t.Helper()
	result, err := Run(context.Background(), req, nil)
	if err != nil {
		t.Fatalf("%s: %v", req.Operation, err)
	}
	return result.(T)
}

// runWithin runs an operation with limits of the test's own.
func runWithin(ctx context.Context, req mover.Request, l limits) (any, error) {
	m, err := newJob(req, nil)
	if err != nil {
		return nil, err
	}
	defer m.close(ctx)
	for _, s := range []*server{m.source, m.target} {
		if s != nil {
			s.limits = l
		}
	}
	result, err := m.run(ctx)
	return result, classify("", err)
}

// codeIs fails the test unless an operation fails with the given class.
func codeIs(t *testing.T, req mover.Request, code, side string) error {
	t.Helper()
	limits := outageLimits
	limits.connect = 2 * time.Second
	_, err := runWithin(t.Context(), req, limits)
	var known *mover.Error
	if !errors.As(err, &known) || known.Code != code || known.Side != side {
		t.Fatalf("%s: got %v, want code %q on side %q", req.Operation, err, code, side)
	}
	return err
}

func differences(proof mover.Proof) []string {
	var lines []string
	for _, d := range proof.Differences {
		lines = append(lines, d.Database+": "+d.Kind+" "+d.Object+": "+d.What)
	}
	return lines
}

// equal proves and fails the test when the sides are not the same.
func equal(t *testing.T, p pair) mover.Proof {
	t.Helper()
	proof := do[mover.Proof](t, p, mover.OpProve)
	if !proof.Equal() {
		t.Fatalf("not equal: %q %+v (secure write %v, compared %v)", differences(proof), proof.Differences, proof.SecureWrite, proof.Compared)
	}
	return proof
}

// insert writes documents into a collection.
func insert(t *testing.T, s *mongotest.Server, database, collection string, documents ...any) {
	t.Helper()
	if _, err := s.Client(t).Database(database).Collection(collection).InsertMany(context.Background(), documents); err != nil {
		t.Fatalf("insert into %s.%s: %v", database, collection, err)
	}
}

// simple fills two databases.
func simple(t *testing.T, s *mongotest.Server) {
	t.Helper()
	var jobs []any
	for i := range 3000 {
		jobs = append(jobs, bson.D{{Key: "_id", Value: i}, {Key: "name", Value: fmt.Sprintf("job %d", i)}, {Key: "doc", Value: bson.D{{Key: "n", Value: i}}}})
	}
	insert(t, s, "circle_ghe", "jobs", jobs...)
	insert(t, s, "vmservice", "vms", bson.D{{Key: "a", Value: 1}})
	s.Command(t, "circle_ghe", `{"createIndexes": "jobs", "indexes": [{"key": {"name": 1}, "name": "by name", "unique": true}]}`)
}

func TestMoveSimple(t *testing.T) {
	t.Parallel()
	compatibilityAsked := func(s *mongotest.Server) int64 { // it is the only parameter that we ask for
		return s.Command(t, "admin", `{"serverStatus": 1}`).Lookup("metrics", "commands", "getParameter", "total").AsInt64()
	}
	for _, to := range []string{"4.4", "5.0", "6.0"} {
		t.Run("to "+to, func(t *testing.T) {
			p := newPair(t, "4.4", to)
			simple(t, p.source)
			fenced := do[mover.FenceResult](t, p, mover.OpFence)
			copied := do[mover.CopyResult](t, p, mover.OpCopy)
			proof := equal(t, p)
			commit := p.request(mover.OpCommit)
			commit.Counters = proof.Counters
			run[struct{}](t, commit)
			run[struct{}](t, commit) // cut off and run again
			do[mover.UnfenceResult](t, p, mover.OpUnfence)
			got := []any{fenced.Fence.How, maps.Equal(fenced.Counters, proof.Counters), copied.Tables, copied.Rows, proof.Compared}
			want := []any{"lock", true, 2, int64(3001), map[string]int{"databases": 2, "collections": 2, "indexes": 1, "documents": 3001}}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v, want %v", got, want)
			}
			asked := compatibilityAsked(p.source)
			inspected := do[mover.InspectResult](t, p, mover.OpInspect)
			if n := compatibilityAsked(p.source) - asked; n != 1 {
				t.Errorf("an inspection asks for the feature compatibility version %d times", n)
			}
			marks := []any{inspected.Source.Database.Lineage.State, inspected.Target.Database.Lineage.State, inspected.Source.Database.Fence}
			if fmt.Sprint(marks) != "[superseded authoritative <nil>]" {
				t.Errorf("marks are %v", marks)
			}
			codeIs(t, p.request(mover.OpCopy), mover.CodeMoved, sourceSide) // no fence stands
		})
	}
}
