package host

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// capabilities are the ones the testbed uses, by their number in the kernel.
var capabilities = []struct {
	number uint
	name   string
	why    string
}{
	{0, "CAP_CHOWN", "data directories of unprivileged servers"},
	{6, "CAP_SETGID", "servers that refuse to run as root"},
	{7, "CAP_SETUID", "servers that refuse to run as root"},
	{12, "CAP_NET_ADMIN", "the bridge, addresses and nftables"},
	{18, "CAP_SYS_CHROOT", "containers"},
	{21, "CAP_SYS_ADMIN", "mounts and namespaces"},
}

// Controllers are the control group hierarchies (version 1) that the kubelet
// and runc use.
var Controllers = []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"}

// CgroupRoot is where the control groups are mounted.
const CgroupRoot = "/sys/fs/cgroup"

// room is the free space the caches and a booted testbed need, in bytes.
const room = 6 << 30

// Check names everything the machine lacks that no package can give. dirs are
// where the testbed writes.
func Check(dirs ...string) error {
	var lacks []string
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		lacks = append(lacks, "Linux on amd64 (this is "+runtime.GOOS+" on "+runtime.GOARCH+")")
	}
	if os.Geteuid() != 0 {
		lacks = append(lacks, "root (it makes network links, mounts and control groups)")
	} else {
		lacks = append(lacks, lackedCapabilities()...)
		lacks = append(lacks, lackedCgroups()...)
	}
	if _, err := os.Stat("/dev/kmsg"); err != nil {
		lacks = append(lacks, "/dev/kmsg (the kubelet reads it)")
	}
	for _, dir := range dirs {
		if free, ok := freeSpace(dir); ok && free < room {
			lacks = append(lacks, fmt.Sprintf("room: %d MiB are free at %s, it needs %d", free>>20, dir, room>>20))
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("this machine lacks:\n  - %s", strings.Join(lacks, "\n  - "))
}

func lackedCapabilities() []string {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return []string{"/proc (" + err.Error() + ")"}
	}
	defer f.Close()
	var effective uint64
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if hex, ok := strings.CutPrefix(lines.Text(), "CapEff:"); ok {
			effective, err = strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			if err != nil {
				return []string{"readable capabilities (" + err.Error() + ")"}
			}
		}
	}
	var lacks []string
	for _, c := range capabilities {
		if effective&(1<<c.number) == 0 {
			lacks = append(lacks, "the capability "+c.name+" ("+c.why+")")
		}
	}
	return lacks
}

// lackedCgroups tries what the kubelet will do: make a group in each hierarchy.
func lackedCgroups() []string {
	const version2 = 0x63677270 // CGROUP2_SUPER_MAGIC
	var root syscall.Statfs_t
	if err := syscall.Statfs(CgroupRoot, &root); err == nil && root.Type == version2 {
		return []string{"control groups version 1 (" + CgroupRoot + " has only version 2; boot with systemd.unified_cgroup_hierarchy=0)"}
	}
	var lacks []string
	for _, c := range Controllers {
		probe := filepath.Join(CgroupRoot, c, fmt.Sprintf("circleci-dr-testbed-probe-%d", os.Getpid()))
		if err := os.Mkdir(probe, 0o755); err != nil {
			lacks = append(lacks, fmt.Sprintf("a writable control group hierarchy %q (%v)", c, err))
			continue
		}
		if err := os.Remove(probe); err != nil {
			lacks = append(lacks, fmt.Sprintf("a control group hierarchy %q that lets go (%v)", c, err))
		}
	}
	return lacks
}

// freeSpace looks at the nearest existing parent of dir.
func freeSpace(dir string) (uint64, bool) {
	for {
		var st syscall.Statfs_t
		err := syscall.Statfs(dir, &st)
		if err == nil {
			return st.Bavail * uint64(st.Bsize), true
		}
		if dir == filepath.Dir(dir) {
			return 0, false
		}
		dir = filepath.Dir(dir)
	}
}
