// Command bench compares, in one run on the same data, the manual's way of
// moving PostgreSQL, our copy, and our copy with its proof. It prints ratios
// as a table and as JSON; it asserts nothing. pgcopydb is measured too where
// it is installed.
//
//	go run ./internal/postgres/bench -size 1GB -cycles 3
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/internal/postgres"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// clients is where the client tools of the newest supported major are.
const clients = "/usr/lib/postgresql/15/bin"

func main() {
	if os.Getenv("BENCH_MOVER") != "" {
		work()
		return
	}
	size := megabytes(1200)
	flag.Var(&size, "size", "size of the data, such as 1200MB or 2GB")
	cycles := flag.Int("cycles", 3, "how often each method runs")
	target := flag.Int("target", 15, "PostgreSQL major of the target; the manual's way needs pg_dumpall of the same major")
	out := flag.String("json", "", "file for the result as JSON")
	only := flag.String("only", "", "the one method to run: manual, copy, copy+proof or pgcopydb")
	even := flag.Bool("even", false, "spread the one big table over eight")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, int(size), *cycles, *target, *even, *only, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// megabytes is a size as people write it.
type megabytes int

// String is for the flag's default.
func (m *megabytes) String() string { return fmt.Sprintf("%dMB", int(*m)) }

// Set reads 1GB, 1200MB or, as megabytes, 1200.
func (m *megabytes) Set(value string) error {
	unit := 1
	number := strings.TrimSuffix(value, "MB")
	if gb, ok := strings.CutSuffix(value, "GB"); ok {
		number, unit = gb, 1<<10
	}
	n, err := strconv.Atoi(number)
	if err != nil || n <= 0 {
		return fmt.Errorf("%q is no size such as 1200MB or 2GB", value)
	}
	*m = megabytes(n * unit)
	return nil
}

// result is what one run found.
type result struct {
	MB             int                  `json:"mb"`
	SourceMajor    int                  `json:"sourceMajor"`
	TargetMajor    int                  `json:"targetMajor"`
	Seconds        map[string][]float64 `json:"seconds"`
	Median         map[string]float64   `json:"median"`
	ManualOverCopy float64              `json:"manualOverCopy"`
	ProvenOverMan  float64              `json:"copyAndProofOverManual"`
	CopyOverPgcopy float64              `json:"copyOverPgcopydb,omitempty"`
	PeakRSS        int64                `json:"peakRSSBytes"`
}

// bench is one run under way.
type bench struct {
	source, target *pgtest.Server
	work           string
	result         result
}

func run(ctx context.Context, size, cycles, major int, even bool, only, out string) (err error) {
	settings := map[string]string{"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min", "fsync": "on"}
	b := &bench{result: result{MB: size, SourceMajor: 12, TargetMajor: major, Seconds: map[string][]float64{}, Median: map[string]float64{}}}
	if b.work, err = os.MkdirTemp("", "bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.work)) }()
	if b.source, err = pgtest.Start(ctx, pgtest.Options{Major: 12, Settings: settings}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.source.Stop()) }()
	if b.target, err = pgtest.Start(ctx, pgtest.Options{Major: major, Settings: settings}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.target.Stop()) }()
	fmt.Fprintf(os.Stderr, "making %d MB of data\n", size)
	if b.result.MB, err = seed(ctx, b.source, size, even); err != nil {
		return err
	}
	if err := b.measure(ctx, cycles, only); err != nil {
		return err
	}
	return b.report(out)
}

// method is one way to bring the data over.
type method struct {
	name string
	run  func(context.Context) error
}

// methods are all that can be measured here, or the only one wanted.
func (b *bench) methods(only string) ([]method, error) {
	all := []method{{"manual", b.manual}, {"copy", b.copy}, {"copy+proof", b.copyAndProve}}
	if _, err := exec.LookPath("pgcopydb"); err == nil {
		all = append(all, method{"pgcopydb", b.pgcopydb})
	}
	if only == "" {
		return all, nil
	}
	i := slices.IndexFunc(all, func(m method) bool { return m.name == only })
	if i < 0 {
		return nil, fmt.Errorf("-only: no method %q can be measured here", only)
	}
	return all[i : i+1], nil
}

// measure runs the methods by turns, so that a busy minute hits them all.
func (b *bench) measure(ctx context.Context, cycles int, only string) error {
	methods, err := b.methods(only)
	if err != nil {
		return err
	}
	for cycle := range cycles {
		for _, m := range methods {
			if err := b.reset(ctx); err != nil {
				return err
			}
			began := time.Now()
			if err := m.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			took := time.Since(began).Seconds()
			b.result.Seconds[m.name] = append(b.result.Seconds[m.name], took)
			fmt.Fprintf(os.Stderr, "cycle %d  %-11s %6.1f s\n", cycle+1, m.name, took)
		}
	}
	return nil
}

