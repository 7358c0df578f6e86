package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const settingsRoot = "/proc/sys"

// settings are the kernel settings that the testbed or the kubelet changes,
// with the value the testbed needs; "" is left to the kubelet.
var settings = []struct{ name, value string }{
	{"net/ipv4/ip_forward", "1"},
	// Without it replies on the same bridge skip the translation back.
	{"net/bridge/bridge-nf-call-iptables", "1"},
	{"vm/overcommit_memory", ""},
	{"kernel/panic", ""},
	{"kernel/panic_on_oops", ""},
	{"kernel/keys/root_maxkeys", ""},
	{"kernel/keys/root_maxbytes", ""},
}

func readSetting(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(settingsRoot, name))
	return strings.TrimSpace(string(data)), err
}

// saveSettings records the settings once; a second call must not record what
// the first boot has changed.
func (p Plan) saveSettings() error {
	if _, err := os.Stat(p.Saved); err == nil {
		return nil
	}
	saved := map[string]string{}
	for _, s := range settings {
		value, err := readSetting(s.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the kernel has no such setting, so nobody changes it
		}
		if err != nil {
			return fmt.Errorf("read the kernel setting %s: %w", s.name, err)
		}
		saved[s.name] = value
	}
	data, err := json.Marshal(saved)
	if err != nil {
		return fmt.Errorf("save the kernel settings: %w", err)
	}
	if err := os.WriteFile(p.Saved+".tmp", data, 0o644); err != nil {
		return fmt.Errorf("save the kernel settings: %w", err)
	}
	if err := os.Rename(p.Saved+".tmp", p.Saved); err != nil {
		return fmt.Errorf("save the kernel settings: %w", err)
	}
	return nil
}

func (p Plan) applySettings(ctx context.Context) error {
	for _, s := range settings {
		if s.value == "" {
			continue
		}
		file := filepath.Join(settingsRoot, s.name)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(s.name, "net/bridge/") {
			if err := run(ctx, "modprobe", "br_netfilter"); err != nil {
				return fmt.Errorf("the kernel lacks %s: %w", s.name, err)
			}
		}
		if value, err := readSetting(s.name); err == nil && value == s.value {
			continue
		}
		if err := os.WriteFile(file, []byte(s.value), 0); err != nil {
			return fmt.Errorf("set the kernel setting %s: %w", s.name, err)
		}
	}
	return nil
}

func (p Plan) restoreSettings() error {
	data, err := os.ReadFile(p.Saved)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the saved kernel settings: %w", err)
	}
	var saved map[string]string
	if err := json.Unmarshal(data, &saved); err != nil {
		return fmt.Errorf("read the saved kernel settings from %s: %w", p.Saved, err)
	}
	var errs []error
	for name, value := range saved {
		if now, err := readSetting(name); err == nil && now == value {
			continue
		}
		if err := os.WriteFile(filepath.Join(settingsRoot, name), []byte(value), 0); err != nil {
			errs = append(errs, fmt.Errorf("restore the kernel setting %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
