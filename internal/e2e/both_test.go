//go:build testbed

package e2e

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const backWords = "outage,replace-internal-data"

// bothOn demands what must hold after both datastores have moved.
func (s *site) bothOn(postgres, mongo string, before map[string]int32) {
	s.t.Helper()
	s.settledOn(postgres, before)
	if c := s.count(); !strings.HasPrefix(c.Frontend.MongoDB.Host, mongo) {
		s.t.Errorf("the frontend writes its documents to %s", c.Frontend.MongoDB.Host)
	}
}

// otherNames are values of a release that names its datastores otherwise; their
// data can come back.
const otherNames = `postgresql: {image: {tag: "14"}, fullnameOverride: "", nameOverride: db, postgresqlHost: circleci-server-db}
mongodb: {fullnameOverride: documents, hosts: "documents:27017"}
`

// TestBoth moves PostgreSQL and MongoDB out in one outage, and back in one,
// under names that are not the chart's.
func TestBoth(t *testing.T) {
	s := prepared(t, "e2e-both", "circleci-server")
	s.words = acceptOut
	s.install(otherNames, "--size", "10MB", "--plain")
	before := s.replicas()
	s.declareBoth("external", "external")
	_, steps := s.plan()
	switches := 0
	for _, id := range steps {
		if strings.HasPrefix(id, "switch-release/") || strings.HasPrefix(id, "quiesce/") {
			switches++
		}
	}
	if switches != 2 {
		t.Errorf("not one outage and one switch: %v", steps)
	}
	t.Run("killed while both are copied", func(t *testing.T) {
		defer s.as(t)()
		if o := s.apply("CIRCLECI_DR_TEST_KILL_AT=copying"); !o.killed {
			t.Fatalf("apply was not killed: %s", o)
		}
	})
	o := s.apply()
	t.Logf("apply:\n%s%s", o.err, o.out)
	if o.code != 0 {
		t.Fatalf("apply: %s", o)
	}
	s.bothOn(s.out.host(), s.out.mongoHost(), before)
	s.lookAtObjects()
	for _, name := range []string{"circleci-server-db", "documents"} {
		if _, err := s.kube.AppsV1().StatefulSets(s.ns).Get(t.Context(), name, metav1.GetOptions{}); err == nil {
			t.Errorf("the internal StatefulSet %s is still there", name)
		}
	}
	t.Run("back", func(t *testing.T) {
		defer s.as(t)()
		s.declareBoth("internal", "internal")
		s.carryOut(backWords)
		s.bothOn("circleci-server-db", "documents", before)
	})
	t.Run("MongoDB alone, out again", func(t *testing.T) {
		defer s.as(t)()
		s.declareBoth("internal", "external")
		s.carryOut("outage,remove-internal-database,replace-external-data")
		s.bothOn("circleci-server-db", s.out.mongoHost(), before)
	})
}

// TestMongoRefused: what MongoDB cannot do is said before the application is
// touched.
func TestMongoRefused(t *testing.T) {
	s := newSite(t, "e2e-mongo", "5MB")
	picture := s.untouched()
	for _, row := range []struct{ name, host, finding string }{
		{"another series", env(t, "CIRCLECI_DR_TESTBED_MONGO50_HOST"), "mongodb-series"},
		{"two series", env(t, "CIRCLECI_DR_TESTBED_MONGO60_HOST"), "mongodb-series"},
		{"nobody there", s.out.mongoHost() + ":27999", "target-unreachable"},
	} {
		t.Run(row.name, func(t *testing.T) {
			defer s.as(t)()
			text := s.specOf("internal") + strings.Replace(mongoText, "%s", "external", 1)
			s.write("circleci-dr.yaml", strings.Replace(text, "%s", row.host, 1))
			o := s.want(7, "plan")
			s.contains("plan", o.out+o.err, row.finding)
			if got := s.untouched(); got != picture {
				t.Errorf("the application was touched: %s\nwas %s", got, picture)
			}
		})
	}
}
