package mongo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// writesSince tells what a side knows of writes since its mark. An oplog
// outlives a restart and says when; the counters of a server by itself begin
// anew with each process, so that after a restart only a write shows, and
// never that there was none.
func (l *lineage) writesSince(now map[string]mover.WriteCounter) *mover.SideWrites {
	switch {
	case !l.everAuthoritative():
		return nil
	case len(l.Baseline) == 0:
		return &mover.SideWrites{Why: "how it was then is not on record"}
	case now == nil:
		return &mover.SideWrites{Why: "the write counters may not be read"}
	case maps.Equal(l.Baseline, now):
		return &mover.SideWrites{Any: mover.WrittenNone, Why: "its write counters have not moved"}
	}
	if at, ok := oplogTime(now); ok {
		return oplogSince(l.Baseline, at)
	}
	return countedSince(l.Baseline, now)
}

// oplogTime is when the newest write in the oplog was; zero where it holds
// none. It is false where the counters are not an oplog's.
func oplogTime(counters map[string]mover.WriteCounter) (at time.Time, ok bool) {
	for _, c := range counters {
		if c.LastWrite == oplogNone {
			return time.Time{}, true
		}
		var seconds, order uint32
		if _, err := fmt.Sscanf(c.LastWrite, oplogFormat, &seconds, &order); err != nil {
			return time.Time{}, false
		}
		return time.Unix(int64(seconds), 0).UTC(), true
	}
	return time.Time{}, false
}

func oplogSince(then map[string]mover.WriteCounter, at time.Time) *mover.SideWrites {
	if _, ok := oplogTime(then); !ok {
		return &mover.SideWrites{Why: "it had no oplog then", Last: at, Exact: !at.IsZero(), From: oplogOr(at)}
	}
	if at.IsZero() {
		return &mover.SideWrites{Why: "the oplog goes not back to then"}
	}
	return &mover.SideWrites{Any: mover.WrittenSome, Why: "the oplog has gone on", Last: at, Exact: true, From: "oplog"}
}

func oplogOr(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return "oplog"
}

// countedSince compares the counters of a server by itself.
func countedSince(then, now map[string]mover.WriteCounter) *mover.SideWrites {
	var changed []string
	restarted, odd := false, false
	for name, is := range now {
		was, had := then[name]
		wasProcess, _, wasCatalog, wasKnown := takeApart(was)
		process, writes, catalog, known := takeApart(is)
		same := process == wasProcess
		switch {
		case had && (!known || !wasKnown): // counted in another way
			odd = true
		case !had || catalog != wasCatalog:
			changed = append(changed, name)
		case same && is != was, !same && writes > 0: // in a new process they begin at zero
			changed = append(changed, name)
		}
		restarted = restarted || !same
	}
	for name := range then {
		if _, there := now[name]; !there {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	switch {
	case len(changed) > 0:
		return &mover.SideWrites{Any: mover.WrittenSome, Why: "changed: " + strings.Join(changed, ", ")}
	case restarted && !odd:
		return &mover.SideWrites{Why: "the server was restarted and has no oplog: this process wrote nothing, what a former one wrote is not known"}
	}
	return &mover.SideWrites{Why: "its counters cannot be compared"}
}

// takeApart reads a counter's LastWrite.
func takeApart(c mover.WriteCounter) (process string, writes int64, catalog string, known bool) {
	_, err := fmt.Sscanf(c.LastWrite, topFormat, &process, &writes, &catalog)
	return process, writes, catalog, err == nil
}
