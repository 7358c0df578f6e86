package kube

import (
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// What other keys hold is told without any of it.
func TestOtherKeysAreToldByWhatTheyHold(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "pg", Namespace: "ci"}, Data: map[string][]byte{
		"password": []byte("p@ss"), "uri": []byte("postgresql://circleci:p%40ss@pg:5432/postgres\n"), "old": []byte("postgresql://circleci:old@pg:5432/postgres"),
		"username": []byte("circleci"), "host": []byte("postgresql://pg:5432"),
	}}
	c := newClient(Options{Namespace: "ci"}, fake.NewClientset(secret))
	got := c.Compare(t.Context(), "pg", []string{"password"}, spec.SecretRef{Secret: &spec.SecretKey{Name: "pg", Key: "password"}})
	want := map[string]server.KeyContent{"uri": server.HoldsPassword, "old": server.HoldsOtherPassword, "username": server.HoldsElse, "host": server.HoldsElse}
	if !got.Value.Matches || !maps.Equal(got.Value.Others, want) {
		t.Errorf("got %+v", got)
	}
}

// A missing key read by hand is an empty password and no error. Here each is
// an error that names what is there.
func TestAMissingOrEmptyKeyIsNoPassword(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "postgresql", Namespace: "ci"},
		Data: map[string][]byte{"postgres-password": []byte("pw"), "blank": {}}}
	elsewhere := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: "default"}, Data: map[string][]byte{"k": []byte("pw")}}
	c := newClient(Options{Namespace: "ci"}, fake.NewClientset(secret, elsewhere))
	for ref, want := range map[spec.SecretKey]string{
		{Name: "postgresql", Key: "postgres-password"}:   "",
		{Name: "postgresql", Key: "postgresql-password"}: "key postgresql-password of Secret postgresql is not there; it has: blank, postgres-password",
		{Name: "postgresql", Key: "blank"}:               "key blank of Secret postgresql is empty",
		{Name: "other", Key: "k"}:                        "read Secret other: it is not there in namespace ci",
	} {
		got, err := c.resolve(t.Context(), spec.SecretRef{Secret: &ref})
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != want || (err == nil) != (string(got) == "pw") {
			t.Errorf("%s: got %q and the error %q, want %q", ref, []byte(got), text, want)
		}
	}
}
