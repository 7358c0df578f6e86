//go:build testbed

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// tool is the product, built with the test hooks; bed is the testbed's program
// with all its commands.
var tool, bed string

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "helm" {
		if err := helmOf(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "circleci-dr-e2e-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		tool, bed = filepath.Join(dir, "circleci-dr"), filepath.Join(dir, "testbed")
		for _, args := range [][]string{
			// Without the repository's state in it, as the image: an engine refuses
			// work that another version submitted.
			{"build", "-buildvcs=false", "-tags", "testhooks", "-o", tool, "../../cmd/circleci-dr"},
			{"-C", "../testbed", "build", "-buildvcs=false", "-tags", "fixture", "-o", bed, "."},
		} {
			if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "go %s: %v\n%s", strings.Join(args, " "), err, out)
				return 1
			}
		}
		return m.Run()
	}())
}

func env(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set: run these tests with make services", name)
	}
	return v
}

// site is one installation of the fixture, a directory with a spec for it,
// and what the tests learn while they use it.
type site struct {
	t       *testing.T
	ns, dir string
	release string
	out     outside
	kube    kubernetes.Interface
	chart   string
	image   string   // what our pods run
	vars    []string // environment of every run of the product
	secrets []string // every secret value of the installation
	words   string   // what an apply of the move out accepts
	said    bytes.Buffer
	saidMu  sync.Mutex
}

const specText = `apiVersion: circleci-dr/v1
name: e2e
server:
  kubeContext: testbed
  namespace: %s
  release: %s
datastores:
  postgresql:
    location: %s
    external:
      host: %s
      port: %s
      username: circleci
      password: {secret: {name: pg-external, key: password}}
      tls: {mode: verify-full, ca: {file: ca.pem}}
      diskGiB: 20
`

// mongoText is what a spec says of MongoDB, by its location and server.
const mongoText = `  mongodb:
    location: %s
    external:
      hosts: ["%s"]
      username: circleci
      password: {secret: {name: mongodb-external, key: mongodb-password}}
      replicaSet: rs0
      tls: {ca: {file: ca.pem}}
      diskGiB: 20
`

// declareBoth writes a spec of both datastores, each at its location.
func (s *site) declareBoth(postgres, mongo string) {
	s.t.Helper()
	s.write("circleci-dr.yaml", s.specOf(postgres)+fmt.Sprintf(mongoText, mongo, s.out.mongoAddress()))
}

// newSite installs the fixture anew, with its PostgreSQL inside, and empties
// the servers outside that it has for itself. Sites of several tests are there
// side by side, as many as there are such servers.
func newSite(t *testing.T, ns, size string) *site {
	t.Helper()
	return installed(t, ns, size, 12)
}

// roundTrip is a site whose data can come back: the internal server is of the
// external one's version, and without what a role that is no superuser cannot
// read.
func roundTrip(t *testing.T, ns, size string) *site {
	t.Helper()
	return installed(t, ns, size, 14, "--plain")
}

func installed(t *testing.T, ns, size string, major int, options ...string) *site {
	t.Helper()
	s := prepared(t, ns, "circleci-server")
	if major >= 14 { // what the servers outside are
		s.words = acceptOut
	}
	s.install(fmt.Sprintf("postgresql: {image: {tag: %q}}\n", strconv.Itoa(major)), append([]string{"--size", size}, options...)...)
	return s
}

