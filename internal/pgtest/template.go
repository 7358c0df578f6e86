package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
)

// newData gives a server its data directory: a copy of one that initdb made
// once for this version, with an identity of its own.
func newData(ctx context.Context, bin string, o Options, dir string) error {
	template, err := initialised(ctx, bin, o)
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	if out, err := exec.CommandContext(ctx, "cp", "-a", template, data).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", template, err, bytes.TrimSpace(out))
	}
	return identify(data)
}

// initialised is the data directory that initdb made with this program.
func initialised(ctx context.Context, bin string, o Options) (string, error) {
	program, err := os.Stat(filepath.Join(bin, "bin", "postgres"))
	if err != nil {
		return "", fmt.Errorf("find PostgreSQL %d: %w", o.Major, err)
	}
	name := fmt.Sprintf("data-%d-%d-%d", o.Major, program.Size(), program.ModTime().UnixNano())
	var locale []string
	if o.ICU {
		name, locale = name+"-icu", []string{"--locale-provider=icu", "--icu-locale=en-US"}
	}
	return once(name, "PG_VERSION", func(work string) (string, error) { return initdb(ctx, bin, work, locale...) })
}

// initdb makes a data directory below work.
func initdb(ctx context.Context, bin, work string, locale ...string) (string, error) {
	data, password := filepath.Join(work, "data"), filepath.Join(work, "password")
	if err := os.WriteFile(password, []byte(Password+"\n"), 0o644); err != nil {
		return "", fmt.Errorf("write password: %w", err)
	}
	if err := own(work); err != nil {
		return "", err
	}
	args := []string{"-D", data, "-U", Superuser, "--pwfile=" + password, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "bin", "initdb"), append(args, locale...)...)
	cmd.Dir, cmd.SysProcAttr = work, asServerUser()
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return data, nil
}

// longestControl is more than the control file of any version holds; the rest
// of it is zeros.
const longestControl = 512

// identify gives a copied data directory a system identifier of its own, as
// initdb would have. It is the first thing in the control file, which ends with
// a checksum, and stands at the start of the only WAL segment
// (src/include/catalog/pg_control.h and access/xlog_internal.h, the same from
// PostgreSQL 12 to 18).
func identify(data string) error {
	var id [8]byte
	rand.Read(id[:]) // never fails, says its documentation
	id[7] &= 0x7f    // SQL shows it as a signed number
	control := filepath.Join(data, "global", "pg_control")
	raw, err := os.ReadFile(control)
	if err != nil {
		return fmt.Errorf("read the control file: %w", err)
	}
	end := checksummed(raw)
	if end == 0 {
		return fmt.Errorf("read the control file %s: no checksum was found in it", control)
	}
	copy(raw, id[:])
	binary.LittleEndian.PutUint32(raw[end:], crc32.Checksum(raw[:end], castagnoli))
	if err := os.WriteFile(control, raw, 0o600); err != nil {
		return fmt.Errorf("write the control file: %w", err)
	}
	segments, err := filepath.Glob(filepath.Join(data, "pg_wal", "0000*"))
	if err != nil || len(segments) != 1 {
		return fmt.Errorf("find the WAL of %s: %d segments, want one", data, len(segments))
	}
	const inHeader = 24 // behind the header that every page has
	wal, err := os.OpenFile(segments[0], os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open the WAL: %w", err)
	}
	_, err = wal.WriteAt(id[:], inHeader)
	return errors.Join(err, wal.Close())
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksummed finds where the control file's checksum stands, 0 when it does
// not: how long the file is differs from version to version.
func checksummed(control []byte) int {
	for end := 8; end+4 <= min(len(control), longestControl); end += 4 {
		if crc32.Checksum(control[:end], castagnoli) == binary.LittleEndian.Uint32(control[end:]) {
			return end
		}
	}
	return 0
}
