package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/internal/values"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

type valuesOptions struct {
	common
	write, check bool
	secrets      map[mover.Engine]*string
}

// noSecrets has room for the name of each datastore's Secret.
func noSecrets() map[mover.Engine]*string {
	out := map[mover.Engine]*string{}
	for _, e := range server.Engines() {
		out[e] = new(string)
	}
	return out
}

// engineNames are the datastores as flags name them.
func engineNames() []string {
	var out []string
	for _, e := range server.Engines() {
		out = append(out, string(e))
	}
	return out
}

func (p *program) valuesCommand() *cli.Command {
	o := valuesOptions{secrets: noSecrets()}
	return &cli.Command{
		Name: "values", Usage: "print the datastore block for your own Helm values files, or write it into them",
		Description: "Needs no cluster. --write edits the files of server.values in place and shows the difference; comments, order and\n" +
			"quoting stay. No secret is written or shown.\n" +
			exitsOf("values"),
		Flags: append(p.specFlags(&o.common),
			&cli.BoolFlag{Name: "write", Usage: "edit the files of server.values", Destination: &o.write},
			&cli.BoolFlag{Name: "check", Usage: "show what --write would change, change nothing, exit 2 when there is something", Destination: &o.check},
			&cli.StringFlag{Name: "postgresql-secret", Usage: "the Secret `NAME` the release reads; default: " + server.CredentialsName(mover.PostgreSQL) + ", or the files' own where they already name the server",
				Destination: o.secrets[mover.PostgreSQL]},
			&cli.StringFlag{Name: "mongodb-secret", Usage: "the same `NAME` for MongoDB; default: " + server.CredentialsName(mover.MongoDB), Destination: o.secrets[mover.MongoDB]},
		),
		Action: func(*cli.Context) error { return p.runValues(o) },
	}
}

func (p *program) runValues(o valuesOptions) error {
	asJSON, err := o.json()
	if err != nil {
		return err
	}
	if o.write && o.check {
		return usagef("--write changes the files and --check does not: give one of them")
	}
	s, err := p.load(o.common, asJSON)
	if err != nil {
		return err
	}
	switch {
	case s.Server == nil:
		return &hint{errors.New(o.file + " describes a services machine, which has no Helm values"), "values is for CircleCI Server 4.x"}
	case (o.write || o.check) && len(s.Server.Values) == 0:
		return &hint{errors.New(o.file + " names no values files"), "list them in server.values; without --write the block is printed"}
	}
	if err := o.checkSecrets(s); err != nil {
		return err
	}
	out, edit, err := p.compareValues(s, o)
	if err != nil {
		return err
	}
	if o.write {
		out.Written, err = edit.Write()
		if err != nil && len(out.Written) > 0 {
			return &hint{err, "written before: " + strings.Join(out.Written, ", ") + "; run it again"}
		}
		if err != nil {
			return err
		}
		out.Agree = true
	}
	if err := p.showValues(out, o, asJSON); err != nil {
		return err
	}
	if o.check && len(out.Edits) > 0 {
		return &verdict{codeChanges, "the values files would change"}
	}
	return nil
}

var secretName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)

// checkSecrets refuses a Secret for a datastore that reads none of ours.
func (o valuesOptions) checkSecrets(s *spec.Spec) error {
	for datastore, name := range o.secrets {
		settings := server.DatastoreValues(s, datastore, "")
		switch {
		case *name == "":
		case !secretName.MatchString(*name):
			return usagef("--%s-secret must be the name of a Secret (got %q)", datastore, *name)
		case len(settings) == 0 || settings[0].Value != false:
			return usagef("--%s-secret is for an external %s, which %s does not describe", datastore, datastore, o.file)
		}
	}
	return nil
}

// compareValues works out the wanted block and what the files lack of it. The
// block alone is printed also where they cannot be read.
func (p *program) compareValues(s *spec.Spec, o valuesOptions) (render.Values, *values.Edit, error) {
	var out render.Values
	files := values.New(filepath.Dir(o.file), s.Server.Values)
	said, err := files.Read()
	switch {
	case err != nil && (o.write || o.check):
		return out, nil, err
	case err != nil:
		out.Notes = append(out.Notes, "the values files could not be read: "+err.Error())
	}
	out.Files = said.Files
	write := append(wantedValues(&out, s, o, said), p.wantedTrust(&out, s, o, said)...)
	out.Block = values.Block(out.Settings)
	if s.Server.Version == "" && strings.Contains(out.Block, "secureMode") {
		out.Notes = append(out.Notes, "server.version is not given, so 4.9 or later is assumed: older charts do not know postgresql.secureMode and ignore it")
	}
	if len(out.Settings) == 0 {
		return out, nil, &hint{fmt.Errorf("%s does not say where a datastore lives", o.file), "give datastores.postgresql or datastores.mongodb"}
	}
	out.Agree = len(out.Files) > 0 && len(write) == 0
	if !o.write && !o.check {
		if len(out.Files) > 0 && !out.Agree {
			out.Notes = append(out.Notes, "the values files do not agree with it yet: circleci-dr values --write changes them, --check shows how")
		}
		noteUnused(&out, said)
		return out, nil, nil
	}
	edit, err := files.Plan(write)
	if err != nil {
		return out, nil, err
	}
	out.Edits = edit.Changes
	if o.write {
		if said, err = edit.Facts(); err != nil {
			return out, nil, err
		}
	}
	noteUnused(&out, said)
	if len(out.Edits) > 0 {
		noteEarly(&out, write)
	}
	return out, edit, nil
}

