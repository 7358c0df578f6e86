package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func (w *world) Cluster(ctx context.Context) engine.Observed[server.Cluster] {
	return look(ctx, w, "Cluster", func() engine.Observed[server.Cluster] {
		return engine.Found(server.Cluster{UID: "uid-1", Version: "v1.34.0", Server: "https://k8s"})
	})
}

func (w *world) Holder(ctx context.Context) engine.Observed[engine.LeaseHolder] {
	return look(ctx, w, "Holder", engine.NotThere[engine.LeaseHolder])
}

func (w *world) Denied(ctx context.Context, _ []server.Permission) engine.Observed[[]server.Permission] {
	return look(ctx, w, "Denied", func() engine.Observed[[]server.Permission] { return engine.Found([]server.Permission(nil)) })
}

func (w *world) Internal(ctx context.Context, e mover.Engine, name string) engine.Observed[server.InternalStore] {
	return look(ctx, w, "Internal", func() engine.Observed[server.InternalStore] {
		shared, w := w.shared, w.of(e)
		vol := server.Volume{Claim: "data-" + name + "-0", Name: "pv-1", ReclaimPolicy: "Delete", Bytes: 10 << 30, By: "ebs.csi.aws.com", Disk: true}
		if shared {
			vol.By, vol.Disk = "hostPath", false
		}
		if w.safe {
			vol.ReclaimPolicy = "Retain"
		}
		in := server.InternalStore{
			StatefulSet: engine.NotThere[server.StatefulSet](), Protected: w.safe, Volumes: []server.Volume{vol},
			Secret: engine.Found(server.SecretInfo{Name: name, Keys: kindOf(e).ChartKeys}),
		}
		switch { // the pods name it; without them and the record it is nobody's
		case w.own != "" && w.store:
			in.Secret.Value.Name = w.own
		case w.own != "":
			in.Secret = engine.NotThere[server.SecretInfo]()
		}
		if w.store {
			in.StatefulSet = engine.Found(server.StatefulSet{Name: name, Replicas: 1, Ready: 1})
		}
		if !w.safe {
			in.Unprotected = []string{"PersistentVolume pv-1 is not Retain"}
		}
		return engine.Found(in)
	})
}

func (w *world) Protect(ctx context.Context, e mover.Engine, _ string) error {
	_, err := w.call(ctx, "Protect", func() error { w.of(e).safe = true; return nil })
	return err
}

func (w *world) Remove(ctx context.Context, e mover.Engine, _ string, _ time.Time) error {
	_, err := w.call(ctx, "Remove", func() error { w.of(e).store = false; return nil })
	return err
}

func (w *world) Compare(ctx context.Context, name string, _ []string, _ spec.SecretRef) engine.Observed[server.Credentials] {
	return look(ctx, w, "Compare", func() engine.Observed[server.Credentials] {
		if !w.ofSecret(name).creds {
			return engine.NotThere[server.Credentials]()
		}
		return engine.Found(server.Credentials{Name: name, Matches: true})
	})
}

func (w *world) ofSecret(name string) *database {
	for _, db := range w.databases() {
		if kindOf(db.engine).Credentials == name {
			return db
		}
	}
	panic("no datastore has Secret " + name)
}

func (w *world) Copy(ctx context.Context, name string, _ []string, _ spec.SecretRef) error {
	_, err := w.call(ctx, "Copy", func() error { w.ofSecret(name).creds = true; return nil })
	return err
}

func (w *world) Info(ctx context.Context, name string) engine.Observed[server.SecretInfo] {
	return look(ctx, w, "Info", func() engine.Observed[server.SecretInfo] {
		if name != w.own {
			return engine.NotThere[server.SecretInfo]()
		}
		return engine.Found(server.SecretInfo{Name: name, Keys: kindOf(mover.PostgreSQL).ChartKeys})
	})
}

type workloads struct{ w *world }

