package helm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// ErrPending means that another Helm operation holds the release.
var ErrPending = errors.New("another helm operation holds the release")

// ErrUnfaithful means that the chart is not the one the release was made from.
var ErrUnfaithful = errors.New("the chart does not give the release's own manifest")

// Upgrade changes the release's values at its deployed version.
func (c *Client) Upgrade(ctx context.Context, change server.ReleaseChange) error {
	t, err := within(ctx, func() (*target, error) { return c.prepare(ctx, change) })
	if err != nil {
		return fmt.Errorf("upgrade helm release %s: %w", c.opts.Release, err)
	}
	if len(t.unfaithful) > 0 {
		return t.scrub.err(fmt.Errorf("upgrade helm release %s: %w: %s", c.opts.Release, ErrUnfaithful, strings.Join(t.unfaithful, "; ")))
	}
	if err := c.takeOver(t, change.Description); err != nil {
		return t.scrub.err(fmt.Errorf("upgrade helm release %s: %w", c.opts.Release, err))
	}
	if err := keep(t, change.Keep); err != nil {
		return t.scrub.err(fmt.Errorf("upgrade helm release %s: %w", c.opts.Release, err))
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("upgrade helm release %s: not begun: %w", c.opts.Release, err)
	}
	return t.scrub.err(c.upgrade(ctx, t, change))
}

// upgrade hands over to Helm. Its context is never cancelled: Helm would
// return at once, mark the revision failed and go on changing objects.
func (c *Client) upgrade(ctx context.Context, t *target, change server.ReleaseChange) error {
	ch, err := t.fresh()
	if err != nil {
		return fmt.Errorf("upgrade helm release %s: %w", c.opts.Release, err)
	}
	description := marked(change.Description)
	t.Releases.Driver = signed{Driver: t.Releases.Driver, description: description}
	up := action.NewUpgrade(t.Configuration)
	up.Namespace = c.opts.Namespace
	up.ResetValues = true // t.values already are the release's own, merged
	up.MaxHistory = c.opts.MaxHistory
	up.Timeout = c.opts.HookTimeout
	up.Description = description
	if change.HoldAtZero {
		up.PostRenderer = holdAtZero{}
	}
	_, err = up.RunWithContext(context.WithoutCancel(ctx), c.opts.Release, ch, t.values)
	return c.outcome(ctx, t.operation, "upgrade", err)
}

// outcome adds to an error what Helm said last on the objects it names, and
// makes errors of the failures Helm only logs.
func (c *Client) outcome(ctx context.Context, s *operation, verb string, err error) error {
	failed := s.talk.failed()
	switch {
	case err != nil:
		lines := append(s.talk.about(err.Error()), failed...)
		if hook := c.hookTrouble(ctx, s, err); hook != "" {
			lines = append([]string{hook}, lines...)
		}
		if len(lines) == 0 {
			return fmt.Errorf("%s helm release %s: %w", verb, c.opts.Release, err)
		}
		return fmt.Errorf("%s helm release %s: %w (helm said: %s)", verb, c.opts.Release, err, strings.Join(lines, "; "))
	case len(failed) > 0:
		return fmt.Errorf("%s helm release %s: helm calls it done, but: %s", verb, c.opts.Release, strings.Join(failed, "; "))
	}
	return nil
}

// takeOver frees a release that a killed run of the same change left pending:
// the revision is marked failed, and the upgrade run again converges, since
// its target is the same. Any other pending revision may be alive.
func (c *Client) takeOver(t *target, description string) error {
	pending := t.newest
	if !busy(pending) {
		return nil
	}
	if pending.Info.Status != release.StatusPendingUpgrade || pending.Info.Description != marked(description) {
		return c.pendingError(pending, t.base)
	}
	left, err := digest(pending.Config)
	if err != nil {
		return err
	}
	wanted, err := digest(t.values)
	if err != nil {
		return err
	}
	if left != wanted {
		return fmt.Errorf("%w: revision %d was cut off with other values; roll back to revision %d first", ErrPending, pending.Version, t.base.Version)
	}
	return markCutOff(t.operation, pending)
}

func busy(rel *release.Release) bool {
	return rel.Info.Status.IsPending() || rel.Info.Status == release.StatusUninstalling
}

func (c *Client) pendingError(pending, base *release.Release) error {
	return fmt.Errorf("%w: revision %d is %s since %s (%q); if it still runs, wait for it; if it was killed, run `helm rollback %s %d --namespace %s`",
		ErrPending, pending.Version, pending.Info.Status, pending.Info.LastDeployed.UTC().Format("2006-01-02 15:04:05Z"), pending.Info.Description,
		c.opts.Release, base.Version, c.opts.Namespace)
}

// markCutOff says in the record that a pending revision of ours is over.
func markCutOff(s *operation, pending *release.Release) error {
	pending.Info.Status = release.StatusFailed
	pending.Info.Description += " (cut off)"
	if err := s.Releases.Update(pending); err != nil {
		return fmt.Errorf("take over revision %d: %w", pending.Version, err)
	}
	return nil
}

// keep puts Helm's keep annotation on live objects: Helm looks at the live
// object, not at the manifest, before it deletes one.
func keep(t *target, names []string) error {
	if len(names) == 0 {
		return nil
	}
	infos, err := t.build(t.base.Manifest)
	if err != nil {
		return fmt.Errorf("read the objects of revision %d: %w", t.base.Version, err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{kube.ResourcePolicyAnno: kube.KeepPolicy}}})
	if err != nil {
		return err
	}
	for _, info := range infos {
		if !contains(names, info) {
			continue
		}
		_, err := resource.NewHelper(info.Client, info.Mapping).WithFieldManager(fieldManager).
			Patch(info.Namespace, info.Name, types.MergePatchType, patch, nil)
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("keep %s: %w", ref(info), err)
		}
	}
	return nil
}

// ref is how a person names an object: Kind/name.
func ref(info *resource.Info) string {
	return info.Mapping.GroupVersionKind.Kind + "/" + info.Name
}

func contains(names []string, info *resource.Info) bool {
	for _, name := range names {
		if name == ref(info) {
			return true
		}
	}
	return false
}
