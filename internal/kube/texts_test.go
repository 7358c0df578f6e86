package kube

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

func named(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }

// Places are called as a preview of the release calls them, and every ConfigMap
// and Secret is there that the pods use.
func TestTextsOfAWorkload(t *testing.T) {
	w := workload{kind: kindDeployment, meta: metav1.ObjectMeta{Name: "api"}, template: corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"example.com/db": "postgresql"}},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "wait", Args: []string{"-h", "postgresql:5432"}}},
			Containers: []corev1.Container{{
				Name:    "api",
				EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: named("settings")}}},
				Env: []corev1.EnvVar{
					{Name: "HOST", Value: "postgresql"},
					{Name: "URL", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: named("url"), Key: "url"}}},
				},
			}},
			Volumes: []corev1.Volume{
				{Name: "file", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: named("file")}}},
				{Name: "all", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
					{Secret: &corev1.SecretProjection{LocalObjectReference: named("projected")}},
				}}}},
			},
		},
	}}
	held := holdersOf(
		[]corev1.ConfigMap{
			{ObjectMeta: metav1.ObjectMeta{Name: "settings"}, Data: map[string]string{"SERVER": "one"}},
			{ObjectMeta: metav1.ObjectMeta{Name: "file"}, Data: map[string]string{"app.ini": "two"}},
			{ObjectMeta: metav1.ObjectMeta{Name: "unused"}, Data: map[string]string{"x": "y"}},
		},
		[]corev1.Secret{
			{ObjectMeta: metav1.ObjectMeta{Name: "url"}, Data: map[string][]byte{"url": []byte("three")}},
			{ObjectMeta: metav1.ObjectMeta{Name: "projected"}, Data: map[string][]byte{"url": []byte("four")}},
		})
	got, err := textsOf(w, held)
	if err != nil {
		t.Fatal(err)
	}
	const pod = "spec.template.spec."
	want := server.Texts{}
	for field, text := range map[string]string{
		`spec.template.metadata.annotations["example.com/db"]`:       "postgresql",
		pod + "initContainers[wait].name":                            "wait",
		pod + "initContainers[wait].args[0]":                         "-h",
		pod + "initContainers[wait].args[1]":                         "postgresql:5432",
		pod + "containers[api].name":                                 "api",
		pod + "containers[api].envFrom[0].configMapRef.name":         "settings",
		pod + "containers[api].env[HOST].name":                       "HOST",
		pod + "containers[api].env[HOST].value":                      "postgresql",
		pod + "containers[api].env[URL].name":                        "URL",
		pod + "containers[api].env[URL].valueFrom.secretKeyRef.name": "url",
		pod + "containers[api].env[URL].valueFrom.secretKeyRef.key":  "url",
		pod + "volumes[file].name":                                   "file",
		pod + "volumes[file].configMap.name":                         "file",
		pod + "volumes[all].name":                                    "all",
		pod + "volumes[all].projected.sources[0].secret.name":        "projected",
	} {
		want[server.Place{Object: "Deployment/api", Field: field}] = text
	}
	want[server.Place{Object: "ConfigMap/settings", Field: "data.SERVER"}] = "one"
	want[server.Place{Object: "ConfigMap/file", Field: `data["app.ini"]`}] = "two"
	want[server.Place{Object: "Secret/url", Field: "data.url"}] = "three"
	want[server.Place{Object: "Secret/projected", Field: "data.url"}] = "four"
	if !reflect.DeepEqual(map[server.Place]string(got), map[server.Place]string(want)) {
		for place, text := range want {
			if got[place] != text {
				t.Errorf("%s says %q, want %q", place, got[place], text)
			}
		}
		for place := range got {
			if _, known := want[place]; !known {
				t.Errorf("%s is not wanted", place)
			}
		}
	}
	// Nobody prints them by mistake.
	data, err := json.Marshal(struct {
		W server.Workload
		T server.Texts
	}{server.Workload{Texts: got}, got})
	if shown := fmt.Sprintf("%v %+v %#v %s", got, server.Workload{Texts: got}, got, data); err != nil || strings.Contains(shown, "three") {
		t.Errorf("%s, error %v", shown, err)
	}
}
