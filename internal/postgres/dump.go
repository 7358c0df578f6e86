package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// clientDirs are where packages of PostgreSQL put their client tools, besides
// PATH.
var clientDirs = []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql*/bin", "/opt/postgresql/*/bin"}

// dumpTool is a pg_dump and its major version.
type dumpTool struct {
	path  string
	major int
}

// findDump chooses the oldest pg_dump that is at least as new as both
// servers: pg_dump refuses newer servers, and a newer pg_dump writes SQL that
// an older target may not know.
func findDump(ctx context.Context, atLeast int) (dumpTool, error) {
	found := dumpTools(ctx)
	var have []string
	for _, tool := range found {
		if tool.major >= atLeast {
			return tool, nil
		}
		have = append(have, strconv.Itoa(tool.major))
	}
	if len(have) == 0 {
		return dumpTool{}, fmt.Errorf("find pg_dump %d or newer: there is none; the image must hold PostgreSQL's client tools", atLeast)
	}
	return dumpTool{}, fmt.Errorf("find pg_dump %d or newer: only %s is there", atLeast, strings.Join(have, ", "))
}

// dumpTools are the pg_dumps that are there, the oldest first.
func dumpTools(ctx context.Context) []dumpTool {
	var found []dumpTool
	for _, path := range dumpPaths() {
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		if err != nil {
			continue // not runnable here; another one may be
		}
		fields := strings.Fields(string(out)) // pg_dump (PostgreSQL) 15.18 (…)
		if len(fields) < 3 {
			continue
		}
		major, err := strconv.Atoi(strings.SplitN(fields[2], ".", 2)[0])
		if err == nil {
			found = append(found, dumpTool{path, major})
		}
	}
	slices.SortStableFunc(found, func(a, b dumpTool) int { return cmp.Compare(a.major, b.major) })
	return found
}

// dumpMajors are their majors, for a plan to judge; never nil, because nil is
// what a mover says that was not asked.
func dumpMajors(ctx context.Context) []int {
	out := []int{}
	for _, tool := range dumpTools(ctx) {
		if !slices.Contains(out, tool.major) {
			out = append(out, tool.major)
		}
	}
	return out
}

func dumpPaths() []string {
	var paths []string
	if p, err := exec.LookPath("pg_dump"); err == nil {
		paths = append(paths, p)
	}
	for _, pattern := range clientDirs {
		matches, _ := filepath.Glob(filepath.Join(pattern, "pg_dump")) // the patterns are constant and well formed
		paths = append(paths, matches...)
	}
	return paths
}

// exported is a snapshot of a session of ours, and the address at which: a name
// may have several, and only one server has the snapshot.
type exported struct{ id, at string }

// dumpSchema runs pg_dump for the schema of one database, as the exported
// snapshot sees it, and reads the archive from a pipe. The password goes
// through a file in memory that only the child sees: not through argv or
// environment, and not through a disk.
func dumpSchema(ctx context.Context, s *server, tool dumpTool, d database, seen exported) ([]entry, error) {
	pass, err := passFile(s.password)
	if err != nil {
		return nil, err
	}
	defer func() { _ = pass.Close() }()
	cmd := exec.CommandContext(ctx, tool.path, "--format=custom", "--schema-only", "--no-password",
		"--snapshot="+seen.id, "--no-tablespaces", "--compress=0")
	cmd.Env = dumpEnv(s, d)
	if seen.at != "" {
		cmd.Env = append(cmd.Env, "PGHOSTADDR="+seen.at)
	}
	cmd.ExtraFiles = []*os.File{pass} // becomes descriptor 3
	cmd.WaitDelay = connectTimeout
	var stderr limitedBuffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start pg_dump: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start pg_dump: %w", err)
	}
	entries, readErr := readArchive(stdout)
	_, drainErr := io.Copy(io.Discard, stdout)
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("dump schema of %q with pg_dump %d: %w: %s", d.name, tool.major, err, stderr.text())
	}
	return entries, errors.Join(readErr, drainErr)
}

// dumpEnv is the child's whole environment, so that nothing of ours leaks in.
func dumpEnv(s *server, d database) []string {
	encoding := "UTF8"
	if d.encoding == sqlASCII { // see asStored
		encoding = sqlASCII
	}
	names := map[string]string{"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
	settings := s.settings(d.name)
	delete(settings, "client_encoding") // libpq has a variable of its own for it
	var options []string
	for _, name := range sortedKeys(settings) {
		options = append(options, "-c "+name+"="+escapeOption(settings[name]))
	}
	env := []string{"PGPASSFILE=/proc/self/fd/3", "PGAPPNAME=" + s.label, "LC_ALL=C", "PGCLIENTENCODING=" + encoding,
		"PGCONNECT_TIMEOUT=10", "PATH=/usr/bin:/bin", "HOME=/nonexistent", "PGOPTIONS=" + strings.Join(options, " ")}
	for _, kv := range s.libpq(d.name) {
		env = append(env, names[kv[0]]+"="+kv[1])
	}
	return env
}

// escapeOption spells a value for PGOPTIONS, in which a space ends an option.
func escapeOption(value string) string {
	return strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(value)
}

// limitedBuffer keeps the start of what a child says.
type limitedBuffer struct{ buf bytes.Buffer }

// Write takes everything and keeps the first 4 KiB.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := 4096 - b.buf.Len(); room > 0 {
		b.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (b *limitedBuffer) text() string { return strings.TrimSpace(b.buf.String()) }
