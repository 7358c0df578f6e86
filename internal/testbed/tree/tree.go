// Package tree finds the folder of this module in a checkout. It knows the
// module's name and nothing of what is in it.
package tree

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
)

const modulePath = "github.com/circleci-dr/circleci-dr/internal/testbed"

// Find looks for the module from the working directory upwards, also in the
// place it has in the repository.
func Find() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		for _, candidate := range []string{dir, filepath.Join(dir, "internal/testbed")} {
			if isModule(candidate) {
				return candidate, nil
			}
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the checkout: %s is not inside one; run: go -C internal/testbed run . COMMAND", wd)
		}
	}
}

func isModule(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	return lines.Scan() && lines.Text() == "module "+modulePath
}
