// Package schema holds the JSON Schemas of the documents that circleci-dr
// reads and writes, embedded in the binary.
//
// It knows bytes only: whoever validates with a schema compiles it, and what a
// field means to the engine is no concern of this package.
package schema

import _ "embed"

//go:generate go test -run TestReferenceIsCurrent . -update

// SpecFile is the file name of the schema of circleci-dr.yaml.
const SpecFile = "circleci-dr.v1.schema.json"

// SpecID is the $id of the schema of circleci-dr.yaml. It is a name: nothing
// is ever fetched from it.
const SpecID = "https://circleci-dr.github.io/schema/circleci-dr.v1.schema.json"

//go:embed circleci-dr.v1.schema.json
var spec string

// Spec returns the JSON Schema (draft 7) of circleci-dr.yaml.
func Spec() []byte { return []byte(spec) }
