// Command provisioner runs the volume provisioner of the testbed's cluster
// until it is killed. It is a program of its own because it outlives the
// command that starts it. It knows where the cluster is, and nothing else.
package main

import (
	"context"
	"log"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
)

func main() {
	if err := cluster.Provision(context.Background()); err != nil {
		log.Fatal(err)
	}
}
