package helm

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
)

const redacted = "[redacted]"

var (
	sensitiveName = regexp.MustCompile(`(?i)passw(or)?d|secret|token|keyset|key$|key[A-Z_-]|license|cookie|credential|certificate`)
	// A name of something secret is no secret itself.
	referenceName = regexp.MustCompile(`(?i)^existing|name$|ref$|path$|filename$|key_?type$|enabled$`)
)

// isSensitive tells whether the value under a field of this name is a secret.
func isSensitive(name string) bool {
	return sensitiveName.MatchString(name) && !referenceName.MatchString(name)
}

// scrubber takes secrets out of texts. The zero value knows none.
type scrubber struct{ secrets []string }

// newScrubber learns the secrets of one or more values trees: every string
// below a sensitive key, as it is and in base64, as Secrets carry it.
func newScrubber(trees ...map[string]any) scrubber {
	found := map[string]bool{}
	for _, tree := range trees {
		collect(tree, false, found)
	}
	var s scrubber
	for secret := range found {
		s.secrets = append(s.secrets, secret, base64.StdEncoding.EncodeToString([]byte(secret)))
	}
	// Longest first, so that no secret is cut in two by a shorter one.
	slices.SortFunc(s.secrets, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return s
}

func collect(v any, below bool, found map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, child := range v {
			collect(child, (below || isSensitive(name)) && !referenceName.MatchString(name), found)
		}
	case []any:
		for _, child := range v {
			collect(child, below, found)
		}
	case string:
		// Shorter texts are not secrets anyone could keep, and replacing them
		// would make every message unreadable.
		if below && len(v) > 3 {
			found[v] = true
		}
	}
}

func (s scrubber) text(text string) string {
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return text
}

// scrubbed is an error whose text holds no secret, and which still is what it
// was for errors.Is and errors.As.
type scrubbed struct {
	text  string
	cause error
}

func (e *scrubbed) Error() string { return e.text }
func (e *scrubbed) Unwrap() error { return e.cause }

func (s scrubber) err(err error) error {
	if err == nil {
		return nil
	}
	return &scrubbed{text: s.text(err.Error()), cause: err}
}
