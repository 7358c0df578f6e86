package helm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"
	"helm.sh/helm/v3/pkg/storage/driver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// ServerChart is the name of CircleCI Server's chart (installation guide of
// Server 4.x: oci://…/circleci-server).
const ServerChart = "circleci-server"

// Listed is one release as its newest record names it.
type Listed struct {
	Namespace, Name, Chart, Version, Status string
	Revision                                int
	// Unread says why the record could not be read; chart, version and status
	// are empty then.
	Unread string
}

// IsServer tells whether the release was made from CircleCI Server's chart and
// is still installed.
func (l Listed) IsServer() bool { return l.Chart == ServerChart && l.Status != "uninstalled" }

// List gives the Helm releases of a namespace, "" for the whole cluster, by
// namespace and name. It asks for the names of all records first and reads the
// newest one of each release only: a record holds a whole chart, and those of
// a cluster would be much.
func List(ctx context.Context, config *rest.Config, namespace string) ([]Listed, error) {
	silence()
	newest, err := newestRecords(ctx, config, namespace)
	if err != nil {
		return nil, err
	}
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	out := make([]Listed, len(newest))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, rec := range newest {
		group.Go(func() error {
			one, err := within(ctx, func() (Listed, error) { return listed(clientset, rec), nil })
			out[i] = one
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// record names a stored revision by what Helm writes into its labels
// (helm.sh/helm/v3/pkg/storage/driver, newSecretsObject).
type record struct {
	namespace, release, secret string
	revision                   int
}

func newestRecords(ctx context.Context, config *rest.Config, namespace string) ([]record, error) {
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	newest := map[[2]string]record{}
	opts := metav1.ListOptions{LabelSelector: "owner=helm", Limit: 500}
	for {
		list, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace(namespace).List(ctx, opts)
		if runtime.IsMissingKind(err) || runtime.IsNotRegisteredError(err) {
			// Its text quotes the answer, which may be whole records.
			return nil, errors.New("the API server was asked for names and answered with something else")
		}
		if err != nil {
			return nil, err
		}
		for _, item := range list.Items {
			revision, err := strconv.Atoi(item.Labels["version"])
			if err != nil {
				return nil, fmt.Errorf("read Helm's record %s in namespace %s: its label version is %q", item.Name, item.Namespace, item.Labels["version"])
			}
			key := [2]string{item.Namespace, item.Labels["name"]}
			if revision >= newest[key].revision {
				newest[key] = record{item.Namespace, item.Labels["name"], item.Name, revision}
			}
		}
		if opts.Continue = list.Continue; opts.Continue == "" {
			break
		}
	}
	out := make([]record, 0, len(newest))
	for _, rec := range newest {
		out = append(out, rec)
	}
	slices.SortFunc(out, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.release, b.release))
	})
	return out, nil
}

// listed reads a record. One that cannot be read is listed with the reason: it
// may be the very one that is looked for.
func listed(clientset kubernetes.Interface, rec record) Listed {
	out := Listed{Namespace: rec.namespace, Name: rec.release, Revision: rec.revision}
	store := driver.NewSecrets(clientset.CoreV1().Secrets(rec.namespace))
	store.Log = func(string, ...any) {} // its arguments are a whole Secret
	// Get would panic at a record that cannot be decoded.
	found, err := store.Query(map[string]string{"owner": "helm", "name": rec.release, "version": strconv.Itoa(rec.revision)})
	switch {
	case err != nil:
		out.Unread = err.Error()
		return out
	case len(found) == 0:
		out.Unread = "the record in Secret " + rec.secret + " cannot be decoded"
		return out
	}
	switch rel := found[0]; {
	case rel.Info == nil || rel.Chart == nil || rel.Chart.Metadata == nil:
		out.Unread = "the record has no status or no chart"
	default:
		out.Chart, out.Version, out.Status = rel.Chart.Metadata.Name, rel.Chart.Metadata.Version, rel.Info.Status.String()
	}
	return out
}
