package server

import (
	"reflect"
	"testing"
)

// A kind of datastore that is registered says all there is to say of one: a
// function that is missing would be found in an outage.
func TestEveryKindOfDatastoreIsWhole(t *testing.T) {
	for _, k := range storeKinds {
		for _, part := range []any{*k, k.values} {
			v := reflect.ValueOf(part)
			for i := range v.NumField() {
				if f := v.Field(i); f.Kind() != reflect.Bool && f.IsZero() {
					t.Errorf("%s has no %s", k.Engine, v.Type().Field(i).Name)
				}
			}
		}
		var rel Release
		for _, other := range storeKinds {
			if other != k && k.Released(&rel) == other.Released(&rel) {
				t.Errorf("%s and %s are one part of the release", k.Engine, other.Engine)
			}
		}
	}
}
