package spec

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"
)

func TestReferencesListsEachOnce(t *testing.T) {
	password := SecretRef{Secret: &SecretKey{Name: "pg", Key: "password"}}
	ca, cert := SecretRef{File: "ca.pem"}, SecretRef{Env: "MONGO_CERT"}
	s := &Spec{Datastores: Datastores{
		PostgreSQL: &PostgreSQL{External: &PostgreSQLExternal{Password: password, TLS: TLS{CA: &ca}}},
		MongoDB:    &MongoDB{External: &MongoDBExternal{Password: SecretRef{Env: "MONGO"}, TLS: MongoDBTLS{CA: &SecretRef{File: "ca.pem"}, ClientCertificate: &cert}}},
	}}
	if got, want := s.References(), []SecretRef{password, ca, {Env: "MONGO"}, cert}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := (&Spec{}).References(); got != nil {
		t.Errorf("an empty spec refers to %v", got)
	}
}

// A field that is added to a datastore must not be forgotten here.
func TestEveryReferenceOfADatastoreIsListed(t *testing.T) {
	count := 0
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ == reflect.TypeFor[SecretRef]() {
			count++
			return
		}
		if typ.Kind() == reflect.Struct {
			for i := range typ.NumField() {
				walk(typ.Field(i).Type)
			}
		}
	}
	walk(reflect.TypeFor[Datastores]())
	text, err := os.ReadFile(filepath.Join("references.go"))
	if err != nil {
		t.Fatal(err)
	}
	if named := len(regexp.MustCompile(`\.External\.(Password|TLS\.[A-Za-z]+)`).FindAll(text, -1)); named != count {
		t.Errorf("the datastores have %d references, References names %d", count, named)
	}
}