// prepared is a site with nothing installed, and servers outside that are empty.
func prepared(t *testing.T, ns, release string) *site {
	t.Helper()
	t.Parallel()
	s := &site{t: t, ns: ns, release: release, dir: t.TempDir(), out: borrow(t), chart: env(t, "CIRCLECI_DR_TESTBED_CHART"), image: env(t, "CIRCLECI_DR_TESTBED_IMAGE"), words: acceptAll}
	config, err := clientcmd.BuildConfigFromFlags("", env(t, "KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 50, 100
	if s.kube, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(env(t, "CIRCLECI_DR_TESTBED_CA"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("ca.pem", string(ca))
	s.declare("external")
	s.testbed("uninstall", "--namespace", ns) // of a test that was killed
	s.testbed("reset", s.out.postgres, s.out.mongo)
	return s
}

// install installs the fixture with these values. What an external MongoDB
// shows is signed by the testbed's own authority.
func (s *site) install(values string, options ...string) {
	s.t.Helper()
	trust := base64.StdEncoding.EncodeToString([]byte(s.read("ca.pem")))
	file := s.write("trust.yaml", fmt.Sprintf("tls: {certificates: [%s]}\n%s", trust, values))
	s.testbed(append([]string{"install", "--namespace", s.ns, "--release", s.release, "--values", file}, options...)...)
	s.t.Cleanup(func() { s.testbed("uninstall", "--namespace", s.ns, "--leave") })
	s.secrets = s.secretValues()
}

// declare writes the spec: where PostgreSQL should live.
func (s *site) declare(location string) {
	s.t.Helper()
	s.write("circleci-dr.yaml", s.specOf(location))
}

func (s *site) specOf(location string) string {
	return fmt.Sprintf(specText, s.ns, s.release, location, s.out.host(), s.out.port)
}

func (s *site) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// testbed runs a command of the testbed.
func (s *site) testbed(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(bed, args...)
	var talk bytes.Buffer
	cmd.Stderr = &talk
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("testbed %s: %v\n%s%s", strings.Join(args, " "), err, out, talk.String())
	}
	return string(out)
}

// outcome is what a run of the product gave.
type outcome struct {
	code     int
	out, err string
	killed   bool
}

func (o outcome) String() string {
	return fmt.Sprintf("exit %d\n--- stdout\n%s\n--- stderr\n%s", o.code, o.out, o.err)
}

// run runs the product in the site's directory.
func (s *site) run(vars []string, args ...string) outcome {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 8*time.Minute)
	defer cancel()
	cmd := s.command(ctx, vars, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("circleci-dr %s: %v", strings.Join(args, " "), err)
	}
	s.saidMu.Lock()
	fmt.Fprintf(&s.said, "%s\n%s\n", out.String(), errs.String())
	s.saidMu.Unlock()
	o := outcome{code: cmd.ProcessState.ExitCode(), out: out.String(), err: errs.String()}
	o.killed = o.code == -1
	s.noSecrets("the output of "+args[0], o.out+o.err)
	return o
}

// command is the product in the site's directory, on what looks like a
// workstation: a CI job would hand the work to the cluster.
func (s *site) command(ctx context.Context, vars []string, args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "CIRCLECI_DR_CHART="+s.chart, "CIRCLECI_DR_MOVER_IMAGE="+s.image,
		"CI=", "CIRCLECI=", "GITHUB_ACTIONS=", "GITLAB_CI=", "BUILDKITE=", "JENKINS_URL=", "TF_BUILD=", "TEAMCITY_VERSION=", "DRONE=")
	cmd.Env = append(append(append(cmd.Env, siteVariable+s.ns), s.vars...), vars...)
	return cmd
}

// want runs the product and demands an exit code.
func (s *site) want(code int, args ...string) outcome {
	s.t.Helper()
	o := s.run(nil, args...)
	if o.code != code {
		s.t.Fatalf("circleci-dr %s: want exit %d, got %s", strings.Join(args, " "), code, o)
	}
	return o
}

// plan makes a plan file and gives its id and its steps.
func (s *site) plan() (id string, steps []string) {
	s.t.Helper()
	s.want(0, "plan", "--out", "plan.json")
	data, err := os.ReadFile(filepath.Join(s.dir, "plan.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.noSecrets("the plan file", string(data))
	var plan struct {
		ID    string                `json:"id"`
		Steps []struct{ ID string } `json:"steps"`
	}
	if err := json.Unmarshal(data, &plan); err != nil {
		s.t.Fatal(err)
	}
	for _, st := range plan.Steps {
		steps = append(steps, st.ID)
	}
	return plan.ID, steps
}

// The words of a move out: to a newer major version there is no way back.
const (
	acceptAll = "outage,no-way-back,remove-internal-database"
	acceptOut = "outage,remove-internal-database"
)

// carryOut plans, applies with the given words, and demands that it worked.
func (s *site) carryOut(accept string) {
	s.t.Helper()
	s.plan()
	o := s.run(nil, "apply", "--plan", "plan.json", "--accept", accept)
	s.t.Logf("apply:\n%s%s", o.err, o.out)
	if o.code != 0 {
		s.t.Fatalf("apply: %s", o)
	}
}

// apply applies the plan file.
func (s *site) apply(vars ...string) outcome {
	s.t.Helper()
	return s.run(vars, "apply", "--plan", "plan.json", "--accept", s.words)
}

// contains fails the test unless text has every part.
func (s *site) contains(what, text string, parts ...string) {
	s.t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			s.t.Errorf("%s does not say %q:\n%s", what, p, text)
		}
	}
}

// target connects to a database of the external server as its superuser.
func (s *site) target(database string) *pgx.Conn {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), fmt.Sprintf("host=%s port=%s user=postgres dbname=%s", env(s.t, "CIRCLECI_DR_TESTBED_PG_SOCKETS"), s.out.port, database))
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// count is the testbed's count of the frontend's rows.
type count struct {
	Frontend struct {
		link
		MongoDB link `json:"mongodb"`
	} `json:"frontend"`
}

// link is what the frontend says of one database.
type link struct {
	Host   string `json:"host"`
	Writes struct {
		Total int64 `json:"total"`
		Pause struct {
			Seconds float64 `json:"seconds"`
		} `json:"longestPause"`
	} `json:"writes"`
}

// count demands that no row of the frontend is lost or doubled, and tells
// where it writes. The testbed itself ends with an error when one is.
func (s *site) count() count {
	s.t.Helper()
	cmd := exec.Command(bed, "count", "--namespace", s.ns, "--json")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("count the frontend's rows: %v\n%s%s", err, out, errs.String())
	}
	var c count
	if err := json.Unmarshal(out, &c); err != nil {
		s.t.Fatal(err)
	}
	return c
}
