package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/external"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
)

// variable is one line of env.
type variable struct{ name, value string }

// env prints where everything is, or will be after fetch or up: it works with
// the cluster down. Only the image's name is left out until it was built.
func env(ctx context.Context, args []string) error {
	var asJSON bool
	if err := flags(args, map[string]*bool{"--json": &asJSON}); err != nil {
		return err
	}
	c, err := findCheckout()
	if err != nil {
		return err
	}
	vars, err := variables(ctx, c)
	if err != nil {
		return err
	}
	if asJSON {
		m := map[string]string{}
		for _, v := range vars {
			m[v.name] = v.value
		}
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(m)
	}
	for _, v := range vars {
		fmt.Printf("export %s='%s'\n", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
	}
	return nil
}

func variables(ctx context.Context, c checkout) ([]variable, error) {
	const prefix = "CIRCLECI_DR_TESTBED"
	vars := []variable{
		{"KUBECONFIG", cluster.Kubeconfig()},
		{prefix, cluster.RunDir},
		{prefix + "_CHART", c.path("chart/circleci-server")},
		{prefix + "_CA", external.CAFile()},
		{prefix + "_PG_PASSWORD_FILE", external.PasswordFile()},
		{prefix + "_PG_SOCKETS", external.SocketDir()},
		{prefix + "_PG_CLIENTS", pgserver.ClientDir},
	}
	for _, s := range external.Servers {
		dir, err := c.servers().Dir(ctx, s.Major)
		if err != nil {
			return nil, err
		}
		vars = append(vars,
			variable{fmt.Sprintf("%s_PG%d", prefix, s.Major), dir},
			variable{fmt.Sprintf("%s_PG%d_ADDRESS", prefix, s.Major), s.Address()})
	}
	mongo, err := mongoVariables(c, prefix+"_MONGO")
	if err != nil {
		return nil, err
	}
	vars = append(vars, mongo...)
	name, err := readProductImage(c)
	if err != nil {
		return nil, err
	}
	if name != "" {
		vars = append(vars, variable{prefix + "_IMAGE", name})
	}
	return vars, nil
}

func mongoVariables(c checkout, prefix string) ([]variable, error) {
	vars := []variable{
		{prefix + "_USER", external.MongoAdmin},
		{prefix + "_PASSWORD_FILE", external.MongoPasswordFile()},
		{prefix + "_ROOT_PASSWORD_FILE", external.MongoRootPasswordFile()},
		{prefix + "_REPLICA_SET", external.ReplicaSet},
	}
	for _, s := range external.MongoServers {
		dir, err := c.mongoServers().Dir(s.Release)
		if err != nil {
			return nil, err
		}
		name := prefix + strings.ReplaceAll(s.Release, ".", "")
		vars = append(vars,
			variable{name, dir},
			variable{name + "_ADDRESS", s.Address()},
			variable{name + "_HOST", fmt.Sprintf("%s:%d", s.Host(), s.Port)})
	}
	return vars, nil
}
