package mongotest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// testbed is where the module lies that knows where servers come from.
const testbed = "internal/testbed"

// found are the directories of the releases that this process has asked for.
var found = struct {
	sync.Mutex
	dirs map[string]string
}{dirs: map[string]string{}}

// Binaries gives the directory whose bin holds the mongod of a release and
// whose lib holds what that one needs. The testbed's own program fetches it
// when it is not there yet; it alone knows the sources and their checksums.
func Binaries(ctx context.Context, release string) (string, error) {
	found.Lock()
	defer found.Unlock()
	if dir, ok := found.dirs[release]; ok {
		return dir, nil
	}
	dir, err := ask(ctx, release)
	if err == nil {
		found.dirs[release] = dir
	}
	return dir, err
}

func ask(ctx context.Context, release string) (string, error) {
	module, err := findTestbed()
	if err != nil {
		return "", fmt.Errorf("find MongoDB %s: %w", release, err)
	}
	cmd := exec.CommandContext(ctx, "go", "-C", module, "run", "./mongoserver/dir", release)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find MongoDB %s: %w: %s", release, err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// findTestbed looks upwards from the working directory: a test runs in the
// folder of its package.
func findTestbed() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for {
		module := filepath.Join(dir, testbed)
		if _, err := os.Stat(filepath.Join(module, "go.mod")); err == nil {
			return module, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find the checkout: the working directory is not inside one")
		}
		dir = filepath.Dir(dir)
	}
}
