package helm

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// talk listens to what Helm says while it works. Some failures are in its
// debug lines only: an object it could not delete, a record it could not
// decode.
type talk struct {
	log *slog.Logger

	mu       sync.Mutex
	scrub    scrubber
	last     map[string]string
	failures []string
	broken   int
}

func newTalk(log *slog.Logger) *talk {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &talk{log: log, last: map[string]string{}}
}

var quoted = regexp.MustCompile(`"([^"]+)"`)

// line takes one line of Helm's debug log.
func (t *talk) line(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if strings.Contains(format, "failed to decode release") {
		// The arguments are a whole Secret: never format them.
		t.broken++
		return
	}
	text := t.scrub.text(strings.TrimSpace(fmt.Sprintf(format, args...)))
	if strings.HasPrefix(format, "Failed to delete") || strings.HasPrefix(format, "warning: Failed to update release") {
		t.failures = append(t.failures, text)
	}
	if m := quoted.FindStringSubmatch(text); m != nil {
		t.last[m[1]] = text
	}
	t.log.Debug("helm", "says", text)
}

// hide sets what must never be in a line.
func (t *talk) hide(s scrubber) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.scrub = s
}

func (t *talk) undecodable() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broken
}

// failed gives the failures Helm went on after.
func (t *talk) failed() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.failures)
}

// about gives the last line on each object whose name is in text.
func (t *talk) about(text string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for name, line := range t.last {
		if strings.Contains(text, name) && !strings.Contains(text, line) {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}
