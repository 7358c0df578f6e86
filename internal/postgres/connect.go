package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	sourceSide = "source"
	targetSide = "target"

	// ownDatabase is our own small database on either side.
	ownDatabase = "circleci_dr"
	// maintenance is the database every server has; we log in there to
	// create and drop others.
	maintenance = "postgres"
	// appPrefix marks our sessions in pg_stat_activity.
	appPrefix = "circleci-dr"

	connectTimeout = 10 * time.Second
	// dialTry is how long one attempt at a connection lasts.
	dialTry = 3 * time.Second
	// leaveTime is for a session's end, and for what is undone before it.
	leaveTime = 5 * time.Second
)

// server is one side of a move: how to reach it and what was learnt about it
// at the first connection.
type server struct {
	side     string
	endpoint mover.Endpoint
	password string
	// label is the application_name of our sessions. It carries the holder's
	// token, so that a newer mover can find and end an older one's sessions.
	label string

	// names are the addresses of the host, as they were last found.
	names *hostNames

	version   int
	superuser bool
	// patience is how long one is tried that has answered before, see persist.
	patience time.Duration
	// rehearsal is what the names of our own rehearsal here begin with; empty
	// for all that must not see one.
	rehearsal string
	// felt are the settings of sessions on a database that are the application's
	// own, see mover.feeling.
	felt map[string]map[string]string
}

// newServer reads the password file; it does not connect.
func newServer(side string, endpoint *mover.Endpoint, label string) (*server, error) {
	if endpoint == nil {
		return nil, fail(side, mover.CodeFailed, errors.New("no endpoint was given"))
	}
	s := &server{side: side, endpoint: *endpoint, label: label, names: &hostNames{}, patience: answerTime}
	if endpoint.PasswordFile != "" {
		raw, err := os.ReadFile(endpoint.PasswordFile)
		if err != nil {
			return nil, fail(side, mover.CodeCredentials, fmt.Errorf("read password file: %w", err))
		}
		s.password = strings.TrimRight(string(raw), "\r\n")
	}
	return s, nil
}

// config is the connection configuration for one database.
func (s *server) config(database string) (*pgx.ConnConfig, error) {
	var dsn strings.Builder
	for _, kv := range s.libpq(database) {
		fmt.Fprintf(&dsn, "%s=%s ", kv[0], quoteConnValue(kv[1]))
	}
	cfg, err := pgx.ParseConfig(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("read connection settings: %w", err)
	}
	cfg.Password = s.password
	if s.endpoint.TLSMode != "prefer" { // the one mode that may go on without TLS
		cfg.Fallbacks = nil
	}
	cfg.ConnectTimeout = connectTimeout
	cfg.RuntimeParams = s.settings(database) // they win over ALTER ROLE and ALTER DATABASE
	cfg.RuntimeParams["application_name"] = s.label
	if s.side == sourceSide && strings.HasPrefix(s.label, rehearsalApp) { // what it holds back goes soon after its node died
		maps.Copy(cfg.RuntimeParams, map[string]string{"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"})
	}
	if s.names != nil {
		cfg.LookupFunc = s.names.find
	}
	cfg.DialFunc = dial
	return cfg, nil
}

// persist opens a session. A server that has answered this run, and does not now, is
// more likely behind a network that is cut for a while than gone: it is tried for as
// long as one is waited for that says nothing.
func persist[T any](ctx context.Context, s *server, open func() (T, error)) (T, error) {
	for begun := time.Now(); ; {
		session, err := open()
		if err == nil || s.version == 0 || !pgconn.Timeout(err) || ctx.Err() != nil || time.Since(begun) >= s.patience {
			return session, err
		}
	}
}

// dial makes a connection, and when nothing answers makes another attempt, from
// another port, for as long as the context lasts: what a network has lost, or
// remembers wrongly, it has of one attempt.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	// A server that is gone while we wait for its rows is noticed within about
	// answerTime.
	alive := net.KeepAliveConfig{Enable: true, Idle: answerTime / 4, Interval: answerTime / 4, Count: 3}
	d := net.Dialer{Timeout: dialTry, KeepAliveConfig: alive}
	for {
		conn, err := d.DialContext(ctx, network, address)
		var silent net.Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &silent) || !silent.Timeout() {
			return conn, err
		}
	}
}

// libpq lists the connection keywords that pgx and libpq share. The password
// is not among them.
func (s *server) libpq(database string) [][2]string {
	mode := s.endpoint.TLSMode
	if mode == "" {
		mode = "verify-full"
	}
	kv := [][2]string{
		{"host", s.endpoint.Host},
		{"port", fmt.Sprint(s.endpoint.Port)},
		{"user", s.endpoint.Username},
		{"dbname", database},
		{"sslmode", mode},
	}
	if s.endpoint.CAFile != "" {
		kv = append(kv, [2]string{"sslrootcert", s.endpoint.CAFile})
	}
	return kv
}

func quoteConnValue(v string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
}

