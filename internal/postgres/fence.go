package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

const (
	readOnly = "default_transaction_read_only"

	howSystem    = "system"
	howDatabases = "databases"
)

// prior is what stood before the fence, so that lifting it restores exactly
// that. A nil server value means that ALTER SYSTEM had not set it.
type prior struct {
	ReadOnly   *string        `json:"readOnly,omitempty"`
	Autovacuum *string        `json:"autovacuum,omitempty"`
	Settings   []priorSetting `json:"settings"`
	// Stood tells that this fence took over one that kept writes off, so that
	// going back must leave it standing.
	Stood bool `json:"stood,omitempty"`
}

// priorSetting is one ALTER DATABASE or ALTER ROLE the fence changes; nil
// means that there was none.
type priorSetting struct {
	Database string  `json:"database,omitempty"`
	Role     string  `json:"role,omitempty"`
	Value    *string `json:"value"`
}

// standing is a fence as recorded in our own database.
type standing struct {
	state mover.FenceState
	prior prior
	ended int
}

// fence makes the source read-only for everybody but us and ends the sessions
// that began before. What it is about to change is recorded first: a fence
// that was cut off in the middle can be finished or lifted.
func (m *job) fence(ctx context.Context) (mover.FenceResult, error) {
	s := m.source
	if m.req.Fence == "" {
		return mover.FenceResult{}, failf(s.side, mover.CodeFailed, "fence: no id was given")
	}
	if err := s.ensureOwn(ctx); err != nil {
		return mover.FenceResult{}, err
	}
	now, err := s.readFence(ctx)
	if err != nil {
		return mover.FenceResult{}, err
	}
	if now != nil && now.state.ID != m.req.Fence && m.req.Fork {
		if err := s.takeOver(ctx, now, m.req.Fence); err != nil {
			return mover.FenceResult{}, err
		}
	}
	if now != nil && now.state.ID != m.req.Fence {
		return mover.FenceResult{}, failf(s.side, mover.CodeOtherHolder, "fence: fence %q stands since %s; lift it first",
			now.state.ID, now.state.Since.Format(time.RFC3339))
	}
	var result mover.FenceResult
	err = s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		if now == nil {
			if now, err = s.recordFence(ctx, conn, m.req.Fence); err != nil {
				return err
			}
		}
		result, err = m.raise(ctx, conn, now)
		return err
	})
	return result, err
}

// takeOver makes the fence that stands since this side lost its turn ours. Its
// record may stand while somebody has lifted it by hand.
func (s *server) takeOver(ctx context.Context, now *standing, id string) error {
	plain, err := s.plainSettings(ctx, maintenance, readOnly)
	if err != nil {
		return err
	}
	now.state.ID, now.prior.Stood = id, plain[readOnly] == "on"
	raw, err := json.Marshal(now.prior)
	if err != nil {
		return fmt.Errorf("record fence: %w", err)
	}
	return s.with(ctx, ownDatabase, func(own *pgx.Conn) error {
		return pgx.BeginFunc(ctx, own, func(tx pgx.Tx) error {
			if err := recordOwn(ctx, tx); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "update dr.fence set id = $1, prior = $2", id, string(raw)); err != nil {
				return fmt.Errorf("record fence: %w", err)
			}
			return nil
		})
	})
}

// raise does what the record says, and may be repeated.
func (m *job) raise(ctx context.Context, conn *pgx.Conn, now *standing) (mover.FenceResult, error) {
	s := m.source
	all, err := listDatabases(ctx, conn, s.version)
	if err != nil {
		return mover.FenceResult{}, err
	}
	names := databaseNames(connectable(all))
	if err := s.closeSettings(ctx, conn, now.prior.Settings); err != nil {
		return mover.FenceResult{}, err
	}
	if now.state.How == howSystem {
		for _, sql := range []string{"alter system set " + readOnly + " = on", "alter system set autovacuum = off", "select pg_reload_conf()"} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return mover.FenceResult{}, fmt.Errorf("fence the server: %w", err)
			}
		}
	}
	if err := s.waitReadOnly(ctx, names, true, now.state.How == howSystem); err != nil {
		return mover.FenceResult{}, err
	}
	ended, err := s.endSessions(ctx, conn, names)
	if err != nil {
		return mover.FenceResult{}, err
	}
	if err := s.settle(ctx, conn); err != nil {
		return mover.FenceResult{}, err
	}
	counters, err := s.readCounters(ctx, names, now.state.How == howSystem)
	return mover.FenceResult{Fence: now.state, Counters: counters, Ended: ended}, err
}

