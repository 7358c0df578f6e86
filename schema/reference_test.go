package schema

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var update = flag.Bool("update", false, "rewrite docs/spec-reference.md")

// TestReferenceIsCurrent compares docs/spec-reference.md with the schema it is
// written from.
func TestReferenceIsCurrent(t *testing.T) {
	const file = "../docs/spec-reference.md"
	got := reference(fields(t))
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go generate ./schema writes it)", err)
	}
	if string(want) != got {
		t.Errorf("%s is not what the schema says; go generate ./schema writes it", file)
	}
}

func reference(root yaml.MapSlice) string {
	var b strings.Builder
	b.WriteString("<!-- Written from schema/" + SpecFile + " by `go generate ./schema`; do not edit. -->\n")
	b.WriteString("# circleci-dr.yaml: every field\n\n" + text(root, "description") + "\n\n")
	b.WriteString("The whole file in use is [examples/server-external.yaml](../examples/server-external.yaml). `circleci-dr schema` prints the JSON Schema for editors, `circleci-dr validate` checks a file without any credentials.\n\n")
	b.WriteString("The file is one YAML document in UTF-8 of at most 256 KiB. Anchors, aliases, merge keys, tags and directives are not accepted, a key stands once, and an unknown key is an error ([why](adr/0002-yaml-that-is-accepted.md)).\n\n")
	b.WriteString("The top level:\n\n")
	table(&b, root)
	blocks(&b, root, "")
	ref := sub(sub(root, "definitions"), "secretRef")
	b.WriteString("## References to secrets\n\n" + text(ref, "description") + " `env` and `file` are read by the runner; what a pod needs travels as a Secret.\n\n")
	table(&b, ref)
	blocks(&b, ref, "(reference).")
	b.WriteString(rulesText)
	return b.String()
}

// blocks writes a section per block, in the order of the schema.
func blocks(b *strings.Builder, block yaml.MapSlice, prefix string) {
	for _, item := range sub(block, "properties") {
		field, ok := item.Value.(yaml.MapSlice)
		if !ok {
			continue
		}
		path, inner := prefix+fmt.Sprint(item.Key), field
		if items := sub(field, "items"); sub(items, "properties") != nil {
			path, inner = path+"[]", items
		}
		if sub(inner, "properties") == nil {
			continue
		}
		fmt.Fprintf(b, "## %s\n\n%s\n\n", path, text(inner, "description"))
		table(b, inner)
		blocks(b, inner, path+".")
	}
}

func table(b *strings.Builder, block yaml.MapSlice) {
	b.WriteString("| field | what it is | type | default | example |\n|---|---|---|---|---|\n")
	eachField(block, func(name string, required bool, field yaml.MapSlice) {
		name = "`" + name + "`"
		if required {
			name += " (required)"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", name, text(field, "description"), kindOf(field), code(get(field, "default")), exampleOf(field))
	})
	b.WriteString("\n")
}

func kindOf(field yaml.MapSlice) string {
	if all, ok := get(field, "allOf").([]any); ok && len(all) == 1 {
		return "[reference](#references-to-secrets)"
	}
	if choices, ok := get(field, "enum").([]any); ok {
		words := make([]string, 0, len(choices))
		for _, c := range choices {
			words = append(words, fmt.Sprintf("`%v`", c))
		}
		return strings.Join(words, ", ")
	}
	words := map[string]string{"object": "mapping", "array": "list", "integer": "whole number", "boolean": "true or false", "string": "string"}
	out := words[text(field, "type")]
	low, high := get(field, "minimum"), get(field, "maximum")
	if low != nil && high != nil {
		out += fmt.Sprintf(", %v to %v", low, high)
	}
	return out
}

func exampleOf(field yaml.MapSlice) string {
	if sub(field, "properties") != nil || sub(sub(field, "items"), "properties") != nil {
		return "see below"
	}
	examples, ok := get(field, "examples").([]any)
	if !ok || len(examples) == 0 {
		return ""
	}
	return code(examples[0])
}

func code(v any) string {
	if v == nil {
		return ""
	}
	out, err := yaml.MarshalWithOptions(v, yaml.Flow(true))
	if err != nil {
		return ""
	}
	return "`" + strings.ReplaceAll(strings.TrimSpace(string(out)), "|", "\\|") + "`"
}

// rulesText is what no schema can say; the rules are in spec/rules*.go.
const rulesText = `## Rules across fields

- Exactly one of ` + "`server` and `servicesMachine`" + `.
- ` + "`location: external` needs the `external` block" + `; with ` + "`location: internal`" + ` the block is kept for a later move, and noted.
- Hosts have no scheme, user or port where the port has its own field; MongoDB's hosts are ` + "`host` or `host:port`, one per item" + `.
- ` + "`tls.ca`" + ` needs a mode that looks at it: ` + "`verify-ca` or `verify-full`" + `. A weaker mode is a policy finding.
- ` + "`backup.schedule` is `daily` (02:00 UTC) or five cron fields after their time zone: `CRON_TZ=Europe/Berlin 30 2 * * *`" + `.
- ` + "`backup.objectives.rpo`" + ` is at least the longest time between two backups, plus 1h for one to run, plus 1h of grace.
- ` + "`backup.encryption`" + ` has exactly one of ` + "`age` and `kms`" + `; an age recipient begins with ` + "`age1`" + `.
- ` + "`backup.store`" + ` is a ` + "`file://`, `s3://`, `gs://` or `azblob://`" + ` URL without credentials.
- ` + "`restore.target`" + ` is never the context and namespace of ` + "`server`" + `.
- Durations are Go durations (` + "`26h`, `1h30m`" + `), quantities are Kubernetes quantities (` + "`500m`, `128Mi`" + `).
`
