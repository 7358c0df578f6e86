package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Status is what GET /status answers.
type Status struct {
	Role      string    `json:"role"`
	Instance  string    `json:"instance"` // the writer of this process's rows
	Started   time.Time `json:"started"`
	Connected bool      `json:"connected"`
	Ready     bool      `json:"ready"`
	Database  string    `json:"database"`
	Host      string    `json:"host"`
	Server    string    `json:"server"` // version of the server last connected to
	Sessions  int64     `json:"sessions"`
	Error     string    `json:"error"` // why there is no session, or why the last try failed
	LastOK    time.Time `json:"lastOK"`
	Reads     int64     `json:"reads,omitempty"`
	Tables    int64     `json:"tables,omitempty"` // what the last read saw
	Writes    *Writes   `json:"writes,omitempty"`
}

// Writes is the frontend's account of its numbered rows.
type Writes struct {
	Confirmed int64            `json:"confirmed"` // by this process: committed and read back
	LastN     int64            `json:"lastN"`
	LastAt    time.Time        `json:"lastAt"`
	Hosts     map[string]int64 `json:"hosts"`    // confirmed, by the server written to, all processes
	Total     int64            `json:"total"`    // confirmed by all processes, as the ledger has it
	Retried   int64            `json:"retried"`  // commits of unknown outcome that turned out not to stand
	Adopted   int64            `json:"adopted"`  // commits of unknown outcome that turned out to stand
	Vanished  int64            `json:"vanished"` // committed, and not there when read back
	Lost      int64            `json:"lost"`     // in the ledger, and not in the database when this process started
	Pause     Pause            `json:"longestPause"`
}

// Pause is the longest time between two confirmed rows, restarts included.
type Pause struct {
	Seconds float64   `json:"seconds"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	AfterN  int64     `json:"afterN"`
}

// staleAfter is how long a service without a success still counts as ready.
const staleAfter = 5 * time.Second

// tracker keeps the status and says on the log what changes.
type tracker struct {
	log *slog.Logger
	mu  sync.Mutex
	s   Status
}

// read returns a copy that the caller may keep.
func (t *tracker) read() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.s
	s.Ready = s.Connected && time.Since(s.LastOK) < staleAfter
	if s.Writes != nil {
		w := *s.Writes
		w.Hosts = make(map[string]int64, len(s.Writes.Hosts))
		for k, v := range s.Writes.Hosts {
			w.Hosts[k] = v
		}
		s.Writes = &w
	}
	return s
}

// change runs f under the lock.
func (t *tracker) change(f func(*Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.s)
}

func (t *tracker) connected(ctx context.Context, server string) {
	t.change(func(s *Status) {
		s.Connected, s.Server, s.Error = true, server, ""
		s.Sessions++
	})
	s := t.read()
	t.log.InfoContext(ctx, "connected", "role", s.Role, "host", s.Host, "server", s.Server, "database", s.Database)
}

// failed notes the end of a session or of an attempt; a cause that repeats is
// logged once.
func (t *tracker) failed(ctx context.Context, err error) {
	var news bool
	t.change(func(s *Status) {
		news = s.Connected || s.Error != err.Error()
		s.Connected, s.Error = false, err.Error()
	})
	if news {
		s := t.read()
		t.log.WarnContext(ctx, "disconnected", "role", s.Role, "host", s.Host, "error", err)
	}
}
