package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// Road is what was tried of the application's own way to a target.
type Road struct {
	Tries    []RoadTry       `json:"tries,omitempty"`
	Verdicts []PolicyVerdict `json:"verdicts,omitempty"`
	// Untried says why nothing, or not everything, is known.
	Untried []string `json:"untried,omitempty"`
}

// RoadTry is one pod's answer, or why there is none.
type RoadTry struct {
	Stand
	Result *mover.ReachResult `json:"result,omitempty"`
	Error  string             `json:"error,omitempty"`
}

// Reaches tells whether the pod came all the way to every host.
func (t RoadTry) Reaches() bool {
	return t.Result != nil && t.Result.Login == "" && !slices.ContainsFunc(t.Result.Hosts, func(h mover.Reached) bool { return h.Error != "" })
}

// Ways are what is tried, by the datastore that is to leave the cluster.
type Ways map[mover.Engine]*Road

// mostPlaces is how many places are tried: each is a pod beside the inspection's.
const mostPlaces = 4

// Stand finds where the application speaks from.
func (r Ways) Stand(ctx context.Context, p Providers) {
	stands := p.Roads.Stands(ctx)
	for _, road := range r {
		if !stands.Is() {
			road.Untried = []string{cmp.Or(stands.Why, "nothing of the application is there")}
		}
		tried := 0
		for _, s := range stands.Value {
			if s.Refused == "" {
				if tried++; tried > mostPlaces {
					s.Refused = fmt.Sprintf("they stand in %d places, each of them a pod more, and only %d of them are tried", len(stands.Value), mostPlaces)
				}
			}
			road.Tries = append(road.Tries, RoadTry{Stand: s})
		}
	}
}

// Tries has a pod connect to the target from each place that the application
// speaks from.
func (r Ways) Tries(ctx context.Context, p Providers, in Sides) []func() {
	road := r[in.Engine]
	if road == nil {
		return nil
	}
	var out []func()
	for i := range road.Tries {
		if t := &road.Tries[i]; t.Refused == "" {
			out = append(out, func() { tryRoad(ctx, p, in, t) })
		}
	}
	return out
}

// Judge reads what network policies say of the same way.
func (r *Road) Judge(ctx context.Context, p Providers, in Sides) {
	var stands []Stand
	for _, t := range r.Tries {
		stands = append(stands, t.Stand)
	}
	verdicts := p.Roads.Policies(ctx, stands, hostsOf(in, r.Tries))
	if verdicts.Unread() {
		r.Untried = append(r.Untried, "the network policies could not be read: "+verdicts.Why)
	}
	r.Verdicts = verdicts.Value
}

func tryRoad(ctx context.Context, p Providers, in Sides, t *RoadTry) {
	raw, err := p.Movers.Run(ctx, reachJob(in, t.Stand), func(mover.Event) {})
	var res mover.ReachResult
	if err == nil {
		err = json.Unmarshal(raw, &res)
	}
	if err != nil {
		t.Error = err.Error()
		return
	}
	t.Result = &res
}

// reachTime bounds a try of the road: a connection or two.
const reachTime = time.Minute

// reachJob is the pod that stands in a workload's place. One that a killed run
// left behind is found by its name, or ends by itself.
func reachJob(in Sides, s Stand) MoverJob {
	id := engine.Fingerprint(struct {
		To MoverSide
		At Stand
	}{in.Target, s})[:10]
	job := Sides{Engine: in.Engine, Target: in.Target}.Job("circleci-dr-reach-"+id, mover.Request{Operation: mover.OpReach})
	job.Deadline, job.Stand = reachTime, &s
	return job
}

// hostsOf are the target's hosts with the addresses that any pod saw of them.
func hostsOf(in Sides, tries []RoadTry) []mover.Reached {
	var out []mover.Reached
	add := func(r mover.Reached) {
		i := slices.IndexFunc(out, func(o mover.Reached) bool { return o.Host == r.Host })
		if i < 0 {
			out = append(out, mover.Reached{Host: r.Host, Addresses: r.Addresses})
		} else if len(out[i].Addresses) == 0 {
			out[i].Addresses = r.Addresses
		}
	}
	if e := in.Target.Endpoint; e != nil {
		for _, host := range strings.Split(e.At(), ",") {
			add(mover.Reached{Host: host})
		}
	}
	for _, t := range tries {
		if t.Result != nil {
			for _, h := range t.Result.Hosts {
				add(h)
			}
		}
	}
	return out
}
