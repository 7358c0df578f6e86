package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/proc"
)

// part is one line of status.
type part struct {
	Name  string     `json:"name"`
	State proc.State `json:"state"`
	PID   int        `json:"pid,omitempty"`
	Log   string     `json:"log"`
}

// report is the whole of status.
type report struct {
	State    string     `json:"state"` // up, broken, dead, down
	Checkout string     `json:"checkout,omitempty"`
	Started  *time.Time `json:"started,omitempty"`
	Parts    []part     `json:"parts,omitempty"`
}

func partNames() []string {
	names := slices.Clone(cluster.PartNames)
	for _, s := range outsideServers() {
		names = append(names, s.Name())
	}
	return names
}

// status lists the parts. It fails when the testbed is not up whole, so that
// scripts can ask.
func status(_ context.Context, args []string) error {
	var asJSON bool
	if err := flags(args, map[string]*bool{"--json": &asJSON}); err != nil {
		return err
	}
	if err := onlyOwn("look at the testbed's parts"); err != nil {
		return err
	}
	r, err := look()
	if err != nil {
		return err
	}
	if asJSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		err = out.Encode(r)
	} else {
		err = r.print()
	}
	if err == nil && r.State != "up" {
		err = fmt.Errorf("the testbed is %s; run: go -C internal/testbed run . up", r.State)
	}
	return err
}

func look() (report, error) {
	state, found, err := cluster.Find()
	if err != nil {
		return report{}, err
	}
	if found == cluster.None {
		return report{State: "down"}, nil
	}
	r := report{State: "up", Checkout: state.Checkout}
	if !state.Started.IsZero() {
		r.Started = &state.Started
	}
	for _, name := range partNames() {
		record, s := cluster.Parts().Find(name)
		p := part{Name: name, State: s, Log: cluster.Parts().Log(name)}
		if s == proc.Running {
			p.PID = record.PID
		} else {
			r.State = "broken"
		}
		r.Parts = append(r.Parts, p)
	}
	if found == cluster.Stale {
		r.State = "dead"
	}
	return r, nil
}

func (r report) print() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "testbed\t%s\t\n", r.State)
	if r.Checkout != "" {
		fmt.Fprintf(w, "booted by\t%s\t\n", r.Checkout)
	}
	if r.Started != nil {
		fmt.Fprintf(w, "since\t%s\t\n", r.Started.Format(time.RFC3339))
	}
	for _, p := range r.Parts {
		pid := ""
		if p.PID != 0 {
			pid = fmt.Sprint(p.PID)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, p.State, pid)
	}
	return w.Flush()
}

// logs prints one log whole, or the end of each.
func logs(_ context.Context, args []string) error {
	switch {
	case len(args) > 1:
		return fmt.Errorf("%w: logs takes one part", errUsage)
	case len(args) == 1 && !slices.Contains(partNames(), args[0]):
		return fmt.Errorf("%w: there is no part %q; there are %s", errUsage, args[0], strings.Join(partNames(), ", "))
	case len(args) == 1:
		data, err := os.ReadFile(cluster.Parts().Log(args[0]))
		if err != nil {
			return fmt.Errorf("read the log of %s: %w", args[0], err)
		}
		_, err = os.Stdout.Write(data)
		return err
	}
	for _, name := range partNames() {
		if _, err := fmt.Printf("==> %s\n%s\n\n", cluster.Parts().Log(name), cluster.LogTail(name, 10)); err != nil {
			return err
		}
	}
	return nil
}