// connect opens a session on one database and learns the server's version.
func (s *server) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	cfg, err := s.config(database)
	if err != nil {
		return nil, fail(s.side, mover.CodeFailed, err)
	}
	conn, err := persist(ctx, s, func() (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, cfg) })
	if err != nil {
		return nil, classify(s.side, fmt.Errorf("connect to database %q: %w", database, err))
	}
	if err := s.learn(ctx, conn); err != nil {
		closeConn(ctx, conn)
		return nil, classify(s.side, err)
	}
	return conn, nil
}

// asStored has a database without an encoding of its own give every byte as it
// is: what is no UTF-8 it could not send as such.
func asStored(ctx context.Context, conn *pgconn.PgConn) error {
	if conn.ParameterStatus("server_encoding") != sqlASCII {
		return nil
	}
	if _, err := conn.Exec(ctx, "set client_encoding = "+sqlASCII).ReadAll(); err != nil {
		return fmt.Errorf("set client_encoding: %w", err)
	}
	return nil
}

const sqlASCII = "SQL_ASCII"

// connectRaw opens a session for the COPY relay, without pgx's type layer.
func (s *server) connectRaw(ctx context.Context, database string) (*pgconn.PgConn, error) {
	cfg, err := s.config(database)
	if err != nil {
		return nil, fail(s.side, mover.CodeFailed, err)
	}
	conn, err := persist(ctx, s, func() (*pgconn.PgConn, error) { return pgconn.ConnectConfig(ctx, &cfg.Config) })
	if err != nil {
		return nil, classify(s.side, fmt.Errorf("connect to database %q: %w", database, err))
	}
	if err := asStored(ctx, conn); err != nil {
		(&wire{conn}).close(ctx)
		return nil, classify(s.side, err)
	}
	return conn, nil
}

func (s *server) learn(ctx context.Context, conn *pgx.Conn) error {
	if err := asStored(ctx, conn.PgConn()); err != nil {
		return err
	}
	if s.version == 0 {
		err := conn.QueryRow(ctx, `select current_setting('server_version_num')::int,
			(select rolsuper from pg_roles where rolname = current_user)`).Scan(&s.version, &s.superuser)
		if err != nil {
			return fmt.Errorf("read server version: %w", err)
		}
	}
	return s.catchUp(ctx, conn)
}

// with runs f in a session on one database.
func (s *server) with(ctx context.Context, database string, f func(*pgx.Conn) error) error {
	conn, err := s.connect(ctx, database)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	if err := f(conn); err != nil {
		return classify(s.side, err)
	}
	return nil
}

// closeConn ends a session. What was to be kept is committed by then, so a
// failing goodbye changes nothing.
func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := leaving(ctx)
	defer cancel()
	_ = conn.Close(ctx)
}

// leaving is the context of what a session has to do at its end also when the
// work was cut off.
func leaving(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
}

// rollBack gives up a transaction.
func rollBack(ctx context.Context, tx pgx.Tx) error {
	ctx, cancel := leaving(ctx)
	defer cancel()
	return tx.Rollback(ctx)
}

// fail makes a mover's error with its class.
func fail(side, code string, err error) error {
	return &mover.Error{Code: code, Side: side, Err: err}
}

func failf(side, code, format string, args ...any) error {
	return fail(side, code, fmt.Errorf(format, args...))
}

// classify gives an error its class by its SQLSTATE or type, unless it has
// one already.
func classify(side string, err error) error {
	var known *mover.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	var pg *pgconn.PgError
	var netErr net.Error
	var certErr *tls.CertificateVerificationError
	var dialErr *pgconn.ConnectError
	switch {
	case errors.As(err, &pg):
		code := codeOf(pg)
		if code == mover.CodeOtherHolder && side != targetSide {
			code = mover.CodeUnreachable // only on the target do movers end each other's sessions
		}
		return fail(side, code, withHint(err, pg))
	case errors.As(err, &dialErr), errors.As(err, &certErr), errors.As(err, &netErr):
		return fail(side, mover.CodeUnreachable, err)
	}
	return fail(side, mover.CodeFailed, err)
}

// codeOf maps an SQLSTATE to a class.
func codeOf(pg *pgconn.PgError) string {
	switch {
	case strings.HasPrefix(pg.Code, "28"):
		return mover.CodeCredentials
	case pg.Code == "42501":
		return mover.CodePrivilege
	case pg.Code == "57P03", pg.Code == "53300":
		return mover.CodeUnreachable
	case pg.Code == "57P01":
		return mover.CodeOtherHolder
	}
	return mover.CodeFailed
}

// withHint adds the server's hint. DETAIL is left out on purpose: it quotes
// rows, and no row may reach a log.
func withHint(err error, pg *pgconn.PgError) error {
	if pg.Hint == "" {
		return err
	}
	return fmt.Errorf("%w (hint: %s)", err, pg.Hint)
}

// ident quotes an SQL name, possibly qualified.
func ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// literal quotes an SQL string for statements that take no parameters.
func literal(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// codeOfError is the class of a server's error anywhere in a chain.
func codeOfError(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return codeOf(pg)
	}
	return mover.CodeFailed
}
