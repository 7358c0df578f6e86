package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/kubeapi"
	"github.com/circleci-dr/circleci-dr/internal/testbed/network"
	"github.com/circleci-dr/circleci-dr/internal/testbed/proc"
	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

// await asks until ready says so. It gives up at once when one of the parts it
// depends on has died, and shows the end of that part's log.
func (c *Cluster) await(ctx context.Context, what string, patience time.Duration, parts []string, ready func(context.Context) error) error {
	return c.Report.Do(what, func(*progress.Task) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for {
			err := tryOnce(ctx, ready)
			if err == nil {
				return nil
			}
			for _, name := range parts {
				if _, state := Parts().Find(name); state != proc.Running {
					return fmt.Errorf("wait for %s: %s died; the end of %s:\n%s", what, name, Parts().Log(name), LogTail(name, 15))
				}
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("wait for %s: not ready after %s: %w; look into %s", what, patience, err, Parts().LogDir)
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
}

func tryOnce(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return ready(ctx)
}

// awaitUse waits for everything a user of a cluster takes for granted.
func (c *Cluster) awaitUse(ctx context.Context, api *kubeapi.Client) error {
	for _, w := range []struct {
		what  string
		parts []string
		ready func(context.Context) error
	}{
		{"node", []string{partContainerd, partKubelet}, func(ctx context.Context) error { return nodeReady(ctx, api) }},
		{"DNS", []string{partDNS}, func(ctx context.Context) error { return healthy(ctx, "http://127.0.0.1:18181/ready") }},
		{"service network", []string{partProxy}, func(ctx context.Context) error {
			if !network.ServicesReady(ctx, apiServiceIP) {
				return errors.New("kube-proxy has not programmed the API server's address")
			}
			return nil
		}},
		{"service accounts", []string{partControllers}, func(ctx context.Context) error {
			return api.Get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil)
		}},
	} {
		if err := c.await(ctx, w.what, 60*time.Second, w.parts, w.ready); err != nil {
			return err
		}
	}
	return nil
}

func nodeReady(ctx context.Context, api *kubeapi.Client) error {
	if err := healthy(ctx, "http://127.0.0.1:10248/healthz"); err != nil {
		return err
	}
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := api.Get(ctx, "/api/v1/nodes/"+NodeName, &node); err != nil {
		return err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "Ready" && c.Status == "True" {
			return nil
		} else if c.Type == "Ready" {
			return errors.New(c.Message)
		}
	}
	return errors.New("the kubelet has not reported yet")
}

func healthy(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// LogTail is the end of a part's log.
func LogTail(name string, lines int) string {
	f, err := os.Open(Parts().Log(name))
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const window = 64 << 10 // no need to read a log of a whole day
	if info, err := f.Stat(); err == nil && info.Size() > window {
		if _, err := f.Seek(-window, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(string(bytes.TrimSpace(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
