package server

import "testing"

func TestNamedByTellsWordsFromServers(t *testing.T) {
	inside, outside := NamedServer{Hosts: []string{"postgresql"}, Namespace: "ci"}, NamedServer{Hosts: []string{"pg.example.com", "fd00::1"}}
	for _, row := range []struct {
		text    string
		in, out naming
	}{
		{"postgresql", asAWord, unnamed}, {"postgresql:5432", asServer, unnamed}, {"postgresql.ci", asServer, unnamed},
		{"postgresql.ci.svc.cluster.local:5432", asServer, unnamed}, {"postgresql.other.svc", unnamed, unnamed}, {"postgresql-read", unnamed, unnamed},
		{"my-postgresql", unnamed, unnamed}, {"postgresql://u@pg.example.com/x", unnamed, asServer}, {"postgresql://u@postgresql/x", asServer, unnamed},
		{"jdbc:postgresql://postgresql/x", asServer, unnamed}, {"host=postgresql port=5432", asServer, unnamed}, {"https://postgresql/", unnamed, unnamed},
		{"see https://x.example/postgresql", unnamed, unnamed}, {"until nc -z postgresql 5432; do sleep 1; done", asAWord, unnamed},
		{"pg.example.com", unnamed, asServer}, {"a.pg.example.com", unnamed, unnamed}, {"pg.example.com.", unnamed, asServer}, {"pg.example.company", unnamed, unnamed},
		{"https://pg.example.com/docs", unnamed, unnamed}, {"[fd00::1]:5432", unnamed, asServer}, {"", unnamed, unnamed},
	} {
		if in, out := inside.namedBy(row.text), outside.namedBy(row.text); in != row.in || out != row.out {
			t.Errorf("%q: inside %d, outside %d; want %d and %d", row.text, in, out, row.in, row.out)
		}
	}
}
