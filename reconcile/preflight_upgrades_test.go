package reconcile

import (
	"fmt"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// staying is an installation of a release whose internal PostgreSQL is of an
// image and stays where it is.
func staying(chart, image string) func(*facts) {
	return func(f *facts) {
		f.pg().Location = spec.Internal
		f.o.Release.Value.ChartVersion = chart
		f.o.Postgres.Internal.Value.StatefulSet = engine.Found(server.StatefulSet{Name: internalHost, Image: image})
	}
}

func TestAPlanNamesWhatLaterUpgradesAsk(t *testing.T) {
	const twelve, fourteen = "registry.example.com:5000/server-postgres:12.16.37@sha256:0a", "server-postgres:14.20"
	golden(t, "upgrades.golden", []row{
		{"before 4.2, RabbitMQ's password and the Secrets", staying("4.1.10", twelve)},
		{"nothing is ahead of 4.2 yet", staying("4.2.7", twelve)},
		{"before 4.10, the retention setting", staying("4.7.15", twelve)},
		{"before 4.10, the retention setting, and PostgreSQL 12 stays", staying("4.9.5", twelve)},
		{"PostgreSQL 12 stays", staying("4.10.0", twelve)},
		{"PostgreSQL 12 stays, and the file says nothing of it", func(f *facts) {
			staying("4.10.0", twelve)(f)
			f.s.Datastores.PostgreSQL, f.o.Postgres.Internal = nil, engine.Observed[server.InternalStore]{}
		}},
		{"PostgreSQL 14 stays", staying("4.10.0", fourteen)},
		{"PostgreSQL 12 moves to an external 14", func(f *facts) {
			staying("4.10.0", twelve)(f)
			f.pg().Location = spec.External
			f.dst().ServerVersion, f.dst().VersionNum = "14.20", 140020
		}},
		{"everything is outside", func(f *facts) {
			staying("4.9.5", twelve)(f)
			f.pg().Location, f.o.Postgres.Internal.Value.StatefulSet = spec.External, engine.NotThere[server.StatefulSet]()
			f.external("circleci-dr-postgresql")
			f.o.Postgres.Credentials = engine.Found(server.Credentials{Name: "circleci-dr-postgresql", Matches: true})
		}},
		{"a release nobody knows yet", staying("4.11.0", twelve)},
		{"a release of the generation before", staying("3.4.6", twelve)},
		{"a newer release is declared than is deployed", func(f *facts) {
			staying("4.9.5", fourteen)(f)
			f.s.Server.Version = "4.10.0"
		}},
	})
}

// What is ahead comes once, whatever it is, and never in the middle of a move.
func TestWhatIsAheadIsOneNote(t *testing.T) {
	for minor := 0; ; minor++ {
		s, known := server.SupportOf(fmt.Sprintf("4.%d", minor))
		if !known {
			break
		}
		for _, image := range []string{"", "pg:12", "pg:14"} {
			f := before(t)
			staying(s.Server.String()+".1", image)(f)
			found := upgradesAhead(f.s, f.o)
			if len(found) > 1 || slices.ContainsFunc(found, func(f engine.Finding) bool { return f.Blocks }) {
				t.Errorf("Server %s, %q: %+v", s.Server, image, found)
			}
		}
	}
	f := before(t)
	staying("4.9.5", "pg:12")(f)
	f.move(Move{ID: "mongodb-e1", Phase: MoveOpen, Parts: []Part{{Engine: mover.MongoDB, To: spec.External}}})
	if found := upgradesAhead(f.s, f.o); len(found) > 0 {
		t.Errorf("while a move stands open: %+v", found)
	}
}

func TestTheMajorVersionOfAnImage(t *testing.T) {
	for image, want := range map[string]int{
		"": 0, "pg": 0, "pg:": 0, "pg:latest": 0, "pg:12": 12, "registry:5000/pg": 0, "registry:5000/pg:14.20-3": 14,
		"pg@sha256:12ab": 0, "pg:12.16.37@sha256:0a": 12, "pg:99999999999999999999": 0,
	} {
		if got := imageMajor(image); got != want {
			t.Errorf("%q is of version %d, want %d", image, got, want)
		}
	}
}