func (l workloads) List(ctx context.Context) engine.Observed[[]server.Workload] {
	return look(ctx, l.w, "List", func() engine.Observed[[]server.Workload] { return engine.Found(l.list()) })
}

func (l workloads) Application(ctx context.Context) server.Application {
	var writers []server.Writer
	ws := look(ctx, l.w, "Application", func() engine.Observed[[]server.Workload] {
		out := l.list()
		for i := range out {
			out[i].Texts = l.w.apps[out[i].Key()].texts(out[i].Key())
		}
		writers = append(slices.Clone(l.w.writers), l.w.started()...)
		return engine.Found(out)
	})
	if !ws.Is() {
		return server.Application{Workloads: ws, Writers: engine.Observed[[]server.Writer]{Why: ws.Why}}
	}
	return server.Application{Workloads: ws, Writers: engine.Found(writers)}
}

func (l workloads) list() []server.Workload {
	var out []server.Workload
	for _, key := range slices.Sorted(maps.Keys(l.w.apps)) {
		a := l.w.apps[key]
		v := server.Workload{Kind: a.kind, Name: a.name, Replicas: a.replicas, Ready: a.ready, Pods: a.pods, Recorded: a.recorded}
		if a.kind == server.KindCronJob {
			v.Pods = 0
		}
		if a.want > 0 {
			v.Autoscaler = "HorizontalPodAutoscaler/" + a.name
		}
		out = append(out, v)
	}
	// Tables of tests change the first one, and mean what is scaled.
	at := slices.IndexFunc(out, func(v server.Workload) bool { return v.Kind != server.KindCronJob })
	return append(out[at:], out[:at]...)
}

func (w *world) Jobs(ctx context.Context) engine.Observed[[]server.Writer] {
	return look(ctx, w, "Jobs", func() engine.Observed[[]server.Writer] {
		out := slices.DeleteFunc(slices.Clone(w.writers), func(o server.Writer) bool { return o.Kind != server.KindJob })
		return engine.Found(append(out, w.started()...))
	})
}

// started are the Jobs that CronJobs have started.
func (w *world) started() []server.Writer {
	var out []server.Writer
	for _, key := range slices.Sorted(maps.Keys(w.apps)) {
		if a := w.apps[key]; a.kind == server.KindCronJob && a.pods > 0 {
			out = append(out, server.Writer{Kind: server.KindJob, Name: a.name + "-1", Pods: a.pods})
		}
	}
	return out
}

func (a *app) texts(key string) server.Texts {
	out := server.Texts{}
	for e, host := range a.hosts {
		if a.hidden {
			break
		}
		out[server.Place{Object: key, Field: addressField(e)}] = host
	}
	maps.Copy(out, a.says)
	return out
}

func (l workloads) Record(ctx context.Context, counts map[string]int) error {
	_, err := l.w.call(ctx, "Record", func() error {
		for key, n := range counts {
			if a := l.w.apps[key]; a == nil {
				return fmt.Errorf("%s is gone", key)
			} else if a.recorded == nil {
				a.recorded = count(n)
			}
		}
		return nil
	})
	return err
}

func (l workloads) Scale(ctx context.Context, key string, n int) error {
	_, err := l.w.call(ctx, "Scale", func() error {
		l.w.apps[key].replicas = n
		l.w.byHand = l.w.byHand && n == 0
		return nil
	})
	return err
}

func (l workloads) Forget(ctx context.Context) error {
	_, err := l.w.call(ctx, "Forget", func() error {
		for _, a := range l.w.apps {
			a.recorded = nil
		}
		return nil
	})
	return err
}

type records struct{ w *world }

func (r records) ReadAll(ctx context.Context) engine.Observed[map[string]engine.Observed[engine.Record]] {
	return look(ctx, r.w, "ReadAll", func() engine.Observed[map[string]engine.Observed[engine.Record]] {
		out := map[string]engine.Observed[engine.Record]{}
		for name, rec := range r.w.records {
			out[name] = engine.Found(rec)
		}
		return engine.Found(out)
	})
}

