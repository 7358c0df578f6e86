package kube

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/circleci-dr/circleci-dr/internal/kubetest"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

const (
	inCI   = "/api/v1/namespaces/ci/"
	appsCI = "/apis/apps/v1/namespaces/ci/"
	jobsCI = "/apis/batch/v1/namespaces/ci/jobs/"
)

// outageCalls are all that the engine asks of the cluster between stopping the
// application and its start, by the method of the port.
var outageCalls = map[string]func(context.Context, *Client) error{
	"Clusters.Cluster": func(ctx context.Context, c *Client) error { return unreadOf(c.Cluster(ctx)) },
	"Workloads.List":   func(ctx context.Context, c *Client) error { return unreadOf(c.List(ctx)) },
	"Workloads.Application": func(ctx context.Context, c *Client) error {
		a := c.Application(ctx)
		return errors.Join(unreadOf(a.Workloads), unreadOf(a.Writers))
	},
	"Workloads.Record": func(ctx context.Context, c *Client) error {
		return c.Record(ctx, map[string]int{"Deployment/web": 1})
	},
	"Workloads.Scale":  func(ctx context.Context, c *Client) error { return c.Scale(ctx, "Deployment/web", 0) },
	"Workloads.Forget": func(ctx context.Context, c *Client) error { return c.Forget(ctx) },
	"Neighbours.Jobs":  func(ctx context.Context, c *Client) error { return unreadOf(c.Jobs(ctx)) },
	"Stores.Internal": func(ctx context.Context, c *Client) error {
		return unreadOf(c.Internal(ctx, mover.PostgreSQL, "postgresql"))
	},
	"Stores.Protect": func(ctx context.Context, c *Client) error { return c.Protect(ctx, mover.PostgreSQL, "postgresql") },
	"Stores.Remove": func(ctx context.Context, c *Client) error {
		return c.Remove(ctx, mover.PostgreSQL, "postgresql", time.Unix(0, 0))
	},
	"Passwords.Compare": func(ctx context.Context, c *Client) error {
		return unreadOf(c.Compare(ctx, "postgresql", []string{"password"}, passwordRef))
	},
	"Passwords.Copy": func(ctx context.Context, c *Client) error {
		return c.Copy(ctx, "postgresql", []string{"password"}, passwordRef)
	},
	"Passwords.Info":        func(ctx context.Context, c *Client) error { return unreadOf(c.Info(ctx, "postgresql")) },
	"Authorities.Authority": func(ctx context.Context, c *Client) error { return unreadOf(c.Authority(ctx, passwordRef)) },
	"Records.Read":          func(ctx context.Context, c *Client) error { return unreadOf(c.Read(ctx, "move")) },
	"Records.ReadAll":       func(ctx context.Context, c *Client) error { return unreadOf(c.ReadAll(ctx)) },
	"Records.Write": func(ctx context.Context, c *Client) error {
		_, err := c.Write(ctx, "new", []byte("{}"), "")
		return err
	},
	"LeaseReader.Holder": func(ctx context.Context, c *Client) error { return unreadOf(c.Holder(ctx)) },
	"Roads.Stands":       func(ctx context.Context, c *Client) error { return unreadOf(c.Stands(ctx)) },
	"Roads.Policies": func(ctx context.Context, c *Client) error {
		return unreadOf(c.Policies(ctx, nil, []mover.Reached{{Host: "pg:5432"}}))
	},
	"Starts.Ailing": func(ctx context.Context, c *Client) error { return unreadOf(c.Ailing(ctx, []string{"Deployment/web"})) },
	"Access.Denied": func(ctx context.Context, c *Client) error {
		return unreadOf(c.Denied(ctx, reconcile.Permissions(described)))
	},
	"Movers.Stop": func(ctx context.Context, c *Client) error { return c.Stop(ctx, "old") },
	"Movers.Run":  runFence,
	"Reconcilers.Reconciliation": func(ctx context.Context, c *Client) error {
		return unreadOf(c.Reconciliation(ctx, server.Release{Manager: spec.ManagedByArgoCD, ManagerObject: server.ManagerObject{Kind: "Application", Namespace: "argo", Name: "app"}}))
	},
}

var (
	passwordRef = spec.SecretRef{Secret: &spec.SecretKey{Name: "pg-external", Key: "password"}}
	described   = &spec.Spec{Server: &spec.Server{Namespace: "ci"}}
)

func unreadOf[T any](o engine.Observed[T]) error {
	if o.Unread() {
		return fmt.Errorf("unread: %s", o.Why)
	}
	return nil
}

func runFence(ctx context.Context, c *Client) error {
	_, err := c.Run(ctx, server.MoverJob{Name: "fence", Deadline: time.Minute, Request: mover.Request{Operation: mover.OpFence}}, nil)
	return err
}

// TestEveryCallOfAnOutageIsInTheTable: a port that gets a method gets a row, and
// with it a limit that is tried.
func TestEveryCallOfAnOutageIsInTheTable(t *testing.T) {
	providers := reflect.TypeFor[server.Providers]()
	mine := reflect.TypeFor[*Client]()
	found := 0
	for _, field := range reflect.VisibleFields(providers) {
		port := field.Type
		if port.Kind() != reflect.Interface || !mine.Implements(port) {
			continue
		}
		for m := range port.NumMethod() {
			found++
			if name := port.Name() + "." + port.Method(m).Name; outageCalls[name] == nil {
				t.Errorf("%s is in no table of outageCalls", name)
			}
		}
	}
	if found != len(outageCalls) {
		t.Errorf("the ports have %d methods, the table %d", found, len(outageCalls))
	}
}