// wantedValues fills settings, block and notes, and gives the settings to write.
func wantedValues(out *render.Values, s *spec.Spec, o valuesOptions, said server.DeclaredValues) []server.Setting {
	var write []server.Setting
	note := func(format string, args ...any) { out.Notes = append(out.Notes, fmt.Sprintf(format, args...)) }
	for _, datastore := range server.Engines() {
		settings := server.WantedValues(s, datastore, s.Server.Version, *o.secrets[datastore], said)
		// A block that has to change is written in full: it reads better than
		// one that leans on the chart's defaults.
		if len(server.Deviations(settings, said)) > 0 {
			write = append(write, settings...)
		}
		out.Settings = append(out.Settings, settings...)
		if len(settings) > 0 && len(settings) < len(server.DatastoreValues(s, datastore, s.Server.Version)) {
			note("the values files name the external %s already and keep their own password or Secret; --%s-secret NAME says otherwise", datastore, datastore)
		}
	}
	return write
}

// wantedTrust fills in what the application has to be told to trust, and gives
// it to write where the files lack it.
func (p *program) wantedTrust(out *render.Values, s *spec.Spec, o valuesOptions, said server.DeclaredValues) []server.Setting {
	var found *server.Setting
	had := len(said.Trust.Certificates)
	for _, datastore := range server.Engines() {
		ref := server.AuthorityRef(s, datastore)
		if ref == nil {
			continue
		}
		st, note := server.WantedTrust(datastore, s.Server.Version, p.authority(o, *ref), said)
		if note != "" {
			out.Notes = append(out.Notes, note)
		}
		if st != nil { // the second one adds to the first
			found = st
			said.Trust.Certificates = nil
			for _, entry := range st.Value.([]any) {
				said.Trust.Certificates = append(said.Trust.Certificates, entry.(string))
			}
		}
	}
	if found == nil {
		return nil
	}
	out.Settings = append(out.Settings, *found)
	if len(found.Value.([]any)) == had {
		return nil
	}
	return []server.Setting{*found}
}

// authority is what a reference holds as far as it can be read without a
// cluster; "" otherwise, which is said.
func (p *program) authority(o valuesOptions, ref spec.SecretRef) string {
	if ref.Env != "" {
		text, _ := p.env(ref.Env)
		return text
	}
	if ref.File == "" {
		return ""
	}
	path := ref.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(o.file), path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// noteEarly warns of files that are ahead of a move, which cannot be seen here.
func noteEarly(out *render.Values, written []server.Setting) {
	for _, st := range written {
		if strings.HasSuffix(st.Path, ".internal") {
			datastore, _, _ := strings.Cut(st.Path, ".")
			out.Notes = append(out.Notes, fmt.Sprintf("if %s has not moved yet, no helm upgrade with these files before circleci-dr apply has moved it", datastore))
		}
	}
}

// noteUnused names passwords in the files that nothing reads any more, in the
// lines where they stand when the command is over.
func noteUnused(out *render.Values, files server.DeclaredValues) {
	for _, datastore := range server.Engines() {
		var settings []server.Setting
		for _, st := range out.Settings {
			if strings.HasPrefix(st.Path, string(datastore)+".") {
				settings = append(settings, st)
			}
		}
		for _, f := range server.UnusedPasswords(datastore, settings, files) {
			out.Notes = append(out.Notes, fmt.Sprintf("%s: %s holds a password that nothing reads any more: remove it, and change it if the file was ever shared", f.Where(), f.Path))
		}
	}
}

func (p *program) showValues(v render.Values, o valuesOptions, asJSON bool) error {
	if asJSON {
		return render.ValuesJSON(p.out, v)
	}
	for _, n := range v.Notes {
		fmt.Fprintln(p.err, "circleci-dr: note: "+n)
	}
	switch {
	case !o.write && !o.check:
		_, err := fmt.Fprint(p.out, v.Block)
		return err
	case len(v.Edits) == 0:
		_, err := fmt.Fprintf(p.out, "nothing to change: %s and %s agree\n", strings.Join(v.Files, ", "), o.file)
		return err
	}
	if err := render.ValuesDiff(p.out, v.Edits, render.Options{Color: p.color}); err != nil {
		return err
	}
	if o.write {
		fmt.Fprintf(p.err, "circleci-dr: wrote %s\n", strings.Join(v.Written, ", "))
	}
	return nil
}
