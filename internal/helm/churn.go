package helm

import (
	"encoding/base64"
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/chart"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// pathReplicas is where a workload's manifest has its count.
const pathReplicas = "spec.replicas"

// pathSuspend is where a CronJob's manifest says that it rests.
const pathSuspend = "spec.suspend"

// churn is what every upgrade changes although the values stay as they are:
// random content, the time, the number of the revision.
type churn struct {
	// fields are the paths of such leaves, by the object's key.
	fields map[string]map[string]bool
	// names are the keys of objects that have another name every time, places
	// how many of them each kind and template makes.
	names  map[string]bool
	places map[string]int
}

func noChurn() churn {
	return churn{fields: map[string]map[string]bool{}, names: map[string]bool{}, places: map[string]int{}}
}

// newChurn finds it in two pairs of renders of the same values: the base
// revision and its values as the next revision, the new manifest and one made
// at another time. Both pairs see the cluster as the upgrade will, so that what a template
// looks up and keeps is not taken for random.
func newChurn(t *target, manifest string, held bool) (churn, error) {
	again, err := newManifest(t, t.values, held, later(t.fresh))
	if err != nil {
		return churn{}, fmt.Errorf("render the chart with the new values once more: %w", err)
	}
	out := noChurn()
	if err := out.add(manifest, again); err != nil {
		return churn{}, err
	}
	// Charts may refuse an upgrade with values that were good for an install,
	// and it is not these that are wanted: less is known then to be churn.
	if same, err := newManifest(t, t.base.Config, false, t.fresh); err == nil {
		return out, out.add(t.base.Manifest, same)
	}
	return out, nil
}

// later gives a chart that sees another time.
func later(fresh func() (*chart.Chart, error)) func() (*chart.Chart, error) {
	return func() (*chart.Chart, error) {
		ch, err := fresh()
		if err != nil {
			return nil, err
		}
		return atAnotherTime(ch), nil
	}
}

// add learns from two renders of the same values.
func (c churn) add(one, two string) error {
	first, err := parse(one)
	if err != nil {
		return err
	}
	second, err := parse(two)
	if err != nil {
		return err
	}
	c.compare(first, second)
	return nil
}

func (c churn) compare(first, second []document) {
	here, there := byKey(first), byKey(second)
	gone := map[string][]string{}
	for _, d := range first {
		other, both := there[d.key()]
		if !both {
			gone[d.place()] = append(gone[d.place()], d.key())
			continue
		}
		for _, path := range differ(flatten(d.object), flatten(other.object)) {
			if path == pathReplicas || path == pathSuspend { // ours, where the application was held at zero
				continue
			}
			if c.fields[d.key()] == nil {
				c.fields[d.key()] = map[string]bool{}
			}
			c.fields[d.key()][path] = true
		}
	}
	for _, d := range second {
		left := gone[d.place()]
		if _, both := here[d.key()]; both || len(left) == 0 {
			continue
		}
		c.names[d.key()], c.names[left[0]] = true, true
		c.places[d.place()]++
		gone[d.place()] = left[1:]
	}
}

// place is where an object comes from, whatever its name.
func (d document) place() string { return d.kind() + " of " + d.source }

// renewals describes leaves that are filled anew. A key that comes with a new
// certificate belongs to it; everything else that stands where secrets stand
// may be known to somebody.
func renewals(show shower, rewriting *server.Rewriting, paths []string, live, result fields) []server.Renewal {
	certificate := false
	for _, path := range paths {
		certificate = certificate || strings.Contains(show.plain(path, result[path]), "-----BEGIN CERTIFICATE-----")
	}
	var out []server.Renewal
	for _, path := range paths {
		text := show.plain(path, result[path])
		pem := strings.Contains(text, "-----BEGIN CERTIFICATE-----") || certificate && strings.Contains(text, "PRIVATE KEY-----")
		out = append(out, server.Renewal{
			Field: path, Credential: show.hides(path) && !pem, Address: rewriting.Readdressed(show.plain(path, live[path]), text),
		})
	}
	return out
}

// plain is a leaf as whoever reads the object gets it: a Secret's data decoded.
// It is for comparing, never for showing.
func (s shower) plain(path string, v any) string {
	text := show(v)
	if s.kind == "Secret" && s.hides(path) {
		if data, err := base64.StdEncoding.DecodeString(text); err == nil {
			return string(data)
		}
	}
	return text
}
