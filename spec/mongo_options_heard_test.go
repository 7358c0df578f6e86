package spec

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Options go where the file has them, and what it must not hold is named and
// not kept.
func TestOptionsThatSomebodyElseWrote(t *testing.T) {
	on, off := true, false
	for _, row := range []struct {
		text string
		want MongoDBExternal
		left []string
	}{
		{"", MongoDBExternal{}, nil},
		{"replicaSet=rs0", MongoDBExternal{ReplicaSet: "rs0"}, nil},
		{"?w=majority&replicaset=rs%200&retryWrites=false", MongoDBExternal{ReplicaSet: "rs 0", Options: "w=majority&retryWrites=false"}, nil},
		{"authSource=users&authMechanism=SCRAM-SHA-256&ssl=TRUE", MongoDBExternal{AuthSource: "users", Mechanism: "SCRAM-SHA-256", TLS: MongoDBTLS{Enabled: &on}}, nil},
		{"tls=false&appName=ci", MongoDBExternal{Options: "appName=ci", TLS: MongoDBTLS{Enabled: &off}}, nil},
		{"tlsCAFile=%2Fca.pem&tlsCertificateKeyFilePassword=canary&w=1", MongoDBExternal{Options: "w=1"}, []string{`"tlsCAFile"`, `"tlsCertificateKeyFilePassword"`}},
		{"authMechanismProperties=TOKEN:canary&noSuch=canary&w=%zz&naked", MongoDBExternal{}, []string{`"authMechanismProperties"`, `"noSuch"`, `"w"`, `"naked"`}},
		{"tlsInsecure=true", MongoDBExternal{Options: "tlsInsecure=true"}, nil},
	} {
		var got MongoDBExternal
		left := got.HearOptions(row.text)
		if diff := cmp.Diff(row.want, got); diff != "" || !slices.Equal(left, row.left) {
			t.Errorf("%q leaves %v, want %v\n%s", row.text, left, row.left, diff)
		}
	}
}

// The fields are explained in the schema's order, with what an example needs.
func TestFieldsAreExplained(t *testing.T) {
	var names []string
	for _, f := range Fields() {
		names = append(names, f.Name)
		if f.Description == "" || f.Example == nil {
			t.Errorf("%s has no description or no example", f.Name)
		}
	}
	if want := []string{"apiVersion", "name", "server", "servicesMachine", "datastores", "backup", "restore", "mover"}; !slices.Equal(names, want) {
		t.Errorf("the fields are %v, want %v", names, want)
	}
}
