package pgtest

import "testing"

// TestServersAreTheirOwn: copies of one template are told apart as servers
// that initdb made one by one.
func TestServersAreTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, major := range []int{12, 14, 15} {
		for range 2 {
			s := New(t, major)
			id := s.Value(t, "postgres", "select system_identifier from pg_control_system()")
			if seen[id] {
				t.Errorf("two servers of PostgreSQL %d have the identifier %s", major, id)
			}
			seen[id] = true
			s.Exec(t, "postgres", "create table t as select g from generate_series(1, 100000) g; checkpoint")
		}
	}
}
