package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

const (
	recordPrefix = "circleci-dr-"
	recordKey    = "record.json"
	// recordLimit leaves room for metadata below the 1 MiB of a ConfigMap.
	recordLimit = 900 << 10
)

// Read reads a record: a ConfigMap in the release's namespace.
func (c *Client) Read(ctx context.Context, name string) engine.Observed[engine.Record] {
	object := recordPrefix + name
	got, err := c.kube.CoreV1().ConfigMaps(c.options.Namespace).Get(ctx, object, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return engine.NotThere[engine.Record]()
	}
	if err != nil {
		return engine.CouldNot[engine.Record](fmt.Errorf("read ConfigMap %s: %w", object, err))
	}
	return recordOf(*got)
}

// ReadAll reads every record in one list. They are known by their names, as in
// Read: one whose labels somebody took off is no record that is absent.
func (c *Client) ReadAll(ctx context.Context) engine.Observed[map[string]engine.Observed[engine.Record]] {
	found, err := all[corev1.ConfigMap](ctx, "", listOf(c.kube.CoreV1().ConfigMaps(c.options.Namespace).List))
	if err != nil {
		return engine.CouldNot[map[string]engine.Observed[engine.Record]](fmt.Errorf("list ConfigMaps, in which records are kept: %w", err))
	}
	out := map[string]engine.Observed[engine.Record]{}
	for _, m := range found {
		if name, ok := strings.CutPrefix(m.Name, recordPrefix); ok {
			out[name] = recordOf(m)
		}
	}
	return engine.Found(out)
}

func recordOf(m corev1.ConfigMap) engine.Observed[engine.Record] {
	data := m.Data[recordKey]
	if !json.Valid([]byte(data)) {
		return engine.CouldNot[engine.Record](fmt.Errorf("read ConfigMap %s: its key %s is not JSON; somebody else wrote it", m.Name, recordKey))
	}
	return engine.Found(engine.Record{Data: json.RawMessage(data), Version: m.ResourceVersion})
}

// Write stores a record if it is still at version and returns the new one.
func (c *Client) Write(ctx context.Context, name string, data json.RawMessage, version string) (string, error) {
	object := recordPrefix + name
	if len(data) > recordLimit {
		return "", fmt.Errorf("write ConfigMap %s: %d bytes are more than the %d that fit", object, len(data), recordLimit)
	}
	if !json.Valid(data) {
		return "", fmt.Errorf("write ConfigMap %s: the record is not JSON", object)
	}
	maps := c.kube.CoreV1().ConfigMaps(c.options.Namespace)
	record := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: object, Labels: c.ours(), ResourceVersion: version},
		Data:       map[string]string{recordKey: string(data)},
	}
	var got *corev1.ConfigMap
	var err error
	if version == "" {
		got, err = maps.Create(ctx, record, metav1.CreateOptions{})
	} else {
		got, err = maps.Update(ctx, record, metav1.UpdateOptions{})
	}
	switch {
	case apierrors.IsAlreadyExists(err), apierrors.IsConflict(err), version != "" && apierrors.IsNotFound(err):
		return "", fmt.Errorf("write ConfigMap %s: %w", object, engine.ErrConflict)
	case err != nil:
		return "", fmt.Errorf("write ConfigMap %s: %w", object, err)
	}
	return got.ResourceVersion, nil
}

// ours are the labels of everything the client makes.
func (c *Client) ours() map[string]string {
	return map[string]string{labelManagedBy: manager, labelName: c.options.Name}
}
