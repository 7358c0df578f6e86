// Package images says what is in the testbed's images: the servers and the
// application of the fixture release. The product's own is made by
// internal/image/product, as it is released.
package images

import (
	"fmt"
	"os"

	"github.com/circleci-dr/circleci-dr/internal/image"
)

// Names of the images whose names do not depend on their content. The chart's
// values ask for them without a registry or organization of their own.
const (
	PauseName   = "tb/pause:1"
	FixtureName = "tb/fixture:1"
	MongoDBName = "tb/mongodb:4.4"
)

// PostgresName is the image of the PostgreSQL server of a major.
func PostgresName(major int) string { return fmt.Sprintf("tb/postgresql:%d", major) }

// ProductName is the product's image; its tag says what is in it.
func ProductName(b image.Built) string { return "tb/circleci-dr:" + b.ID() }

// Whole is a name with the registry that containerd takes a short one to be of.
func Whole(name string) string { return "docker.io/" + name }

const user = "1001"

const accounts = "root:x:0:0:root:/:/usr/bin/bash\napp:x:1001:1001::/tmp:/usr/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"

var clients = []string{"psql", "pg_dump", "pg_dumpall", "pg_restore", "pg_isready", "pg_basebackup"}

// tools is what scripts in the chart and people who look around expect.
var tools = []string{
	"base64", "basename", "bash", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo",
	"env", "false", "find", "getent", "grep", "gzip", "head", "hostname", "id", "kill", "ln", "ls", "md5sum", "mkdir",
	"mktemp", "mv", "nohup", "od", "printf", "ps", "rm", "rmdir", "sed", "seq", "sha256sum", "sleep", "sort", "split",
	"stat", "sync", "tail", "tar", "tee", "test", "timeout", "touch", "tr", "true", "uname", "uniq", "wc", "whoami", "xargs",
}

// Base are the layers most images share, so that they are imported once.
type Base struct{ clients, tools *image.Layer }

// NewBase makes the shared layers. clientDir holds PostgreSQL's client programs.
func NewBase(clientDir string) Base {
	c := image.NewRoot()
	for _, name := range clients {
		c.File(clientDir+"/"+name, "/usr/bin/"+name)
	}
	// Debian's libc does not have this locale built in; initdb asks for it.
	c.Tree("/usr/lib/locale/C.utf8", "/usr/lib/locale/C.utf8")
	c.File("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt")
	c.Text("/etc/passwd", accounts)
	c.Text("/etc/group", "root:x:0:\napp:x:1001:\nnogroup:x:65534:\n")
	c.Text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
	c.Close()
	t := image.NewLayer()
	for _, name := range tools {
		t.File(hostTool(name), "/usr/bin/"+name)
	}
	t.Link("/usr/bin/sh", "bash")
	t.Close(c)
	return Base{clients: c, tools: t}
}

func hostTool(name string) string {
	for _, dir := range []string{"/usr/bin/", "/bin/", "/usr/sbin/"} {
		if _, err := os.Stat(dir + name); err == nil {
			return dir + name
		}
	}
	return "/usr/bin/" + name // for the error that names it
}

var environment = []string{"PATH=/usr/bin:/usr/sbin", "LANG=C.UTF-8"}

// Pause is the image of the container that holds a pod's namespaces.
func Pause(binary string) image.Image {
	l := image.NewLayer()
	l.File(binary, "/pause")
	l.Close()
	return image.Image{Layers: []*image.Layer{l}, Entrypoint: []string{"/pause"}, User: "65534"}
}

// Fixture is the image of the application the fixture chart installs.
func (b Base) Fixture(binary string) image.Image {
	l := image.NewLayer()
	l.File(binary, "/usr/bin/fixture")
	l.Close(b.clients, b.tools)
	return image.Image{Layers: []*image.Layer{b.clients, b.tools, l}, Env: environment, Entrypoint: []string{"/usr/bin/fixture"}, User: user}
}

// Postgres is the image of the PostgreSQL server in the directory dir. The
// chart brings the script that starts it.
func (b Base) Postgres(dir string) image.Image {
	const home = "/opt/postgresql"
	l := image.NewLayer()
	l.Tree(dir, home, "*.a", "pkgconfig", "pgxs", "*plperl*", "*plpython*", "*pltcl*", "libecpg*")
	l.Dir("/bitnami/postgresql", 0o1777)
	l.Dir("/data", 0o1777)
	l.Dir("/var/run/postgresql", 0o1777)
	l.Close(b.clients, b.tools)
	return image.Image{
		Layers:     []*image.Layer{b.clients, b.tools, l},
		Env:        []string{"PATH=" + home + "/bin:/usr/bin:/usr/sbin", "LANG=C.UTF-8", "PGHOST=/tmp", "PGUSER=postgres"},
		Entrypoint: []string{home + "/bin/postgres"},
		User:       user,
	}
}

// MongoDB is the image of the MongoDB server in the directory dir, with the
// program that makes its first user. The chart brings the script that starts
// it.
func (b Base) MongoDB(dir, setup string) image.Image {
	l := image.NewLayer()
	for _, library := range []string{"libssl.so.1.1", "libcrypto.so.1.1"} {
		l.File(dir+"/lib/"+library, "/usr/lib/x86_64-linux-gnu/"+library)
	}
	l.File(dir+"/bin/mongod", "/usr/bin/mongod")
	l.Dir("/bitnami/mongodb", 0o1777)
	l.Close(b.clients, b.tools)
	// Apart, because it changes more often than the server.
	own := image.NewLayer()
	own.File(setup, "/usr/bin/mongosetup")
	own.Close(b.clients, b.tools, l)
	return image.Image{Layers: []*image.Layer{b.clients, b.tools, l, own}, Env: environment, Entrypoint: []string{"/usr/bin/mongod"}, User: user}
}
