package pgtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/porttest"
	"github.com/jackc/pgx/v5"
)

// Superuser is the role initdb makes; Password is everybody's password.
const (
	Superuser = "postgres"
	Password  = "pgtest-secret"
)

// Options say what kind of server is wanted.
type Options struct {
	Major int
	// Settings are given on the command line, such as shared_buffers.
	Settings map[string]string
	// TLS makes the server speak TLS 1.3 only, with a certificate of its own
	// CA (Server.CAFile) for the name localhost.
	TLS bool
	// ICU has initdb make the server with ICU as its locale provider, from
	// PostgreSQL 15 on.
	ICU bool
	// Dir holds everything; empty means a new temporary directory.
	Dir string
	// Partman puts pg_partman as Debian publishes it beside the server, with
	// this line at the end of its control file, such as PartmanPublished; empty
	// means without pg_partman.
	Partman string
}

// Server is a running server.
type Server struct {
	Major        int
	Host         string
	Port         int
	Dir          string
	PasswordFile string
	CAFile       string
	PID          int

	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	log  bytes.Buffer
}

// New starts a server for a test and stops it at the test's end.
func New(t testing.TB, major int) *Server {
	t.Helper()
	return NewWith(t, Options{Major: major})
}

// NewWith is New with options.
func NewWith(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Start(context.Background(), o)
	if err != nil {
		t.Fatalf("start PostgreSQL %d: %v", o.Major, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of PostgreSQL %d:\n%s", o.Major, tail(s.Log(), 4000))
		}
		if err := s.Stop(); err != nil {
			t.Errorf("stop PostgreSQL %d: %v", o.Major, err)
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

// Start makes a cluster and starts it.
func Start(ctx context.Context, o Options) (*Server, error) {
	bin, err := Binaries(ctx, o.Major)
	if err == nil && o.Partman != "" {
		bin, err = withPartman(ctx, bin, o.Major, o.Partman)
	}
	if err != nil {
		return nil, err
	}
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "pgtest-"); err != nil {
			return nil, fmt.Errorf("make directory: %w", err)
		}
	}
	s := &Server{Major: o.Major, Host: "127.0.0.1", Dir: dir, PasswordFile: filepath.Join(dir, "password"), done: make(chan struct{})}
	if err := s.prepare(ctx, bin, o); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.run(ctx, bin, o); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// prepare makes the cluster. Only the database's own user may read it.
func (s *Server) prepare(ctx context.Context, bin string, o Options) error {
	if err := os.WriteFile(s.PasswordFile, []byte(Password+"\n"), 0o644); err != nil {
		return fmt.Errorf("write password: %w", err)
	}
	if o.TLS {
		s.Host = "localhost"
		if err := s.writeCertificates(); err != nil {
			return err
		}
	}
	if err := own(s.Dir); err != nil {
		return err
	}
	return newData(ctx, bin, o, s.Dir)
}

// own gives a directory to the server's user, when we are root.
func own(dir string) error {
	attr := asServerUser()
	if attr.Credential == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, int(attr.Credential.Uid), int(attr.Credential.Gid))
	})
}

// asServerUser runs a child as somebody who is not root, and ends it with us.
func asServerUser() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() != 0 {
		return attr
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
			return attr
		}
	}
	return attr
}

// run starts the server and waits for its own word that it is ready.
func (s *Server) run(ctx context.Context, bin string, o Options) error {
	port, err := porttest.Pick()
	if err != nil {
		return err
	}
	s.Port = port
	settings := map[string]string{"listen_addresses": "127.0.0.1", "port": strconv.Itoa(port), "unix_socket_directories": s.Dir,
		"fsync": "off", "max_connections": "60", "max_prepared_transactions": "5", "log_min_messages": "error", "logging_collector": "off"}
	if o.TLS {
		settings["ssl"], settings["ssl_min_protocol_version"] = "on", "TLSv1.3"
		settings["ssl_cert_file"], settings["ssl_key_file"] = filepath.Join(s.Dir, "server.crt"), filepath.Join(s.Dir, "server.key")
	}
	for name, value := range o.Settings {
		settings[name] = value
	}
	args := []string{"-D", filepath.Join(s.Dir, "data")}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	s.cmd = exec.Command(filepath.Join(bin, "bin", "postgres"), args...)
	s.cmd.Dir, s.cmd.SysProcAttr, s.cmd.Env = s.Dir, asServerUser(), []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	s.PID = s.cmd.Process.Pid
	ready := make(chan struct{})
	go s.follow(stderr, ready)
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	select {
	case <-ready:
		return nil
	case <-s.done:
		return fmt.Errorf("start server: it ended: %s", s.Log())
	case <-timer.C:
		return errors.Join(fmt.Errorf("start server: not ready after a minute: %s", s.Log()), s.Stop())
	case <-ctx.Done():
		return errors.Join(ctx.Err(), s.Stop())
	}
}

func (s *Server) follow(r io.Reader, ready chan<- struct{}) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.mu.Lock()
		if s.log.Len() < 1<<20 {
			s.log.WriteString(lines.Text() + "\n")
		}
		s.mu.Unlock()
		if ready != nil && strings.Contains(lines.Text(), "ready to accept connections") {
			close(ready)
			ready = nil
		}
	}
	_ = s.cmd.Wait() // how it ended is in its log
	close(s.done)
}

// Log is what the server has said.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// Stop ends the server at once and removes everything.
func (s *Server) Stop() error {
	select {
	case <-s.done:
	default:
		if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop server: %w", err)
		}
		<-s.done
	}
	return os.RemoveAll(s.Dir)
}

// Connect opens a session as the superuser.
func (s *Server) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	return s.ConnectAs(ctx, Superuser, database)
}

// ConnectAs opens a session through the server's socket.
func (s *Server) ConnectAs(ctx context.Context, role, database string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d sslmode=disable", s.Dir, s.Port))
	if err != nil {
		return nil, err
	}
	cfg.User, cfg.Password, cfg.Database = role, Password, database
	return pgx.ConnectConfig(ctx, cfg)
}

// Exec runs SQL as the superuser and fails the test when it fails.
func (s *Server) Exec(t testing.TB, database, sql string) {
	t.Helper()
	conn, err := s.Connect(context.Background(), database)
	if err != nil {
		t.Fatalf("connect to %s: %v", database, err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Fatalf("run SQL in %s: %v", database, err)
	}
}

// Value runs a query for a single text value.
func (s *Server) Value(t testing.TB, database, sql string) string {
	t.Helper()
	conn, err := s.Connect(context.Background(), database)
	if err != nil {
		t.Fatalf("connect to %s: %v", database, err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var value string
	if err := conn.QueryRow(context.Background(), "select ("+sql+")::text").Scan(&value); err != nil {
		t.Fatalf("query %s: %v", database, err)
	}
	return value
}
