package server

import (
	"context"
	"encoding/json"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Providers is what the engine asks of the outside, and no more.
type Providers struct {
	engine.Outside
	Cluster   Clusters
	Releases  Releases
	Switcher  Switcher
	Workloads Workloads
	// Neighbours are what else is in the namespace.
	Neighbours Neighbours
	Stores     Stores
	Passwords  Passwords
	Movers     Movers
	Access     Access
	Leases     engine.LeaseReader
	Starts     Starts
	// Authorities reads certificates that the spec points at.
	Authorities Authorities
	Roads       Roads
	// Reconcilers looks at the tool that reconciles the release.
	Reconcilers Reconcilers
	// Values is nil where the files of the spec's owner are out of reach.
	Values ValuesFiles
	// Tool is the version of this program.
	Tool string
	// Patient says why this process would stop itself, or "".
	Patient func(Release) string
}

// Clusters tells which cluster this is.
type Clusters interface {
	Cluster(ctx context.Context) engine.Observed[Cluster]
}

// Releases reads a Helm release. Nothing it does changes anything.
type Releases interface {
	Release(ctx context.Context) engine.Observed[Release]
	// Preview says what Switcher.Upgrade with the same change would do.
	Preview(ctx context.Context, change ReleaseChange) engine.Observed[Preview]
}

// ReleaseChange is a Helm upgrade at the deployed version, with the release's
// own values but for Set.
type ReleaseChange struct {
	// Set is merged over the release's values; a nil leaf deletes the user's
	// override.
	Set map[string]any
	// Keep are objects (Kind/name) that must outlive the upgrade although the
	// new manifest lacks them.
	Keep []string
	// HoldAtZero renders every layer=application workload with no replicas.
	HoldAtZero bool
	// Description is written into the release record, so that a cut-off
	// upgrade is recognised.
	Description string
}

// Reconcilers reads the object by which a tool reconciles a release. Absent
// means that there is no such object in this cluster, which says nothing of
// another one.
type Reconcilers interface {
	Reconciliation(ctx context.Context, rel Release) engine.Observed[Reconciliation]
}

// Switcher changes a Helm release.
type Switcher interface {
	// Upgrade returns after Helm is done. Cancelling ctx does not stop a
	// running upgrade (Helm goes on in its goroutine), so Upgrade waits for it.
	// A release stuck in pending-upgrade by a killed run with the same
	// Description is taken over; another one is an error.
	Upgrade(ctx context.Context, change ReleaseChange) error
	// Rollback goes back to revision, workloads held at zero when hold is set.
	Rollback(ctx context.Context, revision int, hold bool) error
}

// Workloads reads and scales the application layer.
type Workloads interface {
	// List reads counts. It is asked twice a second while pods end and start.
	List(ctx context.Context) engine.Observed[[]Workload]
	// Application is List with each workload's Texts, for which ConfigMaps and
	// Secrets are read as well, and with what else runs pods of the application.
	Application(ctx context.Context) Application
	// Record annotates each workload with its own live count; one that
	// already has the annotation is left as it is.
	Record(ctx context.Context, counts map[string]int) error
	// Scale sets the replicas of one workload (Workload.Key); a CronJob is
	// suspended with 0, and not suspended with 1.
	Scale(ctx context.Context, key string, replicas int) error
	// Forget removes our annotations.
	Forget(ctx context.Context) error
}

// Stores reads, protects and removes a datastore's own objects.
type Stores interface {
	Internal(ctx context.Context, datastore mover.Engine, name string) engine.Observed[InternalStore]
	// Protect sets the volumes' reclaim policy to Retain, takes
	// whenDeleted: Delete off the live StatefulSet and puts
	// helm.sh/resource-policy: keep on its objects.
	Protect(ctx context.Context, datastore mover.Engine, name string) error
	// Remove deletes the StatefulSet and its Services. Never a volume, never
	// a Secret; the claims are labelled as kept, with the time.
	Remove(ctx context.Context, datastore mover.Engine, name string, at time.Time) error
}

// Passwords keeps the Secret that the switched release reads.
type Passwords interface {
	// Compare tells how the Secret named name relates to what ref points at.
	Compare(ctx context.Context, name string, keys []string, ref spec.SecretRef) engine.Observed[Credentials]
	// Copy writes what ref points at under keys of the Secret named name,
	// which it makes and labels as ours; another's Secret is an error.
	Copy(ctx context.Context, name string, keys []string, ref spec.SecretRef) error
	// Info reads a Secret's keys and owner.
	Info(ctx context.Context, name string) engine.Observed[SecretInfo]
}

// MoverJob is a mover pod to run. Adapters add the paths of the password and
// CA files to the request.
type MoverJob struct {
	Name    string
	Request mover.Request
	// Source and Target say where passwords and certificates are.
	Source MoverSide
	Target MoverSide
	// Deadline ends the pod.
	Deadline time.Duration
	// Keep leaves a finished Job behind; without it the Job is deleted.
	Keep bool
	// Stand has the pod take the place of a workload's; nil is a place of its own.
	Stand *Stand
}

// Movers runs mover pods.
type Movers interface {
	// Run starts the Job, or adopts the one of that name that runs or is
	// complete, follows it and returns its result. A failed one of that name
	// is removed first. The error is a *MoverError where the mover gave one.
	Run(ctx context.Context, job MoverJob, progress mover.Progress) (json.RawMessage, error)
	// Stop deletes the Job and waits until its pods are gone.
	Stop(ctx context.Context, name string) error
}

// Access asks which rights are missing.
type Access interface {
	Denied(ctx context.Context, wanted []Permission) engine.Observed[[]Permission]
}

// Authorities reads the certificates that a reference points at, in PEM.
type Authorities interface {
	Authority(ctx context.Context, ref spec.SecretRef) engine.Observed[string]
}
