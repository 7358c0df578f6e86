package debian

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// keyring is what Debian's archive is signed with, on every Debian.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Renew gives the same packages in the newest version that their suites have
// now. Apt's own lists and settings of this machine are left alone.
func (s Source) Renew(ctx context.Context, pins Pins) (Pins, error) {
	from, err := s.archives(ctx)
	if err != nil {
		return Pins{}, err
	}
	if from.main == "" {
		return Pins{}, errors.New("renew the pinned packages: apt's sources name no archive of Debian, which alone says what is newest")
	}
	out := Pins{Architecture: pins.Architecture, Packages: slices.Clone(pins.Packages)}
	for _, suite := range suites(pins) {
		s.Note("reading what " + suite + " has")
		newest, err := newest(ctx, from, suite, pins)
		if err != nil {
			return Pins{}, fmt.Errorf("renew the packages of %s: %w", suite, err)
		}
		for i, p := range out.Packages {
			if p.Suite != suite {
				continue
			}
			found, ok := newest[p.Name]
			if !ok {
				return Pins{}, fmt.Errorf("renew the packages of %s: it has no %s", suite, p.Name)
			}
			out.Packages[i] = found
		}
	}
	files, err := s.fetch(ctx, out)
	if err != nil {
		return Pins{}, err
	}
	return out, checkRelations(ctx, out, files)
}

func suites(pins Pins) []string {
	var out []string
	for _, p := range pins.Packages {
		if !slices.Contains(out, p.Suite) {
			out = append(out, p.Suite)
		}
	}
	return out
}

// newest asks apt, in a folder of its own, what a suite with its updates has of
// the packages that are pinned from it. The archive is trusted as far as it is
// signed.
func newest(ctx context.Context, from archives, suite string, pins Pins) (map[string]Pin, error) {
	dir, err := os.MkdirTemp("", "circleci-dr-pins-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for apt: %w", err)
	}
	defer os.RemoveAll(dir) // lists only
	options, err := privateApt(dir, from, suite, pins.Architecture)
	if err != nil {
		return nil, err
	}
	if _, err := run(exec.CommandContext(ctx, "apt-get", append(slices.Clone(options), "update", "--error-on=any")...)); err != nil {
		return nil, err
	}
	args := append(options, "download", "--print-uris")
	for _, p := range pins.Packages {
		if p.Suite == suite {
			args = append(args, p.Name)
		}
	}
	out, err := run(exec.CommandContext(ctx, "apt-get", args...))
	if err != nil {
		return nil, err
	}
	return readURIs(out, suite)
}

// privateApt writes sources for one suite and gives the options with which apt
// uses them and nothing of the machine's.
func privateApt(dir string, from archives, suite, architecture string) ([]string, error) {
	for _, d := range []string{"state/lists/partial", "cache/archives/partial", "etc/parts"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("make a folder for apt: %w", err)
		}
	}
	sources := ""
	for _, s := range []struct{ uri, suite string }{{from.main, suite}, {from.main, suite + "-updates"}, {from.security, suite + "-security"}} {
		// What is to be stable only later has no updates of either kind.
		if s.uri != "" && (s.suite == suite || suite != unreleased) {
			sources += fmt.Sprintf("deb [arch=%s %s] %s %s main\n", architecture, cmp.Or(from.trust, "signed-by="+keyring), s.uri, s.suite)
		}
	}
	for file, text := range map[string]string{"sources.list": sources, "status": ""} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("write apt's sources: %w", err)
		}
	}
	var out []string
	for _, o := range []string{
		"Dir::State=" + dir + "/state", "Dir::State::status=" + dir + "/status", "Dir::Cache=" + dir + "/cache",
		"Dir::Etc::sourcelist=" + dir + "/sources.list", "Dir::Etc::sourceparts=" + dir + "/etc/parts", "Dir::Etc::preferencesparts=" + dir + "/etc/parts",
		"APT::Architecture=" + architecture, "APT::Sandbox::User=root", "Acquire::Languages=none",
		"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
	} {
		out = append(out, "-o", o)
	}
	return out, nil
}

// unreleased is the suite of which PostgreSQL 18 is taken: the newest stable one
// ends with 17.
const unreleased = "forky"

// readURIs reads what "apt-get download --print-uris" says, a package a line:
// 'URI' file size SHA256:sum.
func readURIs(out []byte, suite string) (map[string]Pin, error) {
	pins := map[string]Pin{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 4 {
			return nil, fmt.Errorf("apt-get said %q, which is no package to download", lines.Text())
		}
		_, escaped, inPool := strings.Cut(strings.Trim(fields[0], "'"), "/pool/")
		file, err := url.PathUnescape(escaped)
		sum, isSum := strings.CutPrefix(fields[3], "SHA256:")
		name := strings.Split(strings.TrimSuffix(fields[1], ".deb"), "_") // name_version_architecture
		if err != nil || !inPool || !isSum || len(name) != 3 {
			return nil, fmt.Errorf("apt-get said %q, which is no package with a SHA-256", lines.Text())
		}
		version, err := url.PathUnescape(name[1])
		if err != nil {
			return nil, fmt.Errorf("apt-get said %q: its version is none", lines.Text())
		}
		pins[name[0]] = Pin{Name: name[0], Suite: suite, Version: version, File: "pool/" + file, SHA256: sum}
	}
	return pins, nil
}
