package engine

import (
	"context"
	"fmt"
	"maps"
	"time"
)

func (r *Run) journalBegin(ctx context.Context, st Step) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.journal.begin(JournalEntry{Step: st.ID, Title: st.Title, Plan: r.plan.ID, By: r.opt.By, Begun: r.out.Now()})
	return r.saveJournal(ctx)
}

func (r *Run) journalEnd(ctx context.Context, st Step, cause error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.journal.end(st.ID, r.out.Now(), cause)
	// The outcome is written even when the run was interrupted meanwhile.
	return r.saveJournal(context.WithoutCancel(ctx))
}

func (r *Run) saveJournal(ctx context.Context) error {
	version, err := StoreRecord(ctx, r.out.Records, RecordJournal, r.journal, r.journalVersion)
	if err == nil {
		r.journalVersion = version
	}
	return err
}

// Cut tells whether an earlier run began a step at since or later, and did not
// end it.
func (r *Run) Cut(step StepID, since time.Time) bool {
	begun, ok := r.cut[step]
	return ok && !begun.Before(since)
}

// measure remembers how long a step took that this run did.
func (r *Run) measure(act Action, st Step, took time.Duration) {
	if act.Measured == nil {
		return
	}
	if key, m, ok := act.Measured(st, took); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.took[key] = m
	}
}

// MeasuredDowntime remembers how long the application was stopped, under the name
// that the next plan looks it up by.
func (r *Run) MeasuredDowntime(key string, m Measurement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.downtimes[key] = m
}

// keepTime bounds keeping what was measured: a run that was interrupted does it
// too, and nobody waits for it.
const keepTime = 30 * time.Second

// keepMeasured stores what was measured for the next plan. Failing at it fails
// no apply: the watcher is told.
func (r *Run) keepMeasured(ctx context.Context) {
	if len(r.took) == 0 {
		return
	}
	kept, cancel := Uninterrupted(ctx, keepTime)
	defer cancel()
	if err := r.storeMeasured(kept); err != nil {
		r.ev.Note(fmt.Sprintf("how long the steps took could not be kept for the next plan's estimates: %v", err))
	}
}

func (r *Run) storeMeasured(ctx context.Context) error {
	rec, version := ReadRecord[Measured](ctx, r.out.Records, RecordMeasured)
	if rec.Unread() && version == "" {
		return fmt.Errorf("read record %s: %s", RecordMeasured, rec.Why)
	}
	next := Measured{Steps: map[string]Measurement{}, Downtime: map[string]Measurement{}}
	maps.Copy(next.Steps, rec.Value.Steps) // garbled it is empty, and begun anew
	maps.Copy(next.Downtime, rec.Value.Downtime)
	maps.Copy(next.Steps, r.took)
	maps.Copy(next.Downtime, r.downtimes)
	_, err := WriteRecord(ctx, r.out.Records, RecordMeasured, next, version)
	return err
}
