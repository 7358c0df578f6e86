package mongotest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/porttest"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
)

// Root is the user who may do everything; Password is everybody's password.
const (
	Root     = "root"
	Password = "mongotest-secret"
)

// Options say what kind of server is wanted.
type Options struct {
	// Release is 4.4, 5.0 or 6.0.
	Release string
	// ReplicaSet makes it a set of one node under that name.
	ReplicaSet string
	// TLS makes the server speak TLS only, with a certificate of its own CA
	// (Server.CAFile) for the name localhost.
	TLS bool
	// ClientCertificate makes it also ask for a certificate of that CA, as
	// Server.CertificateFile holds one.
	ClientCertificate bool
	// Member leaves the server as it starts, for a set that another one makes:
	// nobody can log in to it before.
	Member bool
	// Arguments are further arguments of mongod.
	Arguments []string
}

// Server is a running server.
type Server struct {
	Options

	Host         string
	Port         int
	Dir          string
	PasswordFile string
	CAFile       string
	// CertificateFile is a client's certificate and key.
	CertificateFile string

	binaries string
	cmd      *exec.Cmd
	done     chan struct{}
	client   *mongo.Client
}

// New starts a server for a test and stops it at the test's end.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Start(context.Background(), o)
	if err != nil {
		t.Fatalf("start MongoDB %s: %v", o.Release, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("errors in the log of MongoDB %s:\n%s", o.Release, s.troubles())
		}
		if err := s.Stop(); err != nil {
			t.Errorf("stop MongoDB %s: %v", o.Release, err)
		}
	})
	return s
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// Start makes an empty server, starts it and makes its root user.
func Start(ctx context.Context, o Options) (*Server, error) {
	binaries, err := Binaries(ctx, o.Release)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mongotest-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	s := &Server{Options: o, Host: "127.0.0.1", Dir: dir, PasswordFile: filepath.Join(dir, "password"), binaries: binaries}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.Run(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if o.Member {
		return s, nil
	}
	if err := s.initiate(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) prepare() error {
	if err := os.WriteFile(s.PasswordFile, []byte(Password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write password: %w", err)
	}
	// Members of a set know each other by this file; with --auth 5.0 insists.
	if err := os.WriteFile(s.path("key"), []byte("bW9uZ290ZXN0LWtleS1maWxl"), 0o600); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	if err := os.Mkdir(s.path("data"), 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if s.TLS || s.ClientCertificate {
		s.TLS, s.Host = true, "localhost"
		if err := s.writeCertificates(); err != nil {
			return err
		}
	}
	port, err := porttest.Pick()
	s.Port = port
	return err
}

func (s *Server) path(name string) string { return filepath.Join(s.Dir, name) }

func (s *Server) arguments() []string {
	args := []string{"--dbpath", s.path("data"), "--bind_ip", "127.0.0.1", "--port", strconv.Itoa(s.Port), "--nounixsocket",
		"--auth", "--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false"}
	if s.ReplicaSet != "" {
		args = append(args, "--replSet", s.ReplicaSet, "--keyFile", s.path("key"), "--oplogSize", "990")
	}
	if s.TLS {
		args = append(args, "--tlsMode", "requireTLS", "--tlsCertificateKeyFile", s.path("server.pem"), "--tlsCAFile", s.CAFile)
		if !s.ClientCertificate {
			args = append(args, "--tlsAllowConnectionsWithoutCertificates")
		}
	}
	return append(args, s.Arguments...)
}

// Run starts the server's process and waits until it answers. It is for
// starting one again after Kill.
func (s *Server) Run() error {
	log, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	cmd := exec.Command(filepath.Join(s.binaries, "bin", "mongod"), s.arguments()...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "LD_LIBRARY_PATH=" + filepath.Join(s.binaries, "lib")}
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	s.cmd, s.done = cmd, make(chan struct{})
	go func(done chan struct{}) {
		_ = cmd.Wait() // how it ended is in its log
		close(done)
	}(s.done)
	return s.ready()
}

// ready waits until the port takes connections.
func (s *Server) ready() error {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
	for range 600 {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.done:
			return fmt.Errorf("start server: it ended: %s", tail(s.Log(), 2000))
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("start server: not ready after a minute: %s", tail(s.Log(), 2000))
}

// initiate makes the set and the root user. Until there is a user, whoever
// comes from the machine itself may do that.
func (s *Server) initiate(ctx context.Context) error {
	client, err := s.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(ctx) }()
	admin := client.Database("admin")
	if s.ReplicaSet != "" {
		config := bson.D{{Key: "_id", Value: s.ReplicaSet}, {Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: s.Address()}}}}}
		if err := admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: config}}).Err(); err != nil {
			return fmt.Errorf("initiate replica set: %w", err)
		}
		if err := s.awaitPrimary(ctx, admin); err != nil {
			return err
		}
	}
	create := bson.D{{Key: "createUser", Value: Root}, {Key: "pwd", Value: Password}, {Key: "roles", Value: bson.A{"root"}}}
	if err := admin.RunCommand(ctx, create).Err(); err != nil {
		return fmt.Errorf("make the root user: %w", err)
	}
	return nil
}

func (s *Server) awaitPrimary(ctx context.Context, admin *mongo.Database) error {
	for range 600 {
		var hello struct {
			Primary bool `bson:"ismaster"`
		}
		if err := admin.RunCommand(ctx, bson.D{{Key: "isMaster", Value: 1}}).Decode(&hello); err != nil {
			return fmt.Errorf("look for the primary: %w", err)
		}
		if hello.Primary {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("the set has no primary after 30 s")
}

// Address is host:port.
func (s *Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Log is what the server has said.
func (s *Server) Log() string {
	raw, err := os.ReadFile(s.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// troubles are the newest errors in the log.
func (s *Server) troubles() string {
	var out strings.Builder
	for line := range strings.Lines(s.Log()) {
		if strings.Contains(line, `"s":"E"`) || strings.Contains(line, `"s":"F"`) {
			out.WriteString(line)
		}
	}
	return tail(out.String(), 4000)
}

// PID is the number of the server's process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Kill ends the process at once and keeps the data.
func (s *Server) Kill() error {
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill server: %w", err)
	}
	<-s.done
	return nil
}

// Restart kills the server and starts it again on its data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if s.client != nil {
		// It would go on with a cluster time that the killed server had not
		// written down yet.
		_ = s.client.Disconnect(context.Background())
		s.client = nil
	}
	if err := errors.Join(s.Kill(), s.Run()); err != nil {
		t.Fatalf("restart MongoDB %s: %v", s.Release, err)
	}
	if s.ReplicaSet != "" {
		if err := s.awaitPrimary(context.Background(), s.Client(t).Database("admin")); err != nil {
			t.Fatalf("restart MongoDB %s: %v", s.Release, err)
		}
	}
}

// Stop ends the server at once and removes everything.
func (s *Server) Stop() error {
	if s.client != nil {
		_ = s.client.Disconnect(context.Background()) // the server is about to go
	}
	return errors.Join(s.Kill(), os.RemoveAll(s.Dir))
}
