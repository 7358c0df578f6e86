package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/circleci-dr/circleci-dr/internal/image"
	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/external"
	"github.com/circleci-dr/circleci-dr/internal/testbed/host"
	"github.com/circleci-dr/circleci-dr/internal/testbed/images"
	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

// up boots what is not running. It converges: what runs as wanted is left
// alone, so it repairs a testbed of which parts were killed.
func up(ctx context.Context, args []string) error {
	var withoutProduct bool
	if err := flags(args, map[string]*bool{"--without-product": &withoutProduct}); err != nil {
		return err
	}
	if cluster.Existing() != "" {
		return existing(ctx, nil)
	}
	c, err := findCheckout()
	if err != nil {
		return err
	}
	r := progress.New(os.Stderr)
	defer r.Close()
	if err := host.Check(c.cache.Dir, c.cache.Public, cluster.RunDir); err != nil {
		return err
	}
	unlock, err := lock(ctx, r)
	if err != nil {
		return err
	}
	defer unlock()
	if err := host.Install(ctx, host.ForCluster, r); err != nil {
		return err
	}
	parts, err := obtain(ctx, c, r)
	if err != nil {
		return err
	}
	found, err := settle(ctx, c, r)
	if err != nil {
		return err
	}
	boot := func(fresh bool) error { return bootAll(ctx, c, r, parts, fresh, withoutProduct) }
	err = boot(found != cluster.Live)
	if err != nil && found == cluster.Live && ctx.Err() == nil {
		r.Say("the running testbed cannot be repaired: %v", err)
		r.Say("taking it down and booting a new one")
		if err := removeAll(ctx); err != nil {
			return err
		}
		err = boot(true)
	}
	if err != nil {
		return err
	}
	r.Say("up; for its environment: eval \"$(go -C internal/testbed run . env)\"")
	return nil
}

// settle looks at what an earlier up left, and removes what is not to be used.
func settle(ctx context.Context, c checkout, r *progress.Reporter) (cluster.Condition, error) {
	state, found, err := cluster.Find()
	if err != nil {
		return found, err
	}
	keep, say := judge(state, found, c.root)
	if say != "" {
		r.Say("%s", say)
	}
	if found == cluster.None || keep {
		return found, nil
	}
	return cluster.None, removeAll(ctx)
}

// judge decides whether what is found is used, and what is said about it. A
// machine has room for one testbed, and it belongs to the checkout that booted
// it: its servers, certificates and images are of that checkout's code. The up
// of another checkout takes it down, live or dead.
func judge(state cluster.State, found cluster.Condition, root string) (keep bool, say string) {
	owner := state.Checkout
	if owner == "" {
		owner = "an unknown checkout"
	}
	switch {
	case found == cluster.None:
		return false, ""
	case found == cluster.Stale:
		return false, fmt.Sprintf("found a dead testbed of %s, removing it", owner)
	case state.Checkout != root:
		return false, fmt.Sprintf("the running testbed belongs to %s, and a machine has room for one: taking it down to boot that of %s", owner, root)
	}
	return true, "a testbed is running; starting what it lacks"
}

// bootAll boots the cluster and, beside it, the servers outside and the images.
func bootAll(ctx context.Context, c checkout, r *progress.Reporter, parts obtained, fresh, withoutProduct bool) error {
	cl := &cluster.Cluster{
		Checkout: c.root, Kube: parts.kube, CoreDNS: parts.coredns, Provisioner: parts.provisioner,
		Store: storeDir(c), Pause: images.PauseName, Names: external.Names(), Report: r,
	}
	if err := cl.Prepare(ctx); err != nil {
		return err
	}
	if err := external.Prepare(); err != nil {
		return err
	}
	// What is slow and needs no API server goes beside its start.
	product := background(func() (image.Image, error) {
		if withoutProduct {
			return image.Image{}, nil
		}
		return makeProduct(ctx, c, r)
	})
	servers := background(func() (struct{}, error) { return struct{}{}, startServers(ctx, r, parts) })
	err := cl.Start(ctx, fresh, func(ctx context.Context) error {
		if err := importFixed(ctx, c, r, parts); err != nil {
			return err
		}
		made, err := product()
		if err != nil || withoutProduct {
			return err
		}
		_, err = importProduct(ctx, c, r, made)
		return err
	})
	_, serverErr := servers()
	_, productErr := product()
	if errors.Is(err, productErr) {
		productErr = nil // already told
	}
	return errors.Join(err, serverErr, productErr)
}

// startServers starts the two kinds of servers side by side.
func startServers(ctx context.Context, r *progress.Reporter, parts obtained) error {
	mongo := background(func() (struct{}, error) { return struct{}{}, startMongoServers(ctx, r, parts) })
	for _, s := range external.Servers {
		err := r.Do(fmt.Sprintf("%s, PostgreSQL %d outside the cluster", s.Name(), s.Major), func(*progress.Task) error {
			return s.Ensure(ctx, filepath.Join(parts.servers[s.Major], "bin"))
		})
		if err != nil {
			_, mongoErr := mongo()
			return errors.Join(err, mongoErr)
		}
	}
	_, err := mongo()
	return err
}

func startMongoServers(ctx context.Context, r *progress.Reporter, parts obtained) error {
	for _, s := range external.MongoServers {
		err := r.Do(fmt.Sprintf("%s, MongoDB %s outside the cluster", s.Name(), s.Release), func(*progress.Task) error {
			return s.Ensure(ctx, parts.mongoServers[s.Release])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// background runs work at once; the returned function waits for its result,
// and may be called again.
func background[T any](work func() (T, error)) func() (T, error) {
	var value T
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		value, err = work()
	}()
	return func() (T, error) {
		<-done
		return value, err
	}
}
