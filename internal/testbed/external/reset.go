package external

import (
	"context"
	"fmt"
)

// wipe drops every database and role but the server's own and the
// administrator. \gexec runs each row it is given.
const wipe = `\set ON_ERROR_STOP on
select format('drop database %%I with (force)', datname) from pg_database where not datistemplate and datname <> 'postgres' and %[2]t \gexec
select format('drop database %%I', datname) from pg_database where not datistemplate and datname <> 'postgres' and not %[2]t \gexec
select format('drop owned by %%I cascade', rolname) from pg_roles where rolname not like 'pg\_%%' and rolname not in ('postgres', %[1]s) \gexec
select format('drop role %%I', rolname) from pg_roles where rolname not like 'pg\_%%' and rolname not in ('postgres', %[1]s) \gexec
alter role all reset all;
`

// Reset makes the server as new: no database and no role but its own and the
// administrator.
func (s Server) Reset(ctx context.Context) error {
	script := fmt.Sprintf(wipe, "'"+Admin+"'", s.Major >= 13)
	dsn := fmt.Sprintf("host=%s port=%d user=postgres dbname=postgres", SocketDir(), s.Port)
	if err := psql(ctx, script, nil, "-d", dsn); err != nil {
		return fmt.Errorf("reset %s: %w", s.Name(), err)
	}
	return nil
}
