package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/network"
	"github.com/circleci-dr/circleci-dr/internal/testbed/proc"
	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

// Cluster is what a boot needs to know.
type Cluster struct {
	Checkout string // who boots it
	Kube     string // the binary with all Kubernetes components
	CoreDNS  string
	// Provisioner is the binary of the volume provisioner.
	Provisioner string
	Store       string // where containerd keeps images from boot to boot
	Pause       string // the image that holds a pod's namespaces
	// Names resolve to the node's address inside the cluster, besides the
	// cluster's own names; nothing else resolves.
	Names  []string
	Report *progress.Reporter

	config map[string]string
}

func plan() network.Plan {
	return network.Plan{Bridge: Bridge, Address: NodeIP + "/16", Services: serviceCIDR, Saved: path("settings.json")}
}

// Prepare makes the runtime directory, the certificates and the network. After
// it other servers can bind to the node's address.
func (c *Cluster) Prepare(ctx context.Context) error {
	if err := os.MkdirAll(RunDir, 0o711); err != nil {
		return fmt.Errorf("make the runtime directory: %w", err)
	}
	if err := os.Chmod(RunDir, 0o711); err != nil { // whatever the umask is
		return fmt.Errorf("make the runtime directory: %w", err)
	}
	state := State{Checkout: c.Checkout, Boot: proc.BootID(), Store: c.Store, Started: time.Now().UTC().Truncate(time.Second)}
	if old, condition, err := Find(); err != nil {
		return err
	} else if condition == Live {
		state.Started = old.Started
	}
	if err := writeState(state); err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(c.Store, 0o700), os.MkdirAll(volumes(), 0o711)); err != nil {
		return fmt.Errorf("make the storage directories: %w", err)
	}
	for _, step := range []func() error{writePKI, writeKubeconfigs, c.writeConfig} {
		if err := step(); err != nil {
			return err
		}
	}
	return plan().Ensure(ctx)
}

// Start starts every part that does not run as wanted, and waits until the
// cluster is of use. importImages is called as soon as containerd answers.
func (c *Cluster) Start(ctx context.Context, fresh bool, importImages func(context.Context) error) error {
	if err := mountEtcd(); err != nil {
		return err
	}
	if err := c.ensure(ctx, c.ground()); err != nil {
		return err
	}
	images := make(chan error, 1)
	go func() { images <- c.readyContainerd(ctx, fresh, importImages) }()
	err := c.startRest(ctx)
	return errors.Join(err, <-images)
}

func (c *Cluster) startRest(ctx context.Context) error {
	api, err := API("admin")
	if err != nil {
		return err
	}
	err = c.await(ctx, "API server", 90*time.Second, []string{partEtcd, partAPIServer}, func(ctx context.Context) error {
		return api.Get(ctx, "/readyz", nil)
	})
	if err != nil {
		return err
	}
	if err := c.reviveProxy(ctx); err != nil {
		return err
	}
	if err := c.ensure(ctx, c.rest()); err != nil {
		return err
	}
	// The first tries may meet a server that has not yet made its own roles.
	err = c.await(ctx, "first objects", 30*time.Second, []string{partAPIServer}, func(ctx context.Context) error {
		return bootstrap(ctx, api)
	})
	if err != nil {
		return err
	}
	return c.awaitUse(ctx, api)
}

// reviveProxy stops a kube-proxy whose tables somebody has flushed: it would
// not look at them again by itself.
func (c *Cluster) reviveProxy(ctx context.Context) error {
	if _, state := Parts().Find(partProxy); state != proc.Running || network.ServicesReady(ctx, apiServiceIP) {
		return nil
	}
	c.Report.Say("the tables of %s are gone, restarting it", partProxy)
	return Parts().Stop(ctx, partProxy, syscall.SIGTERM, 5*time.Second)
}

func (c *Cluster) ensure(ctx context.Context, specs []proc.Spec) error {
	for _, s := range specs {
		_, before := Parts().Compare(s)
		started, err := Parts().Ensure(ctx, s)
		if err != nil {
			return err
		}
		switch {
		case started && before == proc.Dead:
			c.Report.Say("%s was dead, started again", s.Name)
		case started && before == proc.Foreign:
			c.Report.Say("%s had other settings, restarted", s.Name)
		}
	}
	return nil
}
