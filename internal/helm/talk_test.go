package helm

import (
	"bytes"
	"errors"
	"log"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
)

func TestFailuresThatHelmOnlyLogsBecomeErrors(t *testing.T) {
	c := &Client{opts: Options{Release: "server"}}
	s := &operation{talk: newTalk(nil)}
	s.talk.hide(scrubber{secrets: []string{secretValue}})
	s.talk.line("Patch %s %q in namespace %s", "Deployment", "web", "ci")
	if err := c.outcome(t.Context(), s, "upgrade", nil); err != nil {
		t.Errorf("got %v, want nothing", err)
	}
	got := c.outcome(t.Context(), s, "upgrade", errors.New(`cannot do "web"`))
	if want := `upgrade helm release server: cannot do "web" (helm said: Patch Deployment "web" in namespace ci)`; got.Error() != want {
		t.Errorf("got %v, want %s", got, want)
	}
	s.talk.line("Failed to delete %q, err: %s", "statefulsets/postgresql", "forbidden "+secretValue)
	got = c.outcome(t.Context(), s, "upgrade", nil)
	if want := `upgrade helm release server: helm calls it done, but: Failed to delete "statefulsets/postgresql", err: forbidden [redacted]`; got == nil || got.Error() != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestUndecodableRecordsAreCountedAndNeverPrinted(t *testing.T) {
	var lines bytes.Buffer
	talk := newTalk(slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug})))
	talk.line("query: failed to decode release: %s", secretValue)
	if talk.undecodable() != 1 || strings.Contains(lines.String(), secretValue) {
		t.Errorf("counted %d, logged %q", talk.undecodable(), lines.String())
	}
}

func TestSilenceHoldsBackWhatTheSDKPrints(t *testing.T) {
	// Helm warns about values with the standard logger, values included.
	var printed bytes.Buffer
	log.SetOutput(&printed)
	silenceOnce = sync.Once{}
	silence()
	if _, err := chartutil.CoalesceValues(loadChart(t, fixture), map[string]any{"frontend": map[string]any{"replicas": map[string]any{"a": secretValue}}}); err != nil {
		t.Error(err)
	}
	if printed.Len() > 0 {
		t.Errorf("printed %q", printed.String())
	}
}
