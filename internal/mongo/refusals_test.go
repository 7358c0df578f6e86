package mongo

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	simple(t, p.source)
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("not the password"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.target.User(t, "admin", "reader", `["readAnyDatabase", "clusterMonitor"]`)
	p.target.User(t, "admin", "nobody", `[]`)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	for _, row := range []struct {
		name       string
		change     func(req *mover.Request)
		code, side string
	}{
		{"wrong password", func(r *mover.Request) { r.Target.PasswordFile = wrong }, mover.CodeCredentials, targetSide},
		{"wrong user", func(r *mover.Request) { r.Source.Username = "mallory" }, mover.CodeCredentials, sourceSide},
		{"wrong authSource", func(r *mover.Request) { r.Target.AuthSource = "circle_ghe" }, mover.CodeCredentials, targetSide},
		{"no password file", func(r *mover.Request) { r.Target.PasswordFile = "/nowhere" }, mover.CodeCredentials, targetSide},
		{"unreachable", func(r *mover.Request) { r.Source.Hosts = []string{closed} }, mover.CodeUnreachable, sourceSide},
		{"other replica set", func(r *mover.Request) { r.Target.ReplicaSet = "rs7" }, mover.CodeUnreachable, targetSide},
		{"TLS where there is none", func(r *mover.Request) { r.Target.TLSMode = "require" }, mover.CodeUnreachable, targetSide},
		{"may not write", func(r *mover.Request) { r.Target.Username = "reader" }, mover.CodePrivilege, targetSide},
		{"may do nothing", func(r *mover.Request) { r.Target.Username = "nobody" }, mover.CodePrivilege, targetSide},
		{"no host", func(r *mover.Request) { r.Target.Hosts, r.Target.Host = nil, "" }, mover.CodeFailed, targetSide},
		{"other fence", func(r *mover.Request) { r.Fence = "fence-2" }, mover.CodeMoved, sourceSide},
		{"unknown TLS mode", func(r *mover.Request) { r.Target.TLSMode = "perhaps" }, mover.CodeFailed, targetSide},
		{"odd options", func(r *mover.Request) { r.Target.Options = "w=%zz" }, mover.CodeFailed, targetSide},
	} {
		t.Run(row.name, func(t *testing.T) {
			req := p.request(mover.OpCopy)
			row.change(&req)
			err := codeIs(t, req, row.code, row.side)
			if strings.Contains(err.Error(), mongotest.Password) || strings.Contains(err.Error(), "not the password") {
				t.Errorf("the error holds a password: %v", err)
			}
			req.Operation = mover.OpInspect
			if row.code == mover.CodeFailed || row.code == mover.CodeMoved || row.name == "may not write" || row.name == "no password file" {
				return
			}
			limits := outageLimits
			limits.connect = 2 * time.Second
			result, err := runWithin(t.Context(), req, limits)
			if err != nil {
				t.Fatal(err)
			}
			inspected := result.(mover.InspectResult)
			side := map[string]*mover.InspectedSide{sourceSide: inspected.Source, targetSide: inspected.Target}[row.side]
			if side.Database != nil || side.Code != row.code {
				t.Errorf("inspected %+v, want no facts and code %s", side, row.code)
			}
		})
	}
	insert(t, p.target, "somebody", "else", bson.D{{Key: "x", Value: 1}})
	err = codeIs(t, p.request(mover.OpCopy), mover.CodeNotEmpty, targetSide)
	if want := "overwrite the target: database somebody is not empty and none of ours"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	p.target.Command(t, "somebody", `{"dropDatabase": 1}`)
	do[mover.CopyResult](t, p, mover.OpCopy)
	other := p.request(mover.OpCopy)
	other.Installation = "another"
	codeIs(t, other, mover.CodeNotEmpty, targetSide)
	other.Operation = "clear"
	codeIs(t, other, mover.CodeFailed, "")
}

// TestAnEmptySourceIsNoCopy is one of the manual's two mistakes: restoring
// nothing, and ending well.
func TestAnEmptySourceIsNoCopy(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	do[mover.FenceResult](t, p, mover.OpFence)
	codeIs(t, p.request(mover.OpCopy), mover.CodeUnsupported, sourceSide)
	if proof := do[mover.Proof](t, p, mover.OpProve); proof.Equal() {
		t.Errorf("nothing equals nothing: %+v", proof)
	}
}

// TestNothingGoesToTheSource is the other: a restore without a host goes to
// whatever server is near, and a whole-server archive replaces its accounts.
func TestNothingGoesToTheSource(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "5.0")
	awkward(t, p.source)
	p.source.User(t, "admin", "application", `[{"role": "readWrite", "db": "main"}]`)
	p.target.User(t, "admin", "own", `["root"]`)
	do[mover.FenceResult](t, p, mover.OpFence)
	before, accounts := state(t, p.source), state(t, p.target, "system.users")
	do[mover.CopyResult](t, p, mover.OpCopy)
	equal(t, p)
	if after := state(t, p.source); after != before {
		t.Errorf("the source is not as it was:\n%s\n%s", before, after)
	}
	if after := state(t, p.target, "system.users"); after != accounts {
		t.Errorf("the accounts of the target changed:\n%s\n%s", accounts, after)
	}
}

// state is the hash of every database, or of some collections of admin.
func state(t *testing.T, s *mongotest.Server, collections ...string) string {
	t.Helper()
	names, err := s.Client(t).ListDatabaseNames(context.Background(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, name := range names {
		if name == "local" || name == "config" || len(collections) > 0 && name != "admin" {
			continue
		}
		command := bson.D{{Key: "dbHash", Value: 1}}
		if len(collections) > 0 {
			command = append(command, bson.E{Key: "collections", Value: collections})
		}
		var hash struct {
			Collections map[string]string `bson:"collections"`
		}
		if err := s.Client(t).Database(name).RunCommand(context.Background(), command).Decode(&hash); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, name, hash.Collections)
	}
	return out.String()
}