// stage is a namespace with one of everything, and a client whose limits are
// hundreds of times shorter.
func stage(t *testing.T, answer time.Duration) (*kubetest.Server, *Client) {
	t.Helper()
	s := kubetest.New(t)
	s.Made = func(path string, _ kubetest.Object) {
		if path == jobsCI+"fence" {
			s.Put(inCI+"pods/fence-1", podOfJob("fence"))
			s.Put(inCI+"pods/fence-1/log", "2026-01-01T00:00:00Z {\"seq\":1,\"result\":{}}\n")
		}
	}
	s.Gone = func(path string, objects map[string]any) {
		if name, ok := strings.CutPrefix(path, jobsCI); ok { // as the garbage collector does
			delete(objects, inCI+"pods/"+name+"-1")
		}
	}
	layer := object{"layer": "application"}
	s.Put(appsCI+"deployments/web", object{"metadata": object{"labels": layer, "annotations": object{annotReplicas: "1"}}, "spec": object{"replicas": 1, "selector": object{"matchLabels": object{"app": "web"}}, "template": object{"metadata": object{"labels": object{"app": "web"}}}}})
	s.Put(appsCI+"statefulsets/postgresql", object{"metadata": object{"labels": object{labelAppName: "postgresql"}}, "spec": object{"replicas": 1,
		"selector": object{"matchLabels": object{"app": "pg"}}, "volumeClaimTemplates": []any{object{"metadata": object{"name": "data"}}}, "template": object{"metadata": object{"labels": object{"app": "pg"}}}}})
	s.Put(inCI+"services/postgresql", object{"metadata": object{"labels": object{labelAppName: "postgresql"}}, "spec": object{"selector": object{"app": "pg"}}})
	s.Put(inCI+"persistentvolumeclaims/data-postgresql-0", object{"metadata": object{"labels": object{labelAppName: "postgresql"}}, "spec": object{"volumeName": "pv"}})
	s.Put("/api/v1/persistentvolumes/pv", object{"spec": object{"persistentVolumeReclaimPolicy": "Delete"}})
	s.Put(inCI+"secrets/pg-external", object{"data": object{"password": "cGFzc3dvcmQ="}})
	s.Put(inCI+"secrets/postgresql", object{"metadata": object{"labels": object{labelManagedBy: manager}}, "data": object{"password": "b3RoZXI="}})
	s.Put(inCI+"configmaps/"+recordPrefix+"move", object{"data": object{recordKey: "{}"}})
	s.Put(inCI+"pods/web-1", object{"metadata": object{"labels": object{"app": "web", "pod-template-hash": "5d9"}, "ownerReferences": []any{object{"kind": "ReplicaSet", "name": "web-5d9", "uid": "r", "controller": true}}},
		"spec": object{"containers": []any{object{"name": "web"}}}, "status": object{"phase": "Pending"}})
	s.Put(jobsCI+"old", object{"metadata": object{"labels": object{labelManagedBy: manager}}})
	s.Put(inCI+"pods/old-1", podOfJob("old"))
	s.Put("/api/v1/namespaces/kube-system", object{})
	s.Put("/version", object{"gitVersion": "v1.33.0"})
	config := &rest.Config{Host: s.URL, QPS: -1}
	calls := &Calls{}
	calls.Count(config)
	bounded(config, answer)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(Options{Namespace: "ci", Name: "ci-prod", Release: "server", Image: "i"}, client)
	c.config = config
	c.patience.look, c.patience.reconnect, c.patience.settle = 2*time.Millisecond, 5*time.Millisecond, 400*time.Millisecond
	return s, c
}

func podOfJob(job string) object {
	return object{"metadata": object{"labels": object{"batch.kubernetes.io/job-name": job}, "ownerReferences": []any{object{"kind": "Job", "name": job, "uid": "uid-" + job, "controller": true}}},
		"spec":   object{"containers": []any{object{"name": moverContainer}}},
		"status": object{"phase": "Succeeded", "containerStatuses": []any{object{"name": moverContainer, "state": object{"terminated": object{"exitCode": 0}}}}}}
}

// TestNoCallIsWithoutALimit: each call of an outage is made once, to learn what it
// asks, and then once for every request that it makes, with an API server that
// takes that one and says nothing any more. Each ends within its limit.
func TestNoCallIsWithoutALimit(t *testing.T) {
	for name, call := range outageCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := stage(t, time.Minute)
			if err := call(t.Context(), c); err != nil && name != "Authorities.Authority" && name != "Reconcilers.Reconciliation" { // neither has a real object here
				t.Fatalf("with a server that answers: %v", err)
			}
			asked := s.Calls()
			if len(asked) == 0 {
				t.Fatal("it asks nothing")
			}
			answered := slices.Index(asked, "GET "+inCI+"pods/fence-1/log") // by the mover; what comes then is tidying up
			for n, what := range asked {
				s, c := stage(t, 150*time.Millisecond)
				s.SilentAt(n + 1)
				ended := make(chan error, 1)
				go func() { ended <- call(t.Context(), c) }()
				select {
				case err := <-ended:
					tidies := answered >= 0 && n > answered
					if err == nil && !tidies && name != "Starts.Ailing" { // which only explains
						t.Errorf("%s got no answer, and all is well", what)
					}
				case <-time.After(30 * time.Second): // two orders above the limits
					t.Errorf("%s got no answer, and it waits for ever", what)
				}
			}
		})
	}
}
