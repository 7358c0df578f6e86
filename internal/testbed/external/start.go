package external

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pki"
	"github.com/circleci-dr/circleci-dr/internal/testbed/proc"
)

// uid is the user nobody: PostgreSQL refuses to run as root, and a user of our
// own would be left behind.
const uid = 65534

// Names are the servers' names in the cluster's DNS.
func Names() []string {
	var names []string
	for _, s := range Servers {
		names = append(names, s.Host())
	}
	for _, s := range MongoServers {
		names = append(names, s.Host())
	}
	return names
}

// issuer is a server whose directory has to be filled once for every boot.
type issuer interface {
	Name() string
	issue(ca *pki.Authority, dir string) error
}

func issuers() []issuer {
	var all []issuer
	for _, s := range Servers {
		all = append(all, s)
	}
	for _, s := range MongoServers {
		all = append(all, s)
	}
	return all
}

// Prepare makes what all servers share: the authority, the administrators'
// passwords, the directory of the sockets.
func Prepare() error {
	if _, err := os.Stat(base); err == nil {
		return complete()
	}
	tmp := base + ".tmp" // whole or not at all
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(filepath.Join(tmp, "sockets"), 0o700)); err != nil {
		return fmt.Errorf("make the servers' directory: %w", err)
	}
	ca, _, err := pki.NewAuthority("circleci-dr testbed databases")
	if err != nil {
		return err
	}
	for _, s := range issuers() {
		if err := s.issue(ca, filepath.Join(tmp, s.Name())); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(tmp, "ca.crt"), ca.PEM, 0o644); err != nil {
		return fmt.Errorf("write the servers' authority: %w", err)
	}
	for _, file := range []string{PasswordFile(), MongoPasswordFile(), MongoRootPasswordFile()} {
		if err := os.WriteFile(filepath.Join(tmp, filepath.Base(file)), []byte(rand.Text()), 0o600); err != nil {
			return fmt.Errorf("write a password: %w", err)
		}
	}
	err = errors.Join(os.Chown(filepath.Join(tmp, "sockets"), uid, uid), os.Chmod(tmp, 0o711), os.Rename(tmp, base))
	if err != nil {
		return fmt.Errorf("make the servers' directory: %w", err)
	}
	return nil
}

// complete tells a testbed from before a server was added: the authority's key
// is gone, so it cannot be added to it.
func complete() error {
	for _, s := range issuers() {
		if _, err := os.Stat(filepath.Join(base, s.Name())); err != nil {
			return fmt.Errorf("look for what %s needs: %w; the testbed is from before it was added", s.Name(), err)
		}
	}
	return nil
}

// issue writes the server's certificate into its directory, readable for it.
func (s Server) issue(ca *pki.Authority, dir string) error {
	pair, err := ca.Issue(s.certificate())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of %s: %w", s.Name(), err)
	}
	if err := pair.Write(dir, "server"); err != nil {
		return err
	}
	return errors.Join(os.Chown(dir, uid, uid), os.Chown(filepath.Join(dir, "server.key"), uid, uid))
}

func (s Server) certificate() pki.Request {
	return pki.Request{CommonName: s.Host(), Names: []string{s.Host(), cluster.NodeIP}}
}

// Ensure starts the server from the directory bin unless it runs, and waits
// until it accepts the administrator.
func (s Server) Ensure(ctx context.Context, bin string) error {
	if err := s.initialise(ctx, bin); err != nil {
		return err
	}
	spec := proc.Spec{Name: s.Name(), UID: uid, Args: []string{filepath.Join(bin, "postgres"), "-D", s.data()}}
	deadline := time.Now().Add(60 * time.Second)
	for {
		// Again after a death: backends of a killed server need a moment to
		// notice, and until then a new one refuses to start.
		if _, err := cluster.Parts().Ensure(ctx, spec); err != nil {
			return err
		}
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("start %s: %w; the end of %s:\n%s", s.Name(), err, cluster.Parts().Log(s.Name()), cluster.LogTail(s.Name(), 15))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// initialise makes the data directory, whole or not at all.
func (s Server) initialise(ctx context.Context, bin string) error {
	if _, err := os.Stat(s.data()); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the data of %s: %w", s.Name(), err)
	}
	tmp := s.data() + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("clear %s: %w", tmp, err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata="+tmp, "--username=postgres",
		"--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--nosync")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the data directory of %s: %w: %s", s.Name(), err, strings.TrimSpace(string(out)))
	}
	// The files exist and belong to the server, and keep owner and mode.
	rules := os.WriteFile(filepath.Join(tmp, "pg_hba.conf"), []byte(accessRules), 0o600)
	if err := errors.Join(rules, appendTo(filepath.Join(tmp, "postgresql.conf"), s.settings())); err != nil {
		return fmt.Errorf("configure %s: %w", s.Name(), err)
	}
	if err := os.Rename(tmp, s.data()); err != nil {
		return fmt.Errorf("keep the data directory of %s: %w", s.Name(), err)
	}
	return nil
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
