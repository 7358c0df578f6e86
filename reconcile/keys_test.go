package reconcile

import (
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// Every key that the chart reads is judged before the outage: passwords are
// written under it, anything else has to be there already.
func TestEveryKeyThatTheChartReadsIsJudged(t *testing.T) {
	const secret = "circleci-dr-postgresql"
	by := []string{"Deployment/api"}
	for _, row := range []struct {
		name   string
		read   server.SecretRead
		others map[string]server.KeyContent
		keys   []string
		says   string
	}{
		{"a documented one", server.SecretRead{Secret: secret, Key: "password", By: by}, nil, []string{"password", "postgres-password"}, ""},
		{"another one for the password", server.SecretRead{Secret: secret, Key: "postgresql-password", By: by}, nil, []string{"password", "postgres-password", "postgresql-password"}, ""},
		{"all of them", server.SecretRead{Secret: secret, By: by}, nil, []string{"password", "postgres-password"}, ""},
		{"one of another Secret", server.SecretRead{Secret: "pusher", Key: "secret", By: by}, nil, []string{"password", "postgres-password"}, ""},
		{"one that is missing", server.SecretRead{Secret: secret, Key: "uri", By: by}, nil, []string{"password", "postgres-password"}, "Deployment/api reads key uri of Secret circleci-dr-postgresql, which is not there"},
		{"one that may be missing", server.SecretRead{Secret: secret, Key: "uri", Optional: true, By: by}, nil, []string{"password", "postgres-password"}, ""},
		{"a connection string with the password", server.SecretRead{Secret: secret, Key: "uri", By: by}, map[string]server.KeyContent{"uri": server.HoldsPassword}, []string{"password", "postgres-password"}, ""},
		{"a connection string with another", server.SecretRead{Secret: secret, Key: "uri", By: by}, map[string]server.KeyContent{"uri": server.HoldsOtherPassword}, []string{"password", "postgres-password"}, "holds another password than the one that logs in"},
		{"one that may be missing and holds another", server.SecretRead{Secret: secret, Key: "uri", Optional: true, By: by}, map[string]server.KeyContent{"uri": server.HoldsOtherPassword}, []string{"password", "postgres-password"}, "holds another password"},
		{"something else", server.SecretRead{Secret: secret, Key: "username", By: by}, map[string]server.KeyContent{"username": server.HoldsElse}, []string{"password", "postgres-password"}, ""},
	} {
		var o Observation
		o.Preview = engine.Found(server.Preview{Reads: []server.SecretRead{row.read}})
		o.Postgres.Credentials = engine.Found(server.Credentials{Name: secret, Others: row.others})
		if got := credentialKeys(o, mover.PostgreSQL); !slices.Equal(got, row.keys) {
			t.Errorf("%s: keys %q", row.name, got)
		}
		got := checkKeys(o, Part{Engine: mover.PostgreSQL, To: "external", External: "pg:5432"})
		switch {
		case row.says == "" && len(got) > 0:
			t.Errorf("%s: %+v", row.name, got)
		case row.says != "" && (len(got) != 1 || !got[0].Blocks || got[0].ID != "secret-key" || !strings.Contains(got[0].What, row.says)):
			t.Errorf("%s: %+v", row.name, got)
		}
	}
}

// On the way in the Secret of the internal server is read, which nobody fills.
func TestTheInternalSecretHasEveryKeyThatIsRead(t *testing.T) {
	var o Observation
	o.Mongo.Internal = engine.Found(server.InternalStore{Secret: engine.Found(server.SecretInfo{Name: "mongodb", Keys: []string{"mongodb-root-password"}})})
	o.Preview = engine.Found(server.Preview{Reads: []server.SecretRead{
		{Secret: "mongodb", Key: "mongodb-root-password", By: []string{"Deployment/api"}}, {Secret: "mongodb", Key: "mongodb-password", By: []string{"Deployment/api"}}}})
	p := Part{Engine: mover.MongoDB, To: "internal"}
	if got := checkKeys(o, p); len(got) != 1 || !strings.Contains(got[0].What, "key mongodb-password of Secret mongodb, which is not there") {
		t.Errorf("got %+v", got)
	}
	o.Preview.Value.Objects = []server.ObjectPreview{{Kind: "Secret", Name: "mongodb", Action: "create"}}
	if got := checkKeys(o, p); len(got) != 0 {
		t.Errorf("the chart makes it: %+v", got)
	}
}
