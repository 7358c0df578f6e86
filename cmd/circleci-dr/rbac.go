package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/spec"
)

// useOf says which rights a command needs.
var useOf = map[string]reconcile.Use{
	"apply": reconcile.UseApply, "drift": reconcile.UseRead, "explain": reconcile.UsePlan, "init": reconcile.UseRead, "plan": reconcile.UsePlan, "prove": reconcile.UseProve,
	"rehearse": reconcile.UseRehearse,
	"status":   reconcile.UseRead, "support": reconcile.UseSupport, "unlock": reconcile.UseUnlock,
}

type rbacOptions struct {
	common
	command, account string
}

func (p *program) rbacCommand() *cli.Command {
	var o rbacOptions
	names := strings.Join(slices.Sorted(maps.Keys(useOf)), ", ")
	return &cli.Command{
		Name: "rbac", Usage: "print the Kubernetes roles that commands need for this spec",
		Description: "Asks no cluster: circleci-dr rbac --command drift --service-account nightly | kubectl apply -f -\n" +
			exitsOf("rbac"),
		Flags: append(p.rbacFlags(&o.common),
			&cli.StringFlag{Name: "command", Usage: "only what this `COMMAND` needs: " + names, Destination: &o.command},
			&cli.StringFlag{Name: "service-account", Usage: "add a service account `NAME` and its bindings; wants --command", Destination: &o.account}),
		Action: func(*cli.Context) error { return p.runRBAC(o) },
	}
}

// rbacFlags are those of the spec, with an output that is YAML.
func (p *program) rbacFlags(o *common) []cli.Flag {
	return []cli.Flag{p.fileFlag(o), &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "yaml or json", Value: "yaml", Destination: &o.output}}
}

func (p *program) runRBAC(o rbacOptions) error {
	asJSON := o.output == "json"
	if !asJSON && o.output != "yaml" && o.output != "text" { // the text is YAML
		return usagef("--output must be yaml or json (got %q)", o.output)
	}
	uses := reconcile.Uses
	if o.command != "" {
		use, ok := useOf[o.command]
		if !ok {
			return usagef("--command must be one of %s (got %q)", strings.Join(slices.Sorted(maps.Keys(useOf)), ", "), o.command)
		}
		uses = []reconcile.Use{use}
	} else if o.account != "" {
		return usagef("--service-account wants --command: it is given the roles of one command")
	}
	s, err := p.load(o.common, asJSON)
	if err != nil {
		return err
	}
	if s.Server == nil {
		return errNoServer(o.common)
	}
	objects, err := roles(s, uses, o.account)
	if err != nil {
		return usagef("--service-account: %s", err)
	}
	if asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
	}
	fmt.Fprintf(p.out, "# Rights for %s. Helm needs rights on every kind of object the chart has: add those that are missing here.\n", o.file)
	for i, object := range objects {
		text, err := yaml.Marshal(object)
		if err != nil {
			return fmt.Errorf("write the roles: %w", err)
		}
		if i > 0 {
			text = append([]byte("---\n"), text...)
		}
		if _, err := p.out.Write(text); err != nil {
			return err
		}
	}
	return nil
}

func roles(s *spec.Spec, uses []reconcile.Use, account string) ([]runtime.Object, error) {
	var out []runtime.Object
	for _, use := range uses {
		list, err := kube.Roles(reconcile.PermissionsFor(s, use), kube.RoleOptions{Namespace: s.Server.Namespace, Use: use, ServiceAccount: account})
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}