func (r records) Read(ctx context.Context, name string) engine.Observed[engine.Record] {
	return look(ctx, r.w, "Read", func() engine.Observed[engine.Record] {
		if rec, ok := r.w.records[name]; ok {
			return engine.Found(rec)
		}
		return engine.NotThere[engine.Record]()
	})
}

func (r records) Write(ctx context.Context, name string, data json.RawMessage, version string) (string, error) {
	var next string
	_, err := r.w.call(ctx, "Write", func() error {
		if r.w.records[name].Version != version {
			return fmt.Errorf("record %s: %w", name, engine.ErrConflict)
		}
		r.w.version++
		next = strconv.Itoa(r.w.version)
		r.w.records[name] = engine.Record{Data: slices.Clone(data), Version: next}
		return nil
	})
	return next, err
}

type releases struct{ w *world }

func (w *world) newest() *revision { return &w.history[len(w.history)-1] }

func (r releases) Release(ctx context.Context) engine.Observed[server.Release] {
	return look(ctx, r.w, "Release", func() engine.Observed[server.Release] {
		now := r.w.newest()
		rel := server.Release{
			Name: "server", Namespace: "ci", Revision: now.number, Status: now.status, Description: now.description,
			Chart: "circleci-server", ChartVersion: "4.10.0", ConfigDigest: fmt.Sprint(now.internal, now.secret, now.mongoInside, now.mongoSecret),
			Postgres: server.ReleaseStore{Internal: true, Host: internalHost, Port: 5432, Username: "postgres", ExistingSecret: r.w.own, FullName: internalHost},
		}
		if !now.internal {
			rel.Postgres = server.ReleaseStore{Host: externalHost, Port: 5432, Username: "circleci", ExistingSecret: now.secret, FullName: internalHost}
		}
		rel.Mongo = server.ReleaseStore{Internal: true, Hosts: []string{r.w.mongo.in + ":27017"}, Username: "root", FullName: r.w.mongo.in}
		if !now.mongoInside {
			rel.Mongo = server.ReleaseStore{Hosts: []string{r.w.mongo.out + ":27017"}, Username: "circleci", ExistingSecret: now.mongoSecret, FullName: r.w.mongo.in}
		}
		rel.Manager, rel.Trust.Certificates = r.w.tool.by, now.trust
		return engine.Found(rel)
	})
}

// addressField is where a workload of the world has an engine's address.
func addressField(e mover.Engine) string {
	return "spec.template.spec.containers[app].env[" + strings.ToUpper(string(e)) + "_HOST].value"
}

func (r releases) Preview(ctx context.Context, change server.ReleaseChange) engine.Observed[server.Preview] {
	return look(ctx, r.w, "Preview", func() engine.Observed[server.Preview] {
		pv := server.Preview{Chart: "circleci-server", ChartVersion: "4.10.0", ChartDigest: "sha256:1", Faithful: true}
		for _, key := range slices.Sorted(maps.Keys(r.w.apps)) {
			a := r.w.apps[key]
			obj := server.ObjectPreview{Kind: a.kind, Name: a.name, Action: "update", Layer: "application"}
			for _, db := range r.w.databases() {
				inside, _, given := blockOf(change, db.engine)
				to := db.out
				if inside {
					to = db.in
				}
				if from := a.hosts[db.engine]; given && from != "" && from != to {
					obj.Rendered = append(obj.Rendered, server.RenderedChange{Change: engine.Change{Field: addressField(db.engine), From: from, To: to}, Verdict: server.Verdict{Setting: true, Address: []mover.Engine{db.engine}}})
				}
			}
			if list := trustIn(change); list != nil && !slices.Equal(list, r.w.newest().trust) {
				obj.Rendered = append(obj.Rendered, server.RenderedChange{Change: engine.Change{Field: "spec.template.spec.volumes[trust].configMap.name", From: "", To: "trust"}, Verdict: server.Verdict{Setting: true}, Trust: true})
			}
			if a.hidden {
				obj.Kind, obj.Layer = "Secret", ""
			}
			if len(obj.Rendered) > 0 {
				pv.Objects = append(pv.Objects, obj)
			}
		}
		return engine.Found(pv)
	})
}

