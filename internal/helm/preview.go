package helm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// Preview says what Upgrade with the same change would do, object by object.
// Helm's own dry run never shows the objects to the server; this sends the
// patches that Helm would send, as dry runs. Nothing is changed.
func (c *Client) Preview(ctx context.Context, change server.ReleaseChange) engine.Observed[server.Preview] {
	got, err := within(ctx, func() (server.Preview, error) {
		t, err := c.prepare(ctx, change)
		if err != nil {
			return server.Preview{}, err
		}
		p, err := preview(t, change)
		if len(p.Hooks) > 0 {
			p.HookTimeout = c.opts.HookTimeout
		}
		return p, t.scrub.err(err)
	})
	if errors.Is(err, errNoRelease) {
		return engine.NotThere[server.Preview]()
	}
	if err != nil {
		return engine.CouldNot[server.Preview](fmt.Errorf("preview the upgrade of helm release %s: %w", c.opts.Release, err))
	}
	return engine.Found(got)
}

func preview(t *target, change server.ReleaseChange) (server.Preview, error) {
	meta := t.base.Chart.Metadata
	out := server.Preview{
		Chart: meta.Name, ChartVersion: meta.Version, ChartDigest: t.digest,
		Faithful: len(t.unfaithful) == 0, Objects: []server.ObjectPreview{},
	}
	for _, line := range t.unfaithful {
		out.Unfaithful = append(out.Unfaithful, t.scrub.text(line))
	}
	manifest, err := newManifest(t, t.values, change.HoldAtZero, t.fresh)
	if err != nil {
		if out.Faithful {
			return out, fmt.Errorf("render the chart with the new values: %w", err)
		}
		// A chart that is not even the right one need not render.
		return out, nil
	}
	if out.Faithful {
		if out.Record, out.Hooks, err = t.stored(change); err != nil {
			return out, err
		}
	}
	secrets, err := t.secretsOf(change.Set)
	if err != nil {
		return out, err
	}
	if out.Reads, err = secretReads(manifest, secrets); err != nil {
		return out, err
	}
	sides, err := build(t, manifest)
	if err != nil {
		return out, err
	}
	if sides.churn, err = newChurn(t, manifest, change.HoldAtZero); err != nil && out.Faithful {
		return out, err
	}
	if sides.trusting, err = newTrusting(t, manifest, change); err != nil && out.Faithful {
		return out, err
	}
	if sides.rewriting, err = t.rewriting(change.Set); err != nil {
		return out, err
	}
	objects := make([]*server.ObjectPreview, len(sides.young))
	var group errgroup.Group
	group.SetLimit(8)
	for i, info := range sides.young {
		group.Go(func() (err error) {
			objects[i], err = sides.object(info)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return out, err
	}
	for _, object := range objects {
		if object != nil {
			out.Objects = append(out.Objects, *object)
		}
	}
	out.Objects = append(out.Objects, sides.lacked(change.Keep)...)
	return out, nil
}

// newManifest renders what an upgrade to these values would store.
func newManifest(t *target, values map[string]any, held bool, fresh func() (*chart.Chart, error)) (string, error) {
	ch, err := fresh()
	if err != nil {
		return "", err
	}
	manifest, err := render(t.Configuration, ch, values, chartutil.ReleaseOptions{
		Name: t.base.Name, Namespace: t.base.Namespace, Revision: t.newest.Version + 1, IsUpgrade: true,
	})
	if err != nil || !held {
		return manifest, err
	}
	return hold(manifest)
}

// rewriting says how texts change when the release's values become the
// upgrade's.
func (t *target) rewriting(set map[string]any) (*server.Rewriting, error) {
	ch, err := t.fresh()
	if err != nil {
		return nil, err
	}
	var values [2]map[string]any
	for i, config := range []map[string]any{t.base.Config, t.values} {
		if config, err = plain(config); err != nil {
			return nil, err
		}
		if values[i], err = chartutil.CoalesceValues(ch, config); err != nil {
			return nil, fmt.Errorf("put the chart's defaults under the values: %w", err)
		}
		if values[i], err = named(t.base, values[i]); err != nil {
			return nil, err
		}
	}
	var moving []mover.Engine
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if e := mover.Engine(name); slices.Contains(server.Engines(), e) { // else a block of something else
			moving = append(moving, e)
		}
	}
	return server.NewRewriting(t.base.Namespace, moving, values[0], values[1]), nil
}

// sides are the old manifest, the new one and the live objects of both.
type sides struct {
	old, young     kube.ResourceList
	sources        map[string]document
	live           map[string]*unstructured.Unstructured
	release, space string
	scrub          scrubber
	churn          churn
	trusting       trusting
	rewriting      *server.Rewriting
}

func build(t *target, manifest string) (*sides, error) {
	s := &sides{release: t.base.Name, space: t.base.Namespace, scrub: t.scrub, sources: map[string]document{}}
	for _, text := range []string{t.base.Manifest, manifest} {
		docs, err := parse(text)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			s.sources[d.key()] = d
		}
	}
	var err error
	if s.old, err = t.build(t.base.Manifest); err != nil {
		return nil, fmt.Errorf("read the objects of revision %d: %w", t.base.Version, err)
	}
	if s.young, err = t.build(manifest); err != nil {
		return nil, fmt.Errorf("read the objects of the new manifest: %w", err)
	}
	for _, info := range s.young {
		if err := own(info, s.release, s.space); err != nil {
			return nil, err
		}
	}
	s.live, err = readLive(append(append(kube.ResourceList{}, s.young...), s.old.Difference(s.young)...))
	return s, err
}

