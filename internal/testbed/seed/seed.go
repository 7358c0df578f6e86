// Package seed fills the databases of the fixture release: rows in bulk, made
// from a seed and a size, and the awkward things that copies tend to lose. It
// knows SQL; it knows no cluster, no chart and no file outside itself.
package seed

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Databases are the databases of the product, in the order they are filled:
// the largest last, so that the rest of the application is up meanwhile.
var Databases = []string{"domain", "cron_service_production", "contexts_service_production", "conductor_production"}

// Options say how much data, and which.
type Options struct {
	// Seed decides the bytes of the rows. Equal seeds and sizes give equal rows.
	Seed int64
	// Bytes is about how much disk the data takes, indexes included. The empty
	// catalogues of the four databases, 32 MB, come on top.
	Bytes int64
	// Awkward adds the roles, objects and values of the awkward files.
	Awkward bool
	// Superuser adds, to Awkward, what only a superuser can create; a target
	// without one cannot take it.
	Superuser bool
	// Progress is told what is being done; it may be nil.
	Progress func(string)
}

//go:embed sql/*.sql
var files embed.FS

// bytesPerUnit is what one row of workflow_jobs takes with everything that
// comes with it, measured at a million rows; awkwardBytes is what the awkward
// part takes.
const (
	bytesPerUnit = 1070
	awkwardBytes = 22 << 20
	minimumUnits = 1000
)

func (o Options) units() int64 {
	bytes := o.Bytes
	if o.Awkward {
		bytes -= awkwardBytes
	}
	return max(bytes/bytesPerUnit, minimumUnits)
}

// Generate creates the databases and fills them. The connection must be a
// superuser's on a server that has none of them yet; further connections are
// opened with its settings.
func Generate(ctx context.Context, conn *pgx.Conn, o Options) error {
	if o.Superuser && !o.Awkward {
		return errors.New("generate data: the superuser's objects need the awkward ones")
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	for _, name := range Databases {
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"); err != nil {
			return fmt.Errorf("create database %s: %w", name, err)
		}
	}
	if o.Awkward {
		if err := run(ctx, conn, o, conn.Config().Database, "roles"); err != nil {
			return err
		}
	}
	for _, name := range Databases {
		if err := fill(ctx, conn, o, name); err != nil {
			return err
		}
	}
	return nil
}

// scripts are the files that fill a database, in order.
func scripts(database string, o Options) []string {
	switch database {
	case "domain":
		return []string{"domain"}
	case "cron_service_production":
		return []string{"cron"}
	case "contexts_service_production":
		return []string{"contexts"}
	}
	names := []string{"conductor"}
	if o.Awkward {
		names = append(names, "awkward_types", "awkward_values", "awkward_tables", "awkward_constraints", "awkward_code", "awkward_security")
	}
	if o.Superuser {
		names = append(names, "superuser")
	}
	return names
}

func fill(ctx context.Context, conn *pgx.Conn, o Options, database string) error {
	for _, name := range scripts(database, o) {
		if err := run(ctx, conn, o, database, name); err != nil {
			return err
		}
	}
	own, err := connect(ctx, conn, o, database)
	if err != nil {
		return err
	}
	defer own.Close(ctx) // nothing is left to send
	if _, err := own.Exec(ctx, "ANALYZE"); err != nil {
		return fmt.Errorf("analyze database %s: %w", database, err)
	}
	return nil
}

// run runs one file as one transaction.
func run(ctx context.Context, conn *pgx.Conn, o Options, database, name string) error {
	o.Progress(database + ": " + name)
	text, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		return fmt.Errorf("read seed file: %w", err)
	}
	own, err := connect(ctx, conn, o, database)
	if err != nil {
		return err
	}
	defer own.Close(ctx) // the outcome is known by then
	if _, err := own.PgConn().Exec(ctx, string(text)).ReadAll(); err != nil {
		return fmt.Errorf("fill database %s: sql/%s.sql:%d: %w", database, name, line(string(text), err), err)
	}
	return nil
}

// line finds the line that an error of the server points at.
func line(text string, err error) int {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Position < 1 {
		return 1
	}
	count, at := 1, int32(1)
	for _, r := range text {
		if at == pg.Position {
			break
		}
		if r == '\n' {
			count++
		}
		at++
	}
	return count
}

// connect opens a session of known settings: what roles.sql says about its
// databases must not change what is generated.
func connect(ctx context.Context, conn *pgx.Conn, o Options, database string) (*pgx.Conn, error) {
	config := conn.Config().Copy()
	config.Database = database
	verifier := verifiers(o.Seed)
	for key, value := range map[string]string{
		"application_name": "seed", "datestyle": "ISO, MDY", "timezone": "UTC", "intervalstyle": "postgres",
		"extra_float_digits": "1", "bytea_output": "hex", "lock_timeout": "0", "statement_timeout": "0",
		"search_path": "public", "client_encoding": "UTF8", "jit": "off",
		"synchronous_commit": "off", "maintenance_work_mem": "256MB", "standard_conforming_strings": "on",
		"seed.salt": strconv.FormatInt(o.Seed, 10) + ":", "seed.units": strconv.FormatInt(o.units(), 10),
		"seed.scram": verifier.scram, "seed.md5": verifier.md5,
	} {
		config.RuntimeParams[key] = value
	}
	own, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to database %s: %w", database, err)
	}
	return own, nil
}

// ParseBytes reads a size such as 50MB, 2GB or 1048576.
func ParseBytes(text string) (int64, error) {
	units := []struct {
		suffix string
		size   int64
	}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}, {"", 1}}
	upper := strings.ToUpper(strings.TrimSpace(text))
	for _, unit := range units {
		digits, found := strings.CutSuffix(upper, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 1 || n > (1<<62)/unit.size {
			break
		}
		return n * unit.size, nil
	}
	return 0, fmt.Errorf("read size %q: want a number with KB, MB or GB, such as 50MB", text)
}
