package main

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Status is what GET /status answers. What stands at its top is PostgreSQL's.
type Status struct {
	Role     string    `json:"role"`
	Instance string    `json:"instance"` // the writer of this process's rows and documents
	Started  time.Time `json:"started"`
	Ready    bool      `json:"ready"` // every database has a working session
	Link
	MongoDB Link `json:"mongodb"`
}

// Link is how one database is used.
type Link struct {
	Connected bool      `json:"connected"`
	Database  string    `json:"database"`
	Host      string    `json:"host"`   // as configured
	Server    string    `json:"server"` // version of the server last connected to
	Sessions  int64     `json:"sessions"`
	Error     string    `json:"error"` // why there is no session, or why the last try failed
	LastOK    time.Time `json:"lastOK"`
	Reads     int64     `json:"reads,omitempty"`
	Tables    int64     `json:"tables,omitempty"` // or collections: what the last read saw
	Writes    *Writes   `json:"writes,omitempty"`
}

// Writes is the frontend's account of its numbered rows or documents.
type Writes struct {
	Confirmed int64            `json:"confirmed"` // by this process: committed and read back
	LastN     int64            `json:"lastN"`
	LastAt    time.Time        `json:"lastAt"`
	Hosts     map[string]int64 `json:"hosts"`    // confirmed, by the server written to, all processes
	Total     int64            `json:"total"`    // confirmed by all processes, as the ledger has it
	Retried   int64            `json:"retried"`  // of unknown outcome, and turned out not to stand
	Adopted   int64            `json:"adopted"`  // of unknown outcome, and turned out to stand
	Vanished  int64            `json:"vanished"` // committed, and not there when read back
	Lost      int64            `json:"lost"`     // in the ledger, and not in the database when this process started
	Pause     Pause            `json:"longestPause"`
}

// Pause is the longest time between two confirmed writes, restarts included.
type Pause struct {
	Seconds float64   `json:"seconds"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	AfterN  int64     `json:"afterN"`
}

// staleAfter is how long a service without a success still counts as ready.
const staleAfter = 5 * time.Second

func (l Link) works() bool { return l.Connected && time.Since(l.LastOK) < staleAfter }

// copied returns a copy that the caller may keep.
func (l Link) copied() Link {
	if l.Writes != nil {
		w := *l.Writes
		w.Hosts = maps.Clone(w.Hosts)
		l.Writes = &w
	}
	return l
}

// broken names what has no working session, and why.
func (s Status) broken() string {
	for _, l := range []struct {
		name string
		Link
	}{{"PostgreSQL", s.Link}, {"MongoDB", s.MongoDB}} {
		if !l.works() {
			return "no working session with " + l.name + ": " + l.Error
		}
	}
	return ""
}

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
	s.Link, s.MongoDB = s.copied(), s.MongoDB.copied()
	s.Ready = s.broken() == ""
	return s
}

// change runs f under the lock.
func (t *tracker) change(f func(*Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.s)
}

// link is the part of the status that belongs to one database.
type link struct {
	tracker *tracker
	of      func(*Status) *Link
}

func (t *tracker) postgres() link {
	return link{tracker: t, of: func(s *Status) *Link { return &s.Link }}
}

func (t *tracker) mongodb() link {
	return link{tracker: t, of: func(s *Status) *Link { return &s.MongoDB }}
}

func (l link) change(f func(*Link)) { l.tracker.change(func(s *Status) { f(l.of(s)) }) }

// read returns a copy, and the role.
func (l link) read() (Link, string) {
	s := l.tracker.read()
	return *l.of(&s), s.Role
}

func (l link) connected(ctx context.Context, server string) {
	l.change(func(s *Link) {
		s.Connected, s.Server, s.Error = true, server, ""
		s.Sessions++
	})
	s, role := l.read()
	l.tracker.log.InfoContext(ctx, "connected", "role", role, "host", s.Host, "server", s.Server, "database", s.Database)
}

// failed notes the end of a session or of an attempt; a cause that repeats is
// logged once.
func (l link) failed(ctx context.Context, err error) {
	var news bool
	l.change(func(s *Link) {
		news = s.Connected || s.Error != err.Error()
		s.Connected, s.Error = false, err.Error()
	})
	if news {
		s, role := l.read()
		l.tracker.log.WarnContext(ctx, "disconnected", "role", role, "host", s.Host, "error", err)
	}
}
