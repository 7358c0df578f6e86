package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/external"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
)

const prefix = "CIRCLECI_DR_TESTBED"

// variable is one line of env.
type variable struct{ name, value string }

// env prints where everything is, or will be after fetch or up: it works with
// the cluster down. Only the image's name is left out until it was built. With
// an existing cluster there are no servers outside, and nothing is said of
// them.
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
	vars := []variable{{"KUBECONFIG", cluster.Kubeconfig()}, {prefix + "_CHART", c.path("chart/circleci-server")}, {prefix + "_PG_CLIENTS", pgserver.ClientDir}}
	for _, major := range pgserver.Majors {
		dir, err := c.servers().Dir(ctx, major)
		if err != nil {
			return nil, err
		}
		vars = append(vars, variable{fmt.Sprintf("%s_PG%d", prefix, major), dir})
	}
	for _, release := range mongoserver.Releases {
		dir, err := c.mongoServers().Dir(release)
		if err != nil {
			return nil, err
		}
		vars = append(vars, variable{prefix + "_MONGO" + strings.ReplaceAll(release, ".", ""), dir})
	}
	name, err := readProductImage(c)
	if err != nil {
		return nil, err
	}
	if name != "" {
		vars = append(vars, variable{prefix + "_IMAGE", name})
	}
	if cluster.Existing() != "" {
		return vars, nil
	}
	return append(vars, outside()...), nil
}

// outside is where the servers outside the testbed's own cluster are.
func outside() []variable {
	vars := []variable{
		{prefix, cluster.RunDir},
		{prefix + "_CA", external.CAFile()},
		{prefix + "_PG_PASSWORD_FILE", external.PasswordFile()},
		{prefix + "_PG_SOCKETS", external.SocketDir()},
		{prefix + "_MONGO_USER", external.MongoAdmin},
		{prefix + "_MONGO_PASSWORD_FILE", external.MongoPasswordFile()},
		{prefix + "_MONGO_ROOT_PASSWORD_FILE", external.MongoRootPasswordFile()},
		{prefix + "_MONGO_REPLICA_SET", external.ReplicaSet},
	}
	for _, s := range external.Servers {
		vars = append(vars, variable{prefix + "_" + strings.ToUpper(s.Name()) + "_ADDRESS", s.Address()})
	}
	for _, s := range external.MongoServers {
		name := prefix + "_" + strings.ToUpper(s.Name())
		vars = append(vars,
			variable{name + "_ADDRESS", s.Address()},
			variable{name + "_HOST", fmt.Sprintf("%s:%d", s.Host(), s.Port)}) // as pods reach it
	}
	return vars
}
