package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/spec"
)

// secret is content that must not be printed.
type secret []byte

func (secret) String() string   { return "[redacted]" }
func (secret) GoString() string { return "[redacted]" }

// errMissing means a reference points at something that is not there, which
// is an answer and not a failed read.
var errMissing = errors.New("not there")

// secretLimit is the most a Secret can hold.
const secretLimit = 1 << 20

// resolve reads what a reference points at. A file's last line break is not
// part of a secret; a Secret's content is taken as it is.
func (c *Client) resolve(ctx context.Context, ref spec.SecretRef) (secret, error) {
	switch {
	case ref.Secret != nil:
		return c.secretKey(ctx, *ref.Secret)
	case c.options.Told != "" && !ref.IsZero():
		return c.fromSubmitter(ref)
	case ref.Env != "":
		return c.fromEnv(ref.Env)
	case ref.File != "":
		return c.fromFile(ref.File)
	}
	return nil, errors.New("the reference names no Secret, environment variable or file")
}

func (c *Client) secretKey(ctx context.Context, ref spec.SecretKey) (secret, error) {
	got, err := c.kube.CoreV1().Secrets(c.options.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("read Secret %s: it is %w in namespace %s", ref.Name, errMissing, c.options.Namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", ref.Name, err)
	}
	return keyOf(*got, ref.Key)
}

func keyOf(s corev1.Secret, key string) (secret, error) {
	content, ok := s.Data[key]
	if !ok {
		has := "it has no keys"
		if keys := keysOf(s.Data); len(keys) > 0 {
			has = "it has: " + strings.Join(keys, ", ")
		}
		return nil, fmt.Errorf("key %s of Secret %s is %w; %s", key, s.Name, errMissing, has)
	}
	if len(content) == 0 {
		return nil, fmt.Errorf("key %s of Secret %s is empty", key, s.Name)
	}
	return content, nil
}

func (c *Client) fromEnv(name string) (secret, error) {
	if c.options.Env == nil {
		return nil, fmt.Errorf("environment variable %s cannot be read here", name)
	}
	value, ok := c.options.Env(name)
	if !ok || value == "" {
		return nil, fmt.Errorf("environment variable %s is not set", name)
	}
	return secret(value), nil
}

func (c *Client) fromFile(path string) (secret, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.options.Dir, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read secret file: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	content, err := io.ReadAll(io.LimitReader(f, secretLimit+1))
	if err != nil {
		return nil, fmt.Errorf("read secret file: %w", err)
	}
	if len(content) > secretLimit {
		return nil, fmt.Errorf("secret file %s is larger than 1 MiB, which no Secret can hold", path)
	}
	content = bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	if len(content) == 0 {
		return nil, fmt.Errorf("secret file %s is empty", path)
	}
	return content, nil
}
