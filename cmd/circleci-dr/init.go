package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/helm"
	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

type initOptions struct {
	file, kubeconfig, kubeContext, namespace, release string
}

func (p *program) initCommand() *cli.Command {
	var o initOptions
	return &cli.Command{
		Name: "init", Usage: "write a first circleci-dr.yaml of the installation that is there; read-only",
		Description: "Finds the Helm release of CircleCI Server and writes where its data lives today, with comments on what was found\n" +
			"and what is yours to decide. A plan of the file has no steps. Nothing is written over, and no secret is written.\n" +
			"Without --namespace it looks in the context's own namespace, then in every namespace.\n" +
			exitsOf("init"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "write the spec to `FILE`, which is not there yet, or - for standard output", Value: "circleci-dr.yaml", Destination: &o.file, EnvVars: []string{"CIRCLECI_DR_FILE"}},
			kubeconfigFlag(&o.kubeconfig),
			&cli.StringFlag{Name: "kube-context", Usage: "the kubeconfig's context to look at; required", Destination: &o.kubeContext},
			&cli.StringFlag{Name: "namespace", Usage: "look in this `NAMESPACE` only", Destination: &o.namespace},
			&cli.StringFlag{Name: "release", Usage: "the `NAME` of the Helm release; needed where there are several", Destination: &o.release},
		},
		Action: func(c *cli.Context) error { return p.runInit(c.Context, o) },
	}
}

func (p *program) runInit(ctx context.Context, o initOptions) error {
	if err := p.mayWriteSpec(o); err != nil {
		return err
	}
	if o.kubeContext == "" {
		return contextMissing(o.kubeconfig)
	}
	found, err := p.findRelease(ctx, o)
	if err != nil {
		return err
	}
	draft, err := p.draftOf(ctx, o, found)
	if err != nil {
		return err
	}
	text, err := render.Draft(draft)
	if err != nil {
		return err
	}
	if err := sameSpec(o.file, text, draft.Spec); err != nil {
		return err
	}
	return p.writeSpec(o, text, describeDraft(draft))
}

// mayWriteSpec refuses, before anything is looked at, a file that is there.
func (p *program) mayWriteSpec(o initOptions) error {
	if o.file == "-" {
		return nil
	}
	if o.file == "" {
		return usagef("--file is empty: name the file to write, or - for standard output")
	}
	if _, err := os.Lstat(o.file); !errors.Is(err, fs.ErrNotExist) {
		return writtenAlready(o.file)
	}
	if p.resultFile != "" && filepath.Clean(p.resultFile) == filepath.Clean(o.file) {
		p.resultFile = ""
		return usagef("--result and --file name the same file, %s", o.file)
	}
	return nil
}

func writtenAlready(file string) error {
	return &hint{usagef("%s is there already, and init writes over nothing", file),
		"name another file with --file, or print it with --file - and compare"}
}

// contextMissing names the contexts there are: whatever is current is never
// used.
func contextMissing(kubeconfig string) error {
	names, _, err := kube.Contexts(kubeconfig)
	switch {
	case err != nil:
		return usagef("--kube-context is missing, and the contexts there are could not be listed: %s", err)
	case len(names) == 0:
		return usagef("--kube-context is missing, and the kubeconfig has no context")
	}
	return usagef("--kube-context is missing: whatever is current is never used. The kubeconfig has: %s", strings.Join(names, ", "))
}

// kubeFor connects to a namespace, and refuses every request that could change
// something.
func (o initOptions) kubeFor(p *program, namespace string) (*kube.Client, error) {
	client, err := kube.New(kube.Options{
		Kubeconfig: o.kubeconfig, Context: o.kubeContext, Namespace: namespace, Env: p.env, Owner: owner(), Version: toolVersion(), ReadOnly: true,
	})
	if err != nil {
		return nil, &unreachable{err}
	}
	return client, nil
}

// draftOf reads the release that was found and writes down what is there.
func (p *program) draftOf(ctx context.Context, o initOptions, found helm.Listed) (server.Draft, error) {
	client, err := o.kubeFor(p, found.Namespace)
	if err != nil {
		return server.Draft{}, err
	}
	release, err := helm.New(helm.Options{Config: client.Config(), Namespace: found.Namespace, Release: found.Name})
	if err != nil {
		return server.Draft{}, err
	}
	declared := release.Declared(ctx)
	if err := context.Cause(ctx); err != nil {
		return server.Draft{}, err
	}
	switch {
	case declared.IsNot():
		return server.Draft{}, fmt.Errorf("helm release %s in namespace %s was there and is gone", found.Name, found.Namespace)
	case !declared.Is():
		return server.Draft{}, &unreachable{errors.New(declared.Why)}
	}
	draft, err := reconcile.MakeDraft(reconcile.ObserveInstallation(ctx, o.kubeContext, declared.Value, client, client))
	if cause := context.Cause(ctx); cause != nil {
		return draft, cause
	}
	var open *reconcile.OpenMoveError
	if errors.As(err, &open) {
		return draft, &hint{err, "go on with the file it was begun with; status with that file says where things are"}
	}
	return draft, err
}

// sameSpec reads the text as any command would: what is written must be valid,
// and must say what was found.
func sameSpec(file, text string, want spec.Spec) error {
	got, err := spec.Parse(file, []byte(text))
	var problems *spec.Problems
	if errors.As(err, &problems) {
		var lines []string
		for _, item := range problems.Items {
			lines = append(lines, item.Path+" "+item.Want)
		}
		return &hint{fmt.Errorf("the release says what no valid file can say: %s", strings.Join(lines, "; ")),
			"nothing was written; write the file by hand (docs/getting-started.md) or correct the release's values"}
	}
	if err != nil {
		return err
	}
	if !got.Equal(want) {
		return errors.New("write the spec: read again, it says something else; nothing was written")
	}
	return nil
}

// writeSpec puts the text where it was asked for; a file that has appeared
// meanwhile is left alone.
func (p *program) writeSpec(o initOptions, text, about string) error {
	if o.file == "-" {
		if _, err := io.WriteString(p.out, text); err != nil {
			return err
		}
		fmt.Fprintln(p.err, about)
		return nil
	}
	f, err := os.OpenFile(o.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it is for a repository, and no secret is in it
	if errors.Is(err, fs.ErrExist) {
		return writtenAlready(o.file)
	}
	if err != nil {
		return fmt.Errorf("write the spec: %w", err)
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Close()); err != nil {
		// Half a file would stand in the way of the next init; it is our own.
		return fmt.Errorf("write the spec: %w", errors.Join(err, os.Remove(o.file)))
	}
	_, err = fmt.Fprintf(p.out, "wrote %s: %s\nnext: read its comments, then circleci-dr validate --file %s and circleci-dr plan --file %s\n", o.file, about, quote(o.file), quote(o.file))
	return err
}

// describeDraft says in one line what was found.
func describeDraft(d server.Draft) string {
	out := []string{fmt.Sprintf("release %s in namespace %s", d.Spec.Server.Release, d.Spec.Server.Namespace)}
	if pg := d.Spec.Datastores.PostgreSQL; pg != nil {
		out = append(out, "PostgreSQL "+string(pg.Location))
	}
	if mg := d.Spec.Datastores.MongoDB; mg != nil {
		out = append(out, "MongoDB "+string(mg.Location))
	}
	return strings.Join(out, ", ")
}
