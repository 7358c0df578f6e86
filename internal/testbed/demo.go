//go:build fixture

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/external"
	"github.com/circleci-dr/circleci-dr/internal/testbed/fixture"
)

// demo boots the testbed and moves both databases of a fresh installation out
// of the cluster, with the program a person would use and nothing else.
func demo(ctx context.Context, args []string) error {
	if err := flags(args, nil); err != nil {
		return err
	}
	if err := onlyOwn("move the databases to servers outside"); err != nil {
		return err
	}
	if err := up(ctx, nil); err != nil {
		return err
	}
	c, err := findCheckout()
	if err != nil {
		return err
	}
	d, err := prepareDemo(ctx, c)
	if err != nil {
		return err
	}
	return d.out(ctx)
}

// demoBack moves the databases of the demo's installation into the cluster
// again.
func demoBack(ctx context.Context, args []string) error {
	if err := flags(args, nil); err != nil {
		return err
	}
	if err := onlyOwn("move the databases back"); err != nil {
		return err
	}
	c, err := findCheckout()
	if err != nil {
		return err
	}
	d, err := prepareDemo(ctx, c)
	if err != nil {
		return err
	}
	return d.back(ctx)
}

// demonstration is one demo: the directory a person would have and the
// program in it.
type demonstration struct {
	dir, tool, chart, image string
	file                    string // what circleci-dr.yaml says, both databases outside
	install                 fixture.Options
}

func prepareDemo(ctx context.Context, c checkout) (demonstration, error) {
	d := demonstration{dir: filepath.Join(c.root, "dist", "demo"), chart: c.path("chart/circleci-server")}
	var err error
	if d.tool, err = buildProduct(ctx, c, func(string) {}); err != nil {
		return d, err
	}
	if d.image, err = readProductImage(c); err != nil {
		return d, err
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return d, fmt.Errorf("make the demo's directory: %w", err)
	}
	ca, err := os.ReadFile(external.CAFile())
	if err != nil {
		return d, fmt.Errorf("fill the demo's directory (is the testbed up?): %w", err)
	}
	file, err := os.ReadFile(filepath.Join(c.root, "examples", "demo.yaml"))
	if err != nil {
		return d, fmt.Errorf("fill the demo's directory: %w", err)
	}
	d.file = string(file)
	if err := os.WriteFile(filepath.Join(d.dir, "testbed-ca.pem"), ca, 0o644); err != nil {
		return d, fmt.Errorf("fill the demo's directory: %w", err)
	}
	d.install = fixture.Options{Kubeconfig: cluster.Kubeconfig(), Bytes: 50 << 20, Plain: true, Progress: say, Values: map[string]any{
		// The server outside is a 14 where we are no superuser: the same version
		// inside, and nothing that only a superuser can read, has a way back.
		"postgresql": map[string]any{"image": map[string]any{"tag": "14"}},
		"tls":        map[string]any{"certificates": []any{base64.StdEncoding.EncodeToString(ca)}},
	}}
	d.install.Secrets, err = fixture.ExternalSecrets(external.PasswordFile(), external.MongoPasswordFile())
	return d, err
}

func say(what string) { fmt.Println("   " + what) }

func heading(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }

