package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/frontend/writes"
)

// account numbers what the frontend writes to one database, keeps the ledger
// and adds up what the status shows. It knows nothing of the database.
type account struct {
	status   link
	ledger   *writes.Ledger
	known    []writes.Entry // the ledger as found; compared once, then dropped
	every    time.Duration
	instance string
	host     string // host:port that is written to
	next     int64
	unknown  *writes.Entry // tried, and nobody knows whether it stands
	last     writes.Entry  // confirmed last, by this process or one before it
}

// newAccount opens the ledger that the environment variable names.
func newAccount(status link, host, instance, ledgerVariable string) (*account, error) {
	every, err := time.ParseDuration(os.Getenv("WRITE_INTERVAL"))
	if err != nil {
		return nil, fmt.Errorf("read settings: WRITE_INTERVAL: %w", err)
	}
	if every <= 0 {
		return nil, errors.New("read settings: WRITE_INTERVAL must be positive")
	}
	ledger, known, err := writes.OpenLedger(os.Getenv(ledgerVariable))
	if err != nil {
		return nil, fmt.Errorf("read settings: %s: %w", ledgerVariable, err)
	}
	a := &account{status: status, ledger: ledger, known: known, every: every, instance: instance, host: host}
	status.tracker.change(func(s *Status) { s.Instance = instance })
	status.change(func(s *Link) {
		s.Writes = &Writes{Hosts: map[string]int64{}}
		for _, entry := range known {
			a.add(s.Writes, entry)
		}
	})
	return a, nil
}

// entry is what is written next. Times are kept to the millisecond, which
// every database can.
func (a *account) entry() writes.Entry {
	return writes.Entry{N: a.next, Writer: a.instance, At: time.Now().UTC().Truncate(time.Millisecond), Host: a.host}
}

// resume numbers on after the highest number that stands or was confirmed.
func (a *account) resume(highest int64) { a.next = max(highest, a.last.N) + 1 }

// confirm puts the entry into the ledger and into the account.
func (a *account) confirm(entry writes.Entry) error {
	if err := a.ledger.Add(entry); err != nil {
		return err
	}
	a.status.change(func(s *Link) {
		s.Writes.Confirmed++
		s.LastOK = time.Now()
		a.add(s.Writes, entry)
	})
	return nil
}

func (a *account) add(s *Writes, entry writes.Entry) {
	if pause := entry.At.Sub(a.last.At).Seconds(); !a.last.At.IsZero() && pause > s.Pause.Seconds {
		s.Pause = Pause{Seconds: pause, From: a.last.At, To: entry.At, AfterN: a.last.N}
	}
	s.Total++
	s.Hosts[entry.Host]++
	s.LastN, s.LastAt = entry.N, entry.At
	a.last = entry
}

// settled notes what became of the entry of unknown outcome.
func (a *account) settled(stands bool) error {
	entry := *a.unknown
	a.unknown = nil
	if stands {
		a.status.change(func(s *Link) { s.Writes.Adopted++ })
		return a.confirm(entry)
	}
	a.status.change(func(s *Link) { s.Writes.Retried++ })
	return nil
}

// vanished notes a write that was confirmed and is not there.
func (a *account) vanished(entry writes.Entry) error {
	a.status.change(func(s *Link) { s.Writes.Vanished++ })
	return fmt.Errorf("number %d was committed and is not there", entry.N)
}

// judge compares the ledger of the processes before this one with the
// database, once.
func (a *account) judge(ctx context.Context, missing func([]writes.Entry) ([]writes.Entry, error)) error {
	if a.known == nil {
		return nil
	}
	lost, err := missing(a.known)
	if err != nil {
		return err
	}
	a.known = nil
	if len(lost) > 0 {
		a.status.change(func(s *Link) { s.Writes.Lost = int64(len(lost)) })
		a.status.tracker.log.ErrorContext(ctx, "what was confirmed is not in the database", "host", a.host, "lost", len(lost), "first", lost[0], "last", lost[len(lost)-1])
	}
	return nil
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, says its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