// recordFence writes down what the fence will change, before it does.
func (s *server) recordFence(ctx context.Context, conn *pgx.Conn, id string) (*standing, error) {
	f := &standing{state: mover.FenceState{ID: id, Since: time.Now().UTC().Truncate(time.Microsecond), How: howDatabases}}
	if s.superuser {
		f.state.How = howSystem
		var err error
		if f.prior.ReadOnly, err = autoConf(ctx, conn, readOnly); err != nil {
			return nil, err
		}
		if f.prior.Autovacuum, err = autoConf(ctx, conn, "autovacuum"); err != nil {
			return nil, err
		}
	}
	var err error
	if f.prior.Settings, err = s.settingsToChange(ctx, conn); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(f.prior)
	if err != nil {
		return nil, fmt.Errorf("record fence: %w", err)
	}
	return f, s.with(ctx, ownDatabase, func(own *pgx.Conn) error {
		_, err := own.Exec(ctx, "insert into dr.fence (id, since, how, prior, ended) values ($1, $2, $3, $4, 0)", id, f.state.Since, f.state.How, string(raw))
		if err != nil {
			return fmt.Errorf("record fence: %w", err)
		}
		return nil
	})
}

// unfence lifts the fence and restores what stood before. Lifting none is no
// error: that is how a repeated run looks.
func (m *job) unfence(ctx context.Context) (mover.UnfenceResult, error) {
	s := m.source
	if err := m.awaitSource(ctx); err != nil {
		return mover.UnfenceResult{}, err
	}
	now, err := s.readFence(ctx)
	if err != nil || now == nil {
		return mover.UnfenceResult{}, err
	}
	if m.req.Fork && (now.state.ID != m.req.Fence || now.prior.Stood) {
		return mover.UnfenceResult{}, nil // it stood before, and stays
	}
	if m.req.Fence != "" && now.state.ID != m.req.Fence {
		return mover.UnfenceResult{}, failf(s.side, mover.CodeOtherHolder, "lift fence %q: another one stands, %q", m.req.Fence, now.state.ID)
	}
	result := mover.UnfenceResult{Lifted: &now.state}
	err = s.with(ctx, maintenance, func(conn *pgx.Conn) error { return s.lower(ctx, conn, now) })
	if err != nil {
		return result, err
	}
	return result, s.with(ctx, ownDatabase, func(own *pgx.Conn) error {
		return pgx.BeginFunc(ctx, own, func(tx pgx.Tx) error {
			if err := recordOwn(ctx, tx); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "delete from dr.fence"); err != nil {
				return fmt.Errorf("remove the fence's record: %w", err)
			}
			return nil
		})
	})
}

// awaitSource waits for a source that restarts, which may be why the fence has
// to go: without it the application cannot come back.
func (m *job) awaitSource(ctx context.Context) error {
	for begun := time.Now(); ; {
		err := m.source.with(ctx, maintenance, func(*pgx.Conn) error { return nil })
		var known *mover.Error
		if !errors.As(err, &known) || known.Code != mover.CodeUnreachable || time.Since(begun) > m.patience {
			return err
		}
		m.progress.Say("waiting for the source to answer: %v", err)
		if process.Pause(ctx, time.Second) != nil {
			return err
		}
	}
}

func (s *server) lower(ctx context.Context, conn *pgx.Conn, now *standing) error {
	for _, p := range now.prior.Settings {
		if p.Database != "" { // a database may be gone meanwhile
			exists, err := databaseExists(ctx, conn, p.Database)
			if err != nil {
				return err
			}
			if !exists {
				continue
			}
		}
		if err := p.restore(ctx, conn); err != nil {
			return err
		}
	}
	if now.state.How != howSystem {
		return nil
	}
	for name, was := range map[string]*string{readOnly: now.prior.ReadOnly, "autovacuum": now.prior.Autovacuum} {
		sql := "alter system reset " + name
		if was != nil {
			sql = "alter system set " + name + " = " + literal(*was)
		}
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("lift the fence: %w", err)
		}
	}
	if _, err := conn.Exec(ctx, "select pg_reload_conf()"); err != nil {
		return fmt.Errorf("lift the fence: %w", err)
	}
	if len(now.prior.Settings) > 0 {
		return nil // a role's or database's own setting may speak for new sessions
	}
	want := now.prior.ReadOnly != nil && *now.prior.ReadOnly == "on"
	return s.waitReadOnly(ctx, []string{maintenance}, want, true)
}

// readFence reads the recorded fence, nil when none stands.
func (s *server) readFence(ctx context.Context) (*standing, error) {
	ready, err := s.hasOwn(ctx)
	if err != nil || !ready {
		return nil, err
	}
	var f *standing
	err = s.with(ctx, ownDatabase, func(conn *pgx.Conn) error {
		f, err = fenceOf(ctx, conn)
		return err
	})
	return f, err
}

func fenceOf(ctx context.Context, conn *pgx.Conn) (*standing, error) {
	var f standing
	var raw string
	err := conn.QueryRow(ctx, "select id, since, how, prior::text, ended from dr.fence").Scan(&f.state.ID, &f.state.Since, &f.state.How, &raw, &f.ended)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read fence: %w", err)
	}
	f.state.Since = f.state.Since.UTC()
	if err := json.Unmarshal([]byte(raw), &f.prior); err != nil {
		return nil, fmt.Errorf("read fence: %w", err)
	}
	return &f, nil
}
