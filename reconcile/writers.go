package reconcile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// jobsTime is how long Jobs of the application get to end by themselves.
const jobsTime = 3 * time.Minute

// otherWriters names what goes on running when the application is stopped. The
// fence refuses their writes; what they do then, and where they write later, is
// for their owner to know.
func otherWriters(o Observation) []engine.Finding {
	jobs, others := server.JobsAmong(o.Writers.Value)
	var out []engine.Finding
	if len(jobs) > 0 {
		what, brief := sentences("Jobs of the application run: %s; they get %s to end once the application has stopped, and then their writes are refused", some(jobs, 8), jobsTime)
		out = append(out, engine.Finding{ID: "job-runs", Source: sourceDocs, Fix: "move when they have ended", What: what, Brief: brief})
	}
	if len(others) > 0 {
		what, brief := sentences("these run pods with layer=application and are not stopped by scaling: %s; their writes are refused while the data move", some(others, 8))
		out = append(out, engine.Finding{ID: "writer-not-stopped", Source: sourceDocs, What: what, Brief: brief,
			Fix: "stop them by hand before the move and start them after it, with the new address if they are not of the release; or take layer=application off what does not use the databases"})
	}
	return out
}

// waitForJobs gives Jobs of the application time to end. One that does not end
// in time is named, and holds nobody up: the fence refuses its writes.
func (r *run) waitForJobs(ctx context.Context, st engine.Step) error {
	until := r.p.Now().Add(jobsTime)
	for {
		seen := r.p.Neighbours.Jobs(ctx)
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if seen.Unread() {
			r.ev.Note("whether Jobs of the application run could not be read (" + seen.Why + "); the fence refuses their writes")
			return nil
		}
		jobs, _ := server.JobsAmong(seen.Value)
		if len(jobs) == 0 {
			return nil
		}
		if r.p.Now().After(until) {
			text := fmt.Sprintf("still running after %s: %s", jobsTime, strings.Join(clip(jobs, 8), ", "))
			if st.Action == ActQuiesce { // the fence comes next
				text += "; their writes are refused from here on"
			}
			r.ev.Note(text)
			return nil
		}
		r.ev.StepProgress(st, mover.Event{Phase: "stopping", Message: "waiting for " + strings.Join(clip(jobs, 3), ", ")})
		if err := r.p.Wait(ctx, time.Second); err != nil {
			return err
		}
	}
}

// jobsLeft names the Jobs of the application that run.
func (r *run) jobsLeft(ctx context.Context) (string, error) {
	seen := r.p.Neighbours.Jobs(ctx)
	if seen.Unread() {
		return "", fmt.Errorf("look whether Jobs of the application run: %s", seen.Why)
	}
	jobs, _ := server.JobsAmong(seen.Value)
	return strings.Join(clip(jobs, 8), ", "), nil
}
