package debian

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
)

// Variable names the environment variable with further archives to fetch from,
// separated by spaces: a mirror, or one that keeps every version. Each is the
// URI of the folder that holds pool; apt's own kinds, copy: among them, will do.
const Variable = "IMAGE_ARCHIVES"

// archives are where this machine gets Debian's packages from.
type archives struct {
	// main and security are the two that Debian has, by the URIs of apt's own
	// sources; empty where there are none.
	main, security string
	// further are those that somebody named.
	further []string
	// trust is the option of apt's sources that says why they are trusted; empty
	// means by Debian's signature.
	trust string
}

// findArchives reads apt's sources as apt does. No list has to be there yet.
func findArchives(ctx context.Context) (archives, error) {
	a := archives{further: strings.Fields(os.Getenv(Variable))}
	out, err := run(exec.CommandContext(ctx, "apt-get", "update", "--print-uris"))
	if err != nil {
		return a, err
	}
	codename, err := codename()
	if err != nil {
		return a, err
	}
	a.read(out, codename)
	if len(a.all()) == 0 {
		return a, fmt.Errorf("find Debian's archive: apt's sources name none for %s; name one in %s", codename, Variable)
	}
	return a, nil
}

// read reads what "apt-get update --print-uris" says: a URI in quotes leads each
// line. Other people's archives have no suite of the machine's own name.
func (a *archives) read(uris []byte, codename string) {
	for lines := bufio.NewScanner(bytes.NewReader(uris)); lines.Scan(); {
		uri, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "'"), "'")
		base, rest, ok := strings.Cut(uri, "/dists/")
		suite, _, _ := strings.Cut(rest, "/")
		switch {
		case !ok:
		case suite == codename && a.main == "":
			a.main = base
		case suite == codename+"-security" && a.security == "":
			a.security = base
		}
	}
}

// all are the archives in the order in which they are asked.
func (a archives) all() []string {
	var out []string
	for _, uri := range append([]string{a.main, a.security}, a.further...) {
		if uri != "" {
			out = append(out, strings.TrimSuffix(uri, "/"))
		}
	}
	return out
}

// codename is what Debian calls the release of this machine.
func codename() (string, error) {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", fmt.Errorf("find out which Debian this is: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			return strings.Trim(name, `"`), nil
		}
	}
	return "", errors.New("find out which Debian this is: /etc/os-release has no VERSION_CODENAME; images are built on Debian")
}

// inArchive is the URI of a file of an archive. What apt's file names may hold
// and a URI may not is escaped, as apt does.
func inArchive(base, file string) string {
	parts := strings.Split(file, "/")
	for i, p := range parts {
		parts[i] = strings.NewReplacer("+", "%2b", "~", "%7e").Replace(url.PathEscape(p))
	}
	return base + "/" + strings.Join(parts, "/")
}

// run runs a program and gives its output; what it says of a failure is in the
// error.
func run(cmd *exec.Cmd) ([]byte, error) {
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err == nil {
		return out, nil
	}
	if said := firstError(errs.String()); said != "" {
		return nil, fmt.Errorf("%s: %s", cmd.Args[0], said)
	}
	return nil, fmt.Errorf("run %s: %w", cmd.Args[0], err)
}

// firstError is the first thing apt or dpkg call an error; what follows it says
// the same in general.
func firstError(said string) string {
	for line := range strings.Lines(said) {
		if text, ok := strings.CutPrefix(line, "E: "); ok {
			return strings.TrimSpace(text)
		}
	}
	return strings.TrimSpace(said)
}