// reset empties the target and settles both servers.
func (b *bench) reset(ctx context.Context) error {
	conn, err := b.target.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, name := range []string{database, "circleci_dr"} {
		if _, err := conn.Exec(ctx, "drop database if exists "+name); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, "checkpoint"); err != nil {
		return err
	}
	source, err := b.source.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = source.Close(ctx) }()
	if _, err := source.Exec(ctx, "checkpoint"); err != nil {
		return err
	}
	return exec.CommandContext(ctx, "sync").Run()
}

// manual is what the vendor's manual says: dump everything to a file, take
// three lines out of it, feed it to psql.
func (b *bench) manual(ctx context.Context) error {
	file := filepath.Join(b.work, "circle.sql")
	for _, c := range [][]string{
		{filepath.Join(clients, "pg_dumpall"), "-c", "--exclude-database=circleci_dr", "-h", b.source.Host, "-p", fmt.Sprint(b.source.Port), "-U", "postgres", "-f", file},
		{"sed", "-i", "-e", "/^DROP ROLE postgres;/d", "-e", "/^CREATE ROLE postgres;/d", file},
		{"sed", "-i", "/^ALTER ROLE postgres WITH SUPERUSER/d", file},
		{filepath.Join(clients, "psql"), "-q", "-h", b.target.Host, "-p", fmt.Sprint(b.target.Port), "-U", "postgres", "-d", "postgres", "-f", file},
	} {
		if err := b.tool(ctx, c...); err != nil {
			return err
		}
	}
	return os.Remove(file)
}

func (b *bench) pgcopydb(ctx context.Context) error {
	dsn := func(s *pgtest.Server) string {
		return fmt.Sprintf("host=%s port=%d user=postgres dbname=%s", s.Host, s.Port, database)
	}
	if err := b.tool(ctx, filepath.Join(clients, "createdb"), "-h", b.target.Host, "-p", fmt.Sprint(b.target.Port), "-U", "postgres", database); err != nil {
		return err
	}
	return b.tool(ctx, "pgcopydb", "clone", "--dir", filepath.Join(b.work, "pgcopydb"), "--restart", "--table-jobs", "4", "--index-jobs", "4",
		"--source", dsn(b.source), "--target", dsn(b.target))
}

// tool runs a program; psql's complaints about roles that exist are the
// manual's own.
func (b *bench) tool(ctx context.Context, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+pgtest.Password)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %.2000s", filepath.Base(argv[0]), err, out)
	}
	return nil
}

func (b *bench) copy(ctx context.Context) error {
	return b.mover(ctx, mover.OpFence, mover.OpCopy, mover.OpUnfence)
}

func (b *bench) copyAndProve(ctx context.Context) error {
	return b.mover(ctx, mover.OpFence, mover.OpCopy, mover.OpProve, mover.OpUnfence)
}

// mover runs operations in a process of its own, whose memory is then its own.
func (b *bench) mover(ctx context.Context, operations ...mover.Operation) error {
	endpoint := func(s *pgtest.Server) *mover.Endpoint {
		return &mover.Endpoint{Host: s.Host, Port: s.Port, Username: pgtest.Superuser, PasswordFile: s.PasswordFile, TLSMode: "disable"}
	}
	var requests []mover.Request
	for _, op := range operations {
		requests = append(requests, mover.Request{Operation: op, Engine: mover.PostgreSQL, Source: endpoint(b.source), Target: endpoint(b.target),
			Installation: "bench", Move: "bench", Epoch: 1, Fence: "bench"})
	}
	raw, err := json.Marshal(requests)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), "BENCH_MOVER="+string(raw))
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		b.result.PeakRSS = max(b.result.PeakRSS, usage.Maxrss*1024)
	}
	return nil
}

// work is the child process of bench.mover.
func work() {
	var requests []mover.Request
	if err := json.Unmarshal([]byte(os.Getenv("BENCH_MOVER")), &requests); err != nil {
		fmt.Fprintln(os.Stderr, "bench mover:", err)
		os.Exit(1)
	}
	for _, req := range requests {
		result, err := postgres.Run(context.Background(), req, nil)
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench mover: %s: %v\n", req.Operation, err)
			os.Exit(1)
		}
		if proof, ok := result.(mover.Proof); ok && !proof.Equal() {
			fmt.Fprintf(os.Stderr, "bench mover: not equal: %+v\n", proof.Differences)
			os.Exit(1)
		}
	}
}
