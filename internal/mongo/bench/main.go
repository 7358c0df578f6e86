// Command bench compares, in one run on the same data, mongodump piped into
// mongorestore with their best flags, our copy, and our copy with its proof.
// It prints ratios; it asserts nothing.
//
//	go run ./internal/mongo/bench -size 500 -cycles 3
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/mongo"
	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

const moverVariable = "BENCH_MOVER"

func main() {
	if request := os.Getenv(moverVariable); request != "" {
		if err := work(request); err != nil {
			fmt.Fprintln(os.Stderr, "mover:", err)
			os.Exit(1)
		}
		return
	}
	size := flag.Int("size", 500, "size of the data in MB")
	cycles := flag.Int("cycles", 3, "how often each method runs")
	from, to := flag.String("from", "4.4", "release of the source"), flag.String("to", "4.4", "release of the target")
	only := flag.String("only", "", "the one method to run: mongodump | mongorestore, copy, or copy and proof")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *size, *cycles, *from, *to, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// mover does one request in a process of its own, as a mover pod does.
func work(request string) error {
	var req mover.Request
	if err := json.Unmarshal([]byte(request), &req); err != nil {
		return err
	}
	result, err := mongo.Run(context.Background(), req, nil)
	if err != nil {
		return err
	}
	switch r := result.(type) {
	case mover.Proof:
		if !r.Equal() {
			return fmt.Errorf("not equal: %+v", r.Differences)
		}
	case mover.CopyResult:
		fmt.Println(r.PeakRSS)
	}
	return nil
}

// bench is what the methods share.
type bench struct {
	source, target *mongotest.Server
	dump, restore  string
	config         string
	peak           int64 // of the mover, in bytes
}

func run(ctx context.Context, size, cycles int, from, to, only string) (err error) {
	dir, err := os.MkdirTemp("", "mongobench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{dump: filepath.Join(dir, "mongodump"), restore: filepath.Join(dir, "mongorestore"), config: filepath.Join(dir, "config")}
	for tool, path := range map[string]string{"mongodump": b.dump, "mongorestore": b.restore} {
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/mongodb/mongo-tools/"+tool+"/main").CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", tool, err, out)
		}
	}
	if err := os.WriteFile(b.config, []byte("password: "+mongotest.Password+"\n"), 0o600); err != nil {
		return err
	}
	if b.source, err = mongotest.Start(ctx, mongotest.Options{Release: from}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.source.Stop()) }()
	if b.target, err = mongotest.Start(ctx, mongotest.Options{Release: to}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.target.Stop()) }()
	if err := fill(ctx, b.source, size); err != nil {
		return err
	}
	if err := b.ask(ctx, mover.OpFence); err != nil {
		return err
	}
	return b.measure(ctx, cycles, size, only)
}

// method is one way to bring the data over.
type method struct {
	name string
	run  func(context.Context) error
}

// methods are all of them, or the only one wanted.
func (b *bench) methods(only string) ([]method, error) {
	all := []method{
		{"mongodump | mongorestore", b.tools},
		{"copy", func(ctx context.Context) error { return b.ask(ctx, mover.OpCopy) }},
		{"copy and proof", func(ctx context.Context) error {
			return errors.Join(b.ask(ctx, mover.OpCopy), b.ask(ctx, mover.OpProve))
		}},
	}
	if only == "" {
		return all, nil
	}
	i := slices.IndexFunc(all, func(m method) bool { return m.name == only })
	if i < 0 {
		return nil, fmt.Errorf("-only: there is no method %q", only)
	}
	return all[i : i+1], nil
}

// measure runs the methods in turn and prints medians and ratios to the first.
func (b *bench) measure(ctx context.Context, cycles, size int, only string) error {
	methods, err := b.methods(only)
	if err != nil {
		return err
	}
	seconds := map[string][]float64{}
	for range cycles {
		for _, m := range methods {
			began := time.Now()
			if err := m.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			seconds[m.name] = append(seconds[m.name], time.Since(began).Seconds())
			if err := b.clean(ctx); err != nil {
				return err
			}
		}
	}
	base := median(seconds[methods[0].name])
	fmt.Printf("%d MB, MongoDB %s to %s, %d processors\n", size, b.source.Release, b.target.Release, runtime.NumCPU())
	for _, m := range methods {
		fmt.Printf("%-26s %6.2f s  %.2f × the first  %v\n", m.name, median(seconds[m.name]), median(seconds[m.name])/base, seconds[m.name])
	}
	fmt.Printf("peak memory of the copy: %d MiB\n", b.peak>>20)
	return nil
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// tools is what an administrator would do, with the flags that make it fast.
func (b *bench) tools(ctx context.Context) error {
	jobs := strconv.Itoa(runtime.NumCPU())
	access := func(s *mongotest.Server) []string {
		return []string{"--quiet", "--host", s.Host, "--port", strconv.Itoa(s.Port), "--username", mongotest.Root, "--authenticationDatabase", "admin",
			"--config", b.config, "--archive", "--numParallelCollections", jobs}
	}
	dump := exec.CommandContext(ctx, b.dump, access(b.source)...)
	restore := exec.CommandContext(ctx, b.restore, append(access(b.target), "--nsInclude", "bench.*", "--numInsertionWorkersPerCollection", jobs, "--writeConcern", "{w: 1}")...)
	dump.Stderr, restore.Stderr = os.Stderr, os.Stderr
	pipe, err := dump.StdoutPipe()
	if err != nil {
		return err
	}
	restore.Stdin = pipe
	if err := errors.Join(dump.Start(), restore.Start()); err != nil {
		return err
	}
	return errors.Join(restore.Wait(), dump.Wait())
}

// ask has a mover of its own process do one operation.
func (b *bench) ask(ctx context.Context, op mover.Operation) error {
	at := func(s *mongotest.Server) *mover.Endpoint {
		return &mover.Endpoint{Host: s.Host, Port: s.Port, Username: mongotest.Root, PasswordFile: s.PasswordFile, TLSMode: "disable"}
	}
	request, err := json.Marshal(mover.Request{Operation: op, Engine: mover.MongoDB, Installation: "bench", Move: "bench", Epoch: 1, Fence: "bench",
		Streams: runtime.NumCPU(), Source: at(b.source), Target: at(b.target)})
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env, cmd.Stderr = append(os.Environ(), moverVariable+"="+string(request)), os.Stderr
	printed, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if op == mover.OpCopy {
		var peak int64
		if _, err := fmt.Sscan(string(printed), &peak); err != nil {
			return fmt.Errorf("%s: read its peak memory: %w", op, err)
		}
		b.peak = max(b.peak, peak)
	}
	return nil
}

// clean empties the target, however it was filled.
func (b *bench) clean(ctx context.Context) error {
	return errors.Join(b.target.Drop(ctx, "bench"), b.target.Drop(ctx, "circleci_dr"))
}

// words make documents that compress as an application's do.
func words(r *rand.Rand, n int) string {
	out := make([]byte, 0, n+12)
	for len(out) < n {
		out = strconv.AppendUint(append(out, "build step "...), r.Uint64()%100000, 36)
	}
	return string(out)
}
