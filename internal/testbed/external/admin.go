package external

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
)

// setup makes the administrator once. What it may do follows managed services:
// databases, roles, looking at everything and ending sessions; no superuser.
const setup = `\set ON_ERROR_STOP on
select not exists (select from pg_roles where rolname = :'admin') as missing \gset
\if :missing
begin;
create role :"admin" login createdb createrole;
grant pg_monitor to :"admin" with admin option;
grant pg_signal_backend to :"admin" with admin option;
\set password %s
alter role :"admin" password :'password';
commit;
\endif
`

// ready makes the administrator where there is none yet, and logs in as it the
// way everybody does: over TLS, with the password, verifying the certificate.
func (s Server) ready(ctx context.Context) error {
	password, err := os.ReadFile(PasswordFile())
	if err != nil {
		return fmt.Errorf("read the administrator's password: %w", err)
	}
	// The password goes in over standard input: arguments can be listed.
	script := fmt.Sprintf(setup, password)
	if err := psql(ctx, script, nil, "-v", "admin="+Admin, "-d",
		fmt.Sprintf("host=%s port=%d user=postgres dbname=postgres", SocketDir(), s.Port)); err != nil {
		return err
	}
	return psql(ctx, "select 1;", []string{"PGPASSWORD=" + string(password)}, "-d",
		fmt.Sprintf("host=%s hostaddr=%s port=%d user=%s dbname=postgres sslmode=verify-full sslrootcert=%s",
			s.Host(), strings.Split(s.Address(), ":")[0], s.Port, Admin, CAFile()))
}

func psql(ctx context.Context, script string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(pgserver.ClientDir, "psql"), append([]string{"-X", "-q", "-A", "-t"}, args...)...)
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "PGCONNECT_TIMEOUT=5"}, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ask the server: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
