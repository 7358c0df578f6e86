package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/bundle"
	"github.com/circleci-dr/circleci-dr/spec"
)

// supportTime is how long support reads before it writes what it has: nobody
// waits for long while an installation is down.
const supportTime = 3 * time.Minute

type supportOptions struct {
	common
	out string
}

func (p *program) supportCommand() *cli.Command {
	var o supportOptions
	return &cli.Command{
		Name: "support", Usage: "write what a helper needs to one file, without any secret",
		Description: "Read-only. What could not be read stands in unread.json of the bundle, with the reason.\n" +
			exitsOf("support"),
		Flags: append(p.clusterFlags(&o.common),
			&cli.StringFlag{Name: "out", Usage: "write the bundle to `FILE`, a .tar.gz that is not there yet", Destination: &o.out}),
		Action: func(c *cli.Context) error { return p.runSupport(c.Context, o) },
	}
}

func (p *program) runSupport(ctx context.Context, o supportOptions) error {
	asJSON, err := o.json()
	if err != nil {
		return err
	}
	if o.out == "" {
		return usagef("--out is missing: name the file to write, such as --out support.tar.gz")
	}
	if _, err := os.Lstat(o.out); !errors.Is(err, fs.ErrNotExist) {
		return usagef("--out %s is there already, and support writes over nothing", o.out)
	}
	ses, err := p.open(ctx, o.common, access{readOnly: true})
	var away *unreachable
	if err != nil && !errors.As(err, &away) {
		return err
	}
	if err == nil && ses.spec.Server == nil {
		return errNoServer(o.common)
	}
	var b *bundle.Bundle
	if err != nil {
		b = bundle.New(bundle.NewRedactor(nil))
		b.Missing("cluster", err)
	} else {
		b = p.gather(ctx, ses, o.common)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	p.addLocal(b, o.common)
	if err := writeBundle(o.out, b); err != nil {
		return err
	}
	return p.showBundle(o.out, b, asJSON)
}

// addLocal adds what needs no cluster, and at the end what is missing.
func (p *program) addLocal(b *bundle.Bundle, o common) {
	addJSON(b, "versions.json", map[string]string{"circleci-dr": toolVersion(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
	// A spec that is not valid may hold a literal password; this one loaded.
	if text, err := os.ReadFile(o.file); err != nil {
		b.Missing("spec", err)
	} else {
		b.Text("circleci-dr.yaml", string(text))
	}
	unread := b.Unread()
	if unread == nil {
		unread = []bundle.Unread{}
	}
	addJSON(b, "unread.json", unread)
	b.Text("README.txt", bundleText)
}

const bundleText = `A support bundle of circleci-dr. Every value of a Secret of the namespace that could be
read was replaced by [redacted], in plain, base64 and URL form; read it through all the
same before you pass it on.

observation.json  live state as plan sees it      plan.json       the plan, made without asking Helm for its patches
records/          the engine's records            logs/           logs of mover pods that are still there
events.json       events of the namespace         workloads.json  workloads and pods; of their environment only the names
history.json      the release's Helm revisions    versions.json   of this program
circleci-dr.yaml  the spec                        unread.json     what is not in here, and why
`

func addJSON(b *bundle.Bundle, name string, v any) {
	doc, err := json.Marshal(v)
	if err != nil {
		b.Missing(name, err)
		return
	}
	b.JSON(name, doc)
}

// writeBundle makes the file, and leaves none behind that is half written.
func writeBundle(path string, b *bundle.Bundle) (err error) {
	var content bytes.Buffer
	if err := b.Write(&content, "circleci-dr-support"); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write support bundle: %w", err)
	}
	_, err = f.Write(content.Bytes())
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write support bundle %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

func (p *program) showBundle(path string, b *bundle.Bundle, asJSON bool) error {
	unread := b.Unread()
	var err error
	if asJSON {
		if unread == nil {
			unread = []bundle.Unread{}
		}
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		err = enc.Encode(map[string]any{"format": "circleci-dr/support/v1", "file": path, "entries": b.Names(), "unread": unread})
	} else {
		_, err = fmt.Fprintf(p.out, "%s holds %d files; read it before you pass it on\n", path, len(b.Names()))
		for _, u := range unread {
			fmt.Fprintf(p.err, "not in it: %s: %s\n", u.What, u.Why)
		}
	}
	if err == nil && len(unread) > 0 {
		return &verdict{codeUnreadable, "something could not be read"}
	}
	return err
}

// passwordsOf are the spec's references to what is secret; certificates are
// not.
func passwordsOf(s *spec.Spec) []spec.SecretRef {
	var out []spec.SecretRef
	if pg := s.Datastores.PostgreSQL; pg != nil && pg.External != nil {
		out = append(out, pg.External.Password)
	}
	if m := s.Datastores.MongoDB; m != nil && m.External != nil {
		out = append(out, m.External.Password)
		if c := m.External.TLS.ClientCertificate; c != nil {
			out = append(out, *c)
		}
	}
	return out
}
