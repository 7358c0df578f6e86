//go:build testbed

package e2e

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rehearsals tries a move out with the application up: what the target refuses is
// named and stands in the plan, a rehearsal that was killed leaves nothing, and
// one that finds nothing spares the plan its step.
func (s *site) rehearsals() {
	s.t.Helper()
	first := s.count()
	conn := s.internal(conductor)
	defer func() { _ = conn.Close(s.t.Context()) }()
	do := func(sql string) {
		s.t.Helper()
		if _, err := conn.Exec(s.t.Context(), sql); err != nil {
			s.t.Fatal(err)
		}
	}
	do("create text search template for_superusers (lexize = dsimple_lexize, init = dsimple_init)")
	o := s.want(7, "rehearse")
	s.contains("rehearse", o.out, "would NOT be copied as it is", "database "+conductor, "for_superusers", "cannot be made on the target", "not tried")
	s.contains("plan", s.want(7, "plan").out, "BLOCKED", "the rehearsal of ", "for_superusers", "circleci-dr rehearse")
	do("drop text search template for_superusers")

	cut := s.command(s.t.Context(), nil, "rehearse")
	if err := cut.Start(); err != nil {
		s.t.Fatal(err)
	}
	for until := time.Now().Add(2 * time.Minute); s.leftOfRehearsals() == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			s.t.Fatal("the rehearsal made nothing")
		}
	}
	if err := cut.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	_ = cut.Wait() // killed on purpose
	now := int64(0)
	for _, pod := range s.podsOf("app.kubernetes.io/managed-by=circleci-dr") { // its own pod dies as hard
		if err := s.kube.CoreV1().Pods(s.ns).Delete(s.t.Context(), pod, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			s.t.Fatal(err)
		}
	}
	if s.leftOfRehearsals() == 0 {
		s.t.Error("the rehearsal was killed too late to leave anything")
	}
	for o = s.run(nil, "rehearse"); o.code == 6; o = s.run(nil, "rehearse") { // the lease of the dead
		time.Sleep(time.Second)
	}
	if o.code != 0 {
		s.t.Fatalf("after a kill: %s", o)
	}
	s.contains("rehearse", o.out, "would be copied as it is")
	if n := s.leftOfRehearsals(); n != 0 {
		s.t.Errorf("rehearsals left %d databases and roles on the target", n)
	}
	o = s.want(0, "plan")
	s.contains("plan", o.out, "which counts")
	if strings.Contains(o.out, "Rehearse the schema") {
		s.t.Errorf("the plan rehearses once more:\n%s", o.out)
	}
	s.dressed(o)
	if last := s.count(); last.Frontend.Writes.Total <= first.Frontend.Writes.Total {
		s.t.Errorf("the application did not write during the rehearsals: %d rows before, %d after", first.Frontend.Writes.Total, last.Frontend.Writes.Total)
	}
}

// dressed carries the rows too while the frontend writes: the plan recommended
// it, and takes its times from it afterwards.
func (s *site) dressed(recommended outcome) {
	s.t.Helper()
	s.contains("the plan before", unwrapped(recommended), "recommended before the move of PostgreSQL: circleci-dr rehearse --with-data")
	before := s.count().Frontend.Writes
	o := s.want(0, "rehearse", "--with-data")
	during := s.count().Frontend.Writes
	s.t.Logf("longest pause of the frontend: %.2f s before, %.2f s with a rehearsal with the rows\n%s", before.Pause.Seconds, during.Pause.Seconds, o.out)
	s.contains("rehearse --with-data", unwrapped(o), "would be copied as it is", "copied in", "compared in")
	if n := s.leftOfRehearsals(); n != 0 {
		s.t.Errorf("a rehearsal with the rows left %d databases and roles on the target", n)
	}
	s.contains("the plan after it", strings.ReplaceAll(unwrapped(s.want(0, "plan", "--details")), "┃ ", ""), "was rehearsed with its rows on", "which counts", "measured by the rehearsal with the rows of")
}

// leftOfRehearsals counts what is on the target under names of rehearsals.
func (s *site) leftOfRehearsals() (n int) {
	s.t.Helper()
	conn := s.target("postgres")
	defer func() { _ = conn.Close(s.t.Context()) }()
	err := conn.QueryRow(s.t.Context(), `select count(*) from (select datname from pg_database union all select rolname from pg_roles) x(n) where n like 'circleci\_dr\_rehearsal\_%'`).Scan(&n)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// rehearsed are a plan's steps once the schema was rehearsed.
func rehearsed(steps []string) []string {
	return slices.DeleteFunc(slices.Clone(steps), func(id string) bool { return strings.HasPrefix(id, "rehearse/") })
}
