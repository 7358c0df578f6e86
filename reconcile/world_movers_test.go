package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

type movers struct{ w *world }

// Run adopts what the name finds, like the real one: a Job that runs or is
// complete, whoever started it.
func (m movers) Run(ctx context.Context, spec server.MoverJob, progress mover.Progress) (json.RawMessage, error) {
	w := m.w
	op := string(spec.Request.Operation)
	if _, err := w.call(ctx, "Run "+op+": start", func() error {
		j := w.jobs[spec.Name]
		if j == nil || j.err != nil {
			w.mayBegin(spec.Request.Operation)
			j = &job{spec: spec, running: 4}
			switch spec.Request.Operation {
			case mover.OpFence, mover.OpCommit, mover.OpCopy: // long enough to outlive the way back
				j.running = 16
			default:
			}
			w.jobs[spec.Name] = j
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if progress != nil {
		progress(mover.Event{Phase: op, Bytes: 1})
	}
	var out json.RawMessage
	mode, err := w.call(ctx, "Run "+op, func() error {
		j := w.jobs[spec.Name]
		if j == nil {
			return errors.New("the Job was deleted while it was followed")
		}
		for j.running > 0 {
			w.tick()
		}
		if !spec.Keep || j.err != nil {
			delete(w.jobs, spec.Name)
		}
		out = j.result
		return j.err
	})
	if err != nil {
		return nil, err
	}
	if mode == "garbage" {
		return json.RawMessage(`{"fence":`), nil
	}
	return out, nil
}

func (m movers) Stop(ctx context.Context, name string) error {
	_, err := m.w.call(ctx, "Stop", func() error { delete(m.w.jobs, name); return nil })
	return err
}

func (w *world) complete(j *job) {
	result, err := w.operate(j.spec.Request)
	if err != nil {
		j.err = err
		return
	}
	if j.result, err = json.Marshal(result); err != nil {
		panic(err)
	}
}

func refuse(code, side, format string, args ...any) error {
	return &mover.Error{Code: code, Side: side, Err: fmt.Errorf(format, args...)}
}

// side is the server at an endpoint, and whether it can be reached.
func (w *world) side(e *mover.Endpoint) (s *databaseServer, reachable bool) {
	for _, db := range w.databases() {
		switch e.Host {
		case db.in:
			return db.src, db.store
		case db.out:
			return db.dst, !db.noTarget
		}
	}
	return nil, false
}

// operate is what the mover's pod does to the two servers.
func (w *world) operate(q mover.Request) (any, error) {
	if q.Operation == mover.OpInspect {
		return w.inspect(q), nil
	}
	if q.Operation == mover.OpReach {
		return mover.ReachResult{At: w.clock, Hosts: []mover.Reached{{Host: q.Target.At(), Error: w.cutOff}}}, nil
	}
	src, reachable := w.side(q.Source)
	if !reachable {
		return nil, refuse(mover.CodeUnreachable, "source", "no server at %s", q.Source.Host)
	}
	w.mayOperate(q, src)
	switch q.Operation {
	case mover.OpFence:
		if src.fence != "" && src.fence != q.Fence && !q.Fork {
			return nil, refuse(mover.CodeOtherHolder, "source", "fence %s stands", src.fence)
		}
		if src.fence != q.Fence {
			src.stood = src.fence != ""
		}
		src.fence = q.Fence
		return mover.FenceResult{Fence: mover.FenceState{ID: q.Fence, Since: w.clock, How: "system"}, Counters: src.counters()}, nil
	case mover.OpUnfence:
		if q.Fork && (src.fence != q.Fence || src.stood) {
			return mover.UnfenceResult{}, nil
		}
		if src.fence != "" && q.Fence != "" && src.fence != q.Fence {
			return nil, refuse(mover.CodeOtherHolder, "source", "fence %s stands", src.fence)
		}
		src.fence = ""
		return mover.UnfenceResult{}, nil
	case mover.OpRead:
		src.read = true
		return mover.ReadResult{At: w.clock, Tables: 3, Rows: int64(len(src.rows)), Bytes: 1 << 20, Duration: time.Second}, nil
	case mover.OpRehearse:
		if dst, reachable := w.side(q.Target); !reachable || src.fence != "" {
			return nil, refuse(mover.CodeUnreachable, "target", "no server at %s, or the source is fenced: %q, %v", q.Target.Host, src.fence, dst)
		}
		if w.noRoom {
			return nil, refuse(mover.CodeFailed, "target", "no space left on device")
		}
		r := mover.Rehearsal{At: w.clock, Schema: "as it is", Compared: map[string]int{"databases": 1}, Duration: time.Second, Differences: w.refuses, Tries: 1}
		if q.WithData {
			r.WithData, r.Ended, w.limits = true, w.ended, q.Limits
			if len(r.Differences) == 0 {
				r.Data = &mover.RehearsedData{Tables: 3, Rows: 7, Bytes: 1 << 30, Copy: 3 * time.Minute, Compare: time.Minute}
			}
		}
		return r, nil
	case mover.OpSetAside:
		if src.mark == nil || src.mark.State != "superseded" || src.mark.Epoch != q.Epoch {
			return nil, refuse(mover.CodeInconclusive, "source", "the source did not lose its turn at epoch %d", q.Epoch)
		}
		if src.aside == nil {
			src.aside, src.rows = src.rows, map[int]int{}
		}
		return mover.SetAsideResult{Databases: []string{"circleci" + mover.AsideSuffix(q.Epoch)}, LeftAlone: w.strangers}, nil
	default:
	}
	dst, reachable := w.side(q.Target)
	if !reachable {
		return nil, refuse(mover.CodeUnreachable, "target", "no server at %s", q.Target.Host)
	}
	switch q.Operation {
	case mover.OpCopy:
		return w.copy(q, src, dst)
	case mover.OpProve:
		// Like the real one it trusts the digests taken in flight: it does not
		// see what the source took since.
		proof := mover.Proof{At: w.clock, Fence: q.Fence, Compared: map[string]int{"databases": 2, "tables": 3}, Counters: src.counters(), SecureWrite: true, Duration: time.Second}
		if !maps.Equal(dst.rows, dst.copied) {
			proof.Differences = []mover.Difference{{Kind: "table", Object: "public.builds", Database: "circleci", What: "rows differ"}}
		}
		return proof, nil
	case mover.OpCommit:
		return commit(q, src, dst)
	case mover.OpWithdraw:
		return withdraw(q, src, dst)
	default:
	}
	return nil, refuse(mover.CodeFailed, "", "operation %q is none of ours", q.Operation)
}

// mayBegin notes an operation that is begun at a time it must not. What a dead
// run left behind may meet an application that somebody has started since.
func (w *world) mayBegin(op mover.Operation) {
	pods := 0
	for _, a := range w.apps {
		if a.kind != server.KindCronJob { // a Job that takes too long meets the fence
			pods += a.pods
		}
	}
	if pods > 0 && (op == mover.OpFence || op == mover.OpWithdraw) {
		w.wrong("%s is begun while %d pods of the application run", op, pods)
	}
}

// mayOperate notes an operation that runs under another fence than it was
// begun for.
func (w *world) mayOperate(q mover.Request, src *databaseServer) {
	switch q.Operation {
	case mover.OpCopy, mover.OpProve, mover.OpCommit:
		if src.fence != q.Fence {
			w.wrong("%s under fence %q, asked for %q", q.Operation, src.fence, q.Fence)
		}
	case mover.OpFence, mover.OpWithdraw, mover.OpInspect, mover.OpUnfence, mover.OpRead, mover.OpSetAside, mover.OpRehearse, mover.OpReach:
	}
}

func (s *databaseServer) counters() map[string]mover.WriteCounter {
	return map[string]mover.WriteCounter{"circleci": {Inserted: s.writes}}
}

func (s *databaseServer) writesSince() *mover.SideWrites {
	switch {
	case s.mark == nil || s.mark.State != "authoritative" && s.mark.State != "superseded":
		return nil
	case s.writes == s.atMark:
		return &mover.SideWrites{Any: mover.WrittenNone, Why: "no row"}
	}
	return &mover.SideWrites{Any: mover.WrittenSome, Why: fmt.Sprintf("%d rows", s.writes-s.atMark)}
}

func (w *world) copy(q mover.Request, src, dst *databaseServer) (any, error) {
	if m := dst.mark; m != nil && (m.State == "authoritative" || m.State == "superseded") {
		if q.Replaces == 0 || m.State != "superseded" || m.Epoch != q.Replaces || src.mark == nil || src.mark.Epoch != q.Replaces {
			return nil, refuse(mover.CodeNotEmpty, "target", "the target is %s", m.State)
		}
		if !src.read {
			w.wrong("the old data of %s was given up before the source was read", q.Target.Host)
		}
	}
	dst.rows, dst.copied = maps.Clone(src.rows), maps.Clone(src.rows)
	dst.mark = &mover.LineageMark{Installation: q.Installation, Epoch: q.Epoch, State: "copied", Move: q.Move, Fence: q.Fence, At: w.clock}
	return mover.CopyResult{Fence: q.Fence, Tables: 3, Rows: int64(len(src.rows)), Bytes: 1 << 20, Duration: 2 * time.Second}, nil
}

func commit(q mover.Request, src, dst *databaseServer) (any, error) {
	// Like the real one it has nothing to compare without counters.
	if !q.Fork && len(q.Counters) > 0 && !maps.Equal(q.Counters, src.counters()) {
		return nil, refuse(mover.CodeMoved, "source", "the source was written to")
	}
	m := dst.mark
	if q.Fork && m != nil && m.State != "copied" && m.Epoch < q.Epoch {
		dst.mark = &mover.LineageMark{Installation: q.Installation, Epoch: q.Epoch, State: "copied", Move: q.Move}
		m = dst.mark
	}
	if m == nil || m.Move != q.Move || m.State != "copied" && m.State != "authoritative" {
		return nil, refuse(mover.CodeInconclusive, "target", "the target holds no copy of %s", q.Move)
	}
	if m.State == "copied" {
		dst.appSince, dst.atMark = 0, dst.writes
	}
	if src.mark == nil || src.mark.State != "superseded" || src.mark.Move != q.Move {
		src.atMark = src.writes
	}
	m.State, m.Epoch = "authoritative", q.Epoch
	src.mark = &mover.LineageMark{Installation: q.Installation, Epoch: q.Epoch, State: "superseded", Move: q.Move}
	return struct{}{}, nil
}

func withdraw(q mover.Request, src, dst *databaseServer) (any, error) {
	m := dst.mark
	if q.Fork {
		if m.Epoch == q.Epoch && dst.appSince > 0 {
			return nil, refuse(mover.CodeMoved, "target", "the application wrote %d rows", dst.appSince)
		}
		return struct{}{}, nil
	}
	if m == nil || m.State != "authoritative" {
		return struct{}{}, nil
	}
	if dst.appSince > 0 {
		return nil, refuse(mover.CodeMoved, "target", "the application wrote %d rows", dst.appSince)
	}
	m.State = "copied"
	src.mark = &mover.LineageMark{Installation: m.Installation, Epoch: m.Epoch, State: "authoritative", Move: m.Move}
	return struct{}{}, nil
}

func (w *world) inspect(q mover.Request) mover.InspectResult {
	out := mover.InspectResult{At: w.clock, PgDump: []int{17, 18}}
	look := func(e *mover.Endpoint) *mover.InspectedSide {
		if e == nil {
			return nil
		}
		s, reachable := w.side(e)
		if !reachable {
			return &mover.InspectedSide{Code: mover.CodeUnreachable, Error: "no server"}
		}
		d := &mover.Database{
			ServerVersion: "12.22", VersionNum: 120022, Schema: "as it is", Settings: map[string]string{"featureCompatibilityVersion": "7.0", "product": "mongodb", "writable": "true"}, SystemIdentifier: e.Host, TLSVersion: "TLS 1.3",
			Role: mover.RolePrivileges{Name: "postgres", Superuser: true}, Lineage: s.mark, Counters: s.counters(),
			Databases: []mover.DatabaseInfo{{Name: "circleci", Owner: "circleci", Bytes: 1 << 30, Tables: 3, Empty: len(s.rows) == 0}},
		}
		if q.Engine == mover.MongoDB {
			d.ServerVersion, d.VersionNum, d.Role.CreateDB = "7.0.15", 70015, true
			if w.private && e.Host == w.mongo.out {
				d.Presented = []mover.Presented{{Host: e.Hosts[0], Chain: worldAuthority().chain}}
			}
		}
		d.Writes = s.writesSince()
		if s.mark != nil && !w.noCarried {
			d.Carried = []string{"circleci"}
		}
		for _, name := range w.strangers {
			d.Databases = append(d.Databases, mover.DatabaseInfo{Name: name})
		}
		if s.fence != "" {
			d.Fence = &mover.FenceState{ID: s.fence}
		}
		for _, key := range slices.Sorted(maps.Keys(w.apps)) {
			if a := w.apps[key]; a.hosts[q.Engine] == e.Host && a.pods > 0 {
				d.Sessions = append(d.Sessions, mover.SessionCount{Role: e.Username, Database: "circleci", Count: a.pods})
			}
		}
		return &mover.InspectedSide{Database: d}
	}
	out.Source, out.Target = look(q.Source), look(q.Target)
	return out
}
