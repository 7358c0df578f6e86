package kube

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Info reads a Secret's keys and owner.
func (c *Client) Info(ctx context.Context, name string) engine.Observed[server.SecretInfo] {
	got, err := c.kube.CoreV1().Secrets(c.options.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return engine.NotThere[server.SecretInfo]()
	}
	if err != nil {
		return engine.CouldNot[server.SecretInfo](fmt.Errorf("read Secret %s: %w", name, err))
	}
	return engine.Found(secretInfo(*got))
}

// Compare tells whether every key of the Secret named name holds what ref
// points at. A reference that points at nothing is a problem, not a failed
// read.
func (c *Client) Compare(ctx context.Context, name string, keys []string, ref spec.SecretRef) engine.Observed[server.Credentials] {
	wanted, err := c.resolve(ctx, ref)
	if errors.Is(err, errMissing) {
		return engine.Found(server.Credentials{Name: name, Problem: err.Error()})
	}
	if err != nil {
		return engine.CouldNot[server.Credentials](fmt.Errorf("compare Secret %s: %w", name, err))
	}
	got, err := c.kube.CoreV1().Secrets(c.options.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return engine.NotThere[server.Credentials]()
	}
	if err != nil {
		return engine.CouldNot[server.Credentials](fmt.Errorf("read Secret %s: %w", name, err))
	}
	problem := differs(*got, keys, wanted)
	return engine.Found(server.Credentials{Name: name, Matches: problem == "", Problem: problem, Owner: keeperOf(*got), Others: others(*got, keys, wanted)})
}

// others says what the keys hold that are not asked for: whoever reads one of
// them may get the password out of a connection string.
func others(got corev1.Secret, keys []string, wanted secret) map[string]server.KeyContent {
	var out map[string]server.KeyContent
	for key, content := range got.Data {
		if slices.Contains(keys, key) {
			continue
		}
		if out == nil {
			out = map[string]server.KeyContent{}
		}
		out[key] = server.HoldsElse
		u, err := url.Parse(strings.TrimSpace(string(content)))
		if err != nil || u.Scheme == "" || u.User == nil {
			continue
		}
		if password, has := u.User.Password(); has {
			out[key] = server.HoldsOtherPassword
			if subtle.ConstantTimeCompare([]byte(password), wanted) == 1 {
				out[key] = server.HoldsPassword
			}
		}
	}
	return out
}

// keeperOf names who keeps a Secret that is not ours to write, or "".
func keeperOf(s corev1.Secret) string {
	owner := ownerOf(s.ObjectMeta)
	if owner == "" && !isOurs(s.ObjectMeta) {
		return "somebody else (no label " + labelManagedBy + "=" + manager + ")"
	}
	return owner
}

// differs says what is wrong with a Secret's keys, or "".
func differs(got corev1.Secret, keys []string, wanted secret) string {
	if len(keys) == 0 {
		return "no key was named"
	}
	var problems []string
	for _, key := range keys {
		content, err := keyOf(got, key)
		if err != nil {
			problems = append(problems, err.Error())
		} else if subtle.ConstantTimeCompare(content, wanted) != 1 {
			problems = append(problems, fmt.Sprintf("key %s of Secret %s holds another password than the one referred to", key, got.Name))
		}
	}
	return strings.Join(problems, "; ")
}

// Copy writes what ref points at under keys of our Secret named name. A
// Secret that holds it already is left alone, whosever it is; another's
// Secret that does not is an error.
func (c *Client) Copy(ctx context.Context, name string, keys []string, ref spec.SecretRef) error {
	content, err := c.resolve(ctx, ref)
	if err != nil {
		return fmt.Errorf("copy the password to Secret %s: %w", name, err)
	}
	if len(keys) == 0 {
		return fmt.Errorf("copy the password to Secret %s: no key was named", name)
	}
	secrets := c.kube.CoreV1().Secrets(c.options.Namespace)
	got, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		made := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: c.ours()},
			Type:       corev1.SecretTypeOpaque, Data: map[string][]byte{},
		}
		put(made, keys, content)
		_, err = secrets.Create(ctx, made, metav1.CreateOptions{})
		return describe(err, "create Secret "+name)
	}
	if err != nil {
		return fmt.Errorf("read Secret %s: %w", name, err)
	}
	problem := differs(*got, keys, content)
	if problem == "" {
		return nil
	}
	if owner := ownerOf(got.ObjectMeta); owner != "" {
		return fmt.Errorf("write Secret %s: %s owns it and would write over our change: %s; correct it there", name, owner, problem)
	}
	if !isOurs(got.ObjectMeta) {
		return fmt.Errorf("write Secret %s: it was not made by %s (no label %s=%s): %s; correct it by hand or name another Secret",
			name, manager, labelManagedBy, manager, problem)
	}
	changed := got.DeepCopy()
	put(changed, keys, content)
	_, err = secrets.Update(ctx, changed, metav1.UpdateOptions{})
	return describe(err, "update Secret "+name)
}

func put(s *corev1.Secret, keys []string, content secret) {
	if s.Data == nil {
		s.Data = map[string][]byte{}
	}
	for _, key := range keys {
		s.Data[key] = content
	}
}
