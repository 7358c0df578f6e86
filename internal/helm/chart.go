package helm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/registry"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// Limits on what may be loaded as a chart. Helm's own loader limits what comes
// out of an archive (100 MiB, 5 MiB a file) but not what goes in.
const (
	maxArchive   = 32 << 20
	maxDirectory = 100 << 20
)

// pullTime is how long a registry may take to give a chart. One that hangs must
// not hold an upgrade with the application stopped.
const pullTime = 2 * time.Minute

// chartSource loads the chart anew each time it is asked: rendering changes a
// loaded chart (disabled subcharts are removed from it).
type chartSource struct {
	ref string

	mu      sync.Mutex
	archive []byte // what was pulled from a registry, kept for its version
	version string
}

// load gives the chart at exactly this version.
func (s *chartSource) load(ctx context.Context, name, version string) (*chart.Chart, error) {
	ch, err := s.fetch(ctx, version)
	if err != nil {
		return nil, fmt.Errorf("load chart %s: %w", s.ref, err)
	}
	if ch.Metadata == nil || ch.Metadata.Name != name || ch.Metadata.Version != version {
		return nil, fmt.Errorf("load chart %s: it is %s %s, the release was made from %s %s; give the archive of the deployed version in server.chart",
			s.ref, ch.Name(), chartVersion(ch), name, version)
	}
	return ch, nil
}

func chartVersion(ch *chart.Chart) string {
	if ch.Metadata == nil {
		return ""
	}
	return ch.Metadata.Version
}

func (s *chartSource) fetch(ctx context.Context, version string) (*chart.Chart, error) {
	if registry.IsOCI(s.ref) {
		return s.pull(ctx, version)
	}
	info, err := os.Stat(s.ref)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no such file or directory; if it is a chart of a repository that helm repo add knows, fetch it (helm pull REPOSITORY/CHART --version %s) and name the .tgz", version)
	}
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return loadDirectory(s.ref)
	}
	if info.Size() > maxArchive {
		return nil, fmt.Errorf("the archive has %d bytes, more than the %d allowed", info.Size(), maxArchive)
	}
	return loader.LoadFile(s.ref)
}

func loadDirectory(dir string) (*chart.Chart, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if total += info.Size(); total > maxDirectory {
			return fmt.Errorf("the directory holds more than the %d bytes allowed", maxDirectory)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return loader.LoadDir(dir)
}

// pull takes the chart from a registry, with the logins that `helm registry
// login` and docker keep on this machine.
func (s *chartSource) pull(ctx context.Context, version string) (*chart.Chart, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.archive == nil || s.version != version {
		limited, cancel := context.WithTimeoutCause(ctx, pullTime, fmt.Errorf("the registry did not give it within %s", pullTime))
		defer cancel()
		data, err := within(limited, func() ([]byte, error) { return pullArchive(s.ref, version) })
		if err != nil {
			return nil, err
		}
		s.archive, s.version = data, version
	}
	return loader.LoadArchive(bytes.NewReader(s.archive))
}

func pullArchive(ref, version string) ([]byte, error) {
	plain := strings.TrimPrefix(ref, registry.OCIScheme+"://")
	host, _, _ := strings.Cut(plain, "/")
	options := []registry.ClientOption{
		registry.ClientOptHTTPClient(&http.Client{Timeout: pullTime, Transport: retry.NewTransport(limited{http.DefaultTransport})}),
		registry.ClientOptEnableCache(true),
	}
	if isLoopback(host) {
		options = append(options, registry.ClientOptPlainHTTP())
	}
	client, err := registry.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("read registry logins: %w", err)
	}
	last := plain[strings.LastIndex(plain, "/")+1:]
	if !strings.ContainsAny(last, ":@") {
		plain += ":" + version
	}
	pulled, err := client.Pull(plain)
	if err != nil {
		return nil, fmt.Errorf("pull %s (log in with `helm registry login %s`, or give the archive as a file): %w", plain, host, err)
	}
	return pulled.Chart.Data, nil
}

// isLoopback tells whether a registry is on this machine, where, as for
// docker, plain HTTP is taken for granted.
func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return name == "localhost" || net.ParseIP(name).IsLoopback()
}

// limited refuses answers that are larger than a chart may be.
type limited struct{ base http.RoundTripper }

// RoundTrip ends a body that goes on for too long with an error.
func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: maxArchive}
	return resp, nil
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

var errTooLarge = errors.New("the registry sent more than a chart may have")

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// chartDigest is the SHA-256 over every file of a chart, subcharts included,
// the same for a directory and for the archive made from it.
func chartDigest(ch *chart.Chart) string {
	files := slices.Clone(ch.Raw)
	slices.SortFunc(files, func(a, b *chart.File) int { return strings.Compare(a.Name, b.Name) })
	sum := sha256.New()
	for _, f := range files {
		fmt.Fprintf(sum, "%d %s %d\n", len(f.Name), f.Name, len(f.Data))
		sum.Write(f.Data)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// storedChart copies the chart kept in a release. It never has subcharts.
func storedChart(kept *chart.Chart) (*chart.Chart, string, error) {
	data, err := json.Marshal(kept)
	if err != nil {
		return nil, "", fmt.Errorf("copy the chart kept in the release: %w", err)
	}
	ch := &chart.Chart{}
	if err := json.Unmarshal(data, ch); err != nil {
		return nil, "", fmt.Errorf("copy the chart kept in the release: %w", err)
	}
	sum := sha256.Sum256(data)
	return ch, hex.EncodeToString(sum[:]), nil
}
