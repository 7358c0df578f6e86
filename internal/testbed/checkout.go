package main

import (
	"fmt"
	"path/filepath"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/tree"
)

// checkout is the working tree the testbed was started from.
type checkout struct {
	root  string // of the repository
	cache cache.Cache
}

// findCheckout looks upwards from the working directory for this module.
func findCheckout() (checkout, error) {
	module, err := tree.Find()
	if err != nil {
		return checkout{}, err
	}
	c, err := cache.Open()
	if err != nil {
		return checkout{}, err
	}
	return checkout{root: filepath.Dir(filepath.Dir(module)), cache: c}, nil
}

// owns refuses what would mix this checkout with the one that booted the
// testbed.
func (c checkout) owns(what string) error {
	state, found, err := cluster.Find()
	if err != nil {
		return err
	}
	if found != cluster.Live {
		return fmt.Errorf("%s: no testbed is running; run: go -C internal/testbed run . up", what)
	}
	if state.Checkout != c.root || state.Store != storeDir(c) {
		return fmt.Errorf("%s: the running testbed belongs to %s; to boot this checkout's instead, run: go -C internal/testbed run . up", what, state.Checkout)
	}
	return nil
}

// path is a path inside internal/testbed.
func (c checkout) path(elem ...string) string {
	return filepath.Join(append([]string{c.root, "internal/testbed"}, elem...)...)
}

func (c checkout) servers() pgserver.Source {
	return pgserver.Source{Cache: c.cache, Extension: c.path("seed/extension")}
}

func (c checkout) mongoServers() mongoserver.Source {
	return mongoserver.Source{Cache: c.cache, PostgreSQL: c.servers()}
}
