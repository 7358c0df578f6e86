package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Options says which release in which cluster a Client works on.
type Options struct {
	// Kubeconfig is the file to read; empty means KUBECONFIG, then the usual
	// place in the home directory.
	Kubeconfig string
	// Context is the kubeconfig's context. Whether an empty one, the file's
	// current context, is allowed is the caller's decision.
	Context string
	// InCluster uses the pod's own service account instead of a kubeconfig.
	InCluster bool
	Namespace string
	Release   string
	// Name is the spec's name; it labels everything the client makes.
	Name string

	// Mover shapes mover pods; Defaults gives what the release's global values
	// add to it and may be nil.
	Mover    spec.Mover
	Defaults func(ctx context.Context) (spec.Mover, error)
	// Image is what our pods run where Mover names none; empty in a development
	// build.
	Image string
	// Command replaces the mover's command line; tests use it.
	Command []string

	// Dir is what file references are relative to, Env looks up environment
	// references.
	Dir string
	Env func(name string) (string, bool)
	// Told is a directory that holds what file and environment references
	// pointed at on the machine that submitted the work; with it, neither is
	// looked for here.
	Told string

	// Redactor takes secrets out of what containers said; without it nothing of
	// that is shown.
	Redactor Redactor

	// Answer is how long one request may take; 0 means answerTime.
	Answer time.Duration
	// Owner is who holds the lease, as user@host/pid.
	Owner string
	// Version goes into the user agent.
	Version string
	// ReadOnly refuses every request that could change something.
	ReadOnly bool
	// Log takes what is only interesting later, client-go's own messages too.
	Log *slog.Logger
}

// Client does the Kubernetes side of one release.
type Client struct {
	options  Options
	config   *rest.Config
	kube     kubernetes.Interface
	foreign  dynamic.Interface // for tests; nil asks the cluster
	calls    *Calls
	log      *slog.Logger
	patience patience
	beat     beat
	swept    sync.Once
	// stood is what the newest look at where pods stand read.
	stood atomic.Pointer[grounds]
	// version is what the server said of itself when Reach asked, until it is read.
	version atomic.Pointer[version.Info]
}

var (
	_ server.Clusters    = (*Client)(nil)
	_ server.Workloads   = (*Client)(nil)
	_ server.Neighbours  = (*Client)(nil)
	_ server.Stores      = (*Client)(nil)
	_ server.Passwords   = (*Client)(nil)
	_ server.Movers      = (*Client)(nil)
	_ engine.Records     = (*Client)(nil)
	_ server.Access      = (*Client)(nil)
	_ engine.LeaseReader = (*Client)(nil)
	_ server.Reconcilers = (*Client)(nil)
)

// The labels and annotations of what the client makes or marks.
const (
	manager         = "circleci-dr"
	labelManagedBy  = "app.kubernetes.io/managed-by"
	labelAppName    = "app.kubernetes.io/name"
	labelInstance   = "app.kubernetes.io/instance"
	labelName       = "circleci-dr/name"
	labelJob        = "circleci-dr/job"
	labelStore      = "circleci-dr/store"
	labelEngine     = "circleci-dr/engine"
	annotReplicas   = "circleci-dr/replicas"
	annotRequest    = "circleci-dr/request"
	annotDeadline   = "circleci-dr/deadline"
	annotBy         = "circleci-dr/submitted-by"
	annotSpec       = "circleci-dr/spec"
	annotKeptSince  = "circleci-dr/kept-since"
	annotHelmPolicy = "helm.sh/resource-policy"
	annotHelmName   = "meta.helm.sh/release-name"
)

// New connects to the cluster. It makes no call yet.
func New(o Options) (*Client, error) {
	if o.Namespace == "" {
		return nil, errors.New("connect to Kubernetes: no namespace given")
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	quiet(log)
	config, err := connect(o)
	if err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	calls := &Calls{}
	calls.Count(config)
	bounded(config, cmp.Or(o.Answer, answerTime))
	if o.ReadOnly {
		ReadOnly(config)
	}
	config.WarningHandlerWithContext = warnings{log}
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	c := newClient(o, clientset)
	c.config, c.calls, c.log = config, calls, log
	return c, nil
}

func newClient(o Options, k kubernetes.Interface) *Client {
	return &Client{
		options: o, kube: k, calls: &Calls{}, log: slog.New(slog.DiscardHandler),
		patience: defaultPatience(),
		beat:     beat{period: leaseTime, renew: leaseTime / 3, look: time.Second},
	}
}

// Config is a copy of the connection, with the same limits, the same refusal
// of changes and the same counter, for an adapter that needs its own client.
func (c *Client) Config() *rest.Config { return rest.CopyConfig(c.config) }

// CallCount is how many requests went to the API server so far.
func (c *Client) CallCount() int64 { return c.calls.n.Load() }

func connect(o Options) (*rest.Config, error) {
	config, err := load(o)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 50, 100
	version := o.Version
	if version == "" {
		version = "dev"
	}
	config.UserAgent = manager + "/" + version
	return config, nil
}

func load(o Options) (*rest.Config, error) {
	if o.InCluster {
		return rest.InClusterConfig()
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules,
		&clientcmd.ConfigOverrides{CurrentContext: o.Context})
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, err
	}
	if len(raw.Contexts) == 0 && o.Context != "" { // client-go reads a file that is not there as an empty one
		return nil, fmt.Errorf("there is no context %q, nor any other, in %s", o.Context, strings.Join(rules.GetLoadingPrecedence(), ", "))
	}
	if _, ok := raw.Contexts[o.Context]; o.Context != "" && !ok {
		var known []string
		for name := range raw.Contexts {
			known = append(known, name)
		}
		slices.Sort(known)
		return nil, fmt.Errorf("the kubeconfig has no context %q; it has: %s", o.Context, strings.Join(known, ", "))
	}
	return loader.ClientConfig()
}