// declare writes circleci-dr.yaml with both databases at a location.
func (d demonstration) declare(location string) error {
	text := strings.ReplaceAll(d.file, "location: external", "location: "+location)
	if err := os.WriteFile(filepath.Join(d.dir, "circleci-dr.yaml"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the demo's file: %w", err)
	}
	return nil
}

func (d demonstration) out(ctx context.Context) error {
	heading("a fresh installation with its databases inside")
	if err := d.declare("external"); err != nil {
		return err
	}
	if err := fixture.Uninstall(ctx, d.install); err != nil {
		return err
	}
	if err := reset(ctx, nil); err != nil {
		return err
	}
	if err := fixture.Install(ctx, d.install); err != nil {
		return err
	}
	if err := d.move(ctx, "outage,remove-internal-database"); err != nil {
		return err
	}
	d.farewell()
	return nil
}

func (d demonstration) back(ctx context.Context) error {
	heading("the file says: back into the cluster")
	if err := d.declare("internal"); err != nil {
		return err
	}
	if err := d.move(ctx, "outage,replace-internal-data"); err != nil {
		return err
	}
	heading("and out again")
	fmt.Printf("   make demo begins anew; or set location: external in %s/circleci-dr.yaml, plan and apply\n", d.dir)
	return nil
}

// move is what a person does: look, do it, and look again.
func (d demonstration) move(ctx context.Context, accept string) error {
	if err := d.count(ctx, "before the move"); err != nil {
		return err
	}
	heading("what is missing?")
	if err := d.circleci(ctx, "plan", "--out", "plan.json"); err != nil {
		return err
	}
	heading("do it")
	if err := d.circleci(ctx, "apply", "--plan", "plan.json", "--accept", accept); err != nil {
		return err
	}
	heading("nothing lost, nothing doubled?")
	if err := d.count(ctx, "after the move"); err != nil {
		return err
	}
	if err := d.pause(ctx); err != nil {
		return err
	}
	heading("is anything missing now? has anything drifted?")
	if err := d.circleci(ctx, "plan", "--detailed-exitcode"); err != nil {
		return fmt.Errorf("the second plan is not empty: %w", err)
	}
	if err := d.circleci(ctx, "drift"); err != nil {
		return err
	}
	say("exit 0: nothing has drifted, and a quiet command says nothing")
	return nil
}

// circleci runs the product the way a person would, in the demo's directory.
func (d demonstration) circleci(ctx context.Context, args ...string) error {
	fmt.Printf("$ circleci-dr %s\n", strings.Join(args, " "))
	args = append(args, "--kubeconfig", cluster.Kubeconfig())
	if args[0] != "drift" { // it runs no pod and upgrades nothing
		args = append(args, "--chart", d.chart, "--mover-image", d.image)
	}
	cmd := exec.CommandContext(ctx, d.tool, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("circleci-dr %s: %w", args[0], err)
	}
	return nil
}

// count compares what the frontend says it wrote with what stands in the
// databases it says it writes to.
func (d demonstration) count(ctx context.Context, when string) error {
	status, err := fixture.FrontendStatus(ctx, d.install)
	if err != nil {
		return err
	}
	counts, err := fixture.Count(ctx, d.install)
	if err != nil {
		return err
	}
	fmt.Printf("   %s the frontend writes to %s (PostgreSQL %s)\n   %s\n", when, status.Host, status.Server, counts.Table)
	fmt.Printf("   and to %s (MongoDB %s)\n   %s\n", status.MongoDB.Host, status.MongoDB.Server, counts.Collection)
	if !counts.Whole() {
		return errors.New("the frontend's rows or documents are not whole")
	}
	return nil
}

// pause prints the frontend's longest pause next to the downtime the plan
// announced.
func (d demonstration) pause(ctx context.Context) error {
	status, err := fixture.FrontendStatus(ctx, d.install)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(d.dir, "plan.json"))
	if err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	var plan struct {
		Total struct {
			DowntimeSeconds struct {
				Low  float64 `json:"low"`
				High float64 `json:"high"`
			} `json:"downtimeSeconds"`
		} `json:"total"`
	}
	if err := json.Unmarshal(data, &plan); err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	down := plan.Total.DowntimeSeconds
	fmt.Printf("   the frontend's longest pause was %.1f s in PostgreSQL and %.1f s in MongoDB; the plan announced a downtime of %.0f to %.0f s\n",
		status.Writes.Pause.Seconds, status.MongoDB.Writes.Pause.Seconds, down.Low, down.High)
	return nil
}

func (d demonstration) farewell() {
	heading("look around")
	fmt.Printf(`   eval "$(go -C internal/testbed run . env)"     # KUBECONFIG and the rest
   kubectl -n circleci-server get pods,pvc,configmap   # if you have kubectl
   cd %s && %s status --kubeconfig %s
   go -C internal/testbed run . count              # the frontend's rows and documents, again
   make demo-back                                  # and in again, with what was written since
   make testbed-down                               # take it down
`, d.dir, d.tool, cluster.Kubeconfig())
}