func (r releases) Upgrade(ctx context.Context, change server.ReleaseChange) error {
	w := r.w
	next := revision{internal: w.newest().internal, secret: w.newest().secret, mongoInside: w.newest().mongoInside, mongoSecret: w.newest().mongoSecret, trust: w.newest().trust, held: change.HoldAtZero}
	if list := trustIn(change); list != nil {
		next.trust = list
	}
	if inside, secret, given := blockOf(change, mover.PostgreSQL); given {
		next.internal, next.secret = inside, secret
	}
	if inside, secret, given := blockOf(change, mover.MongoDB); given {
		next.mongoInside, next.mongoSecret = inside, secret
	}
	if _, err := w.call(ctx, "Upgrade: pending", func() error {
		if last := w.newest(); strings.HasPrefix(last.status, "pending") && last.description != change.Description {
			return errors.New("another operation is in progress")
		}
		w.revise("pending-upgrade", change.Description, next)
		return nil
	}); err != nil {
		return err
	}
	// Helm goes on when the caller's context has ended.
	_, err := w.call(context.WithoutCancel(ctx), "Upgrade", func() error {
		for _, db := range w.databases() {
			db.store = next.inside(db.engine) || db.store && slices.Contains(change.Keep, "StatefulSet/"+db.in)
		}
		w.render()
		return nil
	})
	return err
}

// blockOf is what a change says of one datastore.
func blockOf(change server.ReleaseChange, e mover.Engine) (inside bool, secret string, given bool) {
	block, given := change.Set[string(e)].(map[string]any)
	inside, _ = block["internal"].(bool)
	auth, _ := block["auth"].(map[string]any)
	secret, _ = auth["existingSecret"].(string)
	return inside, secret, given
}

func (r releases) Rollback(ctx context.Context, to int, hold bool) error {
	w := r.w
	var old *revision
	for i := range w.history {
		if w.history[i].number == to {
			old = &w.history[i]
		}
	}
	if old == nil {
		return fmt.Errorf("revision %d is not in the history", to)
	}
	if _, err := w.call(ctx, "Rollback: pending", func() error {
		w.revise("pending-rollback", "circleci-dr: back to revision "+strconv.Itoa(to), revision{internal: old.internal, secret: old.secret, mongoInside: old.mongoInside, mongoSecret: old.mongoSecret, trust: old.trust, held: hold})
		return nil
	}); err != nil {
		return err
	}
	_, err := w.call(context.WithoutCancel(ctx), "Rollback", func() error {
		// What is under protection outlives a manifest that lacks it.
		for _, db := range w.databases() {
			db.store = old.inside(db.engine) || db.store && db.safe
		}
		w.render()
		return nil
	})
	return err
}

func (w *world) revise(status, description string, next revision) {
	last := w.newest()
	if last.status != "deployed" {
		last.status = "failed"
	}
	next.number, next.status, next.description = last.number+1, status, description
	w.history = append(w.history, next)
}

// render is the three-way patch: a field that the manifests agree on keeps
// its live value, one that left the manifest gets the server's default.
func (w *world) render() {
	now := w.newest()
	for _, a := range w.apps {
		next := a.chart
		if now.held {
			next = count(0)
		}
		for _, db := range w.databases() {
			if a.hosts[db.engine] == "" {
				continue
			}
			a.hosts[db.engine] = db.out
			if now.inside(db.engine) {
				a.hosts[db.engine] = db.in
			}
		}
		switch {
		case next == nil && a.manifest != nil:
			a.replicas = 1
		case next != nil && (a.manifest == nil || *a.manifest != *next):
			a.replicas = *next
		}
		a.manifest = next
	}
	now.status = "deployed"
}
