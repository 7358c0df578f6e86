//go:build testbed

package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// insideOnly are the rows that the frontend wrote to the internal server.
const insideOnly = `select n, writer::text from public.frontend_writes where host like 'postgresql%' order by n`

// TestForked: after a move out somebody brings the internal database back with
// the old values, and lifts its fence. Plan and drift say that both sides took
// writes, and plan nothing. With a side chosen the application goes on with
// the external one, and every row that only the internal one knew is set aside.
func TestForked(t *testing.T) {
	s := roundTrip(t, "e2e-fork", "10MB")
	before := s.replicas()
	s.carryOut(acceptOut)
	s.settledOn(s.out.host(), before)
	old := s.rowsInside(s.target(conductor))

	s.upgradeWithValuesOf(1)
	s.internalWritable()
	eventually(t, "the frontend writes to the internal database", func() bool {
		return len(s.rowsInside(s.internal(conductor))) > len(old)+5
	})
	if c := s.countForked(); len(c.Table.Lost) == 0 {
		t.Fatal("the internal database has what was written outside: nothing is forked")
	}
	o := s.want(7, "plan")
	t.Logf("plan:\n%s%s", o.out, o.err)
	s.contains("plan", o.out+o.err, "two-truths", "FORKED", "--authoritative external --datastore postgresql")
	o = s.want(7, "apply", "--accept", "any:"+acceptAll)
	s.contains("apply", o.out+o.err, "two-truths")
	s.contains("drift", s.want(2, "drift").out, "internal PostgreSQL again")

	o = s.want(0, "plan", "--authoritative", "external", "--out", "plan.json")
	t.Logf("plan of the choice:\n%s", o.out)
	words := "outage,discard-internal-writes,remove-internal-database"
	if o := s.run([]string{"CIRCLECI_DR_TEST_KILL_AT=set-aside:before-effect"}, "apply", "--plan", "plan.json", "--accept", words); !o.killed {
		t.Fatalf("apply was not killed: %s", o)
	}
	o = s.run(nil, "apply", "--plan", "plan.json", "--accept", words)
	t.Logf("apply:\n%s%s", o.err, o.out)
	if o.code != 0 {
		t.Fatalf("apply: %s", o)
	}
	c := s.countForked()
	if !strings.HasPrefix(c.Frontend.Host, s.out.host()) {
		t.Errorf("the frontend writes to %s", c.Frontend.Host)
	}
	for _, row := range c.Table.Lost {
		if !strings.HasPrefix(row.Host, "postgresql") {
			t.Errorf("row %d, written to %s, is gone", row.N, row.Host)
		}
	}
	s.want(0, "plan", "--detailed-exitcode")
	s.want(0, "drift")
	s.contains("status", s.want(0, "status").out, conductor+"__dr_e")
	s.asideHolds(c.Table.Lost, len(old))
}

// asideHolds brings the internal server back, as somebody who wants to look at
// what was set aside would, and demands that all of it is there.
func (s *site) asideHolds(lost []row, moved int) {
	s.t.Helper()
	s.declare("internal")
	s.carryOut(backWords)
	conn := s.internal("postgres")
	var name string
	if err := conn.QueryRow(s.t.Context(), `select datname from pg_database where datname like 'conductor\_production\_\_dr\_e%'`).Scan(&name); err != nil {
		s.t.Fatalf("what was set aside: %v", err)
	}
	if _, err := conn.Exec(s.t.Context(), fmt.Sprintf("alter database %s with allow_connections true", pgx.Identifier{name}.Sanitize())); err != nil {
		s.t.Fatal(err)
	}
	kept := map[string]bool{}
	rows := s.rowsInside(s.internal(name))
	for _, key := range rows {
		kept[key] = true
	}
	for _, row := range lost {
		if !kept[row.key()] {
			s.t.Errorf("row %d is neither outside nor in %s", row.N, name)
		}
	}
	if len(rows) != moved+len(lost) {
		s.t.Errorf("%s has %d rows written inside: %d moved, %d since", name, len(rows), moved, len(lost))
	}
}

// row is a row of the frontend's.
type row struct {
	N            int64
	Writer, Host string
}

func (r row) key() string { return fmt.Sprintf("%d %s", r.N, r.Writer) }

// divided is the testbed's count where some rows are known to be elsewhere.
type divided struct {
	count
	Table struct{ Lost []row }
}

// countForked is the testbed's count, whatever it finds.
func (s *site) countForked() (c divided) {
	s.t.Helper()
	out, err := exec.Command(bed, "count", "--namespace", s.ns, "--json").Output()
	if jsonErr := json.Unmarshal(out, &c); jsonErr != nil {
		s.t.Fatalf("count the frontend's rows: %v, %v\n%s", err, jsonErr, out)
	}
	return c
}

// rowsInside are the rows that were written to the internal server, and closes
// the connection.
func (s *site) rowsInside(conn *pgx.Conn) []string {
	s.t.Helper()
	defer conn.Close(s.t.Context())
	rows, err := conn.Query(s.t.Context(), insideOnly)
	if err != nil {
		s.t.Fatal(err)
	}
	keys, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (string, error) {
		var out row
		err := r.Scan(&out.N, &out.Writer)
		return out.key(), err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// internal connects to a database of the internal server as its superuser.
func (s *site) internal(database string) *pgx.Conn {
	s.t.Helper()
	pod, err := s.kube.CoreV1().Pods(s.ns).Get(s.t.Context(), "postgresql-0", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := s.kube.CoreV1().Secrets(s.ns).Get(s.t.Context(), "postgresql", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=5432 user=postgres sslmode=disable connect_timeout=5", pod.Status.PodIP))
	if err != nil {
		s.t.Fatal(err)
	}
	config.Database, config.Password = database, string(secret.Data["postgres-password"])
	conn, err := pgx.ConnectConfig(s.t.Context(), config)
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// internalWritable waits for the internal server and lifts the fence on it, as
// somebody would who only sees that the application cannot write.
func (s *site) internalWritable() {
	s.t.Helper()
	eventually(s.t, "the internal server is back", func() bool {
		set, err := s.kube.AppsV1().StatefulSets(s.ns).Get(s.t.Context(), "postgresql", metav1.GetOptions{})
		return err == nil && set.Status.ReadyReplicas == 1
	})
	conn := s.internal("postgres")
	defer conn.Close(s.t.Context())
	for _, sql := range []string{
		"set default_transaction_read_only = off", "alter system reset default_transaction_read_only", "select pg_reload_conf()",
	} {
		if _, err := conn.Exec(s.t.Context(), sql); err != nil {
			s.t.Fatal(err)
		}
	}
}

// upgradeWithValuesOf is the plain helm upgrade of somebody whose values file
// is that of an earlier revision.
func (s *site) upgradeWithValuesOf(revision int) {
	s.t.Helper()
	config := s.history()
	was, err := config.Releases.Get("circleci-server", revision)
	if err != nil {
		s.t.Fatal(err)
	}
	chart, err := loader.Load(s.chart)
	if err != nil {
		s.t.Fatal(err)
	}
	upgrade := action.NewUpgrade(config)
	upgrade.Namespace, upgrade.ResetValues, upgrade.Timeout = s.ns, true, time.Minute
	if _, err := upgrade.RunWithContext(s.t.Context(), "circleci-server", chart, was.Config); err != nil {
		s.t.Fatal(err)
	}
}
