package spec

import "strings"

// IsZero reports a reference that points nowhere.
func (r SecretRef) IsZero() bool { return r.Secret == nil && r.Env == "" && r.File == "" }

// String says where the secret is; it never holds the secret.
func (r SecretRef) String() string {
	switch {
	case r.Secret != nil:
		return "key " + r.Secret.Key + " of Secret " + r.Secret.Name
	case r.Env != "":
		return "environment variable " + r.Env
	case r.File != "":
		return "file " + strings.TrimSpace(r.File)
	}
	return "no reference"
}