// build reads objects without validating them: the dry runs do, as strictly as
// Helm would, and spare the download of every schema.
func (t *target) build(manifest string) (kube.ResourceList, error) {
	return t.KubeClient.Build(strings.NewReader(manifest), false)
}

// own puts Helm's marks of ownership on an object, as Helm does before it
// sends one.
func own(info *resource.Info, release, namespace string) error {
	object, ok := info.Object.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("%s: not an object of any known shape", ref(info))
	}
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels["app.kubernetes.io/managed-by"] = "Helm"
	object.SetLabels(labels)
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations["meta.helm.sh/release-name"] = release
	annotations["meta.helm.sh/release-namespace"] = namespace
	object.SetAnnotations(annotations)
	return nil
}

// document is what an object was rendered from.
func (s *sides) document(info *resource.Info) document {
	gvk := info.Mapping.GroupVersionKind
	d, found := s.sources[strings.Join([]string{gvk.Group, gvk.Kind, "", info.Name}, "/")]
	if !found {
		d = s.sources[strings.Join([]string{gvk.Group, gvk.Kind, info.Namespace, info.Name}, "/")]
	}
	return d
}

// describe starts the preview of one object.
func (s *sides) describe(info *resource.Info, action string) server.ObjectPreview {
	d := s.document(info)
	return server.ObjectPreview{
		Kind: info.Mapping.GroupVersionKind.Kind, Name: info.Name, Action: action, Template: d.source, Layer: d.layer(),
		EveryTime: action != "update" && s.churn.names[d.key()], Trust: action == "create" && s.trusting.made[d.key()] && !s.churn.names[d.key()],
	}
}

// object previews one object of the new manifest; nil means it would stay as
// it is.
func (s *sides) object(info *resource.Info) (*server.ObjectPreview, error) {
	target := info.Object.(*unstructured.Unstructured)
	live := s.live[liveKey(info)]
	show := shower{kind: target.GetKind(), scrub: s.scrub}
	if live == nil {
		if err := dryCreate(info, target); err != nil {
			return nil, err
		}
		p := s.describe(info, "create")
		to := flatten(target.Object)
		for _, path := range to.paths() {
			p.Rendered = append(p.Rendered, server.RenderedChange{Change: show.change(path, nil, to)})
		}
		return &p, nil
	}
	original, before := target.Object, fields{}
	if old := s.old.Get(info); old != nil {
		original = old.Object.(*unstructured.Unstructured).Object
		before = flatten(original)
	} else if err := owned(info, live, s.release, s.space); err != nil {
		return nil, err
	}
	result, err := dryRun(info, original, live)
	if err != nil || result == nil {
		return nil, err
	}
	p := s.describe(info, "update")
	key := s.document(info).key()
	effectsOn(&p, judging{show, s.rewriting, s.trusting.fields[key]}, s.churn.fields[key], forms{before, flatten(target.Object), flatten(live.Object), flatten(result.Object)})
	if len(p.Rendered)+len(p.Drifted)+len(p.Renewed) == 0 {
		return nil, nil
	}
	return &p, nil
}

// lacked previews what the new manifest lacks: Helm deletes it, but for what the
// upgrade keeps, and what is marked to be kept already, as a second run finds it.
func (s *sides) lacked(keep []string) []server.ObjectPreview {
	var out []server.ObjectPreview
	for _, info := range s.old.Difference(s.young) {
		live := s.live[liveKey(info)]
		switch {
		case live == nil:
		case contains(keep, info) || live.GetAnnotations()[kube.ResourcePolicyAnno] == kube.KeepPolicy:
			out = append(out, s.describe(info, server.ObjectKept))
		default:
			out = append(out, s.describe(info, "delete"))
		}
	}
	return out
}

// owned says what Helm would: an object that exists outside the release is
// not taken into it.
func owned(info *resource.Info, live *unstructured.Unstructured, release, namespace string) error {
	annotations := live.GetAnnotations()
	if live.GetLabels()["app.kubernetes.io/managed-by"] == "Helm" &&
		annotations["meta.helm.sh/release-name"] == release && annotations["meta.helm.sh/release-namespace"] == namespace {
		return nil
	}
	return fmt.Errorf("%s exists and does not belong to the release; helm would refuse the upgrade", ref(info))
}
