package server

import (
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

func TestSeedsOfMongoDB(t *testing.T) {
	for seed, want := range map[string]struct {
		host string
		port int
	}{
		"m.example.com": {"m.example.com", 27017}, "m:27018": {"m", 27018}, "10.0.0.1:1": {"10.0.0.1", 1},
		"[fd00::1]:27019": {"fd00::1", 27019}, "[fd00::1]": {"fd00::1", 27017}, "fd00::1": {"fd00::1", 27017},
	} {
		if host, port := mover.SplitSeed(seed); host != want.host || port != want.port {
			t.Errorf("%s: %s and %d, want %s and %d", seed, host, port, want.host, want.port)
		}
	}
	x := externalMongo(&spec.MongoDBExternal{Hosts: []string{"a", "[fd00::1]:27019"}})
	if want := []string{"a:27017", "[fd00::1]:27019"}; !slices.Equal(x.Endpoint.Hosts, want) {
		t.Errorf("hosts are %v, want %v", x.Endpoint.Hosts, want)
	}
	if want := []string{"a", "fd00::1"}; !slices.Equal(x.Endpoint.HostNames(), want) {
		t.Errorf("names are %v, want %v", x.Endpoint.HostNames(), want)
	}
}
