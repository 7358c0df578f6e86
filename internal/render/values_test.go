package render_test

import (
	"io"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// valuesFiles is what the user's file says, before or after the move.
func valuesFiles(internal bool) server.DeclaredValues {
	v := server.DeclaredValues{Files: []string{"values.yaml"}}
	add := func(line int, path string, value any) {
		v.Facts = append(v.Facts, server.ValuesFact{Path: "postgresql." + path, File: "values.yaml", Line: line, Value: value})
	}
	add(12, "internal", internal)
	if internal {
		return v
	}
	add(13, "postgresqlHost", "pg.example.com")
	add(14, "secureMode", true)
	add(16, "auth.username", "circleci")
	add(17, "auth.existingSecret", "circleci-dr-postgresql")
	return v
}

func changedValues() render.Values {
	return render.Values{
		Settings: []server.Setting{{Path: "postgresql.internal", Value: false, Field: "datastores.postgresql.location"}},
		Block:    "postgresql:\n  internal: false\n", Files: []string{"base.yaml", "values.yaml"}, Agree: true,
		Edits: []server.ValuesEdit{{File: "values.yaml", Hunks: []server.ValuesHunk{
			{Path: "postgresql", Line: 12, Lines: 1, NewLine: 12, NewLines: 2, Old: []string{"  internal: true  # \x1b[31mours"}, New: []string{"  internal: false  # \x1b[31mours", "  postgresqlHost: pg.example.com "}},
			{Path: "postgresql.auth.existingSecret", Line: 14, NewLine: 16, NewLines: 1, New: []string{"    existingSecret: circleci-dr-postgresql"}},
		}}},
		Written: []string{"values.yaml"}, Notes: []string{"values.yaml:15: postgresql.auth.postgresPassword holds a password that nothing reads any more"},
	}
}

func TestValuesDiff(t *testing.T) {
	golden(t, "values-diff.txt", func(w io.Writer) error { return render.ValuesDiff(w, changedValues().Edits, render.Options{}) })
}
